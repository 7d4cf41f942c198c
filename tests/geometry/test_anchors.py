"""Anchors against a slow loop, and their number for the usual image size."""

import itertools
import math

import numpy as np
import pytest
from tolerances import GEOMETRY

from mrcnn.geometry import anchors


def slow_anchors(scales, ratios, shape, feature_stride, anchor_stride):
    answer = []
    for row, column in itertools.product(
        range(0, shape[0], anchor_stride), range(0, shape[1], anchor_stride)
    ):
        for ratio, scale in itertools.product(ratios, scales):
            height, width = scale / math.sqrt(ratio), scale * math.sqrt(ratio)
            y, x = row * feature_stride, column * feature_stride
            answer.append((y - height / 2, x - width / 2, y + height / 2, x + width / 2))
    return np.array(answer)


@pytest.mark.parametrize("anchor_stride", [1, 2, 3])
@pytest.mark.parametrize("scales", [[32], [16, 64]])
def test_one_level_equals_loop(scales, anchor_stride):
    arguments = (scales, [0.5, 1, 2], (5, 7), 8, anchor_stride)
    expected = slow_anchors(*arguments)
    np.testing.assert_allclose(
        anchors.generate_anchors(*arguments), expected, rtol=0, atol=GEOMETRY
    )


def test_scale_may_be_a_number():
    np.testing.assert_array_equal(
        anchors.generate_anchors(32, [1], (2, 2), 4, 1),
        anchors.generate_anchors([32], [1], (2, 2), 4, 1),
    )


def test_pyramid_is_the_levels_in_order():
    shapes, strides, scales = [(4, 6), (2, 3)], [4, 8], (8, 16)
    pyramid = anchors.generate_pyramid_anchors(scales, [0.5, 1], shapes, strides, 1)
    levels = [slow_anchors([s], [0.5, 1], shape, stride, 1)
              for s, shape, stride in zip(scales, shapes, strides, strict=True)]
    np.testing.assert_allclose(pyramid, np.concatenate(levels), rtol=0, atol=GEOMETRY)


def test_a_square_of_1024_pixels_has_261888_anchors():
    strides = [4, 8, 16, 32, 64]
    shapes = anchors.compute_backbone_shapes_from_strides((1024, 1024, 3), strides)
    pyramid = anchors.generate_pyramid_anchors(
        (32, 64, 128, 256, 512), [0.5, 1, 2], shapes, strides, 1
    )
    assert pyramid.shape == (261_888, 4)
    np.testing.assert_allclose(pyramid[:, :2] + pyramid[:, 2:], 2 * np.round(
        (pyramid[:, :2] + pyramid[:, 2:]) / 2), rtol=0, atol=GEOMETRY)


def test_backbone_shapes_round_up():
    shapes = anchors.compute_backbone_shapes_from_strides((100, 130, 3), [4, 64])
    np.testing.assert_array_equal(shapes, [[25, 33], [2, 3]])
    assert shapes.dtype == np.int64


def test_levels_must_agree():
    with pytest.raises(ValueError, match="2 scales, 1 shapes, 2 strides"):
        anchors.generate_pyramid_anchors((8, 16), [1], [(4, 4)], [4, 8], 1)


@pytest.mark.parametrize("name", ["scales", "ratios", "feature_stride", "anchor_stride"])
def test_values_must_be_positive(name):
    arguments = {"scales": [8], "ratios": [1], "feature_stride": 4, "anchor_stride": 1, name: 0}
    with pytest.raises(ValueError, match=rf"{name}: expected positive numbers, received \[?0"):
        anchors.generate_anchors(shape=(2, 2), **arguments)


def slow_rounded_anchors(scales, ratios, image_shape, shape, anchor_stride):
    """torchvision's: half a side is rounded, cells are whole pixels apart on each axis."""
    answer, steps = [], (image_shape[0] // shape[0], image_shape[1] // shape[1])
    for row, column in itertools.product(
        range(0, shape[0], anchor_stride), range(0, shape[1], anchor_stride)
    ):
        for ratio, scale in itertools.product(ratios, scales):
            half = (round(scale / math.sqrt(ratio) / 2), round(scale * math.sqrt(ratio) / 2))
            y, x = row * steps[0], column * steps[1]
            answer.append((y - half[0], x - half[1], y + half[0], x + half[1]))
    return np.array(answer)


@pytest.mark.parametrize("anchor_stride", [1, 2])
@pytest.mark.parametrize("image_shape", [(800, 1088), (416, 544), (64, 64), (100, 75), (7, 9)])
def test_rounded_anchors_equal_loop(image_shape, anchor_stride):
    scales, ratios = (32, 64, 128, 256, 512), [2, 1, 0.5]
    shapes = anchors.compute_backbone_shapes_from_strides(image_shape, [4, 8, 16, 32, 64])[2:]
    strides = anchors.whole_strides(image_shape, shapes)
    got = anchors.generate_pyramid_anchors(
        scales[2:], ratios, shapes, strides, anchor_stride, rounded=True)
    levels = [slow_rounded_anchors([s], ratios, image_shape, shape, anchor_stride)
              for s, shape in zip(scales[2:], shapes, strict=True)]
    np.testing.assert_array_equal(got, np.concatenate(levels))


def test_known_rounded_anchors():
    """Half of 32 / sqrt(0.5) is 22.6, of 32 * sqrt(0.5) 11.3; 800 px over 13 cells are 61 apart."""
    got = anchors.generate_pyramid_anchors(
        [32], [0.5, 1, 2], [(13, 1)], anchors.whole_strides((800, 64), [(13, 1)]), 1, rounded=True)
    np.testing.assert_array_equal(got[:3], [[-23, -11, 23, 11], [-16, -16, 16, 16],
                                            [-11, -23, 11, 23]])
    np.testing.assert_array_equal(got[3], [61 - 23, -11, 61 + 23, 11])


def test_several_scales_a_level_equal_loop():
    scales, ratios = (32, 64, 128), [0.5, 1, 2]
    got = anchors.generate_pyramid_anchors([scales], ratios, [(5, 7)], [16], 1)
    assert got.shape == (5 * 7 * 9, 4)
    np.testing.assert_allclose(got, slow_anchors(scales, ratios, (5, 7), 16, 1), rtol=0,
                               atol=GEOMETRY)
