"""What an export refuses, and that it does so before any work."""

import os
from pathlib import Path

import pytest
from e2e.tiny import tiny_config

from mrcnn._atomic import whole_folder
from mrcnn.engine.export import request
from mrcnn.engine.export.request import checked_request, fitted, format_of
from mrcnn.engine.mask_rcnn import MaskRCNN


@pytest.mark.parametrize(("path", "name", "expected"), [
    ("model", None, "saved_model"), ("a.d/model", None, "saved_model"), ("m.ONNX", None, "onnx"),
    ("m.tflite", None, "tflite"), ("m.keras", None, "keras"),
    ("m.v2", "saved_model", "saved_model"), ("m", "onnx", "onnx"), ("m.v2", "tflite", "tflite"),
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
    ("m.tflite", {"weights": "int8"}, "expected float32 or float16"),
    ("m.onnx", {"weights": "float16"}, "are for TFLite"),
    ("m", {"image_shape": (64, 64)}, "are for TFLite"),
    ("m", {"image_type": "int8"}, "expected uint8 or uint16 or float32"),
    ("m.tflite", {"image_type": "uint16"}, "expected uint8 or float32 for"),
])
def test_options_that_do_not_fit(tmp_path, path, options, said):
    with pytest.raises(ValueError, match=said):
        checked_request(tmp_path / path, **options)
    assert os.listdir(tmp_path) == []


PAD64 = {"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 64}
SHORTEST = {"IMAGE_RESIZE_MODE": "shortest_edge"}
ALIGNED = {"ROI_ALIGN": "roi_align", "ROI_ALIGN_SAMPLING_RATIO": 0}


@pytest.mark.parametrize(("knobs", "path", "shape", "said"), [
    ({"PRECISION": "bfloat16"}, "m.onnx", None, "is written in float32"),
    ({"PRECISION": "bfloat16"}, "m.tflite", None, "--set PRECISION=float32"),
    ({}, "m.tflite", (128, 128), r"images become \(64, 64\)"),
    (PAD64, "m.tflite", None, r"--image-shape H W"),
    (PAD64, "m.tflite", (64, 65), "divide by 64"),
    (PAD64, "m.tflite", (64.0, 64), "divide by 64"),
    (ALIGNED, "m.tflite", None, "ROI_ALIGN_SAMPLING_RATIO = 0: tflite"),
    (ALIGNED, "m.onnx", None, "--set ROI_ALIGN_SAMPLING_RATIO=2"),
    (SHORTEST, "m.tflite", (64, 96), "expected image_type='float32'"),
    (SHORTEST, "float32.tflite", (64, 80), "divide by 32"),
    (SHORTEST, "float32.tflite", None, "say .height, width."),
    (PAD64, "m.tflite", 64, "divide by 64"),
    ({**PAD64, "COMPUTE_BACKBONE_SHAPE": lambda shape: [(1, 1)] * 5}, "m", None,
     "COMPUTE_BACKBONE_SHAPE"),
])
def test_models_that_do_not_fit(knobs, path, shape, said):
    with pytest.raises(ValueError, match=said):
        fitted(request.Request(Path(path), format_of(path), image_shape=shape,
                               image_type="float32" if "float32" in path else "uint8"),
               tiny_config(**knobs))


def test_models_that_fit():
    def shape_of(config, **wish):
        return fitted(request.Request(Path("m.tflite"), "tflite", **wish), config).image_shape

    assert shape_of(tiny_config()) == (64, 64)
    assert shape_of(tiny_config(**PAD64), image_shape=[64, 128]) == (64, 128)
    assert shape_of(tiny_config(**SHORTEST), image_shape=(64, 96), image_type="float32") == (64, 96)
    adaptive = request.Request(Path("m"), "saved_model")
    assert fitted(adaptive, tiny_config(**ALIGNED)) == adaptive
    low = request.Request(Path("m"), "saved_model")
    assert fitted(low, tiny_config(PRECISION="bfloat16")) == low


@pytest.mark.parametrize(("name", "format_", "overwrite", "said"), [
    ("m.onnx", None, False, "--overwrite"),
    ("letter", None, True, "name another"),
    ("old", None, False, "--overwrite"),
    ("old", "onnx", True, "name another"),
    ("empty", None, False, "--overwrite"),
    ("full", None, True, "name another"),
    ("m.tflite", None, False, "m.tflite.json is there already"),
])
def test_targets_that_are_there(tmp_path, name, format_, overwrite, said):
    (tmp_path / "empty").mkdir()
    files = ("m.onnx", "m.tflite.json", "letter", "full/thesis.txt", "old/saved_model.pb")
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("precious")
    with pytest.raises(FileExistsError, match=said):
        checked_request(tmp_path / name, format_, overwrite)
    assert all((tmp_path / file).read_text() == "precious" for file in files)


def test_an_earlier_export_may_be_replaced(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "saved_model.pb").write_text("old")
    for name in ("m.onnx", "m.tflite", "m.tflite.json"):
        (tmp_path / name).write_text("old")
    for name in ("old", "m.onnx", "m.tflite"):
        assert checked_request(tmp_path / name, overwrite=True).path == tmp_path / name


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="cannot write to .*file"):
        checked_request(tmp_path / "file" / "m.onnx")
    if os.geteuid():  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OSError, match="cannot write to"):
            checked_request(tmp_path / "locked" / "m.onnx")
    assert not (checked_request(tmp_path / "new" / "m.onnx").path).exists()


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


def test_training_mode(tmp_path):
    model = MaskRCNN("training", tiny_config(), tmp_path)
    with pytest.raises(ValueError, match="inference_twin"):
        model.export(tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []


def test_another_backend_is_named_whether_keras_is_loaded_or_not(tmp_path, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(ValueError, match="runs on 'torch'.*KERAS_BACKEND=tensorflow"):
        checked_request(tmp_path / "m.onnx")
    assert checked_request(tmp_path / "m.keras").format == "keras"
    monkeypatch.delitem(request.sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ValueError, match="runs on 'jax'"):
        checked_request(tmp_path / "m")


def test_onnx_without_its_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(request.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install onnx tf2onnx"):
        checked_request(tmp_path / "m.onnx")
