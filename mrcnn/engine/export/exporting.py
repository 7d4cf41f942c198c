"""`MaskRCNN.export`: a request carried out."""

import numpy as np

from mrcnn._atomic import atomic_path
from mrcnn.engine import inference
from mrcnn.engine.export import metadata
from mrcnn.engine.export.pipeline import Pipeline
from mrcnn.engine.export.request import checked_request, whole_folder


def export(model, path, format_=None, overwrite=False, weights="float32", image_type="uint8",
           image_shape=None):
    """Writes a model for other programs; arguments and errors as of `MaskRCNN.export`.

    Returns:
        The path as text.
    """
    request = checked_request(model, path, format_, overwrite, weights, image_type, image_shape)
    model.network.up_to_date(model.config)  # the layers take over the detection knobs
    {"saved_model": _saved_model, "keras": _keras_file}[request.format](model, request)
    return str(request.path)


def resize_mode(config):
    """How `detect` resizes; a random crop would answer for a part of the image."""
    return "pad64" if config.IMAGE_RESIZE_MODE == "crop" else config.IMAGE_RESIZE_MODE


def pipeline_of(model):
    """The Pipeline of a model.

    Raises:
        ValueError: anchors that only Python code can tell, for images of many sizes.
    """
    config, mode = model.config, resize_mode(model.config)
    shape = (config.IMAGE_MIN_DIM or 64, config.IMAGE_MIN_DIM or 64, config.IMAGE_CHANNEL_COUNT)
    molded, _, _ = inference.mold_one(np.zeros(shape, np.uint8), config)  # says what cannot be
    if mode == "square":
        return Pipeline(model.keras_model, config, mode, model.get_anchors(molded.shape))
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


def _keras_file(model, request):
    """The network alone, for `keras.models.load_model` where mrcnn is installed."""
    with atomic_path(request.path, keep_ending=True) as unfinished:
        model.keras_model.save(unfinished)
