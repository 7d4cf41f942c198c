"""load_dataset finds the format, merges sets, and says what it looked for."""

import json
import shutil

import coco_sets
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.detect import READERS, detect_format, subsets_of
from mrcnn.data.formats.loading import load_dataset
from mrcnn.data.shapes import ShapesDataset

REGION = {"shape_attributes": {"name": "polygon", "all_points_x": [2, 8, 8],
                               "all_points_y": [2, 2, 8]}, "region_attributes": {}}
LABELME = {"version": "5.0.1", "flags": {}, "imagePath": "a.png", "imageData": None,
           "imageHeight": 16, "imageWidth": 20,
           "shapes": [{"label": "dog", "points": [[2, 2], [8, 2], [8, 8]], "group_id": None,
                       "shape_type": "polygon", "flags": {}}]}
XML = ("<annotation><filename>a.jpg</filename><size><width>20</width><height>16</height>"
       "<depth>3</depth></size><object><name>dog</name><bndbox><xmin>3</xmin><ymin>3</ymin>"
       "<xmax>8</xmax><ymax>8</ymax></bndbox></object></annotation>")


def picture(path, mode="RGB", box=None):
    """Writes an image of 16 x 20, its box painted 1 (255 in masks of one object)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = Image.new(mode, (20, 16))
    if box:
        file.paste(box[0], box[1])
    file.save(path)


def make_coco(folder):
    coco_sets.write(folder)


def make_via(folder):
    picture(folder / "a.png")
    (folder / "via_region_data.json").write_text(json.dumps(
        {"a.png1": {"filename": "a.png", "size": 1, "regions": {"0": REGION},
                    "file_attributes": {}}}))


def make_voc(folder):
    picture(folder / "JPEGImages" / "a.jpg")
    picture(folder / "SegmentationObject" / "a.png", "P", (1, (2, 2, 8, 8)))
    picture(folder / "SegmentationClass" / "a.png", "P", (12, (2, 2, 8, 8)))
    for name, text in (("Annotations/a.xml", XML), ("ImageSets/Segmentation/train.txt", "a\n")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def make_labelme(folder):
    picture(folder / "a.png")
    (folder / "a.json").write_text(json.dumps(LABELME))


def make_yolo(folder):
    picture(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 0.1 0.1 0.4 0.1 0.4 0.5\n")
    (folder / "data.yaml").write_text("names: [dog]\ntrain: images\n")


def make_masks(folder):
    picture(folder / "one" / "images" / "one.png")
    picture(folder / "one" / "masks" / "first.png", "L", (255, (2, 2, 8, 8)))


MAKERS = {"coco": make_coco, "via": make_via, "voc": make_voc, "labelme": make_labelme,
          "yolo": make_yolo, "masks": make_masks}


@pytest.mark.parametrize("name", READERS)
def test_every_format_is_recognised_and_read(tmp_path, name):
    MAKERS[name](tmp_path)
    assert detect_format(tmp_path) == name
    for given in ("auto", name):
        assert len(subsets_of(tmp_path, given)) == 1
        dataset = load_dataset(tmp_path, format=given)
        assert not [one for one in dataset.findings if one.is_error], dataset.findings
        mask, class_ids = dataset.load_mask(dataset.image_ids[0])
        assert mask.shape[:2] == (16, 20)
        assert len(class_ids) >= 1
        assert mask[3, 6].any()


def test_subsets(coco_dir, balloon_dir, tmp_path):
    assert subsets_of(coco_dir) == ["train2017", "val2017"]
    assert sorted(subsets_of(balloon_dir)) == ["train", "val"]
    assert subsets_of(coco_dir / "annotations" / "instances_val2017.json") == [None]
    assert subsets_of("shapes") == subsets_of("anything", format="shapes") == [None]
    with pytest.raises(DataError, match="expected subset to be one of"):
        load_dataset(coco_dir)
    assert load_dataset(coco_dir, subset="val2017").num_images == 80


def test_real_sets_are_recognised(coco_dir, balloon_dir):
    assert detect_format(coco_dir) == detect_format(coco_dir / "train2017") == "coco"
    assert detect_format(balloon_dir / "train") == "via"
    assert load_dataset(balloon_dir / "train").num_images == 61


def test_a_list_of_sets_becomes_one(tmp_path):
    make_coco(tmp_path / "a")
    make_coco(tmp_path / "b")
    make_labelme_folder = tmp_path / "c"
    make_labelme_folder.mkdir()
    make_labelme(make_labelme_folder)
    dataset = load_dataset([tmp_path / "a", tmp_path / "b", tmp_path / "c"])
    assert [info["source"] for info in dataset.image_info] == (
        ["coco"] * 3 + ["coco-2"] * 3 + ["labelme"])
    assert dataset.class_names == ["BG", "car", "dog", "brush"]
    np.testing.assert_array_equal(dataset.load_mask(6)[1], [2])
    np.testing.assert_array_equal(dataset.load_mask(4)[1], [-1, 2])
    assert dataset.findings == []


def test_images_elsewhere_and_options_reach_the_reader(tmp_path):
    make_coco(tmp_path / "a")
    shutil.move(tmp_path / "a" / "made", tmp_path / "far")
    options = {"images": tmp_path / "far", "class_ids": [18], "source": "mine"}
    dataset = load_dataset(tmp_path / "a", **options)
    assert dataset.findings == []
    assert dataset.class_names == ["BG", "dog"]
    assert dataset.map_source_class_id("mine.18") == 1
    dataset = load_dataset([tmp_path / "a"], **{**options, "images": [tmp_path / "far"]})
    assert dataset.findings == []
    assert load_dataset(tmp_path / "a", classes=["brush", "car"]).class_names == [
        "BG", "brush", "car"]


def test_the_shapes():
    dataset = load_dataset("shapes", count=3, height=64, width=96, seed=2)
    assert isinstance(dataset, ShapesDataset)
    assert dataset.num_images == 3
    assert dataset.load_image(0).shape == (64, 96, 3)
    assert load_dataset(None, format="shapes").num_images == 100
    with pytest.raises(ValueError, match="'heigth'; did you mean 'height'"):
        load_dataset("shapes", heigth=3)
    with pytest.raises(ValueError, match="subset: expected None"):
        load_dataset("shapes", subset="train")


@pytest.mark.parametrize(("options", "expected"), [
    ({"format": "cocoo"}, r"format: expected one of \['auto', 'coco',.*did you mean 'coco'"),
    ({"format": "Pascal VOC"}, "received 'Pascal VOC'"),
    ({"format": "YOLO"}, "did you mean 'yolo'"),
    ({"class_idz": [1]}, "format 'coco': .*'class_idz'; did you mean 'class_ids'"),
    ({"images": ["a", "b"]}, "as many folders as sets, at least one, received 2 and 1"),
])
def test_wrong_arguments_say_what_is_right(tmp_path, options, expected):
    make_coco(tmp_path)
    with pytest.raises(ValueError, match=expected):
        load_dataset(tmp_path, **options)


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder: .*nowhere"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert all(f"\n  {name}: " in str(caught.value) for name in READERS)
    with pytest.raises(ValueError, match="at least one"):
        load_dataset([])
    (tmp_path / "a.json").write_text('{"images": 3,\n "annotations"')
    with pytest.raises(DataError, match="a.json: line 2, column 15"):
        detect_format(tmp_path / "a.json")
