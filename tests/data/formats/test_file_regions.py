"""Masks and label images as files: which pixels count, what is refused, what is remembered."""

import os
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data.formats import file_regions
from mrcnn.data.formats.file_regions import LabelFile, MaskFile, leftover_values, read_labels

RNG = np.random.default_rng(3)
SHAPE = (12, 15)
INSIDE = RNG.random(SHAPE) > 0.6
BYTES = INSIDE.astype(np.uint8)


def drawn(region, shape=SHAPE):
    canvas = np.zeros(shape, bool)
    region.draw(canvas)
    return canvas


def colours(*bands):
    return Image.fromarray(np.dstack([np.broadcast_to(band, SHAPE) for band in bands])
                           .astype(np.uint8))


@pytest.mark.parametrize(("picture", "expected"), [
    (Image.fromarray(BYTES * 255), INSIDE),
    (Image.fromarray(BYTES), INSIDE),
    (Image.fromarray(BYTES * 255).convert("1"), INSIDE),
    (Image.fromarray(BYTES.astype(np.uint16) * 300), INSIDE),
    (colours(0, BYTES, 0), INSIDE),
    (colours(0, 0, BYTES * 9, 255), INSIDE),
    (colours(BYTES * 255, BYTES * 255, BYTES * 255, 255), INSIDE),
    (colours(0, 0, 0, BYTES * 255), INSIDE),  # black ink on nothing
    (colours(255, 255, 255, BYTES * 255), INSIDE),
    (colours(BYTES, 255 - BYTES), INSIDE),  # grey varies: alpha does not count
    (colours(7, BYTES * 80), INSIDE),
    (colours(0, 0, 0, 255), np.zeros(SHAPE, bool)),
    (colours(0, 0, 0, 0), np.zeros(SHAPE, bool)),
    (colours(9, 9, 9, 255), np.ones(SHAPE, bool)),
])
def test_which_pixels_of_a_mask_file_count(tmp_path, picture, expected):
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(drawn(MaskFile(str(tmp_path / "a.png"))), expected)


def test_a_palette_counts_by_its_places_and_not_its_colours(tmp_path):
    picture = Image.fromarray(BYTES).convert("P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(drawn(MaskFile(str(tmp_path / "a.png"))), INSIDE)
    np.testing.assert_array_equal(drawn(LabelFile(str(tmp_path / "a.png"), 1)), INSIDE)


def test_the_noise_of_a_jpeg_is_no_mask(tmp_path):
    disc = np.hypot(*np.mgrid[-30:30, -30:30]) < 20
    Image.fromarray(disc.astype(np.uint8) * 255).save(tmp_path / "a.jpg", quality=60)
    raw = np.array(Image.open(tmp_path / "a.jpg"))
    assert (raw[~disc] > 0).any()
    np.testing.assert_array_equal(drawn(MaskFile(str(tmp_path / "a.jpg")), (60, 60)), raw > 127)
    with pytest.raises(ValueError, match="a.jpg: a label image cannot be a JPEG"):
        drawn(LabelFile(str(tmp_path / "a.jpg"), 255), (60, 60))


LABELS = RNG.integers(0, 6, SHAPE)


@pytest.mark.parametrize(("ending", "dtype"), [
    ("png", np.uint8), ("png", np.uint16), ("tif", np.uint8), ("tif", np.uint16),
    ("tif", np.uint32), ("tif", np.int32), ("tif", np.float32), ("npy", np.int64),
    ("npy", np.uint8), ("bmp", np.uint8),
])
def test_label_images_of_all_types(tmp_path, ending, dtype):
    path = tmp_path / f"a.{ending}"
    labels = (LABELS * (1 if dtype == np.uint8 else 300)).astype(dtype)
    if ending == "tif":
        tifffile.imwrite(path, labels)
    elif ending == "npy":
        np.save(path, labels)
    else:
        Image.fromarray(labels).save(path)
    for value in np.unique(labels):
        np.testing.assert_array_equal(drawn(LabelFile(str(path), int(value))), labels == value)
    assert not drawn(LabelFile(str(path), 77777)).any()


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_are_labels_too(tmp_path, alpha):
    code = RNG.integers(0, 2, SHAPE + (3,)) * [200, 3, 17]
    picture = colours(*np.moveaxis(code, -1, 0), *([RNG.integers(0, 255, SHAPE)] if alpha else []))
    picture.save(tmp_path / "a.png")
    expected = code[..., 0] * 65536 + code[..., 1] * 256 + code[..., 2]
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), expected)


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((12, 16), np.uint8), r"expected the image's size \(12, 15\), received \(12, 16\)"),
    (np.zeros((12, 15, 5), np.uint8), "one band or three, received 5"),
    (np.full((12, 15), 0.5), "whole numbers, received fractions"),
])
def test_what_is_no_label_image(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=f"a.npy: .*{message}"):
        drawn(LabelFile(str(tmp_path / "a.npy"), 1))


def test_files_that_are_missing_or_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    picture = Image.fromarray(LABELS.astype(np.uint8)).convert("P")
    picture.save(tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    for make in (MaskFile, lambda path: LabelFile(path, 1)):
        for name in ("a.png", "b.png"):
            with pytest.raises(ValueError, match=f"not a readable image file: .*{name}"):
                drawn(make(str(tmp_path / name)))
        with pytest.raises(FileNotFoundError, match="no such file: .*c.png"):
            drawn(make(str(tmp_path / "c.png")))


def test_a_label_image_is_decoded_once_a_thread_and_again_when_it_changes(tmp_path, monkeypatch):
    reads = []
    decoded = file_regions._decoded
    monkeypatch.setattr(file_regions, "_decoded", lambda path: reads.append(path) or decoded(path))
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    for value in range(30):
        drawn(LabelFile(str(path), value))
    assert len(reads) == 1
    with pytest.raises(ValueError, match="read-only"):
        read_labels(path)[0, 0] = 3
    Image.fromarray(BYTES * 2).save(path)
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(drawn(LabelFile(str(path), 2)), INSIDE)
    assert len(reads) == 2
    wrong = []

    def work():
        for value in (1, 2):
            if (drawn(LabelFile(str(path), value)) != (INSIDE & (value == 2))).any():
                wrong.append(value)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(reads) == 10


def test_values_without_an_object(tmp_path):
    labels = np.array([[0, 1, 2], [5, 255, 4]], np.uint8)
    Image.fromarray(labels).save(tmp_path / "a.png")
    assert leftover_values(tmp_path / "a.png", 2) == [4, 5]
    assert leftover_values(tmp_path / "a.png", 5) == []
