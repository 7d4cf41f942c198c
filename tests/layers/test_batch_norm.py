"""BatchNorm: what TRAIN_BN changes, in a real fit()."""

import keras
import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.time_distributed import TimeDistributed


def fitted(train_bn, wrapped):
    """Weights by name before and after two epochs, and the layer."""
    keras.utils.set_random_seed(0)
    layer = BatchNorm(train_bn=train_bn, name="bn")
    inputs = keras.Input((3, 4) if wrapped else (4,))
    outputs = (TimeDistributed(layer) if wrapped else layer)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("sgd", "mse")
    before = {w.name: w.numpy() for w in layer.weights}
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (32, *inputs.shape[1:])).astype(np.float32)
    model.fit(x, x[..., :1], epochs=2, batch_size=8, verbose=0)
    return before, {w.name: w.numpy() for w in layer.weights}


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "time distributed"])
@pytest.mark.parametrize("train_bn", [False, None, True])
def test_statistics_move_only_where_train_bn_lets_them(train_bn, wrapped):
    before, after = fitted(train_bn, wrapped)
    changed = {name for name in before if (before[name] != after[name]).any()}
    learned = {"gamma", "beta"}
    statistics = {"moving_mean", "moving_variance"}
    assert changed == (learned if train_bn is False else learned | statistics)


def test_frozen_statistics_normalise_in_training_too():
    layer = BatchNorm(train_bn=False)
    x = np.random.default_rng(0).normal(5, 3, (64, 2)).astype(np.float32)
    layer.build(x.shape)
    layer.moving_mean.assign([5.0, 4.0])
    layer.moving_variance.assign([9.0, 4.0])
    expected = (x - [5, 4]) / np.sqrt(np.array([9, 4]) + layer.epsilon)
    for training in (True, False, None):
        np.testing.assert_allclose(layer(x, training=training), expected, rtol=TWINS, atol=TWINS)
    answer = np.asarray(BatchNorm(train_bn=True)(x, training=True))
    np.testing.assert_allclose(answer.mean(axis=0), 0, atol=TWINS)


def test_scale_and_shift_stay_trainable():
    layer = BatchNorm(train_bn=False)
    layer.build((None, 3))
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
