"""Masks against scikit-image and slow loops, and mini-masks there and back."""

import numpy as np
import pytest
from skimage import transform
from tolerances import GEOMETRY

from mrcnn.geometry import boxes, masks


def blob(shape, centre, radius):
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    inside = ((ys - centre[0]) / radius[0]) ** 2 + ((xs - centre[1]) / radius[1]) ** 2 < 1
    return inside & ((ys // 3 + xs // 4) % 9 != 0)


def by_skimage(image, shape):
    return transform.resize(image, shape, order=1, mode="constant", cval=0, anti_aliasing=False)


def round_objects(rng, shape, count):
    masks_ = [blob(shape, rng.uniform(30, 90, 2), rng.uniform(5, 60, 2)) for _ in range(count)]
    return np.stack(masks_, axis=-1)


@pytest.mark.parametrize("mini_shape", [(56, 56), (28, 40), (7, 5)])
def test_mini_masks_are_scikit_image(mini_shape):
    mask = round_objects(np.random.default_rng(0), (120, 130), 8)
    bbox = boxes.extract_bboxes(mask)
    mini = masks.minimize_mask(bbox, mask, mini_shape)
    expanded = masks.expand_mask(bbox, mini, mask.shape)
    assert mini.dtype == bool and expanded.dtype == bool
    for i, (y1, x1, y2, x2) in enumerate(bbox):
        part = mask[y1:y2, x1:x2, i].astype(float)
        expected = np.around(by_skimage(part, mini_shape)).astype(bool)
        np.testing.assert_array_equal(mini[:, :, i], expected)
        full = np.zeros(mask.shape[:2], bool)
        part = by_skimage(mini[:, :, i].astype(float), (y2 - y1, x2 - x1))
        full[y1:y2, x1:x2] = np.around(part).astype(bool)
        np.testing.assert_array_equal(expanded[:, :, i], full)


def test_mini_mask_there_and_back():
    ys, xs = np.mgrid[:200, :220]
    discs = [(ys - y) ** 2 / a**2 + (xs - x) ** 2 / b**2 < 1
             for y, x, a, b in [(90, 100, 80, 70), (50, 60, 20, 40), (150, 40, 12, 30)]]
    mask = np.stack(discs, axis=-1)
    bbox = boxes.extract_bboxes(mask)
    back = masks.expand_mask(bbox, masks.minimize_mask(bbox, mask, (56, 56)), mask.shape)
    overlap = np.diag(masks.compute_overlaps_masks(mask, back))
    assert overlap.min() >= 0.95
    np.testing.assert_array_equal(back.shape, mask.shape)


def test_full_box_stays_full():
    mask = np.zeros((40, 50, 1), bool)
    mask[3:20, 4:31] = True
    bbox = boxes.extract_bboxes(mask)
    mini = masks.minimize_mask(bbox, mask, (56, 56))
    np.testing.assert_array_equal(mini, True)
    np.testing.assert_array_equal(masks.expand_mask(bbox, mini, mask.shape), mask)


def test_no_masks():
    nothing, no_boxes = np.zeros((30, 20, 0), bool), np.zeros((0, 4), np.int32)
    assert masks.minimize_mask(no_boxes, nothing, (5, 6)).shape == (5, 6, 0)
    assert masks.expand_mask(no_boxes, nothing, (7, 8, 3)).shape == (7, 8, 0)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 9, 7, 9), (30, 0, 40, 5)])
def test_minimize_names_the_instance_without_area(box):
    mask = np.ones((20, 20, 2), bool)
    words = r"instance 1: .*\(20, 20\), received .*" + str(list(box))[1:-1]
    with pytest.raises(ValueError, match=words):
        masks.minimize_mask(np.array([(0, 0, 4, 4), box]), mask, (8, 8))


def test_expand_of_a_box_without_area_is_empty():
    full = masks.expand_mask(np.zeros((1, 4), int), np.ones((8, 8, 1), bool), (10, 12))
    np.testing.assert_array_equal(full, np.zeros((10, 12, 1), bool))


