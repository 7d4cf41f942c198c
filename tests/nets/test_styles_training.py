"""Training tricks on convolutions without biases: losses and gradients stay as they are."""

import keras
import numpy as np
import pytest
from test_training_tricks import assert_same, build, losses_and_gradients
from tiny_models import inference_batch, tiny_config, training_batch

from mrcnn.nets.assembly import build_model

SCHOOL = {"HEADS_BATCH_NORM": False, "BATCH_NORM_EPSILON": 1e-5}


@pytest.fixture(scope="module", params=["pytorch", "caffe"])
def plain(request):
    """(model, inputs, losses and gradients) with every layer computing for itself."""
    model = build(RESNET_STYLE=request.param, **SCHOOL)
    assert not any("res" in v.path and v.name == "bias" for v in model.variables)
    pairs, model._norms.pairs = model._norms.pairs, []
    inputs = training_batch(tiny_config())
    expected = losses_and_gradients(model, inputs)
    model._norms.pairs = pairs
    return model, inputs, expected


def test_folded_batch_norm_gives_the_same_gradients(plain):
    model, inputs, expected = plain
    names = {norm.name for norm, _ in model._norms.pairs}
    assert {"bn_conv1", "bn3a_branch1", "bn5b_branch2b"} <= names
    betas = [path for path in expected[1] if path.startswith("bn") and path.endswith("beta")]
    assert betas and all(np.abs(expected[1][path]).max() > 0 for path in betas)
    assert_same(losses_and_gradients(model, inputs), expected)


def test_rematerialized_stages_give_the_same_gradients(plain):
    model, inputs, expected = plain
    model.rematerialize(True)
    actual = losses_and_gradients(model, inputs)
    model.rematerialize(False)
    assert_same(actual, expected)


@pytest.mark.parametrize("style", ["pytorch", "caffe"])
def test_low_precision_is_near(style):
    answers = []
    for precision in ("float32", "bfloat16"):
        keras.utils.set_random_seed(3)
        config = tiny_config(RESNET_STYLE=style, PRECISION=precision, **SCHOOL)
        model = build_model("inference", config)
        assert model.get_layer("res3a_branch2b").compute_dtype == precision
        trunk = keras.Model(model.inputs[0], model.get_layer("fpn_p3").output)
        features = trunk(inference_batch(config, 1)[0])
        answers.append(keras.ops.convert_to_numpy(keras.ops.cast(features, "float32")))
    exact, low = answers
    assert 0 < np.abs(low - exact).max() < 0.05 * np.abs(exact).max()
