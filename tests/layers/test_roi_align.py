"""crop_and_resize and PyramidROIAlign against a bilinear loop."""

import numpy as np
import pytest
from loop_oracles import crop, pyramid_level, random_boxes
from tolerances import NETWORK, TWINS

from mrcnn import kernels
from mrcnn.layers.roi_align import PyramidROIAlign, roi_levels


@pytest.mark.parametrize("shape", [(7, 7), (14, 14), (3, 5), (1, 1), (1, 4)])
def test_crops_equal_the_loop(shape):
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (2, 9, 12, 3)).astype(np.float32)
    boxes, owner = random_boxes(rng, 8), np.array([0, 1, 1, 0, 1, 0, 0, 1], np.int32)
    answer = np.asarray(kernels.crop_and_resize(images, boxes, owner, shape))
    assert answer.shape == (8, *shape, 3)
    for row, (box, image) in enumerate(zip(boxes, owner, strict=True)):
        np.testing.assert_allclose(answer[row], crop(images[image], box, shape), atol=TWINS)


@pytest.mark.parametrize("size", [8, 16, 25, 32, 64, 100, 256])
@pytest.mark.parametrize("pool", [7, 14, 28])
def test_box_that_ends_at_the_border_has_no_zero_row(size, pool):
    """The margin of 1e-6 keeps the last sample inside, whatever float rounding does."""
    start = np.linspace(0, 0.99, 400).astype(np.float32)
    end = np.ones_like(start)
    boxes = np.stack([start, start[::-1], end, end], axis=1)
    image = np.ones((1, size, size, 1), np.float32)
    answer = kernels.crop_and_resize(image, boxes, np.zeros(400, np.int32), (pool, pool))
    np.testing.assert_allclose(np.asarray(answer), 1.0, atol=TWINS)


def test_whole_image_is_resized_corner_to_corner():
    image = np.random.default_rng(2).uniform(0, 1, (1, 6, 5, 2)).astype(np.float32)
    box = np.array([[0, 0, 1, 1]], np.float32)
    answer = kernels.crop_and_resize(image, box, np.zeros(1, np.int32), (6, 5))
    np.testing.assert_allclose(np.asarray(answer), image, atol=NETWORK)  # margin times slope


def test_a_box_without_area_repeats_its_place():
    image = np.random.default_rng(2).uniform(0, 1, (1, 6, 5, 1)).astype(np.float32)
    box = np.array([[0.2, 0.5, 0.2, 0.5]], np.float32)
    answer = np.asarray(kernels.crop_and_resize(image, box, np.zeros(1, np.int32), (2, 2)))
    np.testing.assert_allclose(answer[0, ..., 0], image[0, 1, 2, 0], atol=TWINS)


LEVEL_SIZES = [  # (height, width) of a box in a 1024 x 1024 image, and its level
    ((224, 224), 4), ((112, 112), 3), ((448, 448), 5), ((56, 56), 2), ((10, 10), 2),
    ((1000, 1000), 5), ((224, 56), 3), ((30, 400), 3), ((0, 100), 2), ((0, 0), 2),
    ((150, 150), 3), ((170, 170), 4),  # either side of the middle between 112 and 224
]


@pytest.mark.parametrize(("size", "level"), LEVEL_SIZES)
def test_level_of_a_box(size, level):
    box = np.array([[[0.0, 0.0, size[0] / 1024, size[1] / 1024]]], np.float32)
    answer = np.asarray(roi_levels(box, np.array([[1024.0, 1024.0]], np.float32)))
    np.testing.assert_array_equal(answer, [[level]])
    assert pyramid_level(box[0, 0], (1024, 1024)) == level


def meta_rows(*shapes):
    rows = np.zeros((len(shapes), 14), np.float32)
    rows[:, 4:6] = shapes
    return rows


def test_rois_come_from_their_level_in_their_order():
    rng = np.random.default_rng(4)
    shapes = [(1024, 512), (512, 512)]  # one meta row an image: levels differ between them
    maps = [rng.uniform(0, 1, (2, 32 // s, 24 // s, 3)).astype(np.float32) for s in (1, 2, 4, 8)]
    boxes = np.concatenate([
        random_boxes(rng, 2, 10, low=0.01, high=0.1),
        random_boxes(rng, 2, 20, low=0.1, high=0.99),
        np.zeros((2, 2, 4), np.float32),  # padding
        np.full((2, 1, 4), [0.1, 0.4, 0.1, 0.4], np.float32),
    ], axis=1)
    boxes = boxes[:, rng.permutation(33)]
    answer = np.asarray(PyramidROIAlign((3, 4))([boxes, meta_rows(*shapes), *maps]))
    assert answer.shape == (2, 33, 3, 4, 3)
    levels = set()
    for b in (0, 1):
        for r, box in enumerate(boxes[b]):
            level = pyramid_level(box, shapes[b])
            levels.add(level)
            expected = crop(maps[level - 2][b], box, (3, 4))
            np.testing.assert_allclose(answer[b, r], expected, atol=TWINS, err_msg=str((b, r)))
    assert levels == {2, 3, 4, 5}


def test_one_level_only_and_no_rois():
    maps = [np.ones((1, 8 // s, 8 // s, 2), np.float32) for s in (1, 2, 4, 8)]
    small = np.full((1, 3, 4), [0.1, 0.1, 0.2, 0.2], np.float32)
    layer = PyramidROIAlign((2, 2))
    answer = np.asarray(layer([small, meta_rows((64, 64)), *maps]))
    np.testing.assert_array_equal(answer, 1)
    assert layer([small[:, :0], meta_rows((64, 64)), *maps]).shape == (1, 0, 2, 2, 2)


def test_boxes_that_are_not_finite_cost_no_other_box():
    maps = [np.ones((1, 8 // s, 8 // s, 2), np.float32) for s in (1, 2, 4, 8)]
    boxes = np.array([[[np.nan] * 4, [0.1, 0.1, 0.4, 0.4], [0, 0, np.inf, 1]]], np.float32)
    answer = np.asarray(PyramidROIAlign((2, 2))([boxes, meta_rows((64, 64)), *maps]))
    assert answer.shape == (1, 3, 2, 2, 2)
    np.testing.assert_array_equal(answer[0, 1], 1)


def test_nms_kernel_pads_and_says_what_is_real():
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 0.1, 0.1]]] * 2, np.float32)
    boxes[1, 1] = [0.5, 0.5, 0.6, 0.6]
    scores = np.array([[0.1, 0.9, 0.5]] * 2, np.float32)
    indices, valid = kernels.non_max_suppression(boxes, scores, 4, 0.5)
    np.testing.assert_array_equal(valid, [[1, 1, 0, 0], [1, 1, 1, 0]])
    np.testing.assert_array_equal(np.asarray(indices)[0, :2], [1, 2])
    np.testing.assert_array_equal(np.asarray(indices)[1, :3], [1, 2, 0])
