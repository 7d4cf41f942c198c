"""What is asked of an export, checked before any work is done."""

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path

FORMATS = {"": "saved_model", ".onnx": "onnx", ".tflite": "tflite", ".keras": "keras"}
WEIGHT_TYPES = ("float32", "float16")
IMAGE_TYPES = ("uint8", "uint16", "float32")
# Types of images that a format takes.
TYPES_OF = {"saved_model": IMAGE_TYPES, "onnx": IMAGE_TYPES, "tflite": ("uint8", "float32"),
            "keras": ("uint8",)}
ON_TENSORFLOW = ("saved_model", "onnx", "tflite")  # made from a TensorFlow graph
ONNX_PACKAGES = ("onnx", "tf2onnx")
SIDES_DIVIDE_BY = 64

# Endings that people try, and what to do in their place.
OTHERS = {
    (".engine", ".plan", ".trt"): "TensorRT engines are built from an ONNX file on the machine "
                                  "that runs them: export to .onnx and give that to trtexec",
    (".h5",): "weights alone are written by keras_model.save_weights(path)",
    (".pb",): "a frozen graph is not offered: export to a folder, as SavedModel",
    (".pt", ".pth", ".torchscript"): "TorchScript is not offered: export to .onnx",
    (".mlmodel", ".mlpackage"): "Core ML is not offered",
}


@dataclass(frozen=True)
class Request:
    """A checked wish.

    Attributes:
        path: the target, a folder for a SavedModel, else a file.
        format: "saved_model", "onnx", "tflite" or "keras".
        overwrite: an earlier export at `path` is replaced.
        weights: one of WEIGHT_TYPES.
        image_type: one of IMAGE_TYPES.
        image_shape: (height, width) of a TFLite model's input; None for IMAGE_SHAPE.
    """

    path: Path
    format: str
    overwrite: bool = False
    weights: str = "float32"
    image_type: str = "uint8"
    image_shape: tuple | None = None

    @property
    def description_path(self):
        """Where a TFLite file's description lies."""
        return self.path.with_name(f"{self.path.name}.json")


def format_of(path, format_=None):
    """The format that a name or the ending of a path says.

    Raises:
        ValueError: none of FORMATS, or a name that contradicts the ending.
    """
    ending = Path(path).suffix.lower()
    said = FORMATS.get(ending)
    if format_ is None:
        if said is None:
            raise ValueError(f"{path}: {_why_not(ending)}")
        return said
    if format_ not in FORMATS.values():
        ending = f".{format_}".lower().replace("..", ".")
        raise ValueError(f"format = {format_!r}: {_why_not(ending)}")
    if format_ == "keras" and ending != ".keras":
        raise ValueError(f"{path}: expected a name that ends in .keras, which Keras needs to load "
                         "it again")
    if said not in (None, "saved_model", format_):
        raise ValueError(f"{path} ends as {said}, but format = {format_!r}: expected one of them")
    return format_


def _why_not(ending):
    for endings, advice in OTHERS.items():
        if ending in endings:
            return advice
    return (f"expected one of {', '.join(FORMATS.values())}, by name or by the ending: a folder, "
            ".onnx, .tflite, .keras")


