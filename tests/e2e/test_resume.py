"""A run that goes on from its last checkpoint ends where it would have ended unbroken."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny
from e2e.schools import small_config
from tolerances import NETWORK

from mrcnn.engine.weights import variable_table
from mrcnn.model import MaskRCNN


@pytest.fixture(autouse=True)
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def train(model, epochs):
    """With validation, which draws rois too, and a low rate, so that rounding stays small."""
    return tiny.train(model, epochs, learning_rate=0.001, val_dataset=tiny.shapes(3, seed=9))


OPTIMIZERS = {
    "sgd": {},
    "adamw": {"OPTIMIZER": "adamw", "LR_SCHEDULE": "cosine", "WARMUP_STEPS": 1},
}


@pytest.mark.parametrize("knobs", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_resumed_equals_unbroken(tmp_path, capsys, knobs):
    unbroken = tiny.training_model(tmp_path, **knobs)
    start = tiny.weights_of(unbroken)
    history = train(unbroken, 2).history
    os.remove(unbroken.find_last())  # as if it had been killed in the second epoch

    resumed = tiny.training_model(tmp_path, **knobs)
    resumed.load_weights(resumed.find_last(), by_name=True)
    assert resumed.epoch == 1
    assert (resumed.log_dir, resumed.checkpoint_path) == (
        unbroken.log_dir, unbroken.checkpoint_path)
    again = train(resumed, 2)

    assert "Optimizer state restored" in capsys.readouterr().out
    assert again.epoch == [1] and resumed.epoch == 2
    assert resumed.find_last() == unbroken.checkpoint_path.format(epoch=2)
    for name, values in history.items():
        np.testing.assert_allclose(again.history[name], values[1:], rtol=NETWORK, err_msg=name)
    ends = tiny.weights_of(resumed), tiny.weights_of(unbroken)
    assert tiny.difference(*ends, start) < 0.001
    assert (resumed.keras_model.optimizer.iterations
            == unbroken.keras_model.optimizer.iterations == 4)


def test_resumed_equals_unbroken_where_shapes_differ(tmp_path):
    """Each batch is padded as in the unbroken run."""
    config = {"STEPS_PER_EPOCH": 2, "CHECKPOINT_KEEP": 0, "FREEZE_AT": 0, "FREEZE_BN": False}
    dataset = tiny.shapes_of_sizes([(64, 90), (90, 64), (64, 64), (50, 120)])

    def run(model):
        return tiny.train(model, 2, dataset=dataset, learning_rate=0.0005).history

    unbroken = MaskRCNN("training", small_config("paper", **config), tmp_path)
    history = run(unbroken)
    first = unbroken.checkpoint_path.format(epoch=1)
    again = run(MaskRCNN.from_checkpoint(first, "training", tmp_path))
    for name, values in history.items():
        np.testing.assert_allclose(again[name], values[1:], rtol=NETWORK, err_msg=name)


def copy_into_inference(trained, folder):
    """An inference model with the weights that a training model holds in memory."""
    model = MaskRCNN("inference", trained.config, folder)
    weights = tiny.weights_of(trained)
    for key, variable in variable_table(model.keras_model):
        variable.assign(weights["/".join(key)])
    return model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained for an epoch, with attributes of a script's own in its Config."""
    folder = tmp_path_factory.mktemp("trained")
    model = tiny.training_model(folder, FAVOURITE="square", LIMITS=[1, 2.5], DATA_ROOT="/data")
    tf.config.run_functions_eagerly(True)
    tiny.train(model, dataset=tiny.shapes(), learning_rate=0.001)
    tf.config.run_functions_eagerly(False)
    return model


def test_from_checkpoint_restores_everything(trained, tmp_path):
    restored = MaskRCNN.from_checkpoint(trained.find_last(), model_dir=tmp_path)
    assert restored.mode == "inference" and restored.epoch == 1
    assert restored.class_names == ["BG", "circle", "square", "triangle"]
    assert restored.config.to_dict() == trained.config.to_dict()
    assert (restored.config.FAVOURITE, restored.config.DATA_ROOT) == ("square", "/data")
    np.testing.assert_array_equal(restored.config.LIMITS, [1, 2.5])
    tiny.assert_same_weights(tiny.weights_of(restored), tiny.weights_of(trained))

    images = [tiny.shapes(seed=3).load_image(i) for i in range(3)]
    expected = copy_into_inference(trained, tmp_path).detect(images)
    assert sum(len(result["scores"]) for result in expected) > 0
    for result, wanted in zip(restored.detect(images), expected, strict=True):
        for key, array in wanted.items():
            np.testing.assert_array_equal(result[key], array, err_msg=key)


def test_from_checkpoint_takes_knobs(trained, tmp_path):
    restored = MaskRCNN.from_checkpoint(trained.find_last(), model_dir=tmp_path,
                                        DETECTION_MAX_INSTANCES=3)
    with pytest.warns(UserWarning, match="DETECTION_MAX_INSTANCES = 3"):
        result = restored.detect([tiny.shapes(seed=3).load_image(0)])[0]
    assert len(result["scores"]) == 3


def test_a_renamed_checkpoint_still_knows_its_epoch(trained, tmp_path):
    renamed = tmp_path / "best.h5"
    shutil.copy(trained.find_last(), renamed)
    restored = MaskRCNN.from_checkpoint(renamed, "training", model_dir=tmp_path)
    assert restored.epoch == 1
    assert restored.resume_from == renamed  # its optimizer state will be taken up
    assert os.path.dirname(restored.log_dir) == str(tmp_path)


def test_load_weights_of_a_renamed_checkpoint_begins_a_run(trained, tmp_path):
    """It is a place to start from; only in its run folder does it mean going on."""
    renamed = tmp_path / "best.h5"
    shutil.copy(trained.find_last(), renamed)
    model = tiny.training_model(tmp_path)
    model.load_weights(renamed, by_name=True)
    assert (model.epoch, model.resume_from) == (0, None)


def test_a_checkpoint_of_another_name_begins_a_run(trained):
    model = tiny.training_model(trained.model_dir, NAME="other")
    model.load_weights(trained.find_last(), by_name=True)
    assert (model.epoch, model.resume_from) == (0, None)
    assert os.path.basename(model.log_dir).startswith("other")


def test_resuming_in_another_folder_leaves_the_old_one_alone(trained, tmp_path):
    model = tiny.training_model(tmp_path)
    model.load_weights(trained.find_last(), by_name=True)
    assert model.epoch == 1
    assert model.log_dir == os.path.join(tmp_path, os.path.basename(trained.log_dir))


def test_excluded_layers_start_with_a_fresh_optimizer(trained, tmp_path, capsys):
    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1)
    model.load_weights(trained.find_last(), by_name=True, exclude=["mrcnn_mask"])
    assert model.resume_from is None


def test_other_layers_start_with_a_fresh_optimizer(trained, tmp_path, capsys):
    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1)
    model.load_weights(trained.find_last(), by_name=True)
    tiny.train(model, 2, "heads")
    assert "Optimizer starts fresh" in capsys.readouterr().out
    assert int(model.keras_model.optimizer.iterations) == 1