@pytest.mark.parametrize("call", [masks.minimize_mask, masks.expand_mask])
def test_masks_and_boxes_must_agree(call):
    with pytest.raises(ValueError, match=r"bbox: expected shape \(2, 4\).* received \(3, 4\)"):
        call(np.zeros((3, 4), int), np.ones((8, 8, 2), bool), (8, 8))
    with pytest.raises(ValueError, match=r"expected shape \[H, W, N\], received \(8, 8\)"):
        call(np.zeros((1, 4), int), np.ones((8, 8), bool), (8, 8))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unmold_is_scikit_image(dtype):
    rng = np.random.default_rng(1)
    for _ in range(60):
        soft = rng.random((28, 28)).astype(dtype)
        y1, x1 = rng.integers(0, 80, 2)
        y2, x2 = (y1, x1) + rng.integers(1, 120, 2)
        expected = np.zeros((200, 210), bool)
        expected[y1:y2, x1:x2] = by_skimage(soft, (y2 - y1, x2 - x1)) >= 0.5
        full = masks.unmold_mask(soft, (y1, x1, y2, x2), (200, 210, 3))
        np.testing.assert_array_equal(full, expected)
        assert full.dtype == bool


def test_unmold_of_a_surely_full_mask_fills_the_box():
    full = masks.unmold_mask(np.ones((28, 28), np.float32), (2, 3, 90, 80), (100, 100))
    assert full.sum() == 88 * 77


@pytest.mark.parametrize("value", [0.5, np.nextafter(np.float32(0.5), np.float32(0))])
def test_unmold_cuts_at_one_half(value):
    soft = np.full((28, 28), value, np.float32)
    full = masks.unmold_mask(soft, (0, 0, 41, 37), (41, 37))
    np.testing.assert_array_equal(full, value >= 0.5)


@pytest.mark.parametrize("box", [(-7, -9, 20, 30), (50, 30, 90, 70), (-5, -5, 100, 100),
                                 (70, 80, 90, 95), (-20, 3, -4, 9)])
def test_unmold_leaves_out_what_is_outside(box):
    soft = np.random.default_rng(2).random((28, 28)).astype(np.float32)
    shifted = tuple(v + 30 for v in box)
    wide = masks.unmold_mask(soft, shifted, (140, 140))
    np.testing.assert_array_equal(
        masks.unmold_mask(soft, box, (60, 50)), wide[30 : 30 + 60, 30 : 30 + 50]
    )


def test_unmold_refuses_a_box_without_area():
    with pytest.raises(ValueError, match=r"y2 > y1 and x2 > x1, received \(5, 5, 5, 9\)"):
        masks.unmold_mask(np.ones((28, 28)), (5, 5, 5, 9), (20, 20))


def test_unmold_refuses_a_stack():
    with pytest.raises(ValueError, match=r"expected shape \[h, w\], received \(28, 28, 2\)"):
        masks.unmold_mask(np.ones((28, 28, 2)), (5, 5, 9, 9), (20, 20))


def slow_mask_overlaps(first, second):
    answer = np.zeros((first.shape[2], second.shape[2]))
    for i in range(first.shape[2]):
        for j in range(second.shape[2]):
            a, b = first[:, :, i] > 0.5, second[:, :, j] > 0.5
            either = np.logical_or(a, b).sum()
            answer[i, j] = np.logical_and(a, b).sum() / either if either else 0
    return answer


@pytest.mark.parametrize("dtype", [bool, np.float32])
def test_mask_overlaps_equal_loop(dtype, monkeypatch):
    rng = np.random.default_rng(3)
    first, second = rng.random((31, 33, 5)), rng.random((31, 33, 4))
    if dtype is bool:
        first, second = first > 0.8, second > 0.3
    first[:, :, 2] = 0
    second[:, :, 1] = 0
    expected = slow_mask_overlaps(first, second)
    overlaps = masks.compute_overlaps_masks(first, second)
    np.testing.assert_allclose(overlaps, expected, rtol=0, atol=GEOMETRY)
    assert overlaps.dtype == np.float32
    monkeypatch.setattr(masks, "_PIXELS_AT_ONCE", 100)
    np.testing.assert_array_equal(masks.compute_overlaps_masks(first, second), overlaps)


@pytest.mark.parametrize(("n1", "n2"), [(0, 0), (0, 2), (2, 0)])
def test_mask_overlaps_of_nothing(n1, n2):
    overlaps = masks.compute_overlaps_masks(np.zeros((5, 5, n1)), np.zeros((5, 5, n2)))
    assert overlaps.shape == (n1, n2)


def test_mask_overlaps_refuse_other_sizes():
    with pytest.raises(ValueError, match=r"one image size, received \(5, 6\) and \(6, 5\)"):
        masks.compute_overlaps_masks(np.zeros((5, 6, 1)), np.zeros((6, 5, 1)))
    with pytest.raises(ValueError, match=r"masks2: expected shape \[H, W, N\]"):
        masks.compute_overlaps_masks(np.zeros((5, 6, 1)), np.zeros((5, 6)))
