"""YOLO: outlines and boxes as pycocotools fills them, folders as people have them, every fault."""

import os

import numpy as np
import pytest
from breaking import broken_bytes, draw_all, kinds, read, write_image
from pycocotools import mask as rle

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.yolo import matches, read_yolo, subsets
from mrcnn.data.formats.yolo_folders import read_yaml

OUTLINE = [0.1, 0.1, 0.333333, 0.15, 0.2, 0.75]
LINE = "1 " + " ".join(map(str, OUTLINE))
BOX = "0 0.5 0.5 0.25 0.4"
YAML = "path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog]\nnc: 2\n"


def written(folder, lines, image="images/a.jpg", label="labels/a.txt"):
    """An image and its label file; None writes none."""
    if image is not None:
        write_image(folder / image)
    if lines is not None:
        (folder / label).parent.mkdir(parents=True, exist_ok=True)
        (folder / label).write_text("\n".join(lines), encoding="utf-8")
    return folder


def filled(outline):
    """An outline in pixels by pycocotools, [40, 60] bool."""
    return rle.decode(rle.merge(rle.frPyObjects([outline], 40, 60))).astype(bool)


def test_outlines_and_boxes(tmp_path):
    written(tmp_path, [LINE, "", BOX, "  " + LINE.replace("1 ", "1.0 ", 1)])
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    dataset = read(read_yolo, tmp_path)
    masks, class_ids = dataset.load_mask(0)
    outline = filled([value * (60, 40)[i % 2] for i, value in enumerate(OUTLINE)])
    box = np.zeros((40, 60), bool)
    box[12:28, 22:38] = True  # x from 22.5 to 37.5
    np.testing.assert_array_equal(class_ids, [2, 1, 2])
    np.testing.assert_array_equal(masks[:, :, 0], outline)
    np.testing.assert_array_equal(masks[:, :, 2], outline)
    np.testing.assert_array_equal(masks[:, 23:37, 1], box[:, 23:37])
    assert not (masks[:, :, 1] & ~box).any()
    assert [one.place for one in dataset.instances(0)] == ["line 1", "line 3", "line 4"]
    assert kinds(dataset) == [("box-only", "", None)]
    assert dataset.findings[0].message.startswith("1 objects")
    assert dataset.class_names == ["BG", "cat", "dog"]
    assert dataset.map_source_class_id("yolo.1") == 2


def test_a_box_of_whole_pixels_has_them_all(tmp_path):
    dataset = read(read_yolo, written(tmp_path, ["0 0.25 0.5 0.2 0.3"]), names=["a"])
    want = np.zeros((40, 60), bool)
    want[14:26, 9:21] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0][:, :, 0], want)
    region = dataset.instances(0)[0].region
    np.testing.assert_allclose(region.box((40, 60)), (14, 9, 26, 21), rtol=1e-9)
    assert region.box() is None


def test_images_are_not_opened(tmp_path):
    written(tmp_path, [LINE])
    (tmp_path / "images" / "a.jpg").write_bytes(b"no image")
    dataset = read(read_yolo, tmp_path, names=["a", "b"])
    assert len(dataset.instances(0)) == 1
    with pytest.raises(DataError, match="not a readable image"):
        dataset.load_mask(0)


