"""The compiled network answers as the graph does, always with the weights of the moment."""

import gc
import sys
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
from tolerances import NETWORK

from mrcnn import kernels
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.engine.weights import save_weights

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nets"))
from tiny_models import tiny_config  # noqa: E402

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
COMPARED = (1, 2, 5, 6)  # class probabilities and deltas of the rois, those of the anchors


def moved(model, seed):
    """Weights as after some training, batch statistics included."""
    rng = np.random.default_rng(seed)
    for variable in model.keras_model.variables:
        if len(variable.shape) == 1:
            spread = rng.uniform(0.5, 1.5, variable.shape)
            offset = 0.0 if variable.name in ("gamma", "moving_variance") else 1.0
            variable.assign((spread - offset).astype(np.float32))
    return model


def build(mode, folder):
    model = MaskRCNN(mode, tiny_config(), folder)
    conv1 = model.keras_model.get_layer("conv1").kernel
    conv1.assign(np.asarray(conv1) / 50)  # as if images had unit variance
    return moved(model, 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build("inference", tmp_path_factory.mktemp("logs"))


def inputs_of(model):
    molded, metas, _ = model.mold_inputs([IMAGE])
    return [molded, metas.astype(np.float32), model.get_anchors(molded.shape[1:])[None]]


def check(model):
    """Equal to the graph itself, which reads its variables, with batch-norm in its place."""
    inputs = inputs_of(model)
    if not hasattr(model, "plain"):  # traced once a model
        model.plain = kernels.compile_forward(model.keras_model)
    answers, expected = model.forward(*inputs), model.plain(*inputs)
    for i in COMPARED:
        np.testing.assert_allclose(answers[i], expected[i], atol=NETWORK, rtol=NETWORK)
    return answers


def test_batch_norm_is_gone_and_the_answers_are_the_same(model):
    check(model)
    norms = [layer for layer in model.keras_model.layers if "bn" in layer.name]
    assert len(model.network._folded.folded) == len(norms) > 20


def by_layer(model, tmp_path):
    layer = model.keras_model.get_layer("bn2a_branch2a")
    layer.set_weights([array + 0.1 for array in layer.get_weights()])


def by_variable(model, tmp_path):
    variable = model.keras_model.get_layer("bn_conv1").moving_variance
    variable.assign(np.asarray(variable) * 2)


def by_one_number(model, tmp_path):
    variable = model.keras_model.get_layer("res3a_branch2a").kernel
    array = np.array(variable)
    array[0, 0, 0, 0] += 5
    variable.assign(array)


def by_optimizer(model, tmp_path):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    variables = model.keras_model.get_layer("fpn_p2").trainable_variables
    optimizer.build(variables)
    optimizer.apply([keras.ops.ones(v.shape) for v in variables])


def by_keras_file(model, tmp_path):
    path = tmp_path / "some.weights.h5"
    model.keras_model.save_weights(path)
    moved(model, 1)
    check(model)
    model.keras_model.load_weights(path)


def by_our_file(model, tmp_path):
    path = tmp_path / "some.h5"
    save_weights(model.keras_model, path)
    moved(model, 2)
    check(model)
    model.load_weights(path, by_name=True)


WAYS = [by_layer, by_variable, by_one_number, by_optimizer, by_keras_file, by_our_file]


@pytest.mark.parametrize("change", WAYS)
def test_never_stale(model, change, tmp_path):
    before = check(model)
    change(model, tmp_path)
    after = check(model)
    if change not in (by_keras_file, by_our_file):  # which end where they began
        assert max(np.abs(before[i] - after[i]).max() for i in COMPARED) > 10 * NETWORK
    assert model.network.traces == 1


def test_nothing_is_folded_anew_while_nothing_changes(model, monkeypatch):
    check(model)
    monkeypatch.setattr(model.network._folded, "weights", None)
    check(model)


def test_a_new_limit_takes_the_weights_along(model):
    check(model)
    model.config.DETECTION_MAX_INSTANCES += 1
    by_variable(model, None)
    check(model)


def test_a_twin_follows_training_without_growing(tmp_path):
    trained = build("training", tmp_path)
    twin = trained.inference_twin()
    calls = len(trained.keras_model.get_layer("conv1")._inbound_nodes)
    for seed in range(3):
        moved(trained, seed)
        check(twin)
        kept = len(trained.keras_model.get_layer("conv1")._inbound_nodes)
        assert kept == calls + 1, "the folded graph is made once"
    assert twin.network.traces == 1


# --- the fingerprint of weights -------------------------------------------------------------


def variables_of(*arrays):
    return [keras.Variable(np.asarray(array, np.float32)) for array in arrays]


def test_fingerprints_of_untouched_variables_are_equal():
    variables = variables_of(np.ones((3, 4)), 2.0, np.zeros((0, 3)))
    assert kernels.fingerprint(variables) == kernels.fingerprint(variables)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_change_in_place_shows(compiled):
    import tensorflow as tf

    variables = variables_of(np.ones(5), np.ones((2, 2)))
    before = kernels.fingerprint(variables)

    def step():
        variables[1].value.assign_sub(tf.constant([[0.0, 0.0], [0.0, 1e-6]]))

    (tf.function(step) if compiled else step)()
    after = kernels.fingerprint(variables)
    assert before != after
    assert after == kernels.fingerprint(variables)


def test_a_scattered_change_shows():
    import tensorflow as tf

    variables = variables_of(np.ones(5))
    before = kernels.fingerprint(variables)
    variables[0].value.scatter_sub(tf.IndexedSlices(tf.constant([1.0]), tf.constant([2])))
    after = kernels.fingerprint(variables)
    assert before != after
    assert after == kernels.fingerprint(variables)


def test_the_same_numbers_are_no_change():
    variables = variables_of(np.arange(5))
    before = kernels.fingerprint(variables)
    variables[0].assign(np.arange(5, dtype=np.float32))
    assert before == kernels.fingerprint(variables)


def test_other_variables_are_a_change():
    assert kernels.fingerprint(variables_of(1.0)) != kernels.fingerprint(variables_of(1.0, 2.0))


def test_a_model_that_is_let_go_leaves_nothing(tmp_path):
    model = build("inference", tmp_path)
    model.forward(*inputs_of(model))
    gone = weakref.ref(model.keras_model.get_layer("conv1").kernel)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None
