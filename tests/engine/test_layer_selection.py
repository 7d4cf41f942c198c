"""Which layers each stage of training touches."""

import re

import keras
import pytest

from mrcnn.config import Config
from mrcnn.engine.layer_selection import (
    NAMED,
    kept_layers,
    named_layers,
    set_trainable,
    trainable_layers,
)
from mrcnn.layers.batch_norm import BatchNorm
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


def test_a_network_without_a_fifth_stage():
    model = small_model(RESNET[:8])  # FEATURES = "c4"
    assert set_trainable(model, "4+") == RESNET[6:8] + HEADS
    with pytest.raises(ValueError, match=r"layers = '5\+' .*FEATURES = 'c4'"):
        set_trainable(model, "5+")


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


# --- FREEZE_BN and FREEZE_AT ----------------------------------------------------------------


class Knobs(Config):
    """A Config whose freezing is set by hand."""

    def __init__(self, freeze_at=0, freeze_bn=False):
        super().__init__()
        self.FREEZE_AT, self.FREEZE_BN = freeze_at, freeze_bn


def normed_model(backbone=RESNET):
    """As `small_model`, with batch-norm where the names say so, and in a head."""
    x = inputs = keras.Input((4,))
    for name in [*backbone, "fpn_c5p5", "rpn_class_raw", "mrcnn_class_conv1"]:
        norm = name.startswith("bn")
        x = (BatchNorm(name=name) if norm else keras.layers.Dense(4, name=name))(x)
    x = TimeDistributed(BatchNorm(name="mrcnn_class_bn1"), name="mrcnn_class_bn1")(
        keras.layers.Reshape((2, 2))(x))
    return keras.Model(inputs, x)


NORMED_HEADS = ["fpn_c5p5", "rpn_class_raw", "mrcnn_class_conv1", "mrcnn_class_bn1"]


@pytest.mark.parametrize("layers", ["all", "heads", "4+", "bn.*|res.*"])
@pytest.mark.parametrize("freeze_bn", [False, True])
@pytest.mark.parametrize("freeze_at", range(6))
def test_what_the_knobs_keep(freeze_at, freeze_bn, layers):
    stage_of = {"conv1": 1, "bn_conv1": 1}
    stage_of |= {name: int(name.strip("resbn")[0]) for name in RESNET[2:]}
    model = normed_model()
    asked = {name for name in [*RESNET, *NORMED_HEADS]
             if re.fullmatch(NAMED.get(layers, layers), name)}
    expected = [name for name in [*RESNET, *NORMED_HEADS] if name in asked
                and stage_of.get(name, 9) > freeze_at
                and not (freeze_bn and name in stage_of and name.startswith("bn"))]
    if not expected:
        with pytest.raises(ValueError, match=f"FREEZE_AT = {freeze_at} and FREEZE_BN"):
            set_trainable(model, layers, Knobs(freeze_at, freeze_bn))
        return
    assert set_trainable(model, layers, Knobs(freeze_at, freeze_bn)) == expected
    trained = {w.path for w in model.trainable_weights}
    for name, layer in named_layers(model):
        paths = {w.path for w in layer.weights if "moving" not in w.path}
        assert (paths <= trained) if name in expected else not paths & trained, name


def test_a_later_stage_cannot_free_what_the_knobs_keep():
    model = normed_model()
    for layers in ("heads", "all", "3+", "all"):
        chosen = set_trainable(model, layers, Knobs(2, True))
        assert not {"conv1", "res2a_branch2a", "bn3a_branch2a"} & set(chosen)
    assert set_trainable(model, "all", Knobs()) == RESNET + NORMED_HEADS


def test_batch_norm_of_other_backbones_is_kept_too():
    """Whatever its name; a Dense layer that is called like one is not."""
    model = normed_model(["bn_stem", "block_a", "bn_block"])
    model.get_layer("block_a").trainable = False
    assert set_trainable(model, "all", Knobs(0, True)) == ["block_a", *NORMED_HEADS]


def test_training_says_how_many_layers_stay():
    assert kept_layers(normed_model(), Knobs()) == ""
    line = kept_layers(normed_model(), Knobs(2, True))
    assert line == "; 7 of the backbone's stay as they are (FREEZE_AT = 2, FREEZE_BN = True)"


def test_frozen_layers_have_no_gradient_and_stay():
    import numpy as np

    model = normed_model()
    set_trainable(model, "all", Knobs(3, True))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    before = {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}
    inputs = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    model.fit(inputs, np.ones((16, 2, 2), np.float32), epochs=2, verbose=0)
    moved = {w.path.split("/")[0] for w in model.weights
             if (keras.ops.convert_to_numpy(w) != before[w.path]).any()}
    assert moved == {"res4a_branch2a", "res5a_branch2a", *NORMED_HEADS}


def test_freezing_stages_of_a_network_of_ones_own_is_refused():
    from mrcnn.nets.assembly import build_model

    config = Knobs(2)
    config.BACKBONE = keras.applications.MobileNetV2
    with pytest.raises(ValueError, match="FREEZE_AT = 2 counts the stages .* expected 0"):
        build_model("training", config)
