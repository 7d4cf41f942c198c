"""Which annotation format a folder or file is in, and which subsets it has."""

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.json_stream import read_json

# Format -> its file here and the function that reads it, in the order in which they are tried:
# those with a file of a certain name or content first, loose folders last.
READERS = {
    "coco": ("coco", "read_coco"),
    "via": ("via", "read_via"),
    "voc": ("voc", "read_voc"),
    "labelme": ("labelme", "read_labelme"),
    "yolo": ("yolo", "read_yolo"),
    "masks": ("mask_folders", "read_masks"),
}
SHAPES = "shapes"
MOST_JSON = 20  # files that are tried where no format is recognised
LOOKED_FOR = {
    "coco": "a JSON with images, annotations and categories, or annotations/instances_*.json",
    "via": "a JSON of the VGG Image Annotator (via_region_data.json, via*.json)",
    "voc": "ImageSets/Segmentation and Annotations",
    "labelme": "labelme's JSON files, one an image",
    "yolo": "data.yaml, or images/ and labels/ with text files",
    "masks": "a folder an image with images/ and masks/, or images/ and masks/ side by side",
}


def reader_of(name):
    """The function that reads a format.

    Args:
        name: a key of READERS.

    Raises:
        ValueError: there is no such format; the message suggests the nearest.
    """
    _check_name(name)
    file, function = READERS[name]
    return getattr(_module(file), function)


def detect_format(path):
    """The name of the format of a folder or an annotation file.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        DataError: none that is known; the message says what was looked for.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    for name, (file, _) in READERS.items():
        if _module(file).matches(path):
            return name
    _check_json(path)
    looked_for = ";".join(f"\n  {name}: {what}" for name, what in LOOKED_FOR.items())
    raise DataError(f"{path}: no annotations of a known format found; looked for{looked_for}")


def _check_json(path):
    """DataError for a JSON that cannot be read: the likeliest reason why nothing is recognised."""
    files = [path] if path.suffix.lower() == ".json" else []
    if path.is_dir():
        files = sorted(path.glob("*.json")) or sorted(path.glob("*/*.json"))
    for file in files[:MOST_JSON]:
        try:
            read_json(file)
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror or error})") from error


def subsets_of(path, format="auto", images=None):
    """The subsets of a set.

    Args:
        path: folder or annotation file.
        format: its name, or "auto" to find it out.
        images: accepted beside `path` as everywhere; the subsets do not depend on it.

    Returns:
        list of names; [None] for an undivided set.

    Raises:
        ValueError: no such format.
        FileNotFoundError, DataError: see `detect_format`.
    """
    del images
    if format == SHAPES or (format == "auto" and is_shapes(path)):
        return [None]
    name = detect_format(path) if format == "auto" else format
    _check_name(name)
    return list(_module(READERS[name][0]).subsets(Path(path))) or [None]


def is_shapes(path):
    """True for the generated shapes, which are no files."""
    return str(path) == SHAPES and not Path(SHAPES).exists()


def _check_name(name):
    if name not in READERS:
        known = ["auto", *READERS, SHAPES]
        near = get_close_matches(str(name).lower(), known, 1, 0.4)
        raise ValueError(f"format: expected one of {known}, received {name!r}"
                         + (f"; did you mean {near[0]!r}?" if near else ""))


def _module(file):
    return import_module(f"mrcnn.data.formats.{file}")
