"""`mrcnn export`: files for other programs, and clear words where there can be none."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from commands.tiny_runs import run
from e2e.tiny import tiny_config

from mrcnn.commands import opening
from mrcnn.engine.checkpoints import save_checkpoint
from mrcnn.engine.mask_rcnn import MaskRCNN

NAMES = ["BG", "square", "circle", "triangle"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(path of a checkpoint, its MaskRCNN)."""
    folder = tmp_path_factory.mktemp("logs")
    model = MaskRCNN("inference", tiny_config(), folder)
    path = folder / "tiny.h5"
    save_checkpoint(path, model.keras_model, config=model.config, epoch=1, class_names=NAMES)
    return path, model


def test_a_saved_model(trained, tmp_path):
    path, model = trained
    code, out = run("export", path, tmp_path / "tiny", "--set", "DETECTION_MAX_INSTANCES=9")
    assert code == 0 and out.startswith(f"SavedModel in {tmp_path / 'tiny'}, "), out
    facts = json.loads((tmp_path / "tiny" / "mrcnn.json").read_text(encoding="utf-8"))
    assert facts["class_names"] == NAMES and facts["detection"]["max_instances"] == 9
    image = np.random.default_rng(0).integers(0, 255, (70, 80, 3)).astype(np.uint8)
    loaded = tf.saved_model.load(str(tmp_path / "tiny"))
    found = loaded.detect(image)
    np.testing.assert_allclose(found["boxes"], model.detect([image])[0]["rois"][:9], atol=1)


def test_a_keras_file_is_replaced_when_asked(trained, tmp_path):
    path, model = trained
    target = tmp_path / "tiny.keras"
    assert run("export", path, target)[0] == 0
    code, out = run("export", path, target)
    assert code == 2 and "is there already" in out
    code, out = run("export", path, target, "--overwrite")
    assert code == 0 and out.startswith("Keras in ")
    assert keras.models.load_model(target).count_params() == model.keras_model.count_params()


def test_mistakes_are_found_before_a_model_is_opened(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "open_detector", lambda *_: pytest.fail("it was opened"))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "letter.txt").write_text("dear")
    for expected, word, arguments in (
            (1, "TensorRT", ("m.engine",)), (1, "expected one of", ("m.zip",)),
            (1, "expected one of", ("m", "--format", "caffe")),
            (1, "float16", ("m.tflite", "--weights", "int4")),
            (1, "images become (64, 64)", ("m.tflite", "--image-shape", "128", "64")),
            (1, "--image-shape H W", ("m.tflite", "--set", "IMAGE_RESIZE_MODE=pad64")),
            (1, "--set PRECISION=float32", ("m.onnx", "--set", "PRECISION=bfloat16")),
            (1, "are for TFLite", ("m.onnx", "--weights", "float16")),
            (2, "name another", ("there", "--overwrite")), (2, "Missing argument", ())):
        arguments = [tmp_path / arguments[0], *arguments[1:]] if arguments else []
        code, out = run("export", trained[0], *arguments)
        assert code == expected and word in out and "Traceback" not in out, (arguments, out)
    code, out = run("export", tmp_path / "gone.h5", tmp_path / "m")
    assert code == 2 and "does not exist" in out
