"""COCO: real files against pycocotools, and every fault that a file may have."""

import json
import random
import shutil

import coco_sets
import numpy as np
import pytest
from pycocotools import mask as coding
from pycocotools.coco import COCO

from mrcnn.data.dataset import DataError
from mrcnn.data.formats import coco
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.coco import matches, read_coco, subsets
from mrcnn.data.formats.coco_regions import Polygons, Rle

SPLITS = ["train2017", "val2017"]


def read(path, classes=None, **options):
    """A prepared dataset."""
    dataset = AnnotatedDataset(classes)
    read_coco(dataset, path, **options)
    dataset.prepare()
    return dataset


def read_tree(folder, change=None):
    """The small set, changed by a function, as a prepared dataset."""
    content = coco_sets.tree()
    if change is not None:
        change(content)
    return read(coco_sets.write(folder, content))


# --- real files -----------------------------------------------------------------------------
@pytest.mark.parametrize("split", SPLITS)
def test_masks_classes_and_crowds_are_those_of_pycocotools(coco_dir, split):
    dataset = read(coco_dir, subset=split)
    oracle = COCO(str(coco_dir / "annotations" / f"instances_{split}.json"))
    assert dataset.findings == []
    assert [info["id"] for info in dataset.image_info] == oracle.getImgIds()
    names = [one["name"] for one in oracle.loadCats(sorted(oracle.getCatIds()))]
    assert dataset.class_names == ["BG", *names]
    crowds = 0
    for image_id in dataset.image_ids:
        mask, class_ids = dataset.load_mask(image_id)
        entries = oracle.imgToAnns[dataset.image_info[image_id]["id"]]
        drawn = [(oracle.annToMask(entry).astype(bool), entry) for entry in entries]
        drawn = [(one, entry) for one, entry in drawn if one.any()]
        expected = [dataset.map_source_class_id(f"coco.{entry['category_id']}")
                    * (-1 if entry["iscrowd"] else 1) for _, entry in drawn]
        crowds += sum(entry["iscrowd"] for _, entry in drawn)
        np.testing.assert_array_equal(class_ids, expected)
        if drawn:
            np.testing.assert_array_equal(mask, np.stack([one for one, _ in drawn], axis=-1))
    assert crowds > 0


@pytest.mark.parametrize("split", SPLITS)
def test_images_and_sizes_are_there(coco_dir, split):
    dataset = read(coco_dir / "annotations" / f"instances_{split}.json")
    for image_id in dataset.image_ids[:10]:
        assert dataset.load_image(image_id).shape[:2] == dataset.image_size(image_id)


def test_classes_can_be_chosen(coco_dir):
    oracle = COCO(str(coco_dir / "annotations" / "instances_val2017.json"))
    chosen = [18, 1]
    dataset = read(coco_dir, subset="val2017", class_ids=chosen)
    expected = {image_id for key in chosen for image_id in oracle.getImgIds(catIds=[key])}
    assert {info["id"] for info in dataset.image_info} == expected
    assert dataset.class_names == ["BG", "dog", "person"]
    for image_id in dataset.image_ids:
        entries = oracle.loadAnns(oracle.getAnnIds(dataset.image_info[image_id]["id"], chosen))
        found = [one.more["id"] for one in dataset.instances(image_id)]
        assert found == [entry["id"] for entry in entries]
    assert "dog" not in dataset.left_out
    assert sum(dataset.left_out.values()) > 0
    assert dataset.findings == []


# --- selection and merging ------------------------------------------------------------------
def test_the_small_set_is_sound(tmp_path):
    dataset = read_tree(tmp_path)
    assert dataset.findings == []
    assert dataset.class_names == ["BG", "car", "dog", "brush"]
    assert dataset.image_reference(1) == str(tmp_path / "made" / "b.png")
    np.testing.assert_array_equal(dataset.load_mask(1)[1], [-1, 2])
    assert dataset.load_mask(2)[0].shape == (0, 0, 0)
    assert dataset.map_source_class_id("coco.18") == 2


