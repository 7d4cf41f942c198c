"""Folders of masks: every layout, every fault, nothing left out in silence."""

import random
import shutil

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.mask_folders import matches, read_masks, subsets

SHAPE = (30, 44)
RNG = np.random.default_rng(2)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


def spots(count):
    """[H, W, count] bool, apart from each other."""
    masks = np.zeros((*SHAPE, count), bool)
    for i in range(count):
        masks[2 + i:9 + i, 1 + 9 * i:8 + 9 * i, i] = True
    return masks


def picture():
    return RNG.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


COUNTS = {"0a1": 3, "7f3": 1, "b22": 4}


def nucleus(root):
    for name, count in COUNTS.items():
        save(root / name / "images" / f"{name}.png", picture())
        for i, mask in enumerate(np.moveaxis(spots(count), 2, 0)):
            save(root / name / "masks" / f"m{i}.png", mask.astype(np.uint8) * 255)
    return root


def folders(root):
    for name, count in COUNTS.items():
        save(root / "images" / f"{name}.jpg", picture())
        for i, mask in enumerate(np.moveaxis(spots(count), 2, 0)):
            save(root / "masks" / name / f"m{i}.png", mask.astype(np.uint8) * 255)
    return root


def label_image(count, kind="uint8"):
    values = np.arange(1, count + 1) * {"uint8": 60, "uint16": 9000, "colour": 4000}[kind]
    labels = (spots(count) * values).sum(axis=2)
    if kind == "colour":
        return np.stack([labels // 65536, labels // 256 % 256, labels % 256], -1).astype(np.uint8)
    return labels.astype(kind)


def labels(root, kind="uint8", ending="png"):
    for name, count in COUNTS.items():
        save(root / "images" / f"{name}.jpg", picture())
        save(root / "masks" / f"{name}.{ending}", label_image(count, kind))
    return root


def palette(root):
    labels(root)
    for name, count in COUNTS.items():
        save(root / "masks" / f"{name}.png", np.zeros(SHAPE, np.uint8))
        file = Image.fromarray(label_image(count)).convert("P")
        file.putpalette(list(range(256)) * 3)
        file.save(root / "masks" / f"{name}.png")
    return root


LAYOUTS = {
    "nucleus": nucleus, "folders": folders, "labels": labels, "palette": palette,
    "labels16": lambda root: labels(root, "uint16"),
    "colour": lambda root: labels(root, "colour"),
    "tif": lambda root: labels(root, "uint16", "tif"),
    "npy": lambda root: labels(root, "uint16", "npy"),
}


def read(path, classes=None, **options):
    dataset = AnnotatedDataset(classes)
    read_masks(dataset, path, **options)
    dataset.prepare()
    return dataset


def found(dataset):
    return [(one.kind, one.image) for one in dataset.findings]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_masks(tmp_path, layout):
    dataset = read(LAYOUTS[layout](tmp_path), class_name="cell")
    assert dataset.findings == []
    assert dataset.class_names == ["BG", "cell"]
    assert [info["id"] for info in dataset.image_info] == list(COUNTS)
    for image_id, count in enumerate(COUNTS.values()):
        mask, class_ids = dataset.load_mask(image_id)
        np.testing.assert_array_equal(mask, spots(count))
        np.testing.assert_array_equal(class_ids, np.ones(count))
        assert dataset.load_image(image_id).shape == (*SHAPE, 3)


def test_a_layout_can_be_asked_for(tmp_path):
    folders(tmp_path)
    save(tmp_path / "masks" / "0a1.png", label_image(2))
    assert found(read(tmp_path)) == [("duplicate-id", 0)]
    assert [len(read(tmp_path, layout="folders").instances(i)) for i in range(3)] == [3, 1, 4]
    only = read(tmp_path, layout="labels")
    assert len(only.image_info) == 1
    assert len(only.instances(0)) == 2
    assert {kind for kind, _ in found(only)} == {"image-unannotated", "entry-ignored"}
    with pytest.raises(DataError, match="layout: expected one of .*received 'xyz'"):
        read(tmp_path, layout="xyz")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_are_subsets(tmp_path, layout):
    for name in ("stage1_train", "val"):
        LAYOUTS[layout](tmp_path / name)
    assert subsets(tmp_path) == ["stage1_train", "val"]
    assert subsets(tmp_path / "val") == []
    assert len(read(tmp_path, subset="val").image_ids) == 3
    with pytest.raises(DataError, match=r"several subsets: .*\['stage1_train', 'val'\]"):
        read(tmp_path)
    with pytest.raises(DataError, match="received 'test'"):
        read(tmp_path, subset="test")
    shutil.rmtree(tmp_path / "val")
    assert len(read(tmp_path).image_ids) == 3
    assert matches(tmp_path)


def test_images_can_lie_elsewhere(tmp_path):
    labels(tmp_path / "set")
    (tmp_path / "set" / "images").rename(tmp_path / "pictures")
    for path in (tmp_path / "set", tmp_path / "set" / "masks"):
        dataset = read(path, images=tmp_path / "pictures")
        assert dataset.findings == []
        assert len(dataset.instances(0)) == 3
    with pytest.raises(DataError, match="nowhere: expected a folder of images, there is none"):
        read(tmp_path / "set", images=tmp_path / "nowhere")


def test_classes_that_were_not_asked_for_are_counted(tmp_path):
    dataset = read(nucleus(tmp_path), classes=["cat"])
    assert dataset.left_out == {"object": 8}
    assert [len(dataset.instances(i)) for i in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("layout", ["nucleus", "folders", "labels"])
def test_images_without_masks_are_counted_or_kept(tmp_path, layout):
    root = LAYOUTS[layout](tmp_path)
    if layout == "nucleus":
        save(root / "c00" / "images" / "c00.png", picture())
        save(root / "d00" / "images" / "d00.png", picture())
        (root / "d00" / "masks").mkdir()
    else:
        save(root / "images" / "c00.png", picture())
        save(root / "images" / "d00.png", picture())
    if layout == "folders":
        (root / "masks" / "d00").mkdir()
    dataset = read(root)
    assert len(dataset.image_info) == 3
    assert found(dataset) == [("image-unannotated", None)]
    assert "2 images without masks, left out, such as " in dataset.findings[0].message
    kept = read(root, unannotated=True)
    assert kept.findings == []
    assert len(kept.image_info) == 5
    assert kept.load_mask(4)[0].shape[2] == 0


@pytest.mark.parametrize("name", ["{}_mask", "{}-masks", "{}_Segmentation", "{}_seg", "{}_gt"])
def test_label_images_may_be_called_a_little_differently(tmp_path, name):
    labels(tmp_path)
    for stem in COUNTS:
        (tmp_path / "masks" / f"{stem}.png").rename(
            tmp_path / "masks" / f"{name.format(stem)}.png")
    dataset = read(tmp_path)
    assert dataset.findings == []
    for image_id, count in enumerate(COUNTS.values()):
        np.testing.assert_array_equal(dataset.load_mask(image_id)[0], spots(count))


@pytest.mark.parametrize("name", ["{}_{}", "{}-mask{}", "{}_mask_{}", "{}_instance_{}"])
def test_numbered_files_are_one_object_each(tmp_path, name):
    for stem, count in COUNTS.items():
        save(tmp_path / "images" / f"{stem}.png", picture())
        for i, mask in enumerate(np.moveaxis(spots(count), 2, 0)):
            save(tmp_path / "masks" / f"{name.format(stem, i)}.png", mask.astype(np.uint8) * 255)
    save(tmp_path / "images" / "7f3_0.png", picture())  # its own image, so no object of 7f3
    if name == "{}_{}":
        save(tmp_path / "masks" / "7f3_0.png", label_image(2))
    dataset = read(tmp_path)
    assert [one.kind for one in dataset.findings if one.is_error] == []
    counts = {info["id"]: dataset.load_mask(i)[0].shape[2]
              for i, info in enumerate(dataset.image_info)}
    own = {"7f3_0": 2} if name == "{}_{}" else {"7f3": 1}
    assert counts == {"0a1": 3, "b22": 4, **own}
    np.testing.assert_array_equal(dataset.load_mask(0)[0], spots(3))


def test_images_in_a_subset_s_folder_are_no_nucleus_set(tmp_path):
    for name in ("train", "val"):
        save(tmp_path / name / "images" / "1.png", picture())
    assert not matches(tmp_path)


def test_masks_of_one_value_are_one_object_and_it_is_said(tmp_path):
    for name in "ab":
        save(tmp_path / "images" / f"{name}.png", picture())
        save(tmp_path / "masks" / f"{name}.png", spots(3).any(axis=2).astype(np.uint8) * 255)
    dataset = read(tmp_path)
    assert found(dataset) == [("one-value", None)]
    assert dataset.findings[0].message.startswith("2 label images have one value each")
    assert dataset.load_mask(0)[0].shape[2] == 1
    save(tmp_path / "masks" / "b.png", label_image(2))
    assert found(read(tmp_path)) == []


def test_a_test_set_of_images_alone(tmp_path):
    for name in COUNTS:
        save(tmp_path / "stage1_test" / name / "images" / f"{name}.png", picture())
    assert matches(tmp_path)
    assert len(read(tmp_path, unannotated=True).image_ids) == 3
    assert found(read(tmp_path)) == [("image-unannotated", None)]


def test_a_label_image_of_zeros_is_an_image_without_objects(tmp_path):
    labels(tmp_path)
    save(tmp_path / "masks" / "7f3.png", np.zeros(SHAPE, np.uint8))
    dataset = read(tmp_path)
    assert dataset.findings == []
    assert [len(dataset.instances(i)) for i in range(3)] == [3, 0, 4]


def no_image(root):
    (root / "7f3" / "images" / "7f3.png").unlink()


def no_images_folder(root):
    shutil.rmtree(root / "7f3" / "images")


def two_images(root):
    save(root / "7f3" / "images" / "a.png", picture())


def stray_folder(root):
    save(root / "masks" / "cat" / "m.png", picture())


def stray_labels(root):
    save(root / "masks" / "cat.png", label_image(1))


def twin_image(root):
    save(root / "images" / "7f3.png", picture())


def twin_labels(root):
    save(root / "masks" / "7f3.tif", label_image(1))


def broken_labels(root):
    (root / "masks" / "7f3.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")


def cut_labels(root):
    data = (root / "masks" / "7f3.png").read_bytes()
    (root / "masks" / "7f3.png").write_bytes(data[:60])


def photograph(root):
    save(root / "masks" / "7f3.png", RNG.integers(0, 256, (120, 120, 3), dtype=np.uint8))


def jpeg_labels(root):
    (root / "masks" / "7f3.png").unlink()
    save(root / "masks" / "7f3.jpg", label_image(1))


def negative(root):
    (root / "masks" / "7f3.png").unlink()
    save(root / "masks" / "7f3.npy", label_image(1).astype(int) - 1)


@pytest.mark.parametrize(("make", "spoil", "kind", "message"), [
    (nucleus, no_image, "image-missing", "expected one image, there is none"),
    (nucleus, no_images_folder, "image-missing", "expected one image, there is none"),
    (nucleus, two_images, "annotation-invalid", r"received 2: ['7f3.png', 'a.png']"),
    (folders, stray_folder, "image-missing", "masks of an image that is not in"),
    (labels, stray_labels, "image-missing", "masks of an image that is not in"),
    (labels, twin_image, "duplicate-id", "two images of the name 7f3"),
    (labels, twin_labels, "duplicate-id", "expected one label image"),
    (labels, broken_labels, "mask-invalid", "not a readable image file"),
    (labels, cut_labels, "mask-invalid", "not a readable image file"),
    (labels, photograph, "mask-invalid", "values or colours: no label image"),
    (labels, jpeg_labels, "mask-invalid", "cannot be a JPEG"),
    (labels, negative, "mask-invalid", "expected values from 0 upwards, received -1"),
])
def test_faults_name_their_image(tmp_path, make, spoil, kind, message):
    root = make(tmp_path)
    spoil(root)
    dataset = read(root, unannotated=spoil is twin_image)
    assert [one.kind for one in dataset.findings] == [kind]
    finding = dataset.findings[0]
    assert message in finding.message
    info = dataset.image_info[finding.image]
    assert info["id"].startswith(("7f3", "cat"))
    others = [len(dataset.instances(i)) for i in dataset.image_ids if i != finding.image]
    assert sorted(set(others)) in ([3, 4], [1, 3, 4])


def test_masks_are_opened_only_when_they_are_drawn(tmp_path):
    root = nucleus(tmp_path)
    (root / "7f3" / "masks" / "m0.png").write_bytes(b"")
    save(root / "b22" / "masks" / "m1.png", np.zeros((30, 43), np.uint8))
    dataset = read(root)
    assert dataset.findings == []
    with pytest.raises(DataError, match=r"7f3.png\), m0.png: not a readable image file.*empty"):
        dataset.load_mask(1)
    with pytest.raises(DataError, match=r"m1.png: .*expected the image's size \(30, 44\), "
                                        r"received \(30, 43\)"):
        dataset.load_mask(2)
    assert len(dataset.load_mask(0)[1]) == 3


@pytest.mark.parametrize("make", [nucleus, folders, labels])
def test_what_is_left_out_is_counted(tmp_path, make):
    root = make(tmp_path)
    place = {nucleus: root / "0a1" / "masks", folders: root / "masks" / "0a1",
             labels: root / "masks"}[make]
    (place / "notes.txt").write_text("x")
    (place / ".hidden").write_text("x")
    (place.parent / "Thumbs.db").write_text("x") if make is folders else None
    if make is nucleus:
        (root / "empty").mkdir()
        save(root / "loose.png", picture())
        (root / "0a1" / "images" / "notes.txt").write_text("x")
    dataset = read(root)
    count = {nucleus: 4, folders: 2, labels: 1}[make]
    assert found(dataset) == [("entry-ignored", None)]
    assert dataset.findings[0].message.startswith(f"{count} files or folders")


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="no folders of masks: expected <id>/images"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read(tmp_path / "gone")
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match="there is no image in it"):
        read(tmp_path)


@pytest.mark.parametrize("names", [
    ("images/train", "labels/train"), ("train/images", "train/labels"),
    ("annotations", "train2017"), ("train", "val"), ("JPEGImages", "Annotations"), ()])
def test_other_formats_do_not_match(tmp_path, names):
    for name in names:
        save(tmp_path / name / "a.png", picture())
    assert not matches(tmp_path)
    assert not matches(tmp_path / "gone")


@pytest.mark.parametrize("seed", range(60))
def test_damaged_label_images_lose_nothing_unsaid(tmp_path, seed):
    root, rng = labels(tmp_path), random.Random(seed)
    path = root / "masks" / "7f3.png"
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 5)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data[:rng.randint(0, 2 * len(data))])
    dataset = read(root)
    assert len(dataset.image_info) == 3
    said = {one.image for one in dataset.findings}
    assert said <= {1}
    if not said:
        assert len(dataset.instances(1)) > 0 or not np.array(Image.open(path)).any()


def test_it_can_be_drawn(tmp_path):
    from mrcnn.visualize import display_instances

    dataset = read(folders(tmp_path), class_name="spot")
    mask, class_ids = dataset.load_mask(2)
    boxes = np.array([[2 + i, 1 + 9 * i, 9 + i, 8 + 9 * i] for i in range(4)])
    figure = display_instances(dataset.load_image(2), boxes, mask, class_ids, dataset.class_names)
    figure.savefig(tmp_path / "drawn.png")
    assert np.ptp(np.array(Image.open(tmp_path / "drawn.png"))) > 200
