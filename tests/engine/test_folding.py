"""Folded batch-norm: the same answers, from fewer layers, and from the weights of the moment."""

import keras
import numpy as np
import pytest
from tolerances import TWINS

from mrcnn import kernels
from mrcnn.engine.folding import FoldedModel
from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.time_distributed import TimeDistributed

L = keras.layers


def randomise(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        low = 0.5 if "variance" in variable.name else -1.0
        variable.assign(rng.uniform(low, 1.0, variable.shape).astype(np.float32))
    return model


def rows(model):
    shape = [n or 6 for n in model.inputs[0].shape[1:]]
    return np.random.default_rng(5).normal(size=(2, *shape)).astype(np.float32)


def answers(model, inputs, weights=None):
    return kernels.compile_forward(model, weights=weights)(inputs)


def check(model, names):
    """Only these layers are folded, and nothing else is seen of it."""
    model = randomise(keras.Model(model.inputs, model.outputs))
    inputs = rows(model)
    expected = answers(model, inputs)
    folded = FoldedModel(model)
    assert sorted(folded.folded) == sorted(names)
    for answer, want in zip(answers(folded.model, inputs, folded.weights()), expected, strict=True):
        np.testing.assert_allclose(answer, want, rtol=TWINS, atol=TWINS * np.abs(want).max())
    for answer, want in zip(answers(model, inputs), expected, strict=True):
        np.testing.assert_array_equal(answer, want, "the source answers as before")
    return folded


def model_of(shape, *steps):
    """Layers one after the other, as a functional model."""
    inputs = x = L.Input(shape)
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


IMAGE = (6, 8, 3)
BEFORE = {
    "conv": L.Conv2D(5, 3, strides=2, padding="same"),
    "conv without bias": L.Conv2D(5, 3, use_bias=False),
    "grouped": L.Conv2D(6, 1, groups=3),
    "dense": L.Dense(4),
    "depthwise": L.DepthwiseConv2D(3, depth_multiplier=2),
    "separable": L.SeparableConv2D(5, 3, depth_multiplier=2, use_bias=False),
    "transposed": L.Conv2DTranspose(5, 2, strides=2),
}
NORMS = {
    "ours": lambda: BatchNorm(train_bn=False, name="bn"),
    "of keras": lambda: L.BatchNormalization(name="bn", epsilon=0.1),
    "without factor": lambda: L.BatchNormalization(name="bn", scale=False, axis=3),
    "without offset": lambda: L.BatchNormalization(name="bn", center=False),
}


@pytest.mark.parametrize("kind", BEFORE)
def test_each_layer_that_can_take_it_over(kind):
    layer = BEFORE[kind].__class__.from_config(BEFORE[kind].get_config())
    check(model_of(IMAGE, layer, NORMS["ours"](), L.ReLU()), ["bn"])


@pytest.mark.parametrize("kind", NORMS)
def test_each_batch_norm(kind):
    check(model_of(IMAGE, L.Conv2D(5, 3), NORMS[kind]()), ["bn"])


def test_within_time_distributed():
    norm = TimeDistributed(BatchNorm(train_bn=False), name="bn")
    check(model_of((4, *IMAGE), TimeDistributed(L.Conv2D(5, 3)), norm, L.ReLU()), ["bn"])


def test_in_nested_models_and_before_them():
    inner = model_of((None, None, 5), L.Conv2D(4, 1), BatchNorm(name="inner"), L.ReLU())
    row = keras.Sequential([L.Input((None, None, 4)), L.Conv2D(4, 1, use_bias=False),
                            L.BatchNormalization(name="row")])
    check(model_of(IMAGE, L.Conv2D(5, 3), BatchNorm(name="outer"), inner, row),
          ["inner", "outer", "row"])


def test_a_nested_model_run_twice():
    inner = model_of((None, None, 3), L.Conv2D(3, 1), BatchNorm(name="inner"), L.ReLU())
    check(model_of(IMAGE, inner, L.AveragePooling2D(2), inner), ["inner"])


def test_what_cannot_be_folded_stays():
    shared = L.Conv2D(3, 1, name="shared")
    inputs = L.Input(IMAGE)
    first = BatchNorm(name="of_the_image")(inputs)
    twice = L.Conv2D(3, 1)(first)
    read_twice = L.Add()([BatchNorm(name="read_twice")(twice), twice])
    activated = BatchNorm(name="activated")(L.Conv2D(3, 1, activation="relu")(read_twice))
    by_two = L.Add()([BatchNorm(name="by_shared")(shared(activated)), shared(first)])
    rows_of = BatchNorm(name="of_rows", axis=1)(L.Conv2D(3, 1)(by_two))
    seen = L.Conv2D(3, 1)(rows_of)
    last = BatchNorm(name="seen")(seen)
    check(keras.Model([inputs], [last, seen]), [])


def test_a_subclass_of_batch_norm_stays():
    class Doubled(L.BatchNormalization):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    check(model_of(IMAGE, L.Conv2D(5, 3), Doubled()), [])


def test_a_layer_in_two_wrappers_stays():
    shared = L.Conv2D(3, 1)
    inputs = L.Input((4, *IMAGE))
    first = TimeDistributed(BatchNorm(), name="bn")(TimeDistributed(shared)(inputs))
    check(keras.Model(inputs, TimeDistributed(shared)(first)), [])


class Doubled(keras.Model):
    """A model of a graph that does more than run it."""

    def __init__(self):
        inputs = L.Input((None, None, 3))
        super().__init__(inputs, BatchNorm(name="inner")(L.Conv2D(4, 1)(inputs)))

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


def test_a_nested_model_with_a_call_of_its_own_stays():
    check(model_of(IMAGE, L.Conv2D(3, 1), BatchNorm(name="outer"), Doubled()), ["outer"])


def test_weights_are_those_of_the_moment():
    model = model_of(IMAGE, L.Conv2D(5, 3), BatchNorm(name="bn"))
    model = keras.Model(model.inputs, model.outputs)
    folded = check(model, ["bn"])
    inputs = rows(model)
    forward = kernels.compile_forward(folded.model, weights=folded.weights())
    forward(inputs)
    randomise(model, seed=1)
    forward.renew(folded.weights())
    want = answers(model, inputs)[0]
    np.testing.assert_allclose(forward(inputs)[0], want, rtol=TWINS, atol=TWINS)
    assert forward.traces == 1


def test_low_precision_weights_come_in_low_precision():
    dtype = keras.DTypePolicy("mixed_bfloat16")
    model = model_of(IMAGE, L.Conv2D(5, 3, dtype=dtype, name="low"),
                     BatchNorm(name="bn", dtype=dtype), L.Conv2D(2, 1, name="full"),
                     BatchNorm(name="stays", axis=1, dtype=dtype))
    model = randomise(keras.Model(model.inputs, model.outputs))
    folded = FoldedModel(model)
    assert folded.folded == ["bn"]
    types = {v.path: w.dtype.name
             for v, w in zip(folded.model.variables, folded.weights(), strict=True)}
    low = sorted(path for path, dtype in types.items() if dtype == "bfloat16")
    assert low == ["low/bias", "low/kernel"]
    assert types["full/kernel"] == types["stays/moving_variance"] == "float32"
    inputs = rows(model)
    want = answers(model, inputs)[0].astype(np.float32)
    answer = answers(folded.model, inputs, folded.weights())[0].astype(np.float32)
    np.testing.assert_allclose(answer, want, atol=0.03 * np.abs(want).max())
