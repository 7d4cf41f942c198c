"""What makes a training step faster or smaller leaves losses and gradients as they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import tiny_config, training_batch
from tolerances import NETWORK

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.nets.assembly import build_model
from mrcnn.nets.losses import LOSSES

RPN_LOSSES = [name for name in LOSSES if name.startswith("rpn")]  # they draw nothing


def build(**knobs):
    """A training graph whose batch-norm does something."""
    keras.utils.set_random_seed(0)
    model = build_model("training", tiny_config(BACKBONE_WIDTH=16, **knobs))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(rng.normal(0.0, 0.1, variable.shape))
    return model


def losses_and_gradients(model, inputs):
    """The RPN's losses [2], and the gradient of their sum by each trunk weight, by path."""
    places = [model.output_names.index(name) for name in RPN_LOSSES]
    variables = model.trainable_variables

    @tf.function
    def run(*tensors):
        with tf.GradientTape() as tape:
            outputs = model(list(tensors), training=True)
            losses = tf.stack([outputs[place] for place in places])
        return losses, tape.gradient(losses, [v.value for v in variables])

    losses, gradients = run(*map(tf.constant, inputs))
    found = {v.path: np.asarray(g) for v, g in zip(variables, gradients, strict=True)
             if g is not None}
    return np.asarray(losses), found


def assert_same(actual, expected):
    """Equal losses and gradients, rounding apart."""
    np.testing.assert_allclose(actual[0], expected[0], rtol=NETWORK)
    assert actual[1].keys() == expected[1].keys()
    largest = max(np.abs(gradient).max() for gradient in expected[1].values())
    for path, gradient in expected[1].items():
        np.testing.assert_allclose(actual[1][path], gradient, rtol=1e-3, atol=NETWORK * largest,
                                   err_msg=path)


@pytest.fixture(scope="module")
def plain():
    """(model, inputs, losses and gradients) with every layer computing for itself."""
    model = build()
    pairs, model._norms.pairs = model._norms.pairs, []
    inputs = training_batch(tiny_config())
    expected = losses_and_gradients(model, inputs)
    model._norms.pairs = pairs
    return model, inputs, expected


def test_batch_norm_is_folded_wherever_it_follows_a_convolution(plain):
    pairs = plain[0]._norms.pairs
    names = {norm.name for norm, _ in pairs}
    assert {"bn_conv1", "bn2a_branch2a", "bn5b_branch2b", "mrcnn_mask_bn4"} <= names
    assert not {"mrcnn_class_bn1", "mrcnn_class_bn2"} & names  # single positions
    assert all(convolution.name == norm.name.replace("bn", "res", 1) for norm, convolution in pairs
               if norm.name.startswith("bn") and norm.name != "bn_conv1")


def test_folded_batch_norm_gives_the_same_gradients(plain):
    model, inputs, expected = plain
    gammas = [path for path in expected[1] if path.startswith("bn") and path.endswith("gamma")]
    assert gammas and all(np.abs(expected[1][path]).max() > 0 for path in gammas)
    assert_same(losses_and_gradients(model, inputs), expected)


def test_rematerialized_stages_give_the_same_gradients(plain):
    model, inputs, expected = plain
    model.rematerialize(True)
    assert len(model._stages.stages) == 4
    actual = losses_and_gradients(model, inputs)
    model.rematerialize(False)
    assert_same(actual, expected)


def test_rematerialized_stages_draw_and_count_like_the_whole_graph(plain):
    model, inputs, _ = plain
    outputs = []
    for wanted in (False, True):
        model.rematerialize(wanted)
        seeds = [v for v in model.variables if v.name == "seed_generator_state"]
        for seed in seeds:
            seed.assign([3, 0])
        by_name = {tensor.name: array for tensor, array in zip(model.inputs, inputs, strict=True)}
        outputs.append([np.asarray(x) for x in model(by_name, training=True)])
        assert all(int(np.asarray(seed)[1]) > 0 for seed in seeds) and seeds
    model.rematerialize(False)
    for name, first, second in zip(model.output_names, *outputs, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-3, atol=NETWORK, err_msg=name)


def test_learning_batch_norm_learns_and_is_not_folded():
    model = build(TRAIN_BN=True)
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    before = [np.array(norm.moving_mean) for norm in norms]
    model(training_batch(tiny_config()), training=True)
    moved = [not np.array_equal(norm.moving_mean, old)
             for norm, old in zip(norms, before, strict=True)]
    assert all(moved)
    with pytest.raises(ValueError, match="REMATERIALIZE = True.*TRAIN_BN = False"):
        model.rematerialize(True)


def test_validation_uses_the_stored_statistics_of_learning_batch_norm():
    model = build(TRAIN_BN=True)
    before = [np.array(v) for v in model.non_trainable_variables if v.name.startswith("moving")]
    model(training_batch(tiny_config()), training=False)
    after = [np.array(v) for v in model.non_trainable_variables if v.name.startswith("moving")]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old)


def with_dropout(image, norm=lambda: BatchNorm(train_bn=False)):
    """A callable in Matterport's manner, which draws, with convolutions without a bias."""
    maps, x = [], image
    for filters, strides in ((8, 4), (8, 2), (8, 2), (8, 2)):
        x = keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        x = keras.layers.Dropout(0.5, seed=1)(norm()(x))
        maps.append(x)
    return maps


def test_dropout_draws_the_same_in_both_passes_and_anew_each_step():
    model = build(BACKBONE=with_dropout)
    inputs = training_batch(tiny_config())
    seeds = [v for v in model.variables if v.name == "seed_generator_state"]
    start = [np.array(seed) for seed in seeds]
    expected = losses_and_gradients(model, inputs)
    for seed, value in zip(seeds, start, strict=True):
        seed.assign(value)
    model.rematerialize(True)
    assert_same(losses_and_gradients(model, inputs), expected)
    assert all((np.asarray(seed) != old).any() for seed, old in zip(seeds, start, strict=True))


def test_batch_norm_of_keras_that_learns_cannot_be_computed_twice():
    model = build(BACKBONE=lambda image: with_dropout(image, keras.layers.BatchNormalization))
    with pytest.raises(ValueError, match="auto_batchnormalization_1.*TRAIN_BN = False"):
        model.rematerialize(True)


def test_a_backbone_that_is_one_model_is_one_stage():
    image = keras.Input((None, None, 3))
    x, maps = image, []
    for filters, strides in ((8, 4), (8, 2), (8, 2), (8, 2)):
        x = keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        maps.append(x)
    model = build(BACKBONE=keras.Model(image, maps))
    inputs = training_batch(tiny_config())
    expected = losses_and_gradients(model, inputs)
    model.rematerialize(True)
    assert len(model._stages.stages) == 1
    assert_same(losses_and_gradients(model, inputs), expected)