def test_the_order_of_the_lists_does_not_matter(tmp_path):
    content = coco_sets.tree()
    dataset = read(coco_sets.write(tmp_path / "a", content))
    turned = dict(reversed(content.items()))
    other = read(coco_sets.write(tmp_path / "b", turned))
    for image_id in dataset.image_ids:
        assert dataset.instances(image_id) == other.instances(image_id)


def test_class_map_renames_and_merges(tmp_path):
    file = coco_sets.write(tmp_path)
    dataset = read(file, class_map={18: "thing", "car": "thing", "lorry": "thing"})
    assert dataset.class_names == ["BG", "thing", "brush"]
    assert dataset.map_source_class_id("coco.18") == dataset.map_source_class_id("coco.3") == 1
    assert [(one.kind, one.message) for one in dataset.findings] == [
        ("class-unused", "class_map: there is no category 'lorry'")]


def test_several_sources_share_classes(tmp_path):
    first = coco_sets.write(tmp_path / "a")
    content = coco_sets.tree()
    content["categories"] = [{"id": 18, "name": "car"}, {"id": 3, "name": "puppy"}]
    second = coco_sets.write(tmp_path / "b", content)
    dataset = AnnotatedDataset()
    read_coco(dataset, first)
    read_coco(dataset, second, source="mine", class_map={"puppy": "dog"})
    dataset.prepare()
    assert dataset.class_names == ["BG", "car", "dog", "brush"]
    assert dataset.map_source_class_id("mine.18") == dataset.map_source_class_id("coco.3") == 1
    assert dataset.source_class_ids == {"": [0], "coco": [0, 1, 2, 3], "mine": [0, 1, 2]}
    np.testing.assert_array_equal(dataset.load_mask(0)[1], [2, 1])
    np.testing.assert_array_equal(dataset.load_mask(3)[1], [1, 2])
    assert dataset.num_images == 6


def test_two_files_of_one_source_clash(tmp_path):
    dataset = read(coco_sets.write(tmp_path / "a"))
    content = coco_sets.tree()
    content["categories"][0]["name"] = "cat"
    with pytest.raises(DataError, match="class 18 .* is 'dog' already.*another source"):
        read_coco(dataset, coco_sets.write(tmp_path / "b", content))
    read_coco(dataset, coco_sets.write(tmp_path / "b"))
    assert [one.image for one in dataset.findings if one.kind == "duplicate-id"] == [0, 1, 2]
    assert dataset.num_images == len(dataset.image_info) == 3


def test_only_given_classes_are_read_and_the_others_counted(tmp_path):
    dataset = read(coco_sets.write(tmp_path), classes=["dog"])
    assert dataset.class_names == ["BG", "dog"]
    assert dataset.left_out == {"car": 2}
    np.testing.assert_array_equal(dataset.load_mask(0)[1], [1])


def test_many_objects_wait_in_a_file(tmp_path, monkeypatch):
    file = coco_sets.write(tmp_path)
    expected = read(file)
    monkeypatch.setattr(coco, "MOST_IN_MEMORY", 100)
    found = read(file)
    for image_id in expected.image_ids:
        assert found.instances(image_id) == expected.instances(image_id)


def test_boxes_without_outlines_serve_as_masks(tmp_path):
    content = coco_sets.tree()
    del content["annotations"][0]["segmentation"]
    content["annotations"][2]["segmentation"] = []
    dataset = read(coco_sets.write(tmp_path, content))
    expected = np.zeros((16, 20, 2), bool)
    expected[2:8, 2:8, 0] = True
    expected[1:13, 1:16, 1] = True
    np.testing.assert_array_equal(dataset.load_mask(0)[0], expected)
    assert [(one.kind, one.is_error) for one in dataset.findings] == [("box-only", False)]
    assert "2 annotations" in dataset.findings[0].message


