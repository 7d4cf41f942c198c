"""A checkpoint as a file for other programs: what `mrcnn export` does."""

from pathlib import Path

from mrcnn.commands import opening
from mrcnn.engine.export.request import checked_request, fitted

MEGABYTE = 1e6
TITLES = {"saved_model": "SavedModel", "onnx": "ONNX", "tflite": "TFLite", "keras": "Keras"}


def export_checkpoint(path, target, config=None, assignments=(), **options):
    """Writes a checkpoint in another format; everything is checked before TensorFlow loads.

    Args:
        path, config, assignments: as of `opening.open_detector`.
        target: where to write.
        **options: of `MaskRCNN.export`, None for its default; `format_` for its `format`.

    Returns:
        list of lines of text: what was written.

    Raises:
        FileNotFoundError, FileExistsError, OSError: no weights, or no place to write.
        ValueError, ImportError: as of `MaskRCNN.export`.
    """
    options = {name: value for name, value in options.items() if value is not None}
    request = checked_request(target, **options)
    fitted(request, opening.inference_config(opening.describe(path), config, assignments))
    model = opening.open_detector(path, config, assignments)
    options["format"] = options.pop("format_", None)
    model.export(target, **options)
    lines = [f"{TITLES[request.format]} in {target}, {_size(request.path):.1f} MB"]
    if request.format == "tflite":
        lines.append(f"its description in {request.description_path}")
    return lines


def _size(path):
    """Megabytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [one for one in Path(path).rglob("*") if one.is_file()]
    return sum(file.stat().st_size for file in files) / MEGABYTE