@pytest.mark.parametrize(("kind", "line"), [
    ("annotation-invalid", "1"), ("annotation-invalid", "1 0.5"),
    ("annotation-invalid", "1 0.1 0.1 0.5"), ("annotation-invalid", LINE + " 0.5"),
    ("annotation-invalid", "1 a b c d e f"), ("annotation-invalid", "cat 0.1 0.1 0.2 0.2 0.3 0.1"),
    ("annotation-invalid", "1 0.1 nan 0.2 0.2 0.3 0.1"),
    ("annotation-invalid", "1 0.1 inf 0.2 0.2 0.3 0.1"),
    ("class-unknown", LINE.replace("1", "2", 1)), ("class-unknown", "-" + LINE),
    ("class-unknown", LINE.replace("1", "0.5", 1)), ("class-unknown", "1e300 0.1 0.1"),
    ("outline-invalid", "1 0.1 0.1"), ("outline-invalid", "1 0.1 0.1 0.2 0.2 0.3 0.3 0.1 0.1"),
    ("box-invalid", "0 0.5 0.5 0 0.2"), ("box-invalid", "0 0.5 0.5 0.2 -0.2"),
    ("outside-image", "0 0.5 0.5 1.1 0.2"), ("outside-image", "1 10 10 200 150 120 30"),
    ("outside-image", "1 0.1 -0.2 0.2 0.2 0.3 0.1"), ("outside-image", "1 0 0 1e308 0 -1e308 5"),
])
def test_a_bad_line_is_named_and_the_others_stay(tmp_path, kind, line):
    written(tmp_path, [LINE], "images/a.jpg", "labels/a.txt")
    written(tmp_path, [LINE, line, LINE], "images/b.jpg", "labels/b.txt")
    dataset = read(read_yolo, tmp_path, names={0: "cat", 1: "dog"})
    assert kinds(dataset) == [(kind, "line 2", 1)]
    assert dataset.findings[0].file == str(tmp_path / "labels" / "b.txt")
    assert [one.place for one in dataset.instances(1)] == ["line 1", "line 3"]


def test_images_and_labels_without_each_other(tmp_path):
    written(tmp_path, None, "images/empty.jpg")
    written(tmp_path, [LINE], None, "labels/alone.txt")
    written(tmp_path, [LINE])
    dataset = read(read_yolo, tmp_path, names=["cat", "dog"])
    assert [len(dataset.instances(i)) for i in range(3)] == [1, 0, 1]
    assert [info["path"] and os.path.basename(info["path"]) for info in dataset.image_info] == [
        "a.jpg", "empty.jpg", None]
    assert kinds(dataset) == [("image-missing", "", 2)]
    assert dataset.findings[0].file.endswith("alone.txt")


def test_a_file_that_is_no_text(tmp_path):
    written(tmp_path, [LINE])
    (tmp_path / "labels" / "a.txt").write_bytes(b"1 0.1 \xff\xfe")
    dataset = read(read_yolo, tmp_path, names=["cat", "dog"])
    assert kinds(dataset) == [("annotations-unreadable", "", 0)]


def test_classes_without_names_are_called_by_number(tmp_path):
    dataset = read(read_yolo, written(tmp_path, [LINE, LINE.replace("1", "12", 1)]))
    assert dataset.class_names == ["BG", "class 1", "class 12"]
    assert [one.class_id for one in dataset.instances(0)] == [1, 2]
    assert kinds(dataset) == [("class-unnamed", "", None)]


@pytest.mark.parametrize("where", ["classes.txt", "labels/classes.txt"])
def test_classes_from_a_text_file(tmp_path, where):
    written(tmp_path, [LINE])
    (tmp_path / where).write_text("cat\ndog\n")
    dataset = read(read_yolo, tmp_path)
    assert dataset.class_names == ["BG", "cat", "dog"]
    assert dataset.findings == []


def test_classes_that_are_not_wanted_are_counted(tmp_path):
    written(tmp_path, [LINE, LINE, "0 " + LINE[2:]])
    dataset = read(read_yolo, tmp_path, names=["cat", "dog"], classes=["cat"])
    assert dataset.class_names == ["BG", "cat"]
    assert dataset.left_out == {"dog": 2}
    assert len(dataset.instances(0)) == 1