# --- folders --------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "images", "given"), [
    ("annotations/instances_made.json", "made", "."),
    ("annotations/instances_made.json", "images/made", "."),
    ("annotations/instances_made.json", "images", "."),
    ("annotations/instances_made.json", "made", "made"),
    ("annotations/instances_made.json", "images/made", "images/made"),
    ("annotations/instances_made.json", "made", "annotations"),
    ("annotations/all.json", "images", "."),
    ("made/_annotations.coco.json", "made", "."),
    ("made/_annotations.coco.json", "made", "made"),
    ("all.json", ".", "."),
    ("all.json", "images", "."),
    ("all.json", "images", "all.json"),
    ("annotations/instances_minimade.json", "made", "."),
    ("annotations/instances_minimade.json", "images/made", "."),
    ("annotations/person_keypoints_made.json", "made", "annotations/person_keypoints_made.json"),
    ("all.json", "pictures", "."),
    ("made/labels.json", "made/images", "."),
])
def test_images_are_found_beside_their_annotations(tmp_path, name, images, given):
    coco_sets.write(tmp_path, name=name, images=images)
    assert matches(tmp_path / given)
    dataset = read(tmp_path / given)
    assert dataset.findings == []
    assert dataset.load_image(1).shape == (10, 12, 3)


def test_a_relative_path_is_fine(tmp_path, monkeypatch):
    coco_sets.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    for given in (".", "annotations/instances_made.json"):
        dataset = read(given, class_ids=np.array([18, 3]))
        assert dataset.findings == []
        assert dataset.image_reference(0) == str(tmp_path / "made" / "a.png")
        assert [type(info["id"]) for info in dataset.class_info] == [int] * 3


def test_folders_that_all_hold_such_images_are_not_guessed_at(tmp_path):
    for folder in ("one", "two"):
        coco_sets.write(tmp_path, name="labels.json", images=folder)
    assert [one.kind for one in read(tmp_path).findings] == ["image-missing"] * 3
    coco_sets.write(tmp_path, name="labels_two.json")
    dataset = read(tmp_path / "labels_two.json")
    assert dataset.findings == []
    assert dataset.image_reference(0) == str(tmp_path / "two" / "a.png")


def test_other_files_beside_the_instances_are_no_subsets(tmp_path):
    for subset in ("train", "val"):
        coco_sets.write(tmp_path, name=f"annotations/instances_{subset}.json", images=subset)
        coco_sets.write(tmp_path, name=f"annotations/captions_{subset}.json", images=subset)
    assert subsets(tmp_path / "annotations") == subsets(tmp_path) == ["train", "val"]


def test_a_folder_of_many_json_files_is_not_looked_into(tmp_path):
    for i in range(3):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / "made" / f"{i}.json").write_text('{"shapes": []}')
    assert not matches(tmp_path)
    coco_sets.write(tmp_path, name="made/labels.json")
    assert not matches(tmp_path)
    (tmp_path / "made" / "0.json").unlink()
    assert subsets(tmp_path) == ["made"]


def test_a_file_of_categories_alone_is_no_coco_set(tmp_path):
    (tmp_path / "notes.json").write_text('{"categories": [{"id": 0, "name": "a"}], "info": {}}')
    assert not matches(tmp_path)
    content = {"categories": [{"id": i, "name": f"c{i}"} for i in range(1203)],
               **{key: coco_sets.TREE[key] for key in ("images", "annotations")}}
    assert matches(coco_sets.write(tmp_path, content))


@pytest.mark.parametrize(("name", "kind"), [
    ("..\\..\\media\\upload\\4\\a.png", "path-outside"), ("/data/upload/4/a.png", "path-outside"),
    ("C:\\Users\\me\\a.png", "path-outside"), ("images\\1/a.png", "image-missing"),
    ("http://localhost:8080/data/a.png", "image-missing"),
])
def test_in_a_folder_that_is_given_the_last_part_of_a_name_is_enough(tmp_path, name, kind):
    content = coco_sets.tree()
    content["images"][0]["file_name"] = name
    file = coco_sets.write(tmp_path, content, "result.json", "images")
    assert [one.kind for one in read(file).findings if one.image == 0] == [kind]
    dataset = read(file, images=tmp_path / "images")
    assert dataset.findings == []
    assert dataset.image_reference(0) == str(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "a.png").unlink()
    assert [one.kind for one in read(file, images=tmp_path / "images").findings] == [kind]


