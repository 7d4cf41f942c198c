"""TimeDistributed against a loop over the rois."""

import keras
import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.time_distributed import TimeDistributed

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 6, 6, 3)).astype(np.float32)
INNER = {
    "conv": (lambda: keras.layers.Conv2D(4, 3, padding="same", name="conv1"), IMAGES),
    "deconv": (lambda: keras.layers.Conv2DTranspose(4, 2, strides=2, name="deconv"), IMAGES),
    "batch norm": (lambda: BatchNorm(train_bn=False, name="bn1"), IMAGES),
    "dense": (lambda: keras.layers.Dense(7, name="fc"), IMAGES[..., 0, 0, :]),
}


@pytest.mark.parametrize("inner", INNER)
def test_equals_a_loop_over_the_rois(inner):
    make, x = INNER[inner]
    layer = TimeDistributed(make(), name="mrcnn_thing")
    answer = np.asarray(layer(x))
    assert answer.shape == layer.compute_output_shape(x.shape)
    for n in range(x.shape[1]):
        np.testing.assert_allclose(answer[:, n], layer.layer(x[:, n]), atol=TWINS)


def test_no_rois_give_no_rows():
    layer = TimeDistributed(keras.layers.Dense(3))
    assert layer(np.zeros((2, 0, 4), np.float32)).shape == (2, 0, 3)


def test_unknown_numbers_of_images_and_rois():
    inputs = keras.Input((None, 6, 6, 3))
    layer = TimeDistributed(keras.layers.Conv2D(2, 3))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, 4, 4, 2)
    for rois in (1, 4):
        answer = model(IMAGES[:, :rois])
        np.testing.assert_allclose(answer[:, 0], layer.layer(IMAGES[:, 0]), atol=TWINS)


def test_batch_statistics_run_over_all_rois():
    layer = TimeDistributed(BatchNorm(train_bn=True))
    answer = np.asarray(layer(IMAGES * 3 + 1, training=True))
    np.testing.assert_allclose(answer.mean(axis=(0, 1, 2, 3)), 0, atol=TWINS)


def test_freezing_the_wrapper_freezes_the_layer_inside():
    layer = TimeDistributed(keras.layers.Dense(3, name="fc"), name="mrcnn_fc")
    layer.build((None, 5, 4))
    assert [w.name for w in layer.trainable_weights] == ["kernel", "bias"]
    layer.trainable = False
    assert not layer.trainable_weights
    assert len(layer.weights) == 2
