"""A file with biases in a network without: its answers stay, or the load is refused."""

import keras
import numpy as np
import pytest

from mrcnn.engine.legacy_h5 import write_legacy_h5
from mrcnn.engine.weights import layer_weights, load_weights_by_name
from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.nets.resnet import build_resnet


def network(style, epsilon=0.001):
    """A ResNet-18 on images of 32 px, with random weights and statistics."""
    image = keras.Input((32, 32, 3), name="input_image")
    maps = build_resnet(image, "resnet18", True, False, 16, style, epsilon)
    model = keras.Model(image, maps[1:])
    rng = np.random.default_rng(len(style))
    for layer in model.layers:
        for weight in layer.weights:
            small = weight.name in ("bias", "beta", "moving_mean", "kernel")
            weight.assign(rng.uniform(-0.2 if small else 0.5, 0.2 if small else 1, weight.shape))
    return model


def small_pair():
    """One convolution and batch-norm, with and without a bias."""
    pair = []
    for bias in (True, False):
        image = keras.Input((8, 8, 3), name="input_image")
        x = keras.layers.Conv2D(4, 3, use_bias=bias, name="conv1")(image)
        pair.append(keras.Model(image, BatchNorm(train_bn=False, name="bn_conv1")(x)))
    for weight in pair[0].weights:
        weight.assign(np.random.default_rng(1).uniform(0.5, 1, weight.shape))
    return pair


def written(path, model, drop=()):
    write_legacy_h5(path, [row for row in layer_weights(model) if row[0] not in drop])
    return path


def test_the_answers_stay(tmp_path):
    biased, plain = small_pair()
    load_weights_by_name(plain, written(tmp_path / "biased.h5", biased))
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(plain(image)),
                               keras.ops.convert_to_numpy(biased(image)), atol=1e-5)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_every_bias_of_a_resnet_goes_into_a_mean(tmp_path, mode, by_name):
    biased, plain = network("matterport"), network("caffe")
    report = load_weights_by_name(plain, written(tmp_path / "biased.h5", biased), mode=mode,
                                  by_name=by_name)
    assert not report.missing and not report.unused
    assert any("20 biases went into the moving means" in note for note in report.notes)
    stored = {f"{layer.name}/{w.name}": keras.ops.convert_to_numpy(w)
              for layer in biased.layers for w in layer.weights}
    for layer in plain.layers:
        for weight in layer.weights:
            expected = stored[f"{layer.name}/{weight.name}"]
            if weight.name == "moving_mean":
                conv = "conv1" if layer.name == "bn_conv1" else f"res{layer.name[2:]}"
                expected = expected - stored[f"{conv}/bias"]
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), expected)


def test_a_bias_that_nothing_can_take_is_refused(tmp_path):
    biased, plain = small_pair()
    before = [keras.ops.convert_to_numpy(w).copy() for w in plain.weights]
    path = written(tmp_path / "alone.h5", biased, drop=("bn_conv1",))
    with pytest.raises(ValueError, match="conv1 has a bias, and this model has none there"):
        load_weights_by_name(plain, path, mode="training")
    for weight, value in zip(plain.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)


def test_a_file_without_biases_in_a_network_with(tmp_path):
    biased, plain = small_pair()
    with pytest.raises(ValueError, match="1 weights are not in it: conv1/bias"):
        load_weights_by_name(biased, written(tmp_path / "plain.h5", plain))


def test_batch_norm_of_heads_is_not_dropped(tmp_path):
    def head(norm):
        x = image = keras.Input((4,), name="input_image")
        x = keras.layers.Dense(3, name="mrcnn_class_conv1")(x)
        return keras.Model(image, BatchNorm(name="mrcnn_class_bn1")(x) if norm else x)

    path = written(tmp_path / "norms.h5", head(True))
    with pytest.raises(ValueError, match="batch-norm in its heads .HEADS_BATCH_NORM."):
        load_weights_by_name(head(False), path)
