"""`MaskRCNN.export`: a request carried out."""

import numpy as np

from mrcnn import kernels
from mrcnn._atomic import atomic_path
from mrcnn.engine import inference
from mrcnn.engine.export import metadata
from mrcnn.engine.export.fixed import FixedNetwork
from mrcnn.engine.export.pipeline import Pipeline
from mrcnn.engine.export.request import (
    check_model,
    checked_request,
    format_of,
    whole_folder,
)

OPSET = 18  # of ONNX; onnxruntime knows it since 1.14

def export(model, path, format_=None, **options):
    """Writes a model for other programs; arguments and errors as of `MaskRCNN.export`.

    Returns:
        The path as text.
    """
    check_model(model, format_of(path, format_))
    request = checked_request(model.config, path, format_, **options)
    model.network.up_to_date(model.config)  # the layers take over the detection knobs
    WRITERS[request.format](model, request)
    return str(request.path)


def _checked_size(config):
    """(H, W, C) of what a small image becomes.

    Raises:
        ValueError: settings of resizing that cannot work.
    """
    side = config.IMAGE_MIN_DIM or 64
    image = np.zeros((side, side, config.IMAGE_CHANNEL_COUNT), np.uint8)
    return inference.mold_one(image, config)[0].shape


def resize_mode(config):
    """How `detect` resizes; a random crop would answer for a part of the image."""
    return "pad64" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE


def pipeline_of(model):
    """The Pipeline of a model.

    Raises:
        ValueError: anchors that only Python code can tell, for images of many sizes.
    """
    config, mode = model.config, resize_mode(model.config)
    shape = _checked_size(config)
    if mode == "square":
        return Pipeline(model.keras_model, config, mode, model.get_anchors(shape))
    own = [name for name in ("COMPUTE_BACKBONE_SHAPE", "BACKBONE_SHAPES") if
           getattr(config, name) is not None and config.is_assigned(name)]
    if own:
        raise ValueError(f"export: with {own[0]} the anchors of an image size are told by Python "
                         f"code; expected IMAGE_RESIZE_MODE = 'square', received {mode!r}")
    return Pipeline(model.keras_model, config, mode)


def _saved_model(model, request):
    """A folder with the signatures `serving_default` (a batch) and `detect` (one image)."""
    from mrcnn.kernels.tensorflow_backend.exporting import write_saved_model

    pipeline = pipeline_of(model)
    facts = metadata.description(model, request, pipeline.mode)
    shape = (None, None, model.config.IMAGE_CHANNEL_COUNT)
    with whole_folder(request.path) as folder:
        write_saved_model(folder, pipeline.batch, shape, request.image_type,
                          model.keras_model.variables)
        (folder / metadata.FILE_NAME).write_text(metadata.text_of(facts), encoding="utf-8")


def _onnx(model, request):
    """A file of operator set OPSET: one image in, its objects out."""
    from mrcnn.kernels.tensorflow_backend.exporting import write_onnx

    pipeline = pipeline_of(model)
    facts = metadata.text_of(metadata.description(model, request, pipeline.mode))
    shape = (None, None, model.config.IMAGE_CHANNEL_COUNT)
    # Converted, TensorFlow's crop is a loop over boxes that copies a feature map for each.
    with kernels.portable_only(), atomic_path(request.path) as unfinished:
        write_onnx(unfinished, pipeline.batch, shape, request.image_type, OPSET,
                   {metadata.KEY: facts})


def _tflite(model, request):
    """A file for images of one size, and its description beside it."""
    from mrcnn.kernels.tensorflow_backend.exporting import write_tflite

    config, mode, size = model.config, resize_mode(model.config), request.image_shape
    molded = _checked_size(config)[:2]
    if mode == "square" and molded != size:
        raise ValueError(f"image_shape: with IMAGE_RESIZE_MODE = 'square' the images become "
                         f"{molded}, received {size}")
    channels = config.IMAGE_CHANNEL_COUNT
    network = FixedNetwork(model.keras_model, config, size, model.get_anchors((*size, channels)))
    inputs = [("image", (1, *size, channels), request.image_type), ("window", (1, 4), "float32")]
    facts = metadata.text_of(metadata.description(model, request, mode))
    with atomic_path(request.path) as unfinished:
        write_tflite(unfinished, network, inputs, request.weights, model.keras_model.variables)
    with atomic_path(request.description_path) as unfinished:
        unfinished.write_text(facts, encoding="utf-8")


def _keras_file(model, request):
    """The network alone, for `keras.models.load_model` where mrcnn is installed."""
    with atomic_path(request.path, keep_ending=True) as unfinished:
        model.keras_model.save(unfinished)


WRITERS = {"saved_model": _saved_model, "onnx": _onnx, "tflite": _tflite, "keras": _keras_file}
