"""labelme: every shape as pycocotools or a loop fills it, groups, look-up of images, faults."""

import base64
import io
import json
import re

import numpy as np
import pytest
from breaking import broken_bytes, broken_tree, draw_all, kinds, read, write_image
from PIL import Image
from pycocotools import mask as rle

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.labelme import matches, read_labelme, subsets

POLYGON = [[5.5, 4], [20.25, 6], [12, 30]]


def png(mask, mode="1"):
    """A mask as labelme embeds it."""
    data = io.BytesIO()
    Image.fromarray(np.asarray(mask, bool)).convert(mode).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


PIECE = np.random.default_rng(5).random((9, 12)) > 0.5
SHAPES = {
    "polygon": {"points": POLYGON},
    "rectangle": {"points": [[33, 25.5], [21, 8]], "shape_type": "rectangle"},
    "circle": {"points": [[40, 20], [46, 28]], "shape_type": "circle"},
    "mask": {"points": [[45, 3], [56, 11]], "shape_type": "mask", "mask": png(PIECE)},
    "mask at the border": {"points": [[48, 31], [60, 40]], "shape_type": "mask",
                           "mask": png(PIECE)},
}


def shape(name="polygon", label="cat", **more):
    return {"label": label, "group_id": None, "flags": {}, "shape_type": "polygon",
            **SHAPES.get(name, {}), **more}


def written(folder, shapes, name="a", image=True, **more):
    """A JSON file, and its image beside it."""
    if image:
        write_image(folder / f"{name}.jpg")
    folder.mkdir(parents=True, exist_ok=True)
    data = {"version": "5.2.1", "flags": {}, "shapes": shapes, "imagePath": f"{name}.jpg",
            "imageData": None, "imageHeight": 40, "imageWidth": 60, **more}
    (folder / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def filled(*outlines):
    """Outlines by pycocotools, [40, 60] bool."""
    codes = rle.frPyObjects([np.ravel(outline).tolist() for outline in outlines], 40, 60)
    return rle.decode(rle.merge(codes)).astype(bool)


def disc():
    """The circle around (40, 20) through (46, 28): radius 10."""
    rows, columns = np.mgrid[:40, :60]
    return (columns + 0.5 - 40) ** 2 + (rows + 0.5 - 20) ** 2 < 100


def expected(name):
    canvas = np.zeros((40, 60), bool)
    if name == "polygon":
        return filled(POLYGON)
    if name == "rectangle":
        return filled([[21, 8], [33, 8], [33, 25.5], [21, 25.5]])
    if name == "circle":
        return disc()
    y, x = (3, 45) if name == "mask" else (31, 48)
    canvas[y:y + 9, x:x + 12] = PIECE
    return canvas


@pytest.mark.parametrize("sized", [True, False])
def test_every_shape(tmp_path, sized):
    size = {} if sized else {"imageHeight": None, "imageWidth": None}
    dataset = read(read_labelme, written(tmp_path, [shape(name) for name in SHAPES], **size))
    masks, class_ids = dataset.load_mask(0)
    assert dataset.findings == []
    assert dataset.class_names == ["BG", "cat"]
    np.testing.assert_array_equal(class_ids, [1] * len(SHAPES))
    for i, name in enumerate(SHAPES):
        np.testing.assert_array_equal(masks[:, :, i], expected(name), err_msg=name)
    assert ("height" in dataset.image_info[0]) == sized or dataset.image_size(0) == (40, 60)


def test_a_whole_rectangle_has_whole_pixels(tmp_path):
    corners = {"points": [[3, 5], [13, 12]]}
    dataset = read(read_labelme, written(tmp_path, [shape("rectangle", **corners,
                                                          shape_type="rectangle")]))
    want = np.zeros((40, 60), bool)
    want[5:12, 3:13] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0][:, :, 0], want)


def test_shapes_of_a_group_are_one_object(tmp_path):
    second = [[30, 5], [40, 5], [35, 12]]
    shapes = [shape(group_id=3), shape(label="dog", group_id=3), shape(points=second, group_id=3),
              shape("circle", label="dog", group_id=3), shape("mask", label="dog", group_id=3),
              shape("circle", group_id="3")]
    dataset = read(read_labelme, written(tmp_path, shapes))
    masks, class_ids = dataset.load_mask(0)
    np.testing.assert_array_equal(class_ids, [1, 2, 1])
    np.testing.assert_array_equal(masks[:, :, 0], filled(POLYGON, second))
    np.testing.assert_array_equal(masks[:, :, 1], filled(POLYGON) | disc() | expected("mask"))
    np.testing.assert_array_equal(masks[:, :, 2], disc())
    assert [one.place for one in dataset.instances(0)] == [
        "shape 0 and 2", "shape 1 and 3 and 4", "shape 5"]
    assert dataset.instances(0)[1].region.box() == (3, 5.5, 30.0, 57)


