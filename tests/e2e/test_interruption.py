"""Ctrl-C while training: what is left is usable, and going on equals a run never stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tiny

from mrcnn.engine.checkpoint_files import read_checkpoint_meta
from mrcnn.model import MaskRCNN

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Press(keras.callbacks.Callback):
    """Ctrl-C during a step, counted from 1 over the whole run, or while the validation runs."""

    def __init__(self, step=None, validation=False):
        super().__init__()
        self.step, self.validation = step, validation

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            signal.raise_signal(signal.SIGINT)

    def on_test_batch_begin(self, batch, logs=None):
        if self.validation:
            signal.raise_signal(signal.SIGINT)


def train(model, epochs, *custom):
    """With validation, and a low rate, so that rounding stays small."""
    return tiny.train(model, epochs, "heads", learning_rate=0.001,
                      val_dataset=tiny.shapes(3, seed=9), custom_callbacks=list(custom))


def names_in(model):
    return sorted(path.name for path in Path(model.log_dir).glob("*.h5"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """(weights before, after the first of two epochs, after both)."""

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            noted.append(tiny.weights_of(model))

    model = tiny.training_model(tmp_path_factory.mktemp("unbroken"))
    noted = [tiny.weights_of(model)]
    train(model, 2, Note())
    return noted


def test_in_the_second_epoch(tmp_path, capsys, unbroken):
    model = tiny.training_model(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(model, 2, Press(step=3))
    assert signal.getsignal(signal.SIGINT) is before
    assert model.epoch == 1
    assert names_in(model) == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_interrupted.h5"]
    told = capsys.readouterr().out
    assert "Ctrl-C: ending after this step" in told
    assert "Interrupted in epoch 2, after 1 of 2 steps." in told
    interrupted = os.path.join(model.log_dir, "mask_rcnn_tiny_interrupted.h5")
    last = model.checkpoint_path.format(epoch=1)
    assert f"for detection: {interrupted}" in told and f"To go on, load {last}" in told

    assert model.find_last() == last
    start, middle, end = unbroken
    resumed = tiny.training_model(tmp_path)
    resumed.load_weights(last, by_name=True)
    tiny.assert_same_weights(tiny.weights_of(resumed), middle)
    train(resumed, 2)
    assert tiny.difference(tiny.weights_of(resumed), end, start) < 0.001
    assert resumed.log_dir == model.log_dir

    detector = MaskRCNN.from_checkpoint(interrupted, model_dir=tmp_path)
    assert detector.class_names == ["BG", "circle", "square", "triangle"]
    tiny.assert_same_weights(tiny.weights_of(detector), tiny.weights_of(model))
    assert tiny.changed_layers(tiny.weights_of(detector), middle)


def test_in_the_first_epoch(tmp_path, capsys):
    """No epoch is whole: what there is, is where training goes on."""
    model = tiny.training_model(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(model, 1, Press(step=1))
    assert "goes on from its present state" in capsys.readouterr().out
    assert names_in(model) == ["mask_rcnn_tiny_0000.h5"] and model.epoch == 0
    resumed = tiny.training_model(tmp_path)
    resumed.load_weights(resumed.find_last(), by_name=True)
    tiny.assert_same_weights(tiny.weights_of(resumed), tiny.weights_of(model))
    assert train(resumed, 1).epoch == [0]
    assert resumed.find_last() == model.checkpoint_path.format(epoch=1)


def test_during_the_validation(tmp_path, unbroken):
    """The epoch has had all its steps, and is kept as a whole one."""
    model = tiny.training_model(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(model, 2, Press(validation=True))
    assert names_in(model) == ["mask_rcnn_tiny_0001.h5"] and model.epoch == 1
    assert read_checkpoint_meta(model.find_last()).optimizer["iterations"] == 2
    tiny.assert_same_weights(tiny.weights_of(model), unbroken[1])


def test_before_the_first_step(tmp_path, capsys):
    class AtOnce(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            signal.raise_signal(signal.SIGINT)

    model = tiny.training_model(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(model, 1, AtOnce())
    assert "There is nothing to save yet." in capsys.readouterr().out
    assert names_in(model) == []


def test_a_process_that_gets_the_signal(tmp_path):
    """First run: one Ctrl-C, the step ends and is saved. Second run: another one ends at once."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    script = HERE / "scripts" / "interrupted_training.py"
    with subprocess.Popen([sys.executable, script, tmp_path], env=environment, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        lines = iter(process.stdout.readline, "")

        def wait_for(text):
            heard = []
            for line in lines:
                heard.append(line)
                if text in line:
                    return heard
            raise AssertionError("".join(heard))

        wait_for("READY")
        process.send_signal(signal.SIGINT)
        wait_for("Ctrl-C: ending after this step")
        process.stdin.write("\n")
        process.stdin.flush()
        told = "".join(wait_for("RAISED 1"))
        assert "Interrupted in epoch 2, after 1 of 2 steps." in told

        wait_for("READY")
        process.send_signal(signal.SIGINT)
        wait_for("Ctrl-C: ending after this step")
        process.send_signal(signal.SIGINT)  # the step has not ended: it is still waiting
        assert "Interrupted" not in "".join(wait_for("RAISED 1"))
        assert process.wait() == 0
    left = sorted(sorted(path.name for path in run.iterdir() if path.is_file())
                  for run in tmp_path.iterdir())
    assert left == [["mask_rcnn_tiny_0001.h5"],
                    ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_interrupted.h5"]]
