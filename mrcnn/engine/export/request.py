"""What is asked of an export, checked before any work is done."""

import operator
import os
import sys
from dataclasses import dataclass, replace
from importlib import util
from pathlib import Path

from mrcnn._atomic import make_writable
from mrcnn._versions import keras_backend
from mrcnn.geometry import shortest_edge

FORMATS = {"": "saved_model", ".onnx": "onnx", ".tflite": "tflite", ".keras": "keras"}
WEIGHT_TYPES = ("float32", "float16")
IMAGE_TYPES = ("uint8", "uint16", "float32")
# Types of images that a format takes.
TYPES_OF = {"saved_model": IMAGE_TYPES, "onnx": IMAGE_TYPES, "tflite": ("uint8", "float32"),
            "keras": ("uint8",)}
ON_TENSORFLOW = ("saved_model", "onnx", "tflite")  # made from a TensorFlow graph
ONNX_PACKAGES = ("onnx", "tf2onnx")

# Endings that people try, and what to do in their place.
OTHERS = {
    (".engine", ".plan", ".trt"): "TensorRT engines are built from an ONNX file on the machine "
                                  "that runs them: export to .onnx and give that to trtexec",
    (".h5",): "weights alone are written by keras_model.save_weights(path)",
    (".pb",): "a frozen graph is not offered: export to a folder, as SavedModel",
    (".pt", ".pth", ".torchscript"): "TorchScript is not offered: export to .onnx",
    (".mlmodel", ".mlpackage"): "Core ML is not offered",
}


def sides_divide_by(mode):
    """What both sides of a molded image divide by, in pixels, for an IMAGE_RESIZE_MODE."""
    return shortest_edge.MULTIPLE if mode in shortest_edge.MODES else 64


@dataclass(frozen=True)
class Request:
    """A checked wish.

    Attributes:
        path: the target, a folder for a SavedModel, else a file.
        format: "saved_model", "onnx", "tflite" or "keras".
        weights: one of WEIGHT_TYPES.
        image_type: one of IMAGE_TYPES.
        image_shape: (height, width) of a TFLite model's input.
    """

    path: Path
    format: str
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


def checked_request(path, format_=None, overwrite=False, weights="float32", image_type="uint8",
                    image_shape=None):
    """A Request that this machine can carry out; neither model nor Keras is needed for it.

    Args:
        As of `MaskRCNN.export`.

    Raises:
        ValueError, TypeError: what cannot be, and what would do.
        FileExistsError: something is there and may not be replaced.
        OSError: the folder cannot be written.
        ImportError: a package is missing.
    """
    path = Path(os.fspath(path))
    format_ = format_of(path, format_)
    if format_ != "tflite" and (weights != "float32" or image_shape is not None):
        raise ValueError(f"weights and image_shape are for TFLite; the format is {format_}")
    _check_choice("weights", weights, WEIGHT_TYPES, format_)
    _check_choice("image_type", image_type, TYPES_OF[format_], format_)
    _check_backend(format_)
    _check_packages(format_)
    request = Request(path, format_, weights, image_type, image_shape)
    _check_target(request, overwrite)
    return request


def _check_choice(name, value, known, format_):
    if value not in known:
        raise ValueError(f"{name} = {value!r}: expected {' or '.join(known)} for the format "
                         f"{format_}")


def _check_backend(format_):
    keras = sys.modules.get("keras")  # before it is loaded: what it is going to choose
    backend = keras.backend.backend() if keras else keras_backend()
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


def _check_target(request, overwrite):
    path, is_folder = request.path, request.format == "saved_model"
    if path.exists():
        ours = path.is_dir() == is_folder
        if ours and is_folder and any(path.iterdir()):
            ours = (path / "saved_model.pb").is_file()
        if not ours:
            raise FileExistsError(f"{path} is there already and no {request.format} file or "
                                  "folder; name another one")
    files = [path, request.description_path] if request.format == "tflite" else [path]
    for file in files:
        if file.exists() and not overwrite:
            raise FileExistsError(f"{file} is there already; overwrite=True, or --overwrite, "
                                  "replaces it")
    make_writable(path.parent)


def fitted(request, config):
    """The Request for a model of this Config.

    Args:
        request: Request.
        config: Config.

    Returns:
        Request, with `image_shape` for TFLite.

    Raises:
        ValueError: what the format cannot hold.
    """
    if request.format in ("onnx", "tflite") and config.PRECISION != "float32":
        raise ValueError(
            f"PRECISION = {config.PRECISION!r}: {request.format} is written in float32; open the "
            "checkpoint with PRECISION = 'float32' (mrcnn export: --set PRECISION=float32)")
    if request.format in ("saved_model", "onnx"):
        _check_anchors(config)
    if request.format in ("onnx", "tflite"):
        _check_sampling(config, request.format)
    if request.format != "tflite":
        return request
    if config.IMAGE_RESIZE_MODE in shortest_edge.MODES and request.image_type != "float32":
        raise ValueError(
            f"image_type = {request.image_type!r}: with IMAGE_RESIZE_MODE = "
            f"{config.IMAGE_RESIZE_MODE!r} resized pixels are fractions; expected "
            "image_type='float32', or --image-type float32")
    return replace(request, image_shape=_checked_shape(config, request.image_shape))


def _check_sampling(config, format_):
    """Refuses what the operations of other programs cannot count."""
    if config.ROI_ALIGN == "roi_align" and config.ROI_ALIGN_SAMPLING_RATIO == 0:
        raise ValueError(
            f"ROI_ALIGN_SAMPLING_RATIO = 0: {format_} has no number of points that depends on each "
            "roi; expected 1 or more, as a rule 2 (mrcnn export: --set "
            "ROI_ALIGN_SAMPLING_RATIO=2), or a SavedModel")


def _check_anchors(config):
    """Refuses images of many sizes where only Python code can tell the anchors of a size."""
    mode = config.IMAGE_RESIZE_MODE
    for name in ("COMPUTE_BACKBONE_SHAPE", "BACKBONE_SHAPES"):
        if mode != "square" and config.is_assigned(name) and getattr(config, name) is not None:
            raise ValueError(f"export: with {name} the anchors of an image size are told by Python "
                             f"code; expected IMAGE_RESIZE_MODE = 'square', received {mode!r}")


def _checked_shape(config, image_shape):
    """(height, width) of the input of a model of fixed size."""
    mode = config.IMAGE_RESIZE_MODE
    if image_shape is None:
        if mode != "square":
            raise ValueError(
                f"image_shape: with IMAGE_RESIZE_MODE = {mode!r} images come out in many sizes, "
                "and a TFLite file takes one: say (height, width), or --image-shape H W")
        return tuple(int(side) for side in config.IMAGE_SHAPE[:2])
    try:
        height, width = map(operator.index, image_shape)
    except (TypeError, ValueError):
        height = width = 0
    multiple = sides_divide_by(mode)
    if min(height, width) < 1 or height % multiple or width % multiple:
        raise ValueError(f"image_shape: expected (height, width) that divide by {multiple}, "
                         f"received {image_shape}")
    square = (config.IMAGE_MAX_DIM, config.IMAGE_MAX_DIM)
    if mode == "square" and (height, width) != square:
        raise ValueError(f"image_shape: with IMAGE_RESIZE_MODE = 'square' images become {square} "
                         f"(IMAGE_MAX_DIM), received {image_shape}")
    return height, width