def test_classes_stand_in_the_order_of_their_names(tmp_path):
    written(tmp_path, [shape(label="dog"), shape(label="ant")], "a")
    written(tmp_path, [shape(label="cow")], "b")
    dataset = read(read_labelme, tmp_path)
    assert dataset.class_names == ["BG", "ant", "cow", "dog"]
    assert [[one.class_id for one in dataset.instances(i)] for i in (0, 1)] == [[3, 1], [2]]
    chosen = read(read_labelme, tmp_path, classes=["dog"])
    assert chosen.left_out == {"ant": 1, "cow": 1}
    assert [len(chosen.instances(i)) for i in (0, 1)] == [1, 0]


def test_what_is_no_object_is_counted(tmp_path):
    shapes = [shape("point", shape_type="point"), shape("x", shape_type="line"),
              shape("x", shape_type="point"), shape("x", shape_type="linestrip"),
              shape(label="__ignore__"), shape(label="_background_"), shape()]
    dataset = read(read_labelme, written(tmp_path, shapes))
    assert len(dataset.instances(0)) == 1
    assert sorted(one.message for one in dataset.findings) == [
        "1 line shapes have no area, left out", "1 linestrip shapes have no area, left out",
        "1 shapes are labelled __ignore__, left out",
        "1 shapes are labelled _background_, left out", "2 point shapes have no area, left out"]
    assert {one.kind for one in dataset.findings} == {"entry-ignored"}


@pytest.mark.parametrize(("kind", "bad"), [
    ("outline-invalid", shape(points=[[1, 2], [3, 4]])),
    ("outline-invalid", shape(points=[[1, 1], [2, 2], [3, 3]])),
    ("outline-invalid", shape(points=[])),
    ("outline-invalid", shape("circle", points=[[5, 5], [5, 5]])),
    ("outline-invalid", shape("rectangle", points=[[5, 5]])),
    ("box-invalid", shape("rectangle", points=[[5, 5], [5, 9]])),
    ("annotation-invalid", shape(points=[[1, 2], [3, None], [4, 5]])),
    ("annotation-invalid", shape(points=[[1, 2], [3, float("nan")], [4, 5]])),
    ("annotation-invalid", shape(points=[[1, 2], [3, 1e9], [4, 5]])),
    ("annotation-invalid", shape(points=[[1, 2], [3], [4, 5]])),
    ("annotation-invalid", shape(points="none")),
    ("annotation-invalid", shape(shape_type="cuboid")),
    ("annotation-invalid", shape(shape_type=["polygon"])),
    ("annotation-invalid", "none"),
    ("class-unknown", shape(label=None)),
    ("class-unknown", shape(label=" ")),
    ("outside-image", shape(points=[[70, 50], [80, 50], [75, 60]])),
    ("outside-image", shape(points=[[5, 5], [65, 5], [5, 20]])),
    ("outside-image", shape(points=[[5, -5], [30, 5], [5, 20]])),
    ("mask-invalid", shape("mask", mask="%%%")),
    ("mask-invalid", shape("mask", mask=base64.b64encode(b"no image").decode())),
    ("mask-invalid", shape("mask", mask=None)),
    ("mask-invalid", shape("mask", mask=png(PIECE[:5]))),
])
def test_a_bad_shape_is_named_and_the_others_stay(tmp_path, kind, bad):
    written(tmp_path, [shape()], "a")
    dataset = read(read_labelme, written(tmp_path, [shape(), bad, shape()], "b"))
    assert kinds(dataset) == [(kind, "shape 1", 1)]
    assert dataset.findings[0].file == str(tmp_path / "b.json")
    assert [one.place for one in dataset.instances(1)] == ["shape 0", "shape 2"]


def test_boxes_by_their_corners(tmp_path):
    corners = [[21, 8], [33, 8], [33, 25.5], [21, 25.5]]
    turned = [[30, 4], [40, 9], [36, 20], [26, 15]]
    shapes = [shape(points=corners, shape_type="rectangle"), shape("rectangle"),
              *(shape(points=turned, shape_type=kind)
                for kind in ("rotation", "oriented_rectangle", "quadrilateral"))]
    dataset = read(read_labelme, written(tmp_path, shapes))
    assert dataset.findings == []
    masks = dataset.load_mask(0)[0]
    for i, outline in enumerate((corners, corners, turned, turned, turned)):
        np.testing.assert_array_equal(masks[:, :, i], filled(outline))


