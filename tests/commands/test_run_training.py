"""`mrcnn train` from labelled files to checkpoints, stopped, resumed, refused."""

import json
import os
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from commands.tiny_runs import labelme_folder, run, tiny_yaml
from data.formats import tiny_sets
from e2e.tiny import difference
from PIL import Image

from mrcnn.commands.opening import describe, open_detector
from mrcnn.commands.settings import load_config
from mrcnn.commands.training import callbacks as training_callbacks
from mrcnn.commands.training.options import TrainConfig
from mrcnn.commands.training.run_files import read_history, read_run
from mrcnn.data.formats.loading import load_dataset
from mrcnn.engine.legacy_h5 import read_legacy_h5

LOSSES = {"loss", "rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss",
          "mrcnn_mask_loss"}


@pytest.fixture(scope="module", autouse=True)
def layer_by_layer():
    """Compiling takes longer than these trainings."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def only_run(logs):
    [folder] = [path for path in Path(logs).iterdir() if path.is_dir()]
    return folder


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """A run of two epochs on six labelme images, of which it holds one out: (folder, output)."""
    root = tmp_path_factory.mktemp("held_out")
    labelme_folder(root / "My Cats", 6)
    code, out = run("train", root / "My Cats", "--config", tiny_yaml(root), "--weights", "none",
                    "--epochs", 2, "--steps", 2, "--output", root / "logs", "--augment", "none",
                    "--set", "LR_SCHEDULE=null", "--set", "WARMUP_STEPS=0")
    assert code == 0, out
    return only_run(root / "logs"), out


def test_what_a_run_leaves(held_out):
    folder, out = held_out
    assert folder.name.startswith("my_cats2")
    names = {path.name for path in folder.iterdir() if "events" not in path.name}
    assert names == {"config.yaml", "run.json", "history.csv", "losses.png", "held_out.json",
                     "mask_rcnn_my_cats_0001.h5", "mask_rcnn_my_cats_0002.h5",
                     "mask_rcnn_my_cats_best.h5"}
    rows = read_history(folder)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert LOSSES | {f"val_{name}" for name in LOSSES} | {"val_mAP", "learning_rate"} <= set(
        rows[0])
    assert Image.open(folder / "losses.png").size == (800, 450)
    assert "1/2       2/2" in out and "rpn_class rpn_bbox" in out and "mAP 0." in out


def test_what_is_written_down(held_out):
    folder, _ = held_out
    stored = read_run(folder)
    config = load_config(str(folder / "config.yaml"), base=TrainConfig)
    assert stored["seed"] == config.SEED is not None
    assert stored["data"]["class_names"] == ["BG", "cat"] and stored["data"]["val_is_held_out"]
    assert stored["data"]["objects"] == {"cat": 6}
    assert (stored["data"]["images"], stored["data"]["val_images"]) == (5, 1)
    assert stored["command"][:2] == ["mrcnn", "train"] and "keras" in stored["versions"]
    assert config.to_dict() == {**describe(folder).config.to_dict(),
                                "STAGES": [["all", 2, 1.0]]}


def test_the_held_out_images_are_a_data_set(held_out):
    folder, out = held_out
    [line] = [line for line in out.splitlines() if "mrcnn evaluate" in line]
    path, flag, images = line.split(" ", 5)[-1].split(" ", 2)[-3:]
    assert path.endswith("held_out.json") and flag == "--images"
    dataset = load_dataset(path, images=images.strip("'"))
    assert len(dataset.image_ids) == 1 and dataset.class_names == ["BG", "cat"]
    assert dataset.load_image(0).shape == (24, 24, 3)


def test_measuring_on_the_training_images_is_said(held_out, tmp_path):
    """With the command for those held out; nothing is said of other data."""
    folder, _ = held_out
    data = read_run(folder)["data"]["path"]
    code, out = run("evaluate", folder, data, "--output", tmp_path / "report")
    assert code == 0, out
    assert f"model: {folder / 'mask_rcnn_my_cats_0002.h5'}" in out
    assert "trained on these images" in out and "Those held out, 1 of them" in out
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "trained on these images" in page
    [line] = [line for line in out.splitlines() if "  mrcnn evaluate" in line]
    code, out = run(*shlex.split(line)[1:], "--output", tmp_path / "held out")
    assert code == 0 and out.count("1 image, 1 object") == 1, out
    assert "trained on these images" not in out


def test_the_checkpoint_detects(held_out):
    folder, _ = held_out
    model = open_detector(folder, assignments=["DETECTION_MIN_CONFIDENCE=0"])
    [result] = model.detect([np.zeros((24, 24, 3), np.uint8)])
    assert model.class_names == ["BG", "cat"] and set(result["class_ids"]) <= {1}


def test_a_resumed_run_is_the_unbroken_one(held_out, tmp_path):
    unbroken, _ = held_out
    data, seed = read_run(unbroken)["data"]["path"], read_run(unbroken)["seed"]
    code, out = run("train", data, "--config", tiny_yaml(tmp_path), "--weights", "none",
                    "--epochs", 1, "--steps", 2, "--output", tmp_path / "logs", "--augment",
                    "none", "--set", "LR_SCHEDULE=null", "--set", "WARMUP_STEPS=0", "--set",
                    f"SEED={seed}", "--map-every", 0)
    assert code == 0, out
    folder = only_run(tmp_path / "logs")
    start = weights(folder / "mask_rcnn_my_cats_0001.h5")
    code, out = run("train", data, "--output", tmp_path / "logs", "--resume")
    assert code == 0 and "Nothing left to train: 1 of 1 epochs" in out
    code, out = run("train", "--resume", folder, "--epochs", 2, "--map-every", 0)
    assert code == 0 and "after epoch 1 of 2" in out, out
    assert only_run(tmp_path / "logs") == folder
    assert [row["epoch"] for row in read_history(folder)] == ["1", "2"]
    assert read_run(folder)["resumed"][0]["epoch"] == 1
    there, here = (weights(one / "mask_rcnn_my_cats_0002.h5") for one in (unbroken, folder))
    assert difference(here, there, start) < 0.05


def weights(path):
    return {"/".join(key): array for key, array in read_legacy_h5(path).items()}


def test_via_and_a_validation_set_by_stages(tmp_path, monkeypatch):
    tiny_sets.via2(tmp_path / "train")
    tiny_sets.via1(tmp_path / "val")
    monkeypatch.chdir(tmp_path)
    code, out = run("train", ".", "--config", tiny_yaml(tmp_path), "--weights", "none", "--name",
                    "pets", "--steps", 1, "--map-every", 2, "--set",
                    "STAGES=[[heads, 1, 1.0], [all, 2, 0.5]]")
    assert code == 0, out
    folder = only_run("logs")
    rows = read_history(folder)
    assert [row["layers"] for row in rows] == ["heads", "all"]
    assert [bool(row["val_mAP"]) for row in rows] == [False, True]
    assert "2 classes: cat, dog" in out and "3 images (., val)" in out
    best = "" if float(rows[1]["val_mAP"]) == 0 else "/mask_rcnn_pets_best.h5"
    assert f"mrcnn evaluate logs/{folder.name}{best} . --subset val" in out


def test_weights_of_another_run_start_a_run_of_their_own(held_out, tmp_path):
    folder, _ = held_out
    tiny_sets.labelme(tmp_path / "pets")
    code, out = run("train", tmp_path / "pets", "--weights", folder, "--epochs", 2, "--steps", 1,
                    "--output", tmp_path / "logs", "--set", "IMAGES_PER_GPU=1", "--augment",
                    "none", "--val", "none")
    assert code == 0, out
    new = only_run(tmp_path / "logs")
    assert new.name.startswith("pets2") and "the heads start anew" in out
    assert [row["layers"] for row in read_history(new)] == ["heads", "all"]
    config = load_config(str(new / "config.yaml"), base=TrainConfig)
    assert (config.BACKBONE_WIDTH, config.IMAGE_MAX_DIM, config.NUM_CLASSES) == (16, 64, 3)
    before, after = weights(folder / "mask_rcnn_my_cats_0002.h5"), weights(
        new / "mask_rcnn_pets_0001.h5")
    np.testing.assert_array_equal(before["conv1/conv1/kernel"], after["conv1/conv1/kernel"])
    assert before["mrcnn_mask/mrcnn_mask/bias"].shape == (2,)
    assert after["mrcnn_mask/mrcnn_mask/bias"].shape == (3,)


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    labelme_folder(tmp_path / "cats", 2)
    begin = training_callbacks.TableOfEpochs.on_train_batch_begin

    def stop(self, batch, logs=None):
        if self.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)
        begin(self, batch, logs)

    monkeypatch.setattr(training_callbacks.TableOfEpochs, "on_train_batch_begin", stop)
    code, out = run("train", tmp_path / "cats", "--config", tiny_yaml(tmp_path), "--weights",
                    "none", "--epochs", 3, "--steps", 2, "--output", tmp_path / "logs")
    folder = only_run(tmp_path / "logs")
    assert code == 130 and f"mrcnn train --resume {folder}" in out
    assert describe(folder).epoch == 1 and len(read_history(folder)) == 1
    monkeypatch.undo()
    code, out = run("train", "--resume", folder)
    assert code == 0 and describe(folder).epoch == 3, out
    assert json.loads((folder / "run.json").read_text())["resumed"][0]["epoch"] == 1
