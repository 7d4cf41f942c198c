"""crop_masks against TensorFlow's crop of one mask at a time."""

import numpy as np
import pytest
import tensorflow as tf
from tolerances import TWINS

from mrcnn.layers.mask_targets import crop_masks

RNG = np.random.default_rng(17)


@pytest.mark.parametrize("crop_shape", [(28, 28), (14, 28), (5, 3), (1, 1), (1, 6)])
@pytest.mark.parametrize("size", [(56, 56), (33, 20), (2, 2)])
def test_equals_crop_and_resize_mask_by_mask(size, crop_shape):
    """Boxes reach beyond the masks on every side; sides fall on halves of pixels, too."""
    masks = RNG.integers(0, 2, (2, *size, 5)).astype(np.uint8)
    grid = np.repeat(np.array([size], np.float32) - 1, 2, axis=0).ravel() * 2
    boxes = RNG.uniform(-0.3, 1.3, (2, 40, 4)).astype(np.float32)
    boxes[:, ::2] = np.round(boxes[:, ::2] * grid) / grid
    rows = RNG.integers(0, 5, (2, 40)).astype(np.int32)
    answer = np.asarray(crop_masks(masks, boxes, rows, crop_shape))
    assert answer.shape == (2, 40, *crop_shape)
    for b in (0, 1):
        single = np.moveaxis(masks[b], -1, 0)[rows[b], ..., None]
        expected = tf.image.crop_and_resize(single, boxes[b], np.arange(40), crop_shape)
        expected = expected.numpy()[..., 0]
        np.testing.assert_allclose(answer[b], expected, atol=TWINS)
        np.testing.assert_array_equal(np.round(answer[b]), np.round(expected))


def test_a_box_beside_the_mask_gives_zeros():
    masks = np.ones((1, 8, 8, 1), np.uint8)
    boxes = np.array([[[1.2, 0, 1.5, 1], [-1, -1, -0.1, -0.1]]], np.float32)
    answer = crop_masks(masks, boxes, np.zeros((1, 2), np.int32), (4, 4))
    np.testing.assert_array_equal(answer, 0)