def checked_request(config, path, format_=None, overwrite=False, weights="float32",
                    image_type="uint8", image_shape=None):
    """A Request that can be carried out; Keras is not loaded for it.

    Args:
        config: Config of the model.
        Others as of `MaskRCNN.export`.

    Raises:
        ValueError, TypeError: what cannot be, and what would do.
        FileExistsError: `path` is there and may not be replaced.
        ImportError: a package is missing.
    """
    path = Path(os.fspath(path))
    format_ = format_of(path, format_)
    _check_choice("weights", weights, WEIGHT_TYPES)
    _check_choice("image_type", image_type, IMAGE_TYPES)
    if format_ != "tflite" and (weights != "float32" or image_shape is not None):
        raise ValueError(f"weights and image_shape are for TFLite; the format is {format_}")
    if image_type not in TYPES_OF[format_]:
        raise ValueError(f"image_type = {image_type!r}: expected one of "
                         f"{', '.join(TYPES_OF[format_])} for the format {format_}")
    if format_ in ("onnx", "tflite") and config.PRECISION != "float32":
        raise ValueError(f"PRECISION = {config.PRECISION!r}: {format_} is written in float32; "
                         "build the model with PRECISION = 'float32', from the same checkpoint")
    if format_ == "tflite":
        image_shape = checked_shape(config, image_shape)
    _check_packages(format_)
    check_target(path, format_, overwrite)
    return Request(path, format_, overwrite, weights, image_type, image_shape)


def _check_choice(name, value, known):
    if value not in known:
        raise ValueError(f"{name} = {value!r}: expected one of {', '.join(known)}")


def check_model(model, format_):
    """Whether a MaskRCNN can be written in a format, in this process.

    Raises:
        ValueError: training mode, or a backend of Keras that has no such graph.
    """
    import keras

    if model.mode != "inference":
        raise ValueError(
            "export: expected a model in inference mode, received one in training mode; use "
            "model.inference_twin().export(...), or load its checkpoint with mode='inference'")
    backend = keras.backend.backend()
    if format_ in ON_TENSORFLOW and backend != "tensorflow":
        raise ValueError(
            f"export: {format_} is made from a TensorFlow graph, and Keras runs on {backend!r}; "
            "load the checkpoint in a process with KERAS_BACKEND=tensorflow and export it there. "
            "The format .keras works on every backend")


def _check_packages(format_):
    missing = [name for name in ONNX_PACKAGES if format_ == "onnx" and util.find_spec(name) is None]
    if missing:
        raise ImportError(f"export to ONNX needs {' and '.join(missing)}: "
                          f"pip install {' '.join(missing)}")


def checked_shape(config, image_shape):
    """(height, width) of the input of a model of fixed size.

    Raises:
        ValueError: no two numbers, or sides that do not divide by 64.
    """
    shape = tuple(config.IMAGE_SHAPE[:2]) if image_shape is None else image_shape
    try:
        height, width = (int(side) for side in shape)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1 or height % SIDES_DIVIDE_BY or width % SIDES_DIVIDE_BY:
        raise ValueError(f"image_shape: expected (height, width) that divide by {SIDES_DIVIDE_BY}, "
                         f"received {shape}")
    return height, width


def check_target(path, format_, overwrite):
    """Whether `path` can be written.

    Raises:
        FileExistsError: it is there and `overwrite` is False, or it is no earlier export.
        OSError: its folder cannot be written.
    """
    if path.exists():
        is_ours = path.is_dir() == (format_ == "saved_model")
        if is_ours and path.is_dir() and any(path.iterdir()):
            is_ours = (path / "saved_model.pb").is_file()
        if not is_ours:
            raise FileExistsError(f"{path} is there already and no {format_} file or folder; "
                                  "name another one")
        if not overwrite:
            raise FileExistsError(f"{path} is there already; overwrite=True replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(f"cannot write to {path.parent}: {error.strerror or error}") from error


@contextmanager
def whole_folder(path):
    """A new folder that becomes `path` when the body has filled it, in place of an earlier one.

    Yields:
        Path of a folder that is not there yet. When the body raises, `path` stays as it was.
    """
    workshop = Path(tempfile.mkdtemp(prefix=_hidden(path.name), dir=path.parent))
    try:
        yield workshop / "new"
        if path.exists():
            os.replace(path, workshop / "old")
        os.replace(workshop / "new", path)
    except BaseException:
        if (workshop / "old").exists() and not path.exists():
            os.replace(workshop / "old", path)
        raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _hidden(name):
    return "." + re.sub(r"[^\w.-]", "_", name)[:100] + "."
