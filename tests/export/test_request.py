"""What an export refuses, and that it does so before any work."""

import os

import pytest
from e2e.tiny import tiny_config

from mrcnn.engine.export import request
from mrcnn.engine.export.request import checked_request, format_of, whole_folder
from mrcnn.engine.mask_rcnn import MaskRCNN


@pytest.mark.parametrize(("path", "name", "expected"), [
    ("model", None, "saved_model"), ("a.d/model", None, "saved_model"), ("m.ONNX", None, "onnx"),
    ("m.tflite", None, "tflite"), ("m.keras", None, "keras"), ("m.v2", "saved_model",
                                                                "saved_model"),
    ("m", "onnx", "onnx"), ("m.v2", "tflite", "tflite"),
])
def test_formats(path, name, expected):
    assert format_of(path, name) == expected


@pytest.mark.parametrize(("path", "name", "said"), [
    ("m.engine", None, "TensorRT"), ("m", "trt", "TensorRT"), ("m.h5", None, "save_weights"),
    ("m.pb", None, "SavedModel"), ("m.pt", None, "TorchScript"), ("m.mlmodel", None, "Core ML"),
    ("m.zip", None, "expected one of saved_model, onnx, tflite, keras"),
    ("m.onnx", "tflite", "ends as onnx"), ("m.onnx", "saved_model", "ends as onnx"),
    ("m", "keras", "ends in .keras"), ("m", "ONNX2", "expected one of"),
])
def test_formats_that_are_none(path, name, said):
    with pytest.raises(ValueError, match=said):
        format_of(path, name)


@pytest.mark.parametrize(("path", "options", "said"), [
    ("m.tflite", {"weights": "int8"}, "expected one of float32, float16"),
    ("m.onnx", {"weights": "float16"}, "are for TFLite"),
    ("m", {"image_shape": (64, 64)}, "are for TFLite"),
    ("m", {"image_type": "int8"}, "expected one of uint8"),
    ("m.tflite", {"image_type": "uint16"}, "expected one of uint8, float32 for"),
    ("m.tflite", {"image_shape": (64, 65)}, "divide by 64"),
    ("m.tflite", {"image_shape": 64}, "divide by 64"),
])
def test_options_that_do_not_fit(tmp_path, path, options, said):
    with pytest.raises(ValueError, match=said):
        checked_request(tiny_config(), tmp_path / path, **options)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["m.onnx", "m.tflite"])
def test_a_low_precision(tmp_path, path):
    with pytest.raises(ValueError, match="is written in float32"):
        checked_request(tiny_config(PRECISION="bfloat16"), tmp_path / path)
    assert checked_request(tiny_config(PRECISION="bfloat16"), tmp_path / "m").weights == "float32"


def test_targets_that_are_there(tmp_path):
    (tmp_path / "m.onnx").write_text("old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "saved_model.pb").write_text("old")
    (tmp_path / "empty").mkdir()
    for path, overwrite, said in (("m.onnx", False, "overwrite=True"), ("old", False, "overwrite"),
                                  ("full", True, "name another"), ("m.onnx", "folder", "another")):
        format_ = "saved_model" if overwrite == "folder" else None
        target = tmp_path / ("m" if format_ else path)
        if format_:
            target.write_text("a file where a folder should be")
        with pytest.raises(FileExistsError, match=said):
            checked_request(tiny_config(), target, format_, overwrite=bool(overwrite))
    assert checked_request(tiny_config(), tmp_path / "old", overwrite=True).overwrite
    with pytest.raises(FileExistsError):
        checked_request(tiny_config(), tmp_path / "empty")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OSError, match="cannot write to"):
            checked_request(tiny_config(), tmp_path / "locked" / "m.onnx")


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "model"
    for text in ("one", "two"):
        with whole_folder(path) as folder:
            folder.mkdir()
            (folder / "a").write_text(text)
        assert (path / "a").read_text() == text and os.listdir(tmp_path) == ["model"]
    with pytest.raises(RuntimeError), whole_folder(path) as folder:
        folder.mkdir()
        raise RuntimeError("in the middle")
    assert (path / "a").read_text() == "two" and os.listdir(tmp_path) == ["model"]


def test_training_mode_and_other_backends(tmp_path, monkeypatch):
    model = MaskRCNN("training", tiny_config(), tmp_path)
    with pytest.raises(ValueError, match="inference_twin"):
        model.export(tmp_path / "m.onnx")
    model.mode = "inference"
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
        model.export(tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []


def test_onnx_without_its_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(request.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install onnx tf2onnx"):
        checked_request(tiny_config(), tmp_path / "m.onnx")


@pytest.mark.parametrize(("knobs", "path", "said"), [
    ({"IMAGE_RESIZE_MODE": "pad64", "COMPUTE_BACKBONE_SHAPE": lambda shape: [(1, 1)] * 5}, "m",
     "COMPUTE_BACKBONE_SHAPE"),
    ({}, "m.tflite", "images become"),
])
def test_what_the_graph_cannot_hold(tmp_path, knobs, path, said):
    model = MaskRCNN("inference", tiny_config(**knobs), tmp_path)
    options = {"image_shape": (128, 128)} if path == "m.tflite" else {}
    with pytest.raises(ValueError, match=said):
        model.export(tmp_path / path, **options)
    assert os.listdir(tmp_path) == []