@pytest.mark.parametrize(("image", "label", "yaml"), [
    ("images/{}/a.jpg", "labels/{}/a.txt", YAML),
    ("images/{}/a.jpg", "labels/{}/a.txt", YAML.replace("path: .", "path: ../datasets/x")),
    ("images/{}/a.jpg", "labels/{}/a.txt", YAML.replace("path: .", "path: /datasets/x")),
    ("images/{}/a.jpg", "labels/{}/a.txt", "train: gone\nval: ../gone\nnames: {0: cat, 1: dog}"),
    ("images/{}/a.jpg", "labels/{}/a.txt", None),
    ("{}/images/a.jpg", "{}/labels/a.txt",
     "train: ../train/images\nval: ../val/images\nnames: [cat, dog]"),
    ("{}/images/a.jpg", "{}/labels/a.txt", None),
    ("set/{}/images/a.jpg", "set/{}/labels/a.txt",
     "path: set\ntrain: [train/images]\nval: [val/images]\nnames: [cat, dog]"),
])
def test_folders(tmp_path, image, label, yaml):
    folder = tmp_path / "data"
    written(folder, [LINE], image.format("train"), label.format("train"))
    written(folder, [LINE, LINE], image.format("val"), label.format("val"))
    options = {"names": ["cat", "dog"]}
    if yaml is not None:
        (folder / "data.yaml").write_text(yaml)
        options = {}
    for path in (folder, folder / "data.yaml") if yaml else (folder,):
        assert matches(path) and subsets(path) == ["train", "val"]
        for i, subset in enumerate(("train", "val"), 1):
            dataset = read(read_yolo, path, subset=subset, **options)
            assert dataset.findings == []
            assert dataset.class_names == ["BG", "cat", "dog"]
            assert [len(dataset.instances(k)) for k in dataset.image_ids] == [i]
            assert dataset.image_info[0]["path"] == str(folder / image.format(subset))
    with pytest.raises(DataError, match=r"one of \['train', 'val'\]"):
        read(read_yolo, folder, **options)


@pytest.mark.parametrize("line", ["images/train/{}.jpg", "./images/train/{}.jpg",
                                  "data/images/train/{}.jpg", "/home/me/set/images/train/{}.jpg",
                                  "..\\set\\images\\train\\{}.jpg"])
def test_text_files_may_list_the_images(tmp_path, line):
    for name in "abc":
        written(tmp_path, [LINE], f"images/train/{name}.jpg", f"labels/train/{name}.txt")
    (tmp_path / "data.yaml").write_text(YAML.replace("images/train", "train.txt")
                                        .replace("path: .", "path: ../datasets/set"))
    (tmp_path / "train.txt").write_text("\n".join(line.format(name) for name in "ac") + "\n\n")
    dataset = read(read_yolo, tmp_path, subset="train")
    assert dataset.findings == []
    assert [info["id"] for info in dataset.image_info] == [f"images/train/{n}.jpg" for n in "ac"]
    assert [len(dataset.instances(i)) for i in (0, 1)] == [1, 1]
    with open(tmp_path / "train.txt", "a") as file:
        file.write("../../gone.jpg\n\0\n")
    dataset = read(read_yolo, tmp_path, subset="train")
    assert kinds(dataset) == [("image-missing", "line 4", 2), ("image-missing", "line 5", 3)]
    assert dataset.findings[0].file == str(tmp_path / "train.txt")
    assert dataset.num_images == 4


def test_a_yaml_without_names_still_says_where(tmp_path):
    written(tmp_path, [LINE], "pictures/images/a.jpg", "pictures/labels/a.txt")
    (tmp_path / "data.yaml").write_text("train: pictures/images")
    dataset = read(read_yolo, tmp_path)
    assert dataset.num_images == 1
    assert kinds(dataset) == [("class-unnamed", "", None)]


def test_labels_beside_images_and_a_given_folder(tmp_path):
    written(tmp_path / "flat", [LINE], "a.jpg", "a.txt")
    (tmp_path / "flat" / "classes.txt").write_text("cat\ndog\n")
    assert matches(tmp_path / "flat")
    assert len(read(read_yolo, tmp_path / "flat").instances(0)) == 1
    written(tmp_path / "text", [LINE], None)
    image = write_image(tmp_path / "pictures" / "a.jpg")
    dataset = read(read_yolo, tmp_path / "text", images=tmp_path / "pictures", names=["a", "b"])
    assert dataset.image_info[0]["path"] == str(image)
    assert dataset.image_info[0]["id"] == "a.jpg"
    assert len(dataset.instances(0)) == 1
    with pytest.raises(FileNotFoundError, match="gone"):
        read(read_yolo, tmp_path / "text", images=tmp_path / "gone")


def test_images_of_a_folder_that_is_outside_are_not_read(tmp_path):
    written(tmp_path / "secret", [LINE])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.yaml").write_text("train: ../secret/images\nnames: [cat, dog]")
    with pytest.raises(DataError, match=r"no images: data.yaml says .*\.\./secret/images"):
        read(read_yolo, tmp_path / "set")