def test_other_json_files_of_the_folder_are_counted(tmp_path):
    written(tmp_path, [shape()], "b")
    written(tmp_path, [shape()], "d")
    (tmp_path / "a.json").write_text('{"project": 3}')
    (tmp_path / "c.json").write_text('{"images": []}')
    dataset = read(read_labelme, tmp_path)
    assert [one.message for one in dataset.findings] == ["2 JSON files are not labelme's, left out"]
    assert [info["id"] for info in dataset.image_info] == ["b", "d"]
    write_image(tmp_path / "c.jpg")  # now something should be said about that image
    assert ("annotations-unreadable", "", 1) in kinds(read(read_labelme, tmp_path))
    assert kinds(read(read_labelme, tmp_path / "a.json"))[0][0] == "annotations-unreadable"


def test_rounding_at_the_border_is_no_fault(tmp_path):
    near = shape(points=[[-1.5, -2], [61.9, 5], [30, 41]])
    assert read(read_labelme, written(tmp_path, [near])).findings == []


def test_a_mask_that_is_cut_off_cannot_be_drawn(tmp_path):
    cut = base64.b64encode(base64.b64decode(png(PIECE))[:50]).decode()
    dataset = read(read_labelme, written(tmp_path, [shape("mask", mask=cut)]))
    with pytest.raises(DataError, match=r"a.jpg\), shape 0: the mask is no readable PNG"):
        dataset.load_mask(0)


@pytest.mark.parametrize(("kind", "changed"), [
    ("annotation-invalid", {"imagePath": None}),
    ("annotation-invalid", {"imageHeight": "40"}),
    ("annotation-invalid", {"imageWidth": -3}),
    ("annotation-invalid", {"imageWidth": None}),
    ("duplicate-id", {"imagePath": "a.jpg"}),
    ("annotations-unreadable", {"shapes": 3}),
    ("annotations-unreadable", {"shapes": None}),
])
def test_a_bad_file_is_named_and_is_an_image(tmp_path, kind, changed):
    written(tmp_path, [shape()], "a")
    written(tmp_path, **{"shapes": [shape()], "name": "b", **changed})
    dataset = read(read_labelme, tmp_path)
    found = [one for one in dataset.findings if one.kind != "image-unannotated"]
    assert [(one.kind, one.image, one.file) for one in found] == [
        (kind, 1, str(tmp_path / "b.json"))]
    assert dataset.num_images == 2
    assert len(dataset.instances(0)) == 1