def test_lvis_names_its_images_by_address(tmp_path):
    content = coco_sets.tree()
    for one in content["images"]:
        one["coco_url"] = f"http://images.cocodataset.org/train2017/{one.pop('file_name')}"
    coco_sets.write(tmp_path, content, "lvis_v1_train.json", "train2017")
    dataset = read(tmp_path)
    assert dataset.findings == []
    assert dataset.image_reference(0) == str(tmp_path / "train2017" / "a.png")


def test_crowds_can_be_read_as_objects(tmp_path):
    file = coco_sets.write(tmp_path)
    assert sorted(read(file).load_mask(1)[1].tolist()) == [-1, 2]
    assert sorted(read(file, crowds_as_objects=True).load_mask(1)[1].tolist()) == [1, 2]


def test_a_size_that_is_not_said_is_that_of_the_file(tmp_path):
    def forget(tree):
        tree["images"][0].update(width=None, height=None)
        del tree["images"][1]["width"], tree["images"][1]["height"]
    dataset, told = read_tree(tmp_path, forget), read_tree(tmp_path)
    assert dataset.findings == []
    for image_id in (0, 1):
        np.testing.assert_array_equal(dataset.load_mask(image_id)[0],
                                      told.load_mask(image_id)[0])


@pytest.mark.parametrize("name", ["annotations/instances_{}.json", "{}/_annotations.coco.json",
                                  "{}.json", "{}/labels.json"])
def test_subsets(tmp_path, name):
    for subset in ("train", "val"):
        coco_sets.write(tmp_path, name=name.format(subset), images=subset)
    assert sorted(subsets(tmp_path)) == ["train", "val"]
    assert read(tmp_path, subset="val").image_reference(0) == str(tmp_path / "val" / "a.png")
    with pytest.raises(DataError, match=r"expected subset to be one of \['train', 'val'\]"):
        read(tmp_path)
    with pytest.raises(DataError, match="'vall'; did you mean 'val'"):
        read(tmp_path, subset="vall")


def test_the_images_may_lie_elsewhere(tmp_path):
    file = coco_sets.write(tmp_path / "set", images="../far/made")
    for folder in (tmp_path / "far", tmp_path / "far" / "made"):
        assert read(file, images=folder).findings == []
    with pytest.raises(FileNotFoundError, match="images: no such folder"):
        read(file, images=tmp_path / "nowhere")
    shutil.rmtree(tmp_path / "far")
    findings = read(file).findings
    assert [one.kind for one in findings] == ["image-missing"] * 3
    for tried in ("set/made", "set/images/made", "set/images"):
        assert str(tmp_path / tried) in findings[0].message


def test_what_is_no_coco_set(tmp_path):
    (tmp_path / "a.json").write_text('{"version": "5", "shapes": [], "imagePath": "a.png"}')
    (tmp_path / "b.json").write_text('{"a.png1": {"regions": [], "images": []}}')
    (tmp_path / "c.json").write_text("[1, 2")
    assert not matches(tmp_path)
    assert not matches(tmp_path / "b.json")
    with pytest.raises(DataError, match=r"no COCO annotations found; looked for annotations/"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read(tmp_path / "none")


# --- faults of the whole file ---------------------------------------------------------------
def only(key, value):
    return lambda tree: tree["annotations"].__setitem__(slice(None), [{"id": 1, key: value}])


@pytest.mark.parametrize(("change", "expected"), [
    (lambda tree: tree.pop("annotations"), "received no 'annotations'"),
    (lambda tree: tree.pop("categories"), "received no 'categories'"),
    (lambda tree: tree.update(images={}), "received no list as 'images'"),
    (lambda tree: tree.update(images=[]), "at least one entry in 'images'"),
    (only("segments_info", []), "received panoptic annotations"),
    (only("caption", "a dog"), "received captions"),
    (only("keypoints", [1, 2, 2]), "received keypoints without outlines"),
])
def test_another_kind_of_file(tmp_path, change, expected):
    content = coco_sets.tree()
    change(content)
    with pytest.raises(DataError, match=f"instances_made.json: .*{expected}"):
        read(coco_sets.write(tmp_path, content))


@pytest.mark.parametrize(("text", "expected"), [
    (json.dumps(coco_sets.TREE, indent=1)[:-30], r"line \d+, column \d+: no valid JSON"),
    ("[]", "line 1, column 1: .*expected an object"),
    ("", "line 1, column 1"),
])
def test_broken_json(tmp_path, text, expected):
    with pytest.raises(DataError, match=f"instances_made.json: {expected}"):
        read(coco_sets.write(tmp_path, text))


def test_classes_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"class_ids: .*\[18, 3, 90\], received \[4\]"):
        read(coco_sets.write(tmp_path), class_ids=[3, 4])


