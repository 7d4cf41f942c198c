"""RESNET_STYLE, BATCH_NORM_EPSILON, HEADS_BATCH_NORM and FEATURES against plain numpy."""

import keras
import numpy as np
import pytest
from tiny_models import inference_batch, tiny_config, training_batch, values
from tolerances import NETWORK, TWINS

from mrcnn.engine.folding import FoldedModel
from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.nets.assembly import build_model
from mrcnn.nets.backbones import BackbonePreprocessing, build_backbone
from mrcnn.nets.fpn import build_single_level
from mrcnn.nets.resnet import build_resnet


def conv(x, kernel, stride, before, after):
    """Loop over the outputs' pixels; x [H, W, I], kernel [h, w, I, O], zeros around."""
    x = np.pad(x, ((before, after), (before, after), (0, 0)))
    side = kernel.shape[0]
    rows, columns = ((size - side) // stride + 1 for size in x.shape[:2])
    out = np.zeros((rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            patch = x[row * stride:row * stride + side, column * stride:column * stride + side]
            out[row, column] = np.tensordot(patch, kernel, 3)
    return out


def pooled(x):
    """3x3 maximum at every second pixel; what is outside does not count."""
    out = np.zeros((-(-x.shape[0] // 2), -(-x.shape[1] // 2), x.shape[2]))
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            rows = slice(max(2 * row - 1, 0), 2 * row + 2)
            columns = slice(max(2 * column - 1, 0), 2 * column + 2)
            out[row, column] = x[rows, columns].max(axis=(0, 1))
    return out


class PlainResNet:
    """The network in numpy, on the weights of a Keras model."""

    def __init__(self, model, strided, epsilon):
        self.weights = {f"{layer.name}/{w.name}": np.asarray(w, np.float64)
                        for layer in model.layers for w in layer.weights}
        self.strided, self.epsilon = strided, epsilon  # the part that strides: "a" or "b"

    def normed(self, x, suffix):
        """Batch-norm on stored statistics."""
        name = suffix if suffix.startswith("bn_") else f"bn{suffix}"
        gamma, beta, mean, variance = (self.weights[f"{name}/{what}"] for what in (
            "gamma", "beta", "moving_mean", "moving_variance"))
        return gamma * (x - mean) / np.sqrt(variance + self.epsilon) + beta

    def conv_bn(self, x, suffix, stride=1):
        """Convolution without a bias, padded alike on all sides, and batch-norm."""
        assert f"res{suffix}/bias" not in self.weights
        kernel = self.weights[f"res{suffix}/kernel"]
        margin = kernel.shape[0] // 2
        return self.normed(conv(x, kernel, stride, margin, margin), suffix)

    def features(self, image, blocks, basic):
        """[C2..C5] of [H, W, 3]."""
        x = conv(image, self.weights["conv1/kernel"], 2, 3, 3)
        x = pooled(np.maximum(self.normed(x, "bn_conv1"), 0))
        found = []
        for stage, count in zip((2, 3, 4, 5), blocks, strict=True):
            for index in range(count):
                x = self.block(x, f"{stage}{'abcdef'[index]}", 2 if stage > 2 and not index else 1,
                               "ab" if basic else "abc")
            found.append(x)
        return found

    def block(self, x, name, stride, parts):
        """One residual block."""
        branch = x
        for part in parts:
            step = stride if part == self.strided else 1
            branch = self.conv_bn(branch, f"{name}_branch2{part}", step)
            branch = np.maximum(branch, 0) if part != parts[-1] else branch
        if f"res{name}_branch1/kernel" in self.weights:
            x = self.conv_bn(x, f"{name}_branch1", stride)
        return np.maximum(branch + x, 0)


def randomised(model, seed=0):
    """Random statistics in batch-norm too; answers the model."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            for weight in layer.weights:
                low, high = (0.2, 1) if weight.name in ("gamma", "moving_variance") else (-.2, .2)
                weight.assign(rng.uniform(low, high, weight.shape))
    return model


@pytest.mark.parametrize("shape", [(64, 64), (45, 67), (33, 32)])
@pytest.mark.parametrize(("name", "style", "strided", "blocks"), [
    ("resnet18", "pytorch", "a", (2, 2, 2, 2)),
    ("resnet18", "caffe", "a", (2, 2, 2, 2)),
    ("resnet50", "pytorch", "b", (3, 4, 6, 3)),
    ("resnet50", "caffe", "a", (3, 4, 6, 3)),
])
def test_styles_are_the_loop(shape, name, style, strided, blocks):
    keras.utils.set_random_seed(1)
    images = keras.Input((None, None, 3))
    maps = build_resnet(images, name, True, train_bn=False, width=16, style=style, epsilon=0.02)
    model = randomised(keras.Model(images, maps[1:]))
    image = np.random.default_rng(2).uniform(-1, 1, (1, *shape, 3)).astype(np.float32)
    expected = PlainResNet(model, strided, 0.02).features(image[0].astype(float), blocks,
                                                          name == "resnet18")
    for found, wanted in zip(model(image), expected, strict=True):
        assert found.shape[1:] == wanted.shape
        np.testing.assert_allclose(np.asarray(found)[0], wanted,
                                   atol=TWINS * max(1, np.abs(wanted).max()))


def test_only_the_default_style_has_biases():
    for style, expected in (("matterport", True), ("caffe", False), ("pytorch", False)):
        images = keras.Input((None, None, 3))
        model = keras.Model(images, build_resnet(images, "resnet18", True, width=16,
                                                 style=style)[1:])
        names = {f"{layer.name}/{w.name}" for layer in model.layers for w in layer.weights}
        assert ("conv1/bias" in names) == ("res5b_branch2b/bias" in names) == expected


def test_an_unknown_style():
    with pytest.raises(ValueError, match=r"style = 'tensorflow': expected one of \['caffe'"):
        build_resnet(keras.Input((None, None, 3)), "resnet18", style="tensorflow")


@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 0.1])
def test_epsilon_reaches_every_batch_norm(epsilon):
    model = build_model("inference", tiny_config(BATCH_NORM_EPSILON=epsilon))
    norms = [getattr(layer, "layer", layer) for layer in model.layers]
    norms = [layer for layer in norms if isinstance(layer, BatchNorm)]
    assert len(norms) == 20 + 6 and {layer.epsilon for layer in norms} == {epsilon}


def test_other_networks_keep_their_epsilon():
    images = keras.Input((None, None, 3))
    maps = build_backbone(with_norm, images, train_bn=False, mean_pixel=[0.0] * 3, epsilon=0.5)
    norms = [layer for layer in keras.Model(images, maps).layers if isinstance(layer, BatchNorm)]
    assert [layer.epsilon for layer in norms] == [0.25]


def with_norm(image):
    """A backbone of somebody's own."""
    x, maps = image, []
    for step in (4, 2, 2, 2):
        x = keras.layers.Conv2D(4, step, step)(x)
        maps.append(x)
    maps[0] = BatchNorm(train_bn=False, epsilon=0.25)(maps[0])
    return maps


def dense(x, weights, name, relu=True):
    """A convolution that covers its whole input, or a dense layer."""
    y = x.reshape(len(x), -1) @ weights[f"{name}/kernel"].reshape(-1, weights[f"{name}/bias"].size)
    y = y + weights[f"{name}/bias"]
    return np.maximum(y, 0) if relu else y


def test_heads_without_batch_norm():
    config = tiny_config(HEADS_BATCH_NORM=False)
    model = build_model("inference", config)
    names = [layer.name for layer in model.layers]
    assert not any(name.startswith(("mrcnn_class_bn", "mrcnn_mask_bn")) for name in names)
    with_norms = [layer.name for layer in build_model("inference", tiny_config()).layers]
    assert [n for n in with_norms if "_bn" not in n and "activation" not in n
            and n.startswith("mrcnn_")] == [n for n in names if n.startswith("mrcnn_")]
    rng = np.random.default_rng(0)
    weights = {}
    for layer in model.layers:
        for weight in layer.weights if layer.name.startswith("mrcnn_") else ():
            weight.assign(rng.uniform(-0.3, 0.3, weight.shape))
            weights[f"{layer.name}/{weight.name}"] = np.asarray(weight, np.float64)
    heads = keras.Model(model.inputs, [model.get_layer(name).output for name in (
        "roi_align_classifier", "mrcnn_class_logits", "roi_align_mask", "mrcnn_mask")])
    pooled_class, logits, pooled_mask, masks = (
        np.asarray(x)[0] for x in heads(inference_batch(config, 1)))
    x = dense(pooled_class, weights, "mrcnn_class_conv1")
    x = dense(x, weights, "mrcnn_class_conv2")
    np.testing.assert_allclose(logits, dense(x, weights, "mrcnn_class_logits", relu=False),
                               atol=NETWORK)
    x = pooled_mask[0].astype(np.float64)
    for index in (1, 2, 3, 4):
        kernel, bias = (weights[f"mrcnn_mask_conv{index}/{w}"] for w in ("kernel", "bias"))
        x = np.maximum(conv(x, kernel, 1, 1, 1) + bias, 0)
    kernel, bias = (weights[f"mrcnn_mask_deconv/{w}"] for w in ("kernel", "bias"))
    doubled = np.zeros((28, 28, kernel.shape[2]))
    for row in range(28):
        for column in range(28):
            doubled[row, column] = kernel[row % 2, column % 2] @ x[row // 2, column // 2] + bias
    scores = np.maximum(doubled, 0) @ weights["mrcnn_mask/kernel"][0, 0] + weights[
        "mrcnn_mask/bias"]
    np.testing.assert_allclose(masks[0], 1 / (1 + np.exp(-scores)), atol=NETWORK)


C4 = {"FEATURES": "c4", "BACKBONE_STRIDES": [16]}


def test_one_map_without_a_pyramid():
    images = keras.Input((None, None, 3))
    maps = build_backbone("resnet18", images, train_bn=False, mean_pixel=[0.0] * 3, width=16,
                          deepest=4)
    assert len(maps) == 3
    [single] = build_single_level(maps[-1], 8)
    model = keras.Model(images, [maps[-1], single])
    assert not any("5" in layer.name for layer in model.layers if layer.name.startswith("res"))
    c4, answer = (np.asarray(x)[0] for x in model(np.ones((1, 50, 70, 3), np.float32)))
    assert answer.shape == (4, 5, 8)
    kernel, bias = (np.asarray(w) for w in model.get_layer("features_c4").weights)
    for row in range(4):
        for column in range(5):
            np.testing.assert_allclose(answer[row, column],
                                       c4[row, column] @ kernel[0, 0] + bias, atol=TWINS)


def test_one_map_of_a_network_of_ones_own():
    images = keras.Input((None, None, 3))
    maps = build_backbone(with_norm, images, train_bn=False, mean_pixel=[0.0] * 3, deepest=4)
    assert [keras.Model(images, m).compute_output_shape((1, 64, 64, 3))[1] for m in maps] == [
        16, 8, 4]


@pytest.mark.parametrize("rematerialize", [False, True])
def test_a_network_of_one_map_trains(rematerialize):
    config = tiny_config(**C4, REMATERIALIZE=rematerialize)
    model = build_model("training", config)
    assert not any(layer.name.startswith("fpn_") for layer in model.layers)
    anchors = len(config.RPN_ANCHOR_SCALES) * len(config.RPN_ANCHOR_RATIOS) * 4 * 4
    assert model.get_layer("rpn_class").output.shape[-1] == 2
    batch = training_batch(config)
    batch[2] = np.resize(batch[2], (2, anchors, 1))
    outputs = values(model, batch, training=True)
    assert outputs["rpn_class"].shape == (2, anchors, 2)
    assert all(np.isfinite(outputs[name]).all() for name in outputs)


STYLES = {"RESNET_STYLE": "pytorch", "HEADS_BATCH_NORM": False, "BATCH_NORM_EPSILON": 1e-5}


@pytest.mark.parametrize("knobs", [STYLES, {**STYLES, "RESNET_STYLE": "caffe"}, C4])
def test_folding_answers_alike(knobs):
    config = tiny_config(**knobs)
    model = randomised(build_model("inference", config))
    folded = FoldedModel(model)
    assert len(folded.folded) >= 20 - 5 * ("FEATURES" in knobs)
    inputs = inference_batch(config, 1)
    inputs[2] = np.resize(inputs[2], (1, model(inputs)[5].shape[1], 4))
    expected = [np.asarray(x) for x in model(inputs)[4:]]  # proposals and the RPN's answers
    for variable, value in zip(folded.model.variables, folded.weights(), strict=True):
        variable.assign(value)
    for found, wanted in zip(folded.model(inputs)[4:], expected, strict=True):
        np.testing.assert_allclose(np.asarray(found), wanted, atol=NETWORK)


def test_preprocessing_undoes_the_deviation():
    mean, deviation = [10.0, 20.0, 30.0], [2.0, 4.0, 8.0]
    layer = BackbonePreprocessing(mean, keras.applications.resnet.preprocess_input, deviation)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 2, 2, 3)).astype(np.float32)
    expected = keras.applications.resnet.preprocess_input(pixels.copy())
    molded = (pixels - mean) / np.float32(deviation)
    np.testing.assert_allclose(np.asarray(layer(molded)), expected, atol=1e-4)
    again = BackbonePreprocessing.from_config(layer.get_config())
    np.testing.assert_allclose(np.asarray(again(molded)), expected, atol=1e-4)
