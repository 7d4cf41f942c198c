"""Resizing, anchors and pasting on tensors against the numpy versions that `detect` uses."""

import numpy as np
import pytest
from e2e.tiny import tiny_config
from keras import ops
from tolerances import INTEGER, TWINS

from mrcnn.data.anchoring import config_anchors
from mrcnn.engine.export import tensor_masks
from mrcnn.engine.export.pipeline import pyramid_anchors
from mrcnn.engine.export.tensor_resize import mold, scaled_sides
from mrcnn.engine.inference import mold_one
from mrcnn.geometry import boxes as box_geometry
from mrcnn.geometry import molding
from mrcnn.geometry.masks import framed_boxes, paste_mask
from mrcnn.geometry.resize import placement
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE

SIZES = [(64, 64), (128, 128), (37, 91), (200, 33), (1, 300), (65, 64), (61, 63), (500, 411)]
MODES = {
    "square": {},
    "square that enlarges": {"IMAGE_MIN_DIM": 96, "IMAGE_MAX_DIM": 128},
    "square of a least scale": {"IMAGE_MIN_SCALE": 1.7},
    "square that never enlarges": {"IMAGE_MIN_DIM": 0, "IMAGE_MAX_DIM": 192},
    "pad64": {"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 64},
    "pad64 of a least scale": {"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 64,
                               "IMAGE_MIN_SCALE": 1.3},
    "none": {"IMAGE_RESIZE_MODE": "none"},
}


def numpy_of(value):
    return np.asarray(ops.convert_to_numpy(value))


def noise(size, dtype=np.uint8, channels=3):
    rng = np.random.default_rng(sum(size))
    return (rng.random((*size, channels)) * 255.99).astype(dtype)


@pytest.mark.parametrize("knobs", MODES.values(), ids=MODES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_molding_equals_detect_to_the_bit(size, knobs):
    config = tiny_config(**knobs)
    image = noise(size)
    expected, meta, window = mold_one(image, config)
    molded, window_px, scale = mold(ops.convert_to_tensor(image[None]), config,
                                    config.IMAGE_RESIZE_MODE)
    np.testing.assert_array_equal(numpy_of(molded)[0], expected)
    assert numpy_of(molded).dtype == np.float32
    np.testing.assert_array_equal(numpy_of(window_px), window)
    assert float(scale) == meta[11]


@pytest.mark.parametrize("mode", SHORTEST_EDGE)
@pytest.mark.parametrize("size", [*SIZES, (480, 640), (1, 1)], ids=str)
def test_molding_by_the_shortest_edge(size, mode):
    """OpenCV computes in float32 for `detect`; sides and padding are equal."""
    config = tiny_config(IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=100, IMAGE_MAX_DIM=167,
                         IMAGE_STD=[58.0, 57.0, 56.0])
    image = noise(size)
    expected, meta, window = mold_one(image, config)
    molded, window_px, scale = mold(ops.convert_to_tensor(image[None]), config, mode)
    molded = numpy_of(molded)[0]
    assert molded.shape == expected.shape and molded.dtype == np.float32
    np.testing.assert_allclose(molded, expected, rtol=0, atol=TWINS * 255 / 56)
    np.testing.assert_array_equal(molded == 0, expected == 0)
    np.testing.assert_array_equal(numpy_of(window_px), window)
    assert float(scale) == meta[11]


@pytest.mark.parametrize("mode", SHORTEST_EDGE)
def test_sides_of_any_image(mode):
    config = tiny_config(IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=800, IMAGE_MAX_DIM=1333)
    rng = np.random.default_rng(0)
    for height, width in [*rng.integers(1, 3000, (60, 2)).tolist(), [427, 640], [800, 1333]]:
        expected = placement(height, width, 800, 1333, 0, mode)[:2]
        scale, sides = scaled_sides(*map(ops.convert_to_tensor, (height, width)), config,
                                    mode == "shortest_edge_floor")
        assert (float(scale), tuple(map(int, sides))) == expected


def test_deviation_to_the_bit():
    config = tiny_config(IMAGE_STD=[58.395, 57.12, 57.375])
    image = noise((70, 51))
    molded, _, _ = mold(ops.convert_to_tensor(image[None]), config, "square")
    np.testing.assert_array_equal(numpy_of(molded)[0], mold_one(image, config)[0])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_molding_of_other_types(dtype):
    config = tiny_config(IMAGE_CHANNEL_COUNT=4, MEAN_PIXEL=np.array([1.5, 2.0, 300.25, 0.0]))
    image = noise((70, 51), channels=4).astype(dtype) * dtype(200) + dtype(7)
    expected, _, _ = mold_one(image, config)
    molded, _, _ = mold(ops.convert_to_tensor(image[None]), config, "square")
    np.testing.assert_array_equal(numpy_of(molded)[0], expected)


def test_images_of_a_batch_are_clipped_each_to_its_own_range():
    config = tiny_config()
    images = np.stack([noise((40, 70)) // 4 + 90, noise((40, 70)) // 2])
    molded, _, _ = mold(ops.convert_to_tensor(images), config, "square")
    for image, row in zip(images, numpy_of(molded), strict=True):
        np.testing.assert_array_equal(row, mold_one(image, config)[0])


@pytest.mark.parametrize("size", [(64, 64), (128, 320), (100, 37)])
@pytest.mark.parametrize("anchor_stride", [1, 2])
def test_anchors(size, anchor_stride):
    config = tiny_config(RPN_ANCHOR_STRIDE=anchor_stride, RPN_ANCHOR_RATIOS=[0.5, 1, 3])
    expected = box_geometry.norm_boxes(config_anchors(config, size), size)
    np.testing.assert_array_equal(numpy_of(pyramid_anchors(config, *size)), expected)


@pytest.mark.parametrize("size", [(64, 64), (96, 320), (160, 32)])
@pytest.mark.parametrize("knobs", [
    {"BOX_NORMALIZATION": "edges"},
    {"RPN_ANCHOR_ROUNDING": True, "BOX_NORMALIZATION": "edges"},
    {"FEATURES": "c4", "BACKBONE_STRIDES": [16]},
])
def test_anchors_of_the_other_school(size, knobs):
    config = tiny_config(RPN_ANCHOR_RATIOS=[2, 1, 0.5], **knobs)
    expected = box_geometry.norm_boxes(config_anchors(config, size), size, config.box_edges)
    np.testing.assert_array_equal(
        numpy_of(pyramid_anchors(config, *map(ops.convert_to_tensor, size))), expected)


BOXES = [(3, 4, 31, 40), (0, 0, 50, 60), (-7, 5, 20, 90), (10, -9, 75, 11), (49, 59, 50, 60),
         (12, 12, 13, 50), (8, 8, 8, 20), (60, 70, 80, 90)]


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_one_mask(box):
    rng = np.random.default_rng(4)
    for soft in (rng.random((28, 28)), rng.random((14, 20)) * 0.5 + 0.5, np.full((28, 28), 0.5),
                 np.zeros((28, 28))):
        expected = np.zeros((50, 60), bool)
        soft = soft.astype(np.float32)
        if box[2] > box[0]:
            paste_mask(soft, box, expected)
        pasted = tensor_masks.paste_mask(
            ops.convert_to_tensor(soft), ops.convert_to_tensor(box, "int32"), (50, 60))
        np.testing.assert_array_equal(numpy_of(pasted), expected)


def test_one_mask_with_a_frame():
    rng = np.random.default_rng(4)
    boxes = np.concatenate([BOXES, rng.uniform(-20, 90, (20, 4))])
    for box in boxes:
        box = np.r_[np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:]) + 0.3]
        for shape in ((28, 28), (14, 20)):
            soft, expected = rng.random(shape).astype(np.float32), np.zeros((50, 60), bool)
            place = framed_boxes(box, shape)
            paste_mask(soft, place, expected, frame=True)
            mine = tensor_masks.framed_boxes(ops.convert_to_tensor(box, "float64"), shape)
            np.testing.assert_array_equal(numpy_of(mine), place)
            pasted = tensor_masks.paste_mask(ops.convert_to_tensor(soft), mine, (50, 60), True)
            np.testing.assert_array_equal(numpy_of(pasted), expected)


def test_masks_of_each_class():
    rng = np.random.default_rng(0)
    masks = rng.random((2, 5, 4, 6, 3)).astype(np.float32)
    class_ids = rng.integers(0, 3, (2, 5)).astype(np.int32)
    chosen = numpy_of(tensor_masks.masks_of_class(ops.convert_to_tensor(masks), class_ids))
    for image in range(2):
        for row in range(5):
            np.testing.assert_array_equal(
                chosen[image, row], masks[image, row, :, :, class_ids[image, row]])


@pytest.mark.parametrize("edges", [False, True])
def test_boxes_in_pixels_of_the_image(edges):
    rng = np.random.default_rng(1)
    boxes = rng.random((1, 300, 4)).astype(np.float32) * 1.2 - 0.1
    detections = np.concatenate([boxes[0], np.ones((300, 2), np.float32)], axis=1)
    soft = np.zeros((300, 4, 4, 2), np.float32)
    window, molded, original = np.array([16, 0, 112, 128]), (128, 128), (333, 451)
    expected, _, _, masks = molding.unmold_lazily(
        detections, soft, original, molded, window, edges, frame=True)
    px, exact = (numpy_of(part)[0] for part in tensor_masks.boxes_to_image(
        boxes, ops.convert_to_tensor(window, "float64"), molded, original, edges))
    real = (px[:, 2] > px[:, 0]) & (px[:, 3] > px[:, 1])
    np.testing.assert_allclose(px[real], expected, rtol=0, atol=INTEGER)
    np.testing.assert_array_equal(exact[real], masks.boxes)


def test_objects_come_first_and_rows_behind_are_zero():
    is_object = np.array([[False, True, True, False], [False, False, False, True]])
    values = np.arange(8, dtype=np.int32).reshape(2, 4) + 1
    wide = np.ones((2, 4, 2, 3), np.float32) * values[:, :, None, None]
    counts, chosen, chosen_wide = tensor_masks.objects_first(
        *map(ops.convert_to_tensor, (is_object, values, wide)))
    np.testing.assert_array_equal(numpy_of(counts), [2, 1])
    np.testing.assert_array_equal(numpy_of(chosen), [[2, 3], [8, 0]])
    np.testing.assert_array_equal(numpy_of(chosen_wide)[:, :, 1, 2], [[2, 3], [8, 0]])
    counts, chosen = tensor_masks.objects_first(
        ops.convert_to_tensor(is_object & False), ops.convert_to_tensor(values))
    assert numpy_of(counts).tolist() == [0, 0] and numpy_of(chosen).shape == (2, 0)
