"""MASK_PASTE_FRAME: masks with a frame of one empty cell, against a slow loop."""

import math

import numpy as np
import pytest
from pycocotools import mask as coding
from tolerances import TWINS

from mrcnn.geometry.lazy_masks import LazyMasks, PackedMasks
from mrcnn.geometry.masks import framed_boxes, paste_mask, unmold_mask

SHAPE = (40, 60)
BOXES = np.array([
    [3.2, 5.9, 30.4, 41.01],
    [0, 0, 40, 60],  # the whole image
    [39, 59, 40, 60],  # one pixel, in the corner
    [12, 30, 13, 31],  # one pixel
    [20.1, 20.2, 20.4, 20.3],  # less than a pixel
    [10.5, 50.25, 25.75, 70.5],  # partly outside
    [-6.5, -3.5, 9.25, 8.5],  # corners below zero: towards zero they are cut
    [-0.4, 10, 20.6, 59.9],
    [50, 70, 60, 90],  # outside
    [-30, -30, -10, -10],
    [5, 2, 9, 58],  # flat
    [0.3, 0.4, 39.9, 59.8],
])


def slow_paste(mask, box, shape):
    """torchvision's `paste_masks_in_image`, one pixel after the other: [H, W] float."""
    cells = [side + 2 for side in mask.shape]
    ends = []
    for axis in (0, 1):
        centre, half = (box[axis] + box[axis + 2]) / 2, (box[axis + 2] - box[axis]) / 2
        half *= cells[axis] / mask.shape[axis]
        ends.append((math.trunc(centre - half), math.trunc(centre + half)))
    sides = [max(last - first + 1, 1) for first, last in ends]
    framed = np.zeros(cells)
    framed[1:-1, 1:-1] = mask
    out = np.zeros(shape)
    for y in range(max(ends[0][0], 0), min(ends[0][1] + 1, shape[0])):
        for x in range(max(ends[1][0], 0), min(ends[1][1] + 1, shape[1])):
            place = []
            for axis, position in enumerate((y, x)):
                at = (position - ends[axis][0] + 0.5) * cells[axis] / sides[axis] - 0.5
                at = min(max(at, 0), cells[axis] - 1)
                low = math.floor(at)
                place.append((low, min(low + 1, cells[axis] - 1), at - low))
            (top, bottom, fy), (left, right, fx) = place
            value = (framed[top, left] * (1 - fy) * (1 - fx) + framed[top, right] * (1 - fy) * fx
                     + framed[bottom, left] * fy * (1 - fx) + framed[bottom, right] * fy * fx)
            out[y, x] = value
    return out


def check(found, mask, box, shape=SHAPE):
    """Exact, but for pixels whose value is one half up to rounding."""
    value = slow_paste(mask, box, shape)
    clear = np.abs(value - 0.5) > TWINS
    assert found.shape == value.shape
    np.testing.assert_array_equal(found[clear], value[clear] > 0.5)


def random_boxes(rng, count):
    corners = rng.uniform(-10, 60, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0.05, 40, (count, 2))], axis=1)


@pytest.mark.parametrize("box", BOXES.tolist())
@pytest.mark.parametrize("shape", [(28, 28), (14, 6), (1, 1)])
def test_equals_the_loop(box, shape):
    rng = np.random.default_rng(0)
    for mask in (rng.random(shape), np.ones(shape), np.zeros(shape), np.full(shape, 0.6)):
        mask = mask.astype(np.float32)
        check(unmold_mask(mask, box, SHAPE, frame=True), mask, box)


def test_equals_the_loop_at_random_boxes():
    rng = np.random.default_rng(1)
    for box in random_boxes(rng, 60):
        mask = rng.random((7, 9)).astype(np.float32)
        check(unmold_mask(mask, box, (50, 50), frame=True), mask, box, (50, 50))


def test_a_full_mask_covers_its_box_to_a_pixel():
    """The frame darkens what lies around the box, not the box."""
    mask = np.ones((28, 28), np.float32)
    found = unmold_mask(mask, (10.0, 20.0, 30.0, 50.0), SHAPE, frame=True)
    assert found[11:29, 21:49].all()
    assert not found[:9].any()
    assert not found[:, :19].any()
    assert not found[32:].any()
    assert not found[:, 52:].any()


def test_fractions_of_a_pixel_move_the_mask():
    mask = np.ones((28, 28), np.float32)
    masks = [unmold_mask(mask, (10, 20 + part, 30, 50 + part), SHAPE, frame=True)
             for part in (0.0, 0.3, 0.6, 0.9)]
    assert sum((masks[0] != one).any() for one in masks) >= 1
    plain = unmold_mask(mask, (10, 20, 30, 50), SHAPE)
    assert (plain != masks[0]).any()


def test_framed_boxes():
    np.testing.assert_array_equal(
        framed_boxes([[[10, 20, 38, 48], [-2.5, 0.0, 0.3, 28.0]]], (28, 28)),
        [[[9, 19, 40, 50], [-2, -1, 1, 30]]])
    assert framed_boxes(np.zeros((0, 4)), (28, 28)).shape == (0, 4)


def test_without_the_frame_nothing_changes():
    mask = np.random.default_rng(2).random((28, 28)).astype(np.float32)
    plain, named = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    paste_mask(mask, (3, 4, 30, 50), plain)
    paste_mask(mask, (3, 4, 30, 50), named, frame=False)
    np.testing.assert_array_equal(plain, named)
    assert (plain != unmold_mask(mask, (3, 4, 30, 50), SHAPE, frame=True)).any()


class TestLazyMasks:
    soft = np.random.default_rng(3).random((len(BOXES), 28, 28)).astype(np.float32)
    expected = np.stack([slow_paste(one, box, SHAPE) > 0.5
                         for one, box in zip(soft, BOXES, strict=True)], axis=-1)

    def masks(self):
        return LazyMasks(BOXES, self.soft, (*SHAPE, 3), frame=True)

    def test_equal_the_loop(self):
        masks = self.masks()
        assert masks.shape == self.expected.shape
        np.testing.assert_array_equal(np.asarray(masks), self.expected)
        for i in range(len(BOXES)):
            np.testing.assert_array_equal(masks[:, :, i], self.expected[:, :, i])
            np.testing.assert_array_equal(masks[5:30, 10:50, i], self.expected[5:30, 10:50, i])

    def test_a_choice_keeps_the_frame_and_the_fractions(self):
        keep = [4, 0, 6]
        np.testing.assert_array_equal(np.asarray(self.masks()[..., keep]),
                                      self.expected[..., keep])

    def test_run_lengths_and_packed(self):
        masks = self.masks()
        for code, one in zip(masks.rles, np.moveaxis(self.expected, -1, 0), strict=True):
            np.testing.assert_array_equal(coding.decode(code), one)
        np.testing.assert_array_equal(np.asarray(PackedMasks.of(masks)), self.expected)

    def test_no_mask(self):
        empty = LazyMasks(np.zeros((0, 4)), np.zeros((0, 28, 28)), SHAPE, frame=True)
        assert np.asarray(empty).shape == (*SHAPE, 0)

    def test_a_box_without_area_is_refused(self):
        with pytest.raises(ValueError, match="y2 > y1"):
            LazyMasks([[1.5, 2.0, 1.5, 4.0]], self.soft[:1], SHAPE, frame=True)
