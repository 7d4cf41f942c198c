"""Exported files of models built on the presets `paper` and `torchvision` answer as `detect`."""

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from e2e.tiny import TinyConfig
from export.conftest import check_like_detect
from export.test_tflite_file import interpreter_of

from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.presets import preset
from mrcnn.results.exported import finish, prepare, read_facts

NAMES = ("boxes", "class_ids", "scores", "masks")
# What makes the tiny network tiny; the rest is the preset's.
SMALL = ("NAME", "NUM_CLASSES", "IMAGES_PER_GPU", "BACKBONE", "BACKBONE_WIDTH",
         "TOP_DOWN_PYRAMID_SIZE", "RPN_CONV_CHANNELS", "MASK_CONV_CHANNELS",
         "FPN_CLASSIF_FC_LAYERS_SIZE", "RPN_ANCHOR_SCALES", "POST_NMS_ROIS_INFERENCE",
         "SEED")
SIZES = ((83, 120), (130, 70), (64, 64))


def model_of(name, folder, **knobs):
    """A tiny MaskRCNN on a preset, its weights spread so that scores and boxes differ."""
    values = {**{knob: getattr(TinyConfig, knob) for knob in SMALL}, "IMAGE_MIN_DIM": 64,
              "IMAGE_MAX_DIM": 107, "DETECTION_MIN_CONFIDENCE": 0.05, "PRE_NMS_LIMIT": 60, **knobs}
    model = MaskRCNN("inference", type("Small", (preset(name),), values)(), folder)
    rng = np.random.default_rng(1)
    for variable in model.keras_model.trainable_variables:
        variable.assign(variable + rng.normal(0, 0.015, variable.shape).astype(np.float32))
    first = model.keras_model.get_layer("conv1").kernel
    first.assign(first * float(model.config.image_std.mean() / 57))  # nets of theirs have it inside
    return model


@pytest.fixture(scope="module", params=["paper", "torchvision"])
def model(request, tmp_path_factory):
    return model_of(request.param, tmp_path_factory.mktemp("logs"))


def images(dtype=np.uint8):
    rng = np.random.default_rng(3)
    for size in SIZES:
        yield np.clip(rng.normal(120, 60, (*size, 3)), 0, 255).astype(dtype)


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
    for image in images():
        check(loaded.detect(image), model.detect([image])[0])


def test_onnx(model, tmp_path):
    if model.config.PRESET == "paper":
        pytest.skip("its operators are among those of torchvision's, and a file takes a minute")
    path = model.export(tmp_path / "tiny.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for image in images():
        found = dict(zip(names, session.run(None, {"image": image}), strict=True))
        check(found, model.detect([image])[0])


def test_tflite(model, tmp_path):
    path = model.export(tmp_path / "tiny.tflite", image_shape=(64, 96), image_type="float32")
    facts, run = read_facts(path), interpreter_of(path).get_signature_runner()
    assert facts["resize"]["multiple"] == 32 and facts["box_normalization"] == "edges"
    image = next(images())
    resized, window = prepare(image, facts)
    found = finish(run(image=resized, window=window), image, facts)
    masks = np.moveaxis(np.asarray(found["masks"]), -1, 0)
    check({**found, "boxes": found["rois"], "masks": masks}, model.detect([image])[0])
