"""`MaskRCNN.export`: a request carried out."""

from mrcnn import kernels
from mrcnn._atomic import atomic_path, whole_folder
from mrcnn.engine.export import metadata
from mrcnn.engine.export.fixed import FixedNetwork
from mrcnn.engine.export.network import ExportedNetwork
from mrcnn.engine.export.pipeline import Pipeline
from mrcnn.engine.export.request import checked_request, fitted
from mrcnn.engine.inference import resize_mode

OPSET = 18  # of ONNX; onnxruntime knows it since 1.14


def export(model, path, format_=None, **options):
    """Writes a model for other programs; arguments and errors as of `MaskRCNN.export`.

    Returns:
        The path as text.
    """
    if model.mode != "inference":
        raise ValueError(
            "export: expected a model in inference mode, received one in training mode; use "
            "model.inference_twin().export(...), or load its checkpoint with mode='inference'")
    request = fitted(checked_request(path, format_, **options), model.config)
    model.network.up_to_date(model.config)  # the layers take over the detection knobs
    WRITERS[request.format](model, request)
    return str(request.path)


def pipeline_of(model):
    """The Pipeline of a model."""
    config, mode = model.config, resize_mode(model.config)
    anchors = model.get_anchors(config.IMAGE_SHAPE) if mode == "square" else None
    return Pipeline(ExportedNetwork(model.keras_model), config, mode, anchors)


def _saved_model(model, request):
    """A folder with the signatures `serving_default` (a batch) and `detect` (one image)."""
    from mrcnn.kernels.tensorflow_backend.exporting import write_saved_model

    pipeline = pipeline_of(model)
    facts = metadata.description(model, request, pipeline.mode)
    shape = (None, None, model.config.IMAGE_CHANNEL_COUNT)
    with whole_folder(request.path) as folder:
        write_saved_model(folder, pipeline.batch, shape, request.image_type,
                          pipeline.network.variables)
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
    channels = config.IMAGE_CHANNEL_COUNT
    network = ExportedNetwork(model.keras_model)
    fixed = FixedNetwork(network, config, size, model.get_anchors(size))
    inputs = [("image", (1, *size, channels), request.image_type), ("window", (1, 4), "float32")]
    facts = metadata.text_of(metadata.description(model, request, mode))
    with atomic_path(request.path) as unfinished:
        write_tflite(unfinished, fixed, inputs, request.weights, network.variables)
    with atomic_path(request.description_path) as unfinished:
        unfinished.write_text(facts, encoding="utf-8")


def _keras_file(model, request):
    """The network alone, for `keras.models.load_model` where mrcnn is installed."""
    with atomic_path(request.path, keep_ending=True) as unfinished:
        model.keras_model.save(unfinished)


WRITERS = {"saved_model": _saved_model, "onnx": _onnx, "tflite": _tflite, "keras": _keras_file}
