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
