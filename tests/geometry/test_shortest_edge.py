"""Resizing by the shorter and the longer side against a slow loop, and both ways of rounding."""

import math

import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.geometry import resize, shortest_edge

BYTE = 255


def slow_resize(image, shape):
    """One value after the other: half-pixel centres, and the border goes on outside."""
    height, width = image.shape[:2]
    out = np.zeros((*shape, *image.shape[2:]))
    for row in range(shape[0]):
        for column in range(shape[1]):
            y = min(max((row + 0.5) * height / shape[0] - 0.5, 0), height - 1)
            x = min(max((column + 0.5) * width / shape[1] - 0.5, 0), width - 1)
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
            lower = image[bottom, left] * (1 - (x - left)) + image[bottom, right] * (x - left)
            out[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return out


SIZES = [((9, 12), (23, 31)), ((31, 20), (12, 8)), ((7, 7), (7, 19)), ((1, 1), (5, 4)),
         ((1, 6), (3, 2)), ((40, 3), (1, 1)), ((16, 16), (32, 32)), ((16, 16), (8, 8))]


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("channels", [(), (1,), (3,), (6,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_equal_the_loop(dtype, channels, old, new):
    image = (np.random.default_rng(0).random((*old, *channels)) * BYTE).astype(dtype)
    found = shortest_edge.resize_clamped(image, new)
    assert found.dtype == dtype
    assert found.shape == (*new, *channels)
    np.testing.assert_allclose(found, slow_resize(image, new), rtol=TWINS, atol=TWINS * BYTE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_integers_are_rounded_to_the_nearest(dtype):
    image = np.random.default_rng(1).integers(0, 250, (13, 11, 3)).astype(dtype)
    found, exact = shortest_edge.resize_clamped(image, (29, 17)), slow_resize(image, (29, 17))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, exact, atol=0.5 + TWINS * BYTE)
    assert (found > exact + 0.4).any()  # some were rounded up


def test_many_channels():
    """More than OpenCV takes at a time (128)."""
    image = np.random.default_rng(2).random((4, 5, 600)).astype(np.float32)
    found = shortest_edge.resize_clamped(image, (7, 3))
    np.testing.assert_allclose(found, slow_resize(image, (7, 3)), atol=TWINS)


def test_a_strided_view_and_the_same_size():
    image = np.random.default_rng(3).random((12, 20, 3)).astype(np.float32)
    view = image[::2, ::-1]
    np.testing.assert_array_equal(shortest_edge.resize_clamped(view, (9, 9)),
                                  shortest_edge.resize_clamped(view.copy(), (9, 9)))
    copy = shortest_edge.resize_clamped(image, (12, 20))
    np.testing.assert_array_equal(copy, image)
    assert not np.shares_memory(copy, image)


@pytest.mark.parametrize(("sides", "rounded", "floored"), [
    ((480, 640), (800, 1067), (800, 1066)),  # 1066.67
    ((640, 480), (1067, 800), (1066, 800)),
    ((427, 640), (800, 1199), (800, 1199)),  # 1199.06
    ((500, 500), (800, 800), (800, 800)),
    ((100, 900), (148, 1333), (148, 1333)),  # the longer side decides: 148.11
    ((2000, 1500), (1067, 800), (1066, 800)),  # shrunk
    ((800, 1333), (800, 1333), (800, 1333)),
    ((3, 4000), (1, 1333), (1, 1333)),  # never less than a pixel
])
def test_sides(sides, rounded, floored):
    for floor, expected in ((False, rounded), (True, floored)):
        scale, found = shortest_edge.scaled_sides(*sides, 800, 1333, floor)
        assert found == expected
        np.testing.assert_allclose(scale, min(800 / min(sides), 1333 / max(sides)), rtol=TWINS)


def test_without_a_bound_the_shorter_side_decides():
    assert shortest_edge.scaled_sides(100, 900, 800) == (8.0, (800, 7200))
    assert shortest_edge.scaled_sides(100, 900, 800, floor=True) == (8.0, (800, 7200))


@pytest.mark.parametrize("mode", shortest_edge.MODES)
@pytest.mark.parametrize("sides", [(30, 47), (47, 30), (200, 300), (64, 64), (5, 200), (1, 1)])
def test_the_image_lies_at_the_top_left_of_zeros(mode, sides):
    image = np.random.default_rng(4).random((*sides, 3)).astype(np.float32) + 1
    found, window, scale, padding, crop = resize.resize_image(image, 64, 128, 9.0, mode)
    floor = mode == "shortest_edge_floor"
    expected_scale, (height, width) = shortest_edge.scaled_sides(*sides, 64, 128, floor)
    assert (scale, window, crop) == (expected_scale, (0, 0, height, width), None)
    assert found.shape[0] % 32 == found.shape[1] % 32 == 0
    assert found.shape[0] - height < 32
    assert found.shape[1] - width < 32
    assert padding == [(0, found.shape[0] - height), (0, found.shape[1] - width), (0, 0)]
    np.testing.assert_allclose(found[:height, :width], slow_resize(image, (height, width)),
                               rtol=TWINS)
    assert not found[height:].any()
    assert not found[:, width:].any()
    assert resize.placement(*sides, 64, 128, 9.0, mode) == (scale, (height, width), padding)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_masks_follow_the_pixel_that_a_centre_lies_in(old, new):
    rng = np.random.default_rng(5)
    masks = rng.random((*old, 3)) < 0.4
    masks[..., 2] = False
    found = resize.resize_mask(masks, 1.7, [(0, 2), (0, 1), (0, 0)], size=new)
    expected = np.zeros((new[0] + 2, new[1] + 1, 3), bool)
    for row in range(new[0]):
        for column in range(new[1]):
            expected[row, column] = masks[(2 * row + 1) * old[0] // (2 * new[0]),
                                          (2 * column + 1) * old[1] // (2 * new[1])]
    np.testing.assert_array_equal(found, expected)


def test_image_and_mask_stay_on_each_other():
    """A mask of the bright half covers the pixels that stay bright."""
    image = np.zeros((40, 60, 1), np.float32)
    image[10:30, 24:48] = BYTE
    mask = image > 0
    moved, window, scale, padding, _ = resize.resize_image(image, 96, 200, mode="shortest_edge")
    found = resize.resize_mask(mask, scale, padding, size=window[2:])
    np.testing.assert_array_equal(found, moved > BYTE / 2)