def test_nothing_to_read(tmp_path, balloon_dir, coco_dir):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(read_yolo, tmp_path / "nowhere")
    with pytest.raises(DataError, match="no images"):
        read(read_yolo, tmp_path)
    write_image(tmp_path / "images" / "a.jpg")
    with pytest.raises(DataError, match="expected label files"):
        read(read_yolo, tmp_path)
    assert not matches(tmp_path) and not matches(balloon_dir) and not matches(coco_dir)


@pytest.mark.parametrize(("text", "match"), [
    ("names: [a, b\ntrain: images", r"data.yaml: line 2, column \d+: no valid YAML"),
    ("- 3", "data.yaml: expected a mapping"), ("", "data.yaml: expected a mapping"),
    ("names: 3\ntrain: images", "names: expected a list of names"),
    ("names: []\ntrain: images", "names: expected a list of names"),
    ("names: [a, [b]]\ntrain: images", "expected a number from 0 and a name"),
    ("names: [no, yes]\ntrain: images", "in quotes"),
    ("names: {a: b}\ntrain: images", "expected a number from 0 and a name"),
    ("names: {-1: b}\ntrain: images", "expected a number from 0 and a name"),
    ("names: [a, b]\nnc: 3\ntrain: images", "nc: expected 2, the number of names, received 3"),
    ("names: " + "[" * 700, "data.yaml: .*no valid YAML"),
    ("names: !!int ''", "no valid YAML"), ("names: !!python/object:os.system x", "no valid YAML"),
    ("names: 2026-99-99", "no valid YAML"), ("\0", "no valid YAML"),
])
def test_a_yaml_that_cannot_be_used(tmp_path, text, match):
    written(tmp_path, [LINE])
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=match):
        read(read_yolo, tmp_path)


def test_two_sets_that_number_classes_differently(tmp_path):
    for name, names in (("a", ["cat", "dog"]), ("b", ["dog", "cat"])):
        written(tmp_path / name, [LINE], f"images/{name}.jpg", f"labels/{name}.txt")
        (tmp_path / name / "classes.txt").write_text("\n".join(names))
    dataset = read(read_yolo, tmp_path / "a", source="first")
    read_yolo(dataset, tmp_path / "b", source="second")
    dataset.prepare()
    assert dataset.class_names == ["BG", "cat", "dog"]
    assert [dataset.instances(i)[0].class_id for i in (0, 1)] == [2, 1]
    with pytest.raises(DataError, match="b: class 0 of source 'first' is 'cat' already"):
        read_yolo(dataset, tmp_path / "b", source="first")


ODD = ["", "nan", "inf", "-1", "1e400", "a", "\0", "99999", "0.5", "2", "9" * 5000, "٣", "1_0"]


@pytest.mark.parametrize("seed", range(150))
def test_damage_is_reported_and_nothing_is_lost(tmp_path, seed):
    rng = np.random.default_rng(seed)
    lines = [LINE, BOX, LINE + " 0.3 0.9", BOX]
    file = written(tmp_path, lines) / "labels" / "a.txt"
    if seed % 2:
        words = [line.split() for line in lines]
        for _ in range(rng.integers(1, 4)):
            row = words[rng.integers(len(words))]
            row[rng.integers(len(row))] = ODD[rng.integers(len(ODD))]
        file.write_text("\n".join(" ".join(row) for row in words), encoding="utf-8")
    else:
        file.write_bytes(broken_bytes(rng, file.read_bytes()))
    dataset = read(read_yolo, tmp_path, names=["cat", "dog"])
    draw_all(dataset)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        assert kinds(dataset) == [("annotations-unreadable", "", 0)]
        return
    lines_left = sum(bool(line.strip()) for line in text.splitlines())
    found = len(dataset.instances(0)) + sum("line" in one.region for one in dataset.findings)
    assert found == lines_left


@pytest.mark.parametrize("seed", range(100))
def test_a_damaged_yaml_is_no_traceback(tmp_path, seed):
    rng = np.random.default_rng(seed)
    written(tmp_path, [LINE], "images/train/a.jpg", "labels/train/a.txt")
    file = tmp_path / "data.yaml"
    file.write_bytes(broken_bytes(rng, YAML.encode()))
    try:
        dataset = read(read_yolo, tmp_path, subset="train")
    except DataError as error:
        assert str(tmp_path) in str(error)
    else:
        assert dataset.num_images == 1
        assert read_yaml(file)
