"""Exported files of models built on the presets `paper` and `torchvision` answer as `detect`."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from e2e.schools import noisy_images, small_model
from export.conftest import check_like_detect
from export.test_keras_file import check_same_answers
from export.test_tflite_file import interpreter_of
from nets.tiny_models import inference_batch

from mrcnn.results.exported import finish, prepare, read_facts

NAMES = ("boxes", "class_ids", "scores", "masks")


@pytest.fixture(scope="module", params=["paper", "torchvision"])
def model(request, tmp_path_factory):
    return small_model(request.param, tmp_path_factory.mktemp("logs"))


def check(found, expected):
    """As `check_like_detect`, where scores that nearly tie may swap."""
    found = {name: np.asarray(found[name]) for name in NAMES}
    assert 3 < expected.count == len(found["boxes"]) < 100
    apart = np.abs(found["boxes"][:, None] - expected["rois"]).max(axis=-1)
    order = (apart + 1000 * (found["class_ids"][:, None] != expected["class_ids"])).argmin(axis=0)
    assert sorted(order) == list(range(expected.count)), "not the same objects"
    check_like_detect({name: value[order] for name, value in found.items()}, expected)


def test_saved_model(model, tmp_path):
    loaded = tf.saved_model.load(model.export(tmp_path / "folder"))
    for image in noisy_images():
        check(loaded.detect(image), model.detect([image])[0])


@pytest.mark.parametrize("model", ["torchvision"], indirect=True)  # half a minute
def test_onnx(model, tmp_path):
    path = model.export(tmp_path / "tiny.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for image in noisy_images():
        found = dict(zip(names, session.run(None, {"image": image}), strict=True))
        check(found, model.detect([image])[0])


def test_tflite(model, tmp_path):
    path = model.export(tmp_path / "tiny.tflite", image_shape=(64, 96), image_type="float32")
    facts, run = read_facts(path), interpreter_of(path).get_signature_runner()
    assert facts["resize"]["multiple"] == 32 and facts["box_normalization"] == "edges"
    image = next(noisy_images())
    resized, window = prepare(image, facts)
    found = finish(run(image=resized, window=window), image, facts)
    masks = np.moveaxis(np.asarray(found["masks"]), -1, 0)
    check({**found, "boxes": found["rois"], "masks": masks}, model.detect([image])[0])


def test_keras_file(model, tmp_path):
    loaded = keras.models.load_model(model.export(tmp_path / "tiny.keras"))
    check_same_answers(model.keras_model, loaded, inference_batch(model.config))


def test_single_level_and_as_many_points_as_cells(tmp_path):
    """Nine anchors a cell, RoIAlign as detectron2 has it; ONNX and TFLite refuse the latter."""
    model = small_model("paper", tmp_path, FEATURES="c4", BACKBONE_STRIDES=[16],
                        RPN_ANCHOR_SCALES=(16, 32, 48), ROI_ALIGN_SAMPLING_RATIO=0,
                        DETECTION_MIN_CONFIDENCE=0.25)
    loaded = tf.saved_model.load(model.export(tmp_path / "folder"))
    for image in noisy_images():
        check(loaded.detect(image), model.detect([image])[0])
    with pytest.raises(ValueError, match="ROI_ALIGN_SAMPLING_RATIO = 0: onnx"):
        model.export(tmp_path / "tiny.onnx")
