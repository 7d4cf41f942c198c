"""What all formats share: instances that survive packing, shared classes, counted drops."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import DataError
from mrcnn.data.findings import ERRORS, WARNINGS, Finding
from mrcnn.data.formats.annotated import REGIONS, AnnotatedDataset, Instance, packed, unpacked
from mrcnn.data.formats.coco_regions import Polygons, Rle
from mrcnn.data.formats.file_regions import MaskFile
from mrcnn.data.formats.outline_regions import (
    Ellipse,
    Group,
    Outline,
    Patch,
    Rectangle,
    Relative,
)

BOX = Rectangle(1, 2, 3, 4)


def one_image(regions, size=(10, 12), **more):
    """A prepared dataset of one image whose objects are "a", one for each region."""
    dataset = AnnotatedDataset()
    class_id = dataset.class_for("made", 1, "a")
    instances = [Instance(class_id, region, f"region {i}") for i, region in enumerate(regions)]
    dataset.add_annotated("made", 1, "none.png", instances, *size, **more)
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("region", [
    Polygons([[0.1, 0.2, 5.3, 0.25, 1 / 3, 7]]), Rle([10, 12], [3, 4, 113]),
    Rle([10, 12], "abc"), Outline([1, 2.5, 1 / 7], [0, 4, 3]), BOX,
    Ellipse(5.5, 5, 2, 3, 0.1), MaskFile("a.png"), Relative([0.1, 1 / 3, 0.5, 0.25, 1.0, 1.0]),
    Patch(3, -4, "iVBORw0KGgo="), Group([Polygons([[0.1, 0, 5, 3, 7, 7]]), Ellipse(1, 2, 3, 4)]),
])
def test_packing_loses_nothing(region):
    given = [Instance(7, region, "region 3", True, {"id": 12345678901, "bbox": [0.1, 2, 3, 4]})]
    assert unpacked(packed(given)) == given


def test_every_region_has_its_own_kind():
    assert len(REGIONS) == len(set(REGIONS.values()))
    assert all(region.KIND == kind for kind, region in REGIONS.items())


def test_no_instance_is_an_empty_answer():
    dataset = one_image([])
    mask, class_ids = dataset.load_mask(0)
    assert unpacked(packed([])) == []
    assert mask.shape[2] == 0
    assert class_ids.shape == (0,)


def test_masks_and_crowds():
    dataset = AnnotatedDataset()
    first, second = dataset.class_for("made", 4, "a"), dataset.class_for("made", 2, "b")
    dataset.add_annotated("made", 1, None, [Instance(second, BOX, "region 0"),
                                            Instance(first, BOX, "region 1", crowd=True)], 10, 12)
    dataset.prepare()
    mask, class_ids = dataset.load_mask(0)
    expected = np.zeros((10, 12), bool)
    expected[2:6, 1:4] = True
    np.testing.assert_array_equal(class_ids, [2, -1])
    np.testing.assert_array_equal(mask, np.stack([expected, expected], axis=-1))
    assert class_ids.dtype == np.int32


def test_objects_without_a_pixel_are_dropped_and_counted():
    dataset = one_image([BOX, Rectangle(50, 50, 3, 3), BOX])
    mask, class_ids = dataset.load_mask(0)
    assert mask.shape == (10, 12, 2)
    assert len(class_ids) == 2
    assert dataset.dropped == {0: 1}


def test_a_mask_that_cannot_be_made_names_image_and_object():
    dataset = one_image([BOX, Rle([3, 3], [9])])
    with pytest.raises(DataError, match=r"image 0 \(none.png\), region 1: .*\[10, 12\].*\[3, 3\]"):
        dataset.load_mask(0)


def test_the_size_comes_from_the_file_where_the_annotations_lack_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    Image.new("RGB", (12, 10)).save(tmp_path / "a.jpg", exif=exif)
    dataset = one_image([BOX], size=(None, None))
    dataset.image_info[0]["path"] = str(tmp_path / "a.jpg")
    assert dataset.image_size(0) == (12, 10) == dataset.load_image(0).shape[:2]
    assert dataset.load_mask(0)[0].shape == (12, 10, 1)


def test_a_missing_file_without_a_size_names_the_image():
    dataset = one_image([BOX], size=(None, None))
    with pytest.raises(DataError, match=r"image 0 \(none.png\): no such file"):
        dataset.load_mask(0)
    dataset.image_info[0]["path"] = None
    with pytest.raises(DataError, match="there is no file that may be read"):
        dataset.image_size(0)


def test_sources_share_the_classes_of_one_name():
    dataset = AnnotatedDataset()
    assert [dataset.class_for("x", 5, "cat"), dataset.class_for("x", 9, "dog"),
            dataset.class_for("y", 1, "dog"), dataset.class_for("y", 2, "cow")] == [1, 2, 2, 3]
    dataset.add_annotated("x", 1, None)
    dataset.add_annotated("y", 1, None)
    dataset.add_annotated("z", 1, None)
    dataset.prepare()
    assert dataset.class_names == ["BG", "cat", "dog", "cow"]
    assert dataset.map_source_class_id("x.9") == dataset.map_source_class_id("y.1") == 2
    assert dataset.get_source_class_id(2, "y") == 1
    assert dataset.get_source_class_id(2, "x") == 9
    assert dataset.source_class_ids["x"] == [0, 1, 2]
    assert dataset.source_class_ids["y"] == [0, 2, 3]
    assert dataset.source_class_ids["z"] == [0]
    with pytest.raises(ValueError, match="'dog' already, received 'cow'"):
        dataset.class_for("y", 1, "cow")


@pytest.mark.parametrize("as_dataset", [False, True])
def test_the_classes_can_be_given(as_dataset):
    classes = ["dog", "cat"]
    if as_dataset:
        other = AnnotatedDataset(classes)
        other.prepare()
        classes = other
    dataset = AnnotatedDataset(classes)
    assert dataset.class_for("x", 5, "cat") == 2
    assert dataset.class_for("x", 6, "cow") is None
    dataset.prepare()
    assert dataset.class_names == ["BG", "dog", "cat"]
    assert dataset.map_source_class_id("x.5") == 2
    assert dataset.get_source_class_id(2, "x") == 5


def test_skipped_images_keep_the_ids_of_the_others():
    dataset = AnnotatedDataset()
    for i in range(5):
        dataset.add_annotated("made", i, None)
    dataset.prepare()
    dataset.skip_images([1, 3])
    np.testing.assert_array_equal(dataset.image_ids, [0, 2, 4])
    dataset.prepare()
    np.testing.assert_array_equal(dataset.image_ids, [0, 2, 4])
    with pytest.raises(IndexError, match="expected 0 to 4, received 5"):
        dataset.skip_images([5])


def test_findings_say_what_they_are():
    error = Finding("image-missing", "no such file", "a.json", "annotation 3", 7)
    assert str(error) == "a.json, annotation 3: no such file [image-missing]"
    assert error.as_dict() == {"severity": "error", "kind": "image-missing", "image": 7,
                               "message": "no such file", "file": "a.json",
                               "region": "annotation 3"}
    assert not Finding("class-unused", "cat", "a.json").is_error
    assert not set(ERRORS) & set(WARNINGS)
    with pytest.raises(ValueError, match="received nonsense"):
        Finding("nonsense", "", "")