OUTSIDE = ["../../a.jpg", "..\\..\\a.jpg", "C:\\a.jpg", "/etc/a.jpg", "http://x/a.jpg"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_the_folder_is_not_followed(tmp_path, name):
    write_image(tmp_path / "a.jpg")
    dataset = read(read_labelme, written(tmp_path / "x" / "y", [shape()], image=False,
                                         imagePath=name))
    assert kinds(dataset) == [("path-outside", "", 0)]
    assert dataset.image_info[0]["path"] is None


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("beside", ["a.jpg", "b.jpg"])
def test_a_file_that_was_moved_is_about_the_image_beside_it(tmp_path, name, beside):
    write_image(tmp_path / beside)
    dataset = read(read_labelme, written(tmp_path, [shape()], "b", image=False, imagePath=name))
    assert dataset.findings == []
    assert dataset.image_info[0]["path"] == str(tmp_path / beside)


def test_of_moved_files_the_one_called_as_the_image_counts_first(tmp_path):
    written(tmp_path, [shape()], "a")
    dataset = read(read_labelme, written(tmp_path, [shape()], "b", imagePath="../x/a.jpg"))
    assert dataset.findings == []
    assert dataset.image_info[1]["path"] == str(tmp_path / "b.jpg")


def test_a_broken_file_is_a_finding_and_reading_goes_on(tmp_path):
    for name in "abc":
        written(tmp_path, [shape()], name)
    text = (tmp_path / "b.json").read_text()
    (tmp_path / "b.json").write_text(text[:90])
    dataset = read(read_labelme, tmp_path)
    assert kinds(dataset) == [("annotations-unreadable", "", 1)]
    assert re.search(r"b.json: line 1, column \d+", dataset.findings[0].message)
    assert [len(dataset.instances(i)) for i in range(3)] == [1, 0, 1]
    assert dataset.image_info[1]["path"] == str(tmp_path / "b.jpg")


def test_a_missing_image(tmp_path):
    dataset = read(read_labelme, written(tmp_path, [shape()], image=False, imageData="x" * 9))
    assert kinds(dataset) == [("image-missing", "", 0)]
    assert "the copy in imageData is not used" in dataset.findings[0].message


@pytest.mark.parametrize(("json_at", "image_at", "name"), [
    ("", "", "a.jpg"), ("", "", "old\\name.png"), ("", "images", "a.jpg"),
    ("labels", "images", "..\\images\\a.jpg"), ("labels", "images", "a.jpg"),
    ("annotations", "images", "moved.jpg"), ("labels", "", "../a.jpg"),
])
def test_where_images_are_looked_for(tmp_path, json_at, image_at, name):
    written(tmp_path / json_at, [shape()], image=False, imagePath=name)
    image = write_image(tmp_path / image_at / "a.jpg")
    write_image(tmp_path / image_at / "b.jpg")
    dataset = read(read_labelme, tmp_path)
    assert dataset.image_info[0]["path"] == str(image)
    assert [(one.kind, one.message[:15]) for one in dataset.findings] == [
        ("image-unannotated", "1 images have n")]
    assert matches(tmp_path) and not subsets(tmp_path)


@pytest.mark.parametrize("name", ["a.jpg", "..\\..\\elsewhere\\a.jpg", "gone.jpg"])
def test_a_folder_of_images_can_be_given(tmp_path, name):
    image = write_image(tmp_path / "pictures" / "a.jpg")
    folder = written(tmp_path / "json", [shape()], image=False, imagePath=name)
    for path in (folder, folder / "a.json"):
        dataset = read(read_labelme, path, images=tmp_path / "pictures")
        assert dataset.image_info[0]["path"] == str(image)
        assert dataset.findings == []


@pytest.mark.parametrize("layout", ["{}", "{}/labels", "labels/{}"])
def test_subsets(tmp_path, layout):
    for name, number in (("train", 2), ("val", 1)):
        for i in range(number):
            written(tmp_path / layout.format(name), [shape()], f"{i}")
    assert matches(tmp_path) and subsets(tmp_path) == ["train", "val"]
    assert read(read_labelme, tmp_path, subset="train").num_images == 2
    assert read(read_labelme, tmp_path, subset="val").num_images == 1
    with pytest.raises(DataError, match=r"one of \['train', 'val'\]"):
        read(read_labelme, tmp_path)


def test_nothing_to_read(tmp_path, balloon_dir, coco_dir):
    with pytest.raises(DataError, match="expected labelme's .json files"):
        read(read_labelme, tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(read_labelme, tmp_path / "nowhere")
    assert not matches(tmp_path) and not matches(balloon_dir) and not matches(coco_dir)


def shapes_in(data):
    """How many shapes a file has, counted apart from the reader."""
    return len(data["shapes"]) if isinstance(data, dict) and isinstance(
        data.get("shapes"), list) else None


def accounted(dataset):
    """Shapes read, plus shapes of which a finding says that they are left out."""
    counted = [re.match(r"(\d+) .*shapes ", one.message) for one in dataset.findings
               if one.kind == "entry-ignored"]
    return (sum(one.place.count(" and ") + 1 for one in dataset.instances(0))
            + sum(one.region.startswith("shape ") for one in dataset.findings)
            + sum(int(found.group(1)) for found in counted))


@pytest.mark.parametrize("seed", range(150))
def test_damage_is_reported_and_nothing_is_lost(tmp_path, seed):
    rng = np.random.default_rng(seed)
    shapes = [shape(name, group_id=i % 3 or None) for i, name in enumerate(SHAPES)]
    shapes += [shape("x", shape_type="point"), shape(label="__ignore__")]
    file = written(tmp_path, shapes) / "a.json"
    if seed % 3 == 0:
        file.write_bytes(broken_bytes(rng, file.read_bytes()))
    else:
        file.write_text(json.dumps(broken_tree(rng, json.loads(file.read_text()))))
    dataset = read(read_labelme, file)
    draw_all(dataset)
    assert dataset.num_images == 1
    try:
        left = shapes_in(json.loads(file.read_text(encoding="utf-8-sig")))
    except (ValueError, RecursionError):
        left = None
    if left is None:
        assert [one.kind for one in dataset.findings][:1] == ["annotations-unreadable"]
    else:
        assert accounted(dataset) == left, [str(one) for one in dataset.findings]
