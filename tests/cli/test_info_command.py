"""`mrcnn info` and `mrcnn demo`."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from commands.tiny_runs import run
from e2e.tiny import tiny_config
from PIL import Image

from mrcnn.commands import demo as demo_work
from mrcnn.commands import info
from mrcnn.commands.training.run_files import save_run_files
from mrcnn.config import Config
from mrcnn.engine.checkpoints import save_checkpoint
from mrcnn.engine.legacy_h5 import write_legacy_h5
from mrcnn.model import MaskRCNN

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(path of a checkpoint in a run folder, its keras.Model)."""
    model = MaskRCNN("inference", tiny_config(), "unused")
    folder = tmp_path_factory.mktemp("logs") / "tiny20260131T0930"
    path = folder / "mask_rcnn_tiny_0003.h5"
    save_checkpoint(path, model.keras_model, config=model.config, epoch=3, layers="all",
                    class_names=["BG", "circle", "square", "triangle"],
                    logs={"loss": 2.5, "val_loss": 3.0, "val_mAP": 0.25})
    save_run_files(folder, model.config, {"path": "shapes"}, ["mrcnn", "train", "shapes"])
    return path, model.keras_model


def test_a_checkpoint(trained):
    path, model = trained
    code, out = run("info", path.parent, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["path"] == str(path) and facts["epoch"] == 3
    assert facts["parameters"]["total"] == model.count_params()
    assert facts["classes"] == ["BG", "circle", "square", "triangle"]
    assert facts["image_shape"] == [64, 64, 3] and facts["backbone"] == "resnet18"
    assert facts["run"]["command"] == ["mrcnn", "train", "shapes"]
    for knob, value in facts["config"].items():
        mine, usual = getattr(tiny_config(), knob), getattr(Config(), knob)
        np.testing.assert_array_equal(value, mine)
        assert not np.array_equal(mine, usual), knob
    assert facts["config"]["IMAGE_MAX_DIM"] == 64 and "NUM_CLASSES" in facts["config"]
    assert "GPU_COUNT" not in facts["config"] and "IMAGE_SHAPE" not in facts["config"]


def test_a_checkpoint_for_people(trained):
    code, out = run("info", trained[0])
    assert code == 0
    for text in ("3: circle, square, triangle", "64 x 64 px, 3 channels", "epoch  3, last trained",
                 "losses  loss 2.5\n", "measured  val_mAP 0.25", "IMAGE_MAX_DIM = 64",
                 "trained by  mrcnn train shapes"):
        assert text in out, text


def test_a_matterport_file(golden_dir):
    path = golden_dir / "matterport_layout_shapes_r50.h5"
    code, out = run("info", path)
    assert code == 0 and "network  resnet50" in out and "4 with the background" in out
    assert "weights alone" in out and "none in the file" in out
    with h5py.File(path) as file:
        sizes = []
        file.visititems(lambda _, one: sizes.append(one.size)
                        if isinstance(one, h5py.Dataset) else None)
    assert info.model_facts(path)["parameters"]["total"] == sum(sizes)


@pytest.mark.parametrize(("content", "message"), [
    ("text", "expected a legacy Keras .h5 file"), ("other", "no `layer_names` attribute"),
    ("dense", "weights of something else than a Mask R-CNN (layers dense)"),
    ("none", "no such file or folder"), ("folder", "no checkpoint in this folder")])
def test_what_is_no_model(tmp_path, content, message):
    path = tmp_path / "file.h5"
    if content == "text":
        path.write_text("hello")
    elif content == "other":
        with h5py.File(path, "w") as file:
            file["a"] = np.zeros(3)
    elif content == "dense":
        write_legacy_h5(path, [("dense", [("dense/kernel:0", np.zeros((2, 2), np.float32))])])
    elif content == "folder":
        path.mkdir()
    code, out = run("info", path)
    assert code == 1 and message in out and out.startswith("Error: ")


def test_the_installation():
    code, out = run("info")
    assert code == 0 and re.search(rf"tensorflow +{re.escape(tf.__version__)} +2\.21", out)
    facts = json.loads(run("info", "--json")[1])
    assert facts["problem"] is None and facts["cores"] >= 1
    assert len(facts["gpus"]) == len(tf.config.list_physical_devices("GPU"))
    assert facts["versions"]["av"]["installed"] and facts["versions"]["jinja2"]["installed"]


def test_the_matrix_is_that_of_the_readme():
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| | needed | tested with |"):].split("\n\n")[0]
    for name, (needed, tested) in info.MATRIX.items():
        word = {"opencv-python-headless": "OpenCV", "av": "PyAV"}.get(name, name).lower()
        [row] = [line for line in table.splitlines() if word in line.lower().split("|")[1]]
        assert needed in row and tested in row, name


# --- the demo -------------------------------------------------------------------------------

def test_demo(tmp_path, capsys):
    tf.config.run_functions_eagerly(True)
    try:
        config = tiny_config(NAME="demo", IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128, VALIDATION_STEPS=0)
        path, numbers = demo_work.demo(tmp_path / "a.png", tmp_path / "logs", 1, config, 4, 8)
    finally:
        tf.config.run_functions_eagerly(False)
    assert Path(path).name == "mask_rcnn_demo_0001.h5" and len(numbers) == 12
    assert Image.open(tmp_path / "a.png").width > 500
    out = capsys.readouterr().out
    assert "2 steps in" in out and f"mrcnn evaluate {path} shapes" in out


def test_demo_refuses_at_the_door(tmp_path):
    code, out = run("demo", "--output", tmp_path / "a.docx")
    assert code == 1 and "expected a picture ending in" in out
    code, out = run("demo", "--output", tmp_path / "no/a.png", "--logs", tmp_path / "logs")
    assert code == 1 and "there is no such folder" in out
    assert "--epochs" in run("demo", "--help")[1]
