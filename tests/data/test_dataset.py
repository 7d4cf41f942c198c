"""Dataset: class and image maps, several sources, reading image files."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import DataError, Dataset, image_label


def two_sources():
    dataset = Dataset()
    dataset.add_class("zoo", 7, "cat,kitty")
    dataset.add_class("zoo", 3, "dog")
    dataset.add_class("farm", 7, "cow")
    dataset.add_class("zoo", 7, "cat,kitty")
    dataset.add_image("zoo", "a.b.jpg", "/x/a.b.jpg", width=5, polygons=[1])
    dataset.add_image("farm", 12, None)
    dataset.prepare()
    return dataset


def test_classes_and_images_of_two_sources():
    dataset = two_sources()
    assert dataset.class_names == ["BG", "cat", "dog", "cow"]
    assert (dataset.num_classes, dataset.num_images) == (4, 2)
    np.testing.assert_array_equal(dataset.class_ids, [0, 1, 2, 3])
    np.testing.assert_array_equal(dataset.image_ids, [0, 1])
    assert dataset.class_info[0] == {"source": "", "id": 0, "name": "BG"}
    assert dataset.sources == ["", "zoo", "farm"]
    assert dataset.source_class_ids == {"": [0], "zoo": [0, 1, 2], "farm": [0, 3]}
    assert dataset.class_from_source_map == {".0": 0, "zoo.7": 1, "zoo.3": 2, "farm.7": 3}
    assert dataset.image_from_source_map == {"zoo.a.b.jpg": 0, "farm.12": 1}
    assert dataset.image_info[0]["polygons"] == [1]
    assert dataset.source_image_link(0) == "/x/a.b.jpg"
    assert dataset.image_reference(0) == ""


def test_it_shows_what_it_holds():
    dataset = two_sources()
    assert repr(dataset) == "<Dataset: images: 2, classes: 3 (cat, dog, cow)>"
    dataset.skip_images([0])
    for number in range(9):
        dataset.add_class("toys", number, f"toy {number}")
    assert repr(dataset).startswith("<Dataset: images: 1, classes: 12 (cat, dog, cow, toy 0,")
    assert repr(dataset).endswith("toy 6, ...)>")


def test_class_mapping_is_inverse():
    dataset = two_sources()
    for class_id in (1, 2, 3):
        source = dataset.class_info[class_id]["source"]
        there = dataset.get_source_class_id(class_id, source)
        assert dataset.map_source_class_id(f"{source}.{there}") == class_id
    with pytest.raises(ValueError, match="class 3 .cow. comes from source 'farm'"):
        dataset.get_source_class_id(3, "zoo")
    with pytest.raises(KeyError, match="zoo.99"):
        dataset.map_source_class_id("zoo.99")
    with pytest.raises(ValueError, match="prepare"):
        Dataset().map_source_class_id("zoo.7")


def test_what_is_refused_when_filling():
    dataset = Dataset()
    with pytest.raises(ValueError, match="without a dot, received 'a.b'"):
        dataset.add_class("a.b", 1, "x")
    dataset.add_class("a", 1, "x")
    with pytest.raises(ValueError, match="class 1 of source 'a' is 'x' already"):
        dataset.add_class("a", 1, "y")
    dataset.add_image("a", 5, "p.png")
    dataset.add_image("a", 5, "q.png")
    with pytest.raises(ValueError, match=r"5 of source 'a' belongs to images 0 \(p.png\) and 1"):
        dataset.prepare()


def test_prepare_again_after_more():
    dataset = two_sources()
    dataset.add_image("farm", 13, None)
    dataset.prepare()
    np.testing.assert_array_equal(dataset.image_ids, [0, 1, 2])


def test_base_mask_is_empty():
    mask, class_ids = two_sources().load_mask(0)
    assert mask.shape[2] == 0
    assert class_ids.shape == (0,)


def one_file(path):
    dataset = Dataset()
    dataset.add_class("s", 1, "x")
    dataset.add_image("s", "id", path)
    dataset.prepare()
    return dataset


RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RGB[:, :, 0]


@pytest.mark.parametrize(("array", "mode", "expected"), [
    (RGB, "RGB", RGB),
    (GREY, "L", np.stack([GREY] * 3, -1)),
    (np.dstack([RGB, GREY]), "RGBA", RGB),
    (np.dstack([GREY, GREY]), "LA", np.stack([GREY] * 3, -1)),
    ((GREY > 99), "1", np.stack([(GREY > 99) * 255] * 3, -1)),
])
def test_modes_become_rgb(tmp_path, array, mode, expected):
    path = tmp_path / "image.png"
    Image.fromarray(array).convert(mode).save(path)
    image = one_file(path).load_image(0)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


def test_palette_and_cmyk_become_rgb(tmp_path):
    Image.fromarray(RGB).convert("P").save(tmp_path / "p.png")
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "c.jpg")
    assert one_file(tmp_path / "p.png").load_image(0).shape == (6, 9, 3)
    red = one_file(tmp_path / "c.jpg").load_image(0)
    np.testing.assert_allclose(red.mean(axis=(0, 1)), [255, 0, 0], atol=4)


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    image = one_file(str(tmp_path / "turned.png")).load_image(0)
    np.testing.assert_array_equal(image, np.rot90(RGB, -1))


def test_many_channels_and_16_bits_survive(tmp_path):
    import tifffile

    bands = np.random.default_rng(1).integers(0, 60000, (5, 7, 8), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "bands.tif", bands, photometric="minisblack", planarconfig="contig")
    image = one_file(tmp_path / "bands.tif").load_image(0)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, bands)


def test_file_errors_name_image_and_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"image 0 \(.*gone.jpg\): no such file"):
        one_file(tmp_path / "gone.jpg").load_image(0)
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    with pytest.raises(DataError, match=r"image 0 \(.*text.jpg\): not a readable image file"):
        one_file(text).load_image(0)
    whole = tmp_path / "whole.png"
    Image.fromarray(RGB).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DataError, match=r"image 0 \(.*cut.png\)"):
        one_file(cut).load_image(0)
    with pytest.raises(DataError, match="not a readable image file"):
        one_file(tmp_path).load_image(0)
    with pytest.raises(DataError, match=r"image 0 \(s.id\): it has no path"):
        one_file(None).load_image(0)
    with pytest.raises(IndexError, match="expected 0 to 0, received 4"):
        one_file(None).load_image(4)


def test_label_of_things_that_are_no_dataset():
    assert image_label(object(), 3) == "3"
    assert image_label(two_sources(), 9) == "9"
