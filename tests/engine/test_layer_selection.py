"""Which layers each stage of training touches."""

import re

import keras
import pytest

from mrcnn.engine.layer_selection import NAMED, named_layers, set_trainable, trainable_layers
from mrcnn.layers.time_distributed import TimeDistributed

RESNET = ["conv1", "bn_conv1", "res2a_branch2a", "bn2a_branch2a", "res3a_branch2a",
          "bn3a_branch2a", "res4a_branch2a", "bn4a_branch2a", "res5a_branch2a", "bn5a_branch2a"]
HEADS = ["fpn_c5p5", "rpn_conv_shared", "rpn_class_raw", "mrcnn_class_conv1", "mrcnn_mask"]


def small_model(backbone=RESNET):
    """Dense layers under the model's names, the RPN nested, the heads wrapped."""
    x = inputs = keras.Input((4,))
    for name in [*backbone, "fpn_c5p5"]:
        x = keras.layers.Dense(4, name=name)(x)
        x = keras.layers.ReLU()(x)
    inner = keras.Input((4,))
    y = keras.layers.Dense(4, name="rpn_conv_shared")(inner)
    rpn = keras.Model(inner, keras.layers.Dense(4, name="rpn_class_raw")(y), name="rpn_model")
    x = keras.layers.Reshape((2, 2))(rpn(x))
    for name in ("mrcnn_class_conv1", "mrcnn_mask"):
        x = TimeDistributed(keras.layers.Dense(2, name="conv1"), name=name)(x)
    return keras.Model(inputs, x)


def test_layers_with_weights_nested_ones_opened():
    model = small_model()
    assert [name for name, _ in named_layers(model)] == RESNET + HEADS
    assert {type(layer).__name__ for layer in trainable_layers(model)} == {"Dense"}


@pytest.mark.parametrize(("layers", "expected"), [
    ("heads", HEADS),
    ("5+", RESNET[8:] + HEADS),
    ("4+", RESNET[6:] + HEADS),
    ("3+", RESNET[4:] + HEADS),
    ("all", RESNET + HEADS),
    ("rpn_.*", ["rpn_conv_shared", "rpn_class_raw"]),
    ("res5a_branch2a", ["res5a_branch2a"]),
    ("conv1", ["conv1"]),  # the whole name: neither bn_conv1 nor mrcnn_class_conv1
    (r"(bn.*)|(mrcnn_mask)", [n for n in RESNET if n.startswith("bn")] + ["mrcnn_mask"]),
])
def test_what_is_trained(layers, expected):
    model = small_model()
    assert set_trainable(model, layers) == expected
    trained = {w.path for w in model.trainable_weights}
    for name, layer in named_layers(model):
        assert {w.path in trained for w in layer.weights} == {name in expected}, name


def test_a_second_stage_frees_what_the_first_froze():
    model = small_model()
    set_trainable(model, "heads")
    few = len(model.trainable_weights)
    set_trainable(model, "all")
    assert len(model.trainable_weights) == len(model.weights) > few
    set_trainable(model, "heads")
    assert len(model.trainable_weights) == few


@pytest.mark.parametrize(("layers", "message"), [
    ("head", r"layers = 'head' matches no layer.*3\+.*'heads'.*'conv1' ... 'mrcnn_mask'"),
    ("res5(", r"'res5\(' is no regular expression"),
])
def test_what_matches_nothing_is_an_error(layers, message):
    model = small_model()
    with pytest.raises(ValueError, match=message):
        set_trainable(model, layers)
    assert len(model.trainable_weights) == len(model.weights), "an error changes nothing"


@pytest.mark.parametrize("layers", ["3+", "4+", "5+"])
def test_stages_need_a_resnet(layers):
    with pytest.raises(ValueError, match=rf"{re.escape(layers)}.*stages of the ResNets"):
        set_trainable(small_model(backbone=["block1", "block2"]), layers)


def test_the_names_are_matterports():
    assert set(NAMED) == {"heads", "3+", "4+", "5+", "all"}
