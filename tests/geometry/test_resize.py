"""Resizing against scikit-image and scipy, against a slow loop, and the four modes."""

import math
import random
import warnings

import numpy as np
import pytest
from scipy import ndimage
from skimage import transform
from tolerances import GEOMETRY

from mrcnn.geometry import resize
from mrcnn.geometry.boxes import extract_bboxes


def noise(rng, shape, dtype):
    return (rng.random(shape) * np.iinfo(np.uint8).max * 0.999).astype(dtype)


def patches(rng, shape, dtype):
    """Flat areas, where truncation shows the last bit of the interpolation."""
    image = np.full(shape, 200, dtype)
    image[: shape[0] // 2] = 7
    image[:, shape[1] // 3 :] += 48
    return image


def by_skimage(image, shape):
    resized = transform.resize(image, shape, order=1, mode="constant", cval=0,
                               preserve_range=True, anti_aliasing=False)
    return resized.astype(image.dtype)


def slow_bilinear(image, shape):
    """One pixel after the other; what lies outside counts as zero; clipped to the input range."""
    def at(y, x):
        return float(image[y, x]) if 0 <= y < image.shape[0] and 0 <= x < image.shape[1] else 0.0

    out = np.zeros(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y = (row + 0.5) * image.shape[0] / shape[0] - 0.5
            x = (column + 0.5) * image.shape[1] / shape[1] - 0.5
            top, left = math.floor(y), math.floor(x)
            fy, fx = y - top, x - left
            out[row, column] = (
                (at(top, left) * (1 - fx) + at(top, left + 1) * fx) * (1 - fy)
                + (at(top + 1, left) * (1 - fx) + at(top + 1, left + 1) * fx) * fy
            )
    return np.clip(out, image.min(), image.max())


@pytest.mark.parametrize("content", [noise, patches])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (6,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_bilinear_is_scikit_image(dtype, channels, content):
    """Not a pixel differs: up and down, border and inside, for every type."""
    rng = np.random.default_rng(len(channels) + np.dtype(dtype).num)
    for _ in range(12):
        height, width, new_height, new_width = rng.integers(1, 130, 4)
        image = content(rng, (height, width, *channels), dtype)
        resized = resize.resize_bilinear(image, (new_height, new_width))
        np.testing.assert_array_equal(resized, by_skimage(image, (new_height, new_width)))
        assert resized.dtype == dtype


@pytest.mark.parametrize(("shape", "new_shape"), [
    ((480, 640, 3), (768, 1024)), ((1500, 1100, 3), (1024, 751)), ((1000, 900), (1024, 922)),
    ((2048, 1536, 3), (1024, 768)), ((1366, 2048, 4), (683, 1024)), ((2019, 2048, 3), (1010, 1024)),
])
def test_bilinear_is_scikit_image_at_full_size(shape, new_shape):
    image = noise(np.random.default_rng(3), shape, np.uint8)
    np.testing.assert_array_equal(
        resize.resize_bilinear(image, new_shape), by_skimage(image, new_shape)
    )


@pytest.mark.parametrize("new_shape", [(3, 4), (11, 9), (23, 40), (7, 8), (1, 1)])
def test_bilinear_equals_loop(new_shape):
    image = np.random.default_rng(1).uniform(-1, 1, (7, 8))
    np.testing.assert_allclose(
        resize.resize_bilinear(image, new_shape), slow_bilinear(image, new_shape),
        rtol=0, atol=GEOMETRY,
    )


def test_bilinear_keeps_a_broken_pixel_to_its_neighbours():
    image = np.ones((20, 20, 3), np.float32)
    image[3, 3] = np.nan
    resized = resize.resize_bilinear(image, (40, 40))
    np.testing.assert_array_equal(resized[12:], 1)
    assert np.isnan(resized).any()


@pytest.mark.parametrize("lowest", [0, 40])
@pytest.mark.parametrize("content", [noise, patches])
@pytest.mark.parametrize(("old", "new"), [
    ((64, 86), (32, 43)), ((2, 2), (1, 1)), ((66, 34), (33, 17)), ((30, 41), (60, 82)),
    ((40, 25), (64, 40)), ((64, 40), (40, 25)), ((64, 33), (16, 33)), ((10, 16), (1280, 2048)),
    ((96, 130), (48, 64)), ((64, 90), (64, 45)),
])
def test_ratios_that_float32_holds_are_scikit_image_too(old, new, content, lowest):
    """Halves, doubles and the like take shorter ways; borders and the range stay as they are."""
    for channels in ((), (3,), (5,)):
        image = content(np.random.default_rng(9), (*old, *channels), np.uint8) // 2 + lowest
        image = image.astype(np.uint8)
        np.testing.assert_array_equal(resize.resize_bilinear(image, new), by_skimage(image, new))


def test_bilinear_of_a_strided_view():
    image = noise(np.random.default_rng(2), (30, 40, 6), np.uint8)[::-1, ::2, 1:4]
    np.testing.assert_array_equal(
        resize.resize_bilinear(image, (50, 33)), by_skimage(image, (50, 33))
    )


def test_bilinear_to_the_same_size_is_a_copy():
    image = np.ones((4, 5, 3), np.uint8)
    same = resize.resize_bilinear(image, (4, 5))
    np.testing.assert_array_equal(same, image)
    assert not np.shares_memory(same, image)


@pytest.mark.parametrize(("image", "error", "words"), [
    (np.ones((4, 4), bool), TypeError, "integer or float type, received bool"),
    (np.array([["a"]]), TypeError, "integer or float type"),
    (np.ones(4), ValueError, r"received \(4,\)"),
    (np.ones((2, 3, 4, 5)), ValueError, r"received \(2, 3, 4, 5\)"),
    (np.ones((0, 3)), ValueError, r"received \(0, 3\)"),
])
def test_bad_images_are_refused(image, error, words):
    with pytest.raises(error, match=words):
        resize.resize_bilinear(image, (2, 2))
    with pytest.raises(error, match=words):
        resize.resize_image(image, mode="none")


def test_bad_output_shape_is_refused():
    with pytest.raises(ValueError, match=r"output_shape: .* received \(0, 4\)"):
        resize.resize_bilinear(np.ones((4, 4)), (0, 4))


def test_public_resize_takes_bool_and_scikit_arguments():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    np.testing.assert_array_equal(
        resize.resize(mask, (16, 16)),
        transform.resize(mask.astype(float), (16, 16), order=1, mode="constant",
                         anti_aliasing=False),
    )
    assert resize.resize(mask, (16, 16), order=0).dtype == bool
    image = np.full((8, 8), 255, np.uint8)
    np.testing.assert_allclose(resize.resize(image, (4, 4)), 1.0, rtol=0, atol=GEOMETRY)
    np.testing.assert_allclose(
        resize.resize(image, (4, 4), preserve_range=True), 255, rtol=0, atol=GEOMETRY
    )


@pytest.mark.parametrize(("arguments", "shape", "window", "scale"), [
    ({"mode": "none"}, (60, 90), (0, 0, 60, 90), 1),
    ({"max_dim": 128, "mode": "square"}, (128, 128), (34, 19, 94, 109), 1),
    ({"min_dim": 80, "max_dim": 128, "mode": "square"}, (128, 128), (24, 4, 104, 124), 80 / 60),
    ({"min_dim": 120, "max_dim": 128, "mode": "square"}, (128, 128), (21, 0, 106, 128), 128 / 90),
    ({"max_dim": 45, "mode": "square"}, (45, 45), (7, 0, 37, 45), 0.5),
    ({"max_dim": 300, "min_scale": 2, "mode": "square"}, (300, 300), (90, 60, 210, 240), 2),
    ({"min_dim": 64, "mode": "pad64"}, (64, 128), (0, 16, 64, 112), 64 / 60),
    ({"mode": "pad64"}, (64, 128), (2, 19, 62, 109), 1),
    ({"min_scale": 3, "mode": "pad64"}, (192, 320), (6, 25, 186, 295), 3),
    ({"min_dim": 40, "mode": "crop"}, (40, 40), (0, 0, 40, 40), 1),
    ({"min_dim": 80, "mode": "crop"}, (80, 80), (0, 0, 80, 80), 80 / 60),
])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (6,)])
def test_modes(arguments, shape, window, scale, channels):
    image = noise(np.random.default_rng(0), (60, 90, *channels), np.uint8) // 2 + 100
    result, found_window, found_scale, padding, crop = resize.resize_image(image, **arguments)
    assert result.shape == (*shape, *channels)
    assert result.dtype == np.uint8
    assert found_window == window
    assert found_scale == scale
    assert padding[2] == (0, 0)
    assert (crop is None) == (arguments["mode"] != "crop")
    y1, x1, y2, x2 = window
    outside = result.copy()
    outside[y1:y2, x1:x2] = 0
    np.testing.assert_array_equal(outside, 0)
    assert result[y1:y2, x1:x2].min() >= 100
    if crop is None:
        assert padding[0] == (y1, shape[0] - y2)
        assert padding[1] == (x1, shape[1] - x2)


def test_crop_is_cut_from_the_scaled_image():
    image = noise(np.random.default_rng(0), (60, 90, 3), np.uint8)
    result, _, _, _, (y, x, height, width) = resize.resize_image(
        image, min_dim=80, mode="crop", rng=np.random.default_rng(4)
    )
    scaled = resize.resize_bilinear(image, (80, 120))
    np.testing.assert_array_equal(result, scaled[y : y + height, x : x + width])


def test_crop_reaches_every_place_and_repeats_with_its_seed():
    image = np.zeros((10, 12, 3), np.uint8)

    def corners(**kwargs):
        return [resize.resize_image(image, min_dim=8, mode="crop", **kwargs)[4][:2]
                for _ in range(400)]

    every = {(y, x) for y in range(3) for x in range(5)}
    assert set(corners(rng=np.random.default_rng(0))) == every
    random.seed(0)
    first = corners()
    random.seed(0)
    assert corners() == first
    assert set(first) == every


@pytest.mark.parametrize(("arguments", "words"), [
    ({"mode": "round"},
     "mode: expected one of none, square, pad64, crop, shortest_edge, .* received 'round'"),
    ({"mode": "shortest_edge"}, "min_dim: mode 'shortest_edge' needs a size, received None"),
    ({"mode": "square"}, "max_dim: mode 'square' needs a size, received None"),
    ({"mode": "crop"}, "min_dim: mode 'crop' needs a size, received None"),
    ({"mode": "pad64", "min_dim": 100}, "multiple of 64, received 100; .* is 128"),
    ({"mode": "pad64", "min_dim": 10}, "multiple of 64, received 10; .* is 64"),
])
def test_bad_modes_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        resize.resize_image(np.zeros((8, 8, 3), np.uint8), **arguments)


def slow_zoom(mask, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ndimage.zoom(mask, zoom=[scale, scale, 1], order=0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_resized_mask_is_scipy(dtype):
    rng = np.random.default_rng(5)
    for _ in range(60):
        mask = (rng.random((*rng.integers(1, 60, 2), rng.integers(1, 4))) > 0.3).astype(dtype)
        scale = rng.uniform(max(0.1, 1 / min(mask.shape[:2])), 3)
        resized = resize.resize_mask(mask, scale, [(0, 0)] * 3)
        np.testing.assert_array_equal(resized, slow_zoom(mask, scale))
        assert resized.dtype == dtype


@pytest.mark.parametrize("arguments", [
    {"min_dim": 80, "max_dim": 128, "mode": "square"},
    {"max_dim": 50, "mode": "square"},
    {"min_dim": 64, "mode": "pad64"},
    {"min_dim": 80, "mode": "crop"},
    {"mode": "none"},
])
@pytest.mark.parametrize("count", [0, 2])
def test_mask_takes_the_place_of_its_object(arguments, count):
    image = np.zeros((60, 90, 3), np.uint8)
    image[12:50, 20:77] = 255
    mask = np.repeat(image[:, :, :1] > 0, count, axis=2)
    result, _, scale, padding, crop = resize.resize_image(image, **arguments)
    resized = resize.resize_mask(mask, scale, padding, crop)
    assert resized.shape == (*result.shape[:2], count)
    assert resized.dtype == bool
    if count:
        drawn = result[:, :, 0] > 127
        shared, either = (resized[:, :, 0] & drawn).sum(), (resized[:, :, 0] | drawn).sum()
        assert shared / either > 0.95


@pytest.mark.parametrize("scale", [1, 0.4, 1.7])
@pytest.mark.parametrize("order", ["pixel after pixel", "mask after mask", "mirrored"])
def test_masks_in_any_memory_order_with_padding_crop_and_boxes(order, scale):
    rng = np.random.default_rng(7)
    mask = np.zeros((40, 50, 5), bool)
    for i in range(4):  # the last one stays empty
        y, x = rng.integers(0, 20, 2)
        mask[y : y + 20, x : x + 25, i] = rng.random((20, 25)) > 0.2
    given = {"pixel after pixel": mask, "mirrored": mask[:, ::-1][:, ::-1].copy()[::-1][::-1],
             "mask after mask": np.moveaxis(np.moveaxis(mask, -1, 0).copy(), 0, -1)}[order]
    wanted = slow_zoom(mask, scale) if scale != 1 else mask
    padding = [(3, 5), (0, 9), (0, 0)]
    for boxes in (None, extract_bboxes(given)):
        padded = resize.resize_mask(given, scale, padding, boxes=boxes)
        np.testing.assert_array_equal(padded, np.pad(wanted, padding))
        cut = resize.resize_mask(given, scale, None, crop=(2, 4, 11, 13), boxes=boxes)
        np.testing.assert_array_equal(cut, wanted[2:13, 4:17])
    assert padded[:, :, 0].flags.c_contiguous


@pytest.mark.parametrize("shape", [(5, 5), (0, 5, 1)])
def test_bad_mask_is_refused(shape):
    with pytest.raises(ValueError, match=r"mask: expected shape \[H, W, N\]"):
        resize.resize_mask(np.zeros(shape, bool), 1, [(0, 0)] * 3)