def test_a_class_map_maps_to_names(tmp_path):
    with pytest.raises(ValueError, match="class_map: expected class names"):
        read(coco_sets.write(tmp_path), class_map={18: 3})


# --- faults of single entries ---------------------------------------------------------------
def image(**values):
    return lambda tree: tree["images"][0].update(values)


def without(part, key):
    return lambda tree: tree[part][0].pop(key)


def annotation(**values):
    return lambda tree: tree["annotations"][0].update(values)


def outline(*numbers):
    return annotation(segmentation=[list(numbers)])


def rle(counts, size=(16, 20)):
    return annotation(segmentation={"size": list(size), "counts": counts})


def again(part, **values):
    return lambda tree: tree[part].append({**tree[part][0], **values})


def deep(levels):
    """A list in a list, and so on."""
    value = []
    for _ in range(levels):
        value = [value]
    return value


NAN, INF = float("nan"), float("inf")
# (change, kind, region, image, words of the message, objects read of the first image)
FAULTS = {
    "image id again": (again("images", file_name="z.png"), "duplicate-id", "image 7", 0,
                       "'z.png', is left out", 2),
    "image id as text again": (again("images", id="7"), "duplicate-id", "image 7", 0, "two", 2),
    "image no object": (lambda tree: tree["images"].insert(0, 3), "annotation-invalid",
                        "image entry 0", 0, "expected an object, received 3", 0),
    "image id list": (lambda tree: tree["images"].append({"id": [7]}), "annotation-invalid",
                      "image entry 3", 3, r"id: expected a number or a text, received \[7\]", 2),
    "image id bool": (lambda tree: tree["images"].append({"id": True}), "annotation-invalid",
                      "image entry 3", 3, "received True", 2),
    "file name missing": (without("images", "file_name"), "annotation-invalid", "image 7", 0,
                          "file_name: expected a file name, received None", 2),
    "file name number": (image(file_name=7), "annotation-invalid", "image 7", 0, "received 7", 2),
    "file name climbs": (image(file_name="../../x.png"), "path-outside", "image 7", 0,
                         "leads out", 2),
    "file name absolute": (image(file_name="/etc/passwd"), "path-outside", "image 7", 0,
                           "leads out", 2),
    "file capital": (image(file_name="A.png"), "image-missing", "image 7", 0,
                     "A.png; there is a.png, and capital letters count", 2),
    "file absent": (image(file_name="z.png"), "image-missing", "image 7", 0,
                    "no such file: .*z.png", 2),
    "width 0": (image(width=0), "annotation-invalid", "image 7", 0, "width: .*received 0", 2),
    "height text": (image(height="16"), "annotation-invalid", "image 7", 0, "height: .*'16'", 2),
    "width missing": (without("images", "width"), "annotation-invalid", "image 7", 0, "None", 2),
    "width half": (image(width=19.5), "annotation-invalid", "image 7", 0, "19.5", 2),
    "width true": (image(width=True), "annotation-invalid", "image 7", 0, "True", 2),
    "width NaN": (image(width=NAN), "annotation-invalid", "image 7", 0, "nan", 2),
    "absurd size": (image(width=10**9, height=10**9), "annotation-invalid", "image 7", 0,
                    "at most 2147483648 pixels", 2),
    "category again": (again("categories", name="cat"), "duplicate-id", "category entry 3", None,
                       "'dog' already, received 'cat'", 2),
    "category no name": (without("categories", "name"), "annotation-invalid", "category entry 0",
                         None, "name: expected a text", 1),
    "category no object": (lambda tree: tree["categories"].append("dog"), "annotation-invalid",
                           "category entry 3", None, "expected an object", 2),
    "annotation no object": (lambda tree: tree["annotations"].append(None), "annotation-invalid",
                             "annotation entry 4", None, "expected an object, received None", 2),
    "annotation id again": (again("annotations"), "duplicate-id", "annotation 101", 0, "two", 2),
    "annotation id list": (annotation(id=[1]), "annotation-invalid", "annotation entry 0", 0,
                           "id: ", 1),
    "image unknown": (annotation(image_id=8), "annotation-invalid", "annotation 101", None,
                      "image_id: .*received 8", 1),
    "image of none": (without("annotations", "image_id"), "annotation-invalid", "annotation 101",
                      None, "received None", 1),
    "class unknown": (annotation(category_id=99), "class-unknown", "annotation 101", 0,
                      "received 99", 1),
    "class missing": (without("annotations", "category_id"), "annotation-invalid",
                      "annotation 101", 0, "category_id", 1),
    "crowd odd": (annotation(iscrowd=2), "annotation-invalid", "annotation 101", 0, "iscrowd", 1),
    "area text": (annotation(area="36"), "annotation-invalid", "annotation 101", 0, "area", 1),
    "box of three": (annotation(bbox=[1, 2, 3]), "box-invalid", "annotation 101", 0, "bbox", 1),
    "box empty": (annotation(bbox=[2, 2, 0, 6]), "box-invalid", "annotation 101", 0, "above 0", 1),
    "box inverted": (annotation(bbox=[8, 8, -6, -6]), "box-invalid", "annotation 101", 0, "-6", 1),
    "box NaN": (annotation(bbox=[NAN, 2, 6, 6]), "box-invalid", "annotation 101", 0, "finite", 1),
    "box outside": (annotation(bbox=[30, 2, 6, 6]), "outside-image", "annotation 101", 0,
                    "20 x 16 pixels, received x 30 to 36, y 2 to 8", 1),
    "box too large": (annotation(bbox=[2, 2, 6, 60]), "outside-image", "annotation 101", 0, "62",
                      1),
    "nothing at all": (lambda tree: [tree["annotations"][0].pop(key)
                                     for key in ("bbox", "segmentation")],
                       "annotation-invalid", "annotation 101", 0, "received neither", 1),
    "two points": (outline(2, 2, 8, 8), "outline-invalid", "annotation 101", 0, "4 numbers", 1),
    "no points": (outline(), "outline-invalid", "annotation 101", 0, "received 0 numbers", 1),
    "odd count": (outline(2, 2, 8, 2, 8, 8, 2), "outline-invalid", "annotation 101", 0, "7", 1),
    "a line": (outline(.1, .1, .2, .2, .3, .3), "outline-invalid", "annotation 101", 0, "line", 1),
    "one point": (outline(*[3, 4] * 5), "outline-invalid", "annotation 101", 0, "line", 1),
    "outline NaN": (outline(2, 2, NAN, 2, 8, 8), "outline-invalid", "annotation 101", 0, "nan", 1),
    "outline inf": (outline(2, 2, INF, 2, 8, 8), "outline-invalid", "annotation 101", 0, "inf", 1),
    "outline huge": (outline(2, 2, 10**400, 2, 8, 8), "outline-invalid", "annotation 101", 0,
                     "finite", 1),
    "outline text": (outline(2, 2, "8", 2, 8, 8), "outline-invalid", "annotation 101", 0, "'8'", 1),
    "outline flat": (annotation(segmentation=coco_sets.SQUARE), "outline-invalid",
                     "annotation 101", 0, "expected a list of finite numbers, received 2", 1),
    "outline number": (annotation(segmentation=7), "outline-invalid", "annotation 101", 0, "7", 1),
    "outline outside": (outline(2, 2, 8, 2, 8, 80), "outside-image", "annotation 101", 0,
                        "received .* y 2 to 80", 1),
    "outline beside": (outline(-2, 2, -1, 2, -1, 8), "outside-image", "annotation 101", 0,
                       "x -2 to -1", 1),
    "RLE of another size": (rle([320], (20, 16)), "mask-invalid", "annotation 101", 0,
                            r"expected the image's size \[16, 20\], received \[20, 16\]", 1),
    "RLE no size": (annotation(segmentation={"counts": [320]}), "mask-invalid", "annotation 101",
                    0, "received None", 1),
    "RLE too short": (rle([100, 20]), "mask-invalid", "annotation 101", 0, "16 x 20 = 320", 1),
    "RLE too long": (rle([100, 2**40]), "mask-invalid", "annotation 101", 0, "received 10995", 1),
    "RLE negative": (rle([100, -20, 240]), "mask-invalid", "annotation 101", 0, "-20", 1),
    "RLE floats": (rle([100.0, 220]), "mask-invalid", "annotation 101", 0, "whole numbers", 1),
    "RLE bools": (rle([True, 319]), "mask-invalid", "annotation 101", 0, "whole numbers", 1),
    "RLE huge": (rle([10**30]), "mask-invalid", "annotation 101", 0, "whole numbers", 1),
    "RLE no counts": (rle(None), "mask-invalid", "annotation 101", 0, "counts", 1),
    "RLE text short": (rle("n0:V2"), "mask-invalid", "annotation 101", 0, "add up to", 1),
    "RLE text cut": (rle("n0:P"), "mask-invalid", "annotation 101", 0, "damaged", 1),
    "RLE text odd": (rle("n0 \x7f"), "mask-invalid", "annotation 101", 0, "damaged", 1),
    "RLE text long": (rle("o" * 100 + "1"), "mask-invalid", "annotation 101", 0, "too large", 1),
    "RLE text not ASCII": (rle("n0\u20ac"), "mask-invalid", "annotation 101", 0, "ASCII", 1),
    "deep": (annotation(extra=deep(100)), "annotation-invalid", "annotation 101", 0, "deeply", 1),
    "very deep": (annotation(extra=deep(900)), "annotation-invalid", "annotation 101", 0, "dee", 1),
    "deep image": (image(extra=deep(100)), "annotation-invalid", "image 7", 0, "deeply", 2),
    "RLE text empty": (rle(""), "mask-invalid", "annotation 101", 0, "received 0", 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found_and_the_rest_is_read(tmp_path, name):
    change, kind, region, place, message, count = FAULTS[name]
    dataset = read_tree(tmp_path, change)
    found = [one for one in dataset.findings if one.kind == kind and one.region == region]
    assert [one.image for one in found] == [place], dataset.findings
    with pytest.raises(DataError, match=message):
        raise DataError(found[0].message)
    assert found[0].file.endswith("instances_made.json")
    assert len(dataset.instances(0)) == count
    if place is not None:
        dataset.skip_images([place])
    for image_id in dataset.image_ids:
        dataset.load_mask(image_id)


@pytest.mark.parametrize("change", [
    annotation(bbox=[-2, -2, 23.9, 19.9]),
    annotation(bbox=[2.0, 2, 6, 6], area=None, iscrowd=False),
    annotation(id="a1", image_id=7.0, extra=[None, {}]),
    without("annotations", "id"),
    without("annotations", "iscrowd"),
    annotation(iscrowd=None),
    without("annotations", "bbox"),
    annotation(bbox=[]),
    annotation(image_id="7", category_id="18"),
    image(width=20.0),
    outline(2, 2, 8, 8, 8, 2, 2, 8),  # crosses itself: as much to the left as to the right
])
def test_what_is_no_fault(tmp_path, change):
    dataset = read_tree(tmp_path, change)
    assert dataset.findings == []
    assert dataset.load_mask(0)[0].shape == (16, 20, 2)


# --- mutations ------------------------------------------------------------------------------
def places_of(value, found=None):
    """(container, key) of everything in a tree."""
    found = [] if found is None else found
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            places_of(value[key], found)
    return found


ODD = [None, True, -1, 0, 3, 1.5, NAN, INF, -1e308, 10**50, "", "x", "\ud800", "../../a", [], [[]],
       {}, [1, 2], [[[[1]]]], {"size": [1]}, {"counts": [3], "size": [10**9, 10**9]}, 2**63]


@pytest.mark.parametrize("seed", range(100))
def test_mutations_never_end_in_a_traceback_or_in_silence(tmp_path, seed):
    rng = random.Random(seed)
    content = coco_sets.tree()
    before = len(content["annotations"])
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(places_of(content))
        if rng.random() < 0.2:
            container.pop(key)
        else:
            container[key] = rng.choice(ODD)
    text = json.dumps(content)
    if seed % 5 == 0:
        cut = rng.randrange(len(text))
        text = text[:cut] + rng.choice(["", "\ufffd", "9" * 5000, "[" * 5000]) + text[cut + 3:]
    file = coco_sets.write(tmp_path, text)
    try:
        dataset = read(file)
    except DataError as error:
        assert str(file) in str(error)
        return
    kept = sum(len(dataset.instances(i)) for i in dataset.image_ids)
    annotations = content["annotations"] if isinstance(content["annotations"], list) else []
    lost = {one.region for one in dataset.findings if one.region.startswith("annotation")}
    if seed % 5:
        assert kept + len(lost) >= min(before, len(annotations))
    faulty = {one.image for one in dataset.findings if one.is_error}
    for image_id in set(dataset.image_ids.tolist()) - faulty:
        dataset.load_mask(image_id)


# --- regions --------------------------------------------------------------------------------
def test_run_lengths_are_decoded_as_pycocotools_does():
    rng = np.random.default_rng(0)
    for _ in range(500):
        height, width = (int(side) for side in rng.integers(1, 9, 2))
        cuts = np.sort(rng.integers(0, height * width + 1, rng.integers(1, 9)))
        runs = np.diff([0, *cuts, height * width]).tolist()
        code = coding.frPyObjects({"size": [height, width], "counts": runs}, height, width)
        expected = coding.decode(code).astype(bool)
        ys, xs = np.nonzero(expected)
        box = (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1) if len(ys) else None
        for counts in (runs, code["counts"].decode()):
            region, canvas = Rle([height, width], counts), np.zeros((height, width), bool)
            region.draw(canvas)
            np.testing.assert_array_equal(canvas, expected)
            np.testing.assert_array_equal(region.run_lengths(), runs)
            assert region.box() == box


def test_polygons_are_drawn_over_what_is_there():
    canvas = np.zeros((16, 20), bool)
    canvas[0, 0] = True
    region = Polygons([coco_sets.SQUARE, [10.25, 6, 16, 6, 16, 13, 10, 13]])
    region.draw(canvas)
    codes = coding.frPyObjects(region.polygons, 16, 20)
    expected = coding.decode(coding.merge(codes)).astype(bool)
    expected[0, 0] = True
    np.testing.assert_array_equal(canvas, expected)
    assert region.box() == (2, 2, 13, 16)


@pytest.mark.parametrize("polygon", [
    [1, 1, 2, 2], [1, 1, 2, 2, 3], [0, 0, 1e300, 0, 5, 5], [0, 0, NAN, 0, 5, 5],
    [0, 0, 1e7, 0, 5, 5], [1e8, 1e8, 1e8 + 2, 1e8, 1e8, 1e8 + 2],
])
def test_what_would_hurt_the_c_code_is_refused(polygon):
    with pytest.raises(ValueError, match="outline: expected"):
        Polygons([polygon]).draw(np.zeros((16, 20), bool))
