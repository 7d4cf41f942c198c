"""One image: whether its file is there, can be read to its last byte, and has the size it should.

A JPEG is decoded at an eighth of its size, which reads the whole stream in half of the time.
Other files are read as training reads them.
"""

import os

from mrcnn.data.dataset import Dataset
from mrcnn.data.findings import ERRORS
from mrcnn.data.image_checks import check_image as check_channels
from mrcnn.data.image_files import EXIF_ORIENTATION

JPEG = ("JPEG", "MPO")
KNOWN_BY_READERS = {"image-missing", "image-unreadable", "path-outside"}
MOST_UNSEEN_PIXELS = 2**26  # masks are drawn at a size that no file confirms up to here


def upright_size(dataset, image_id, channels=None):
    """Reads an image to its end.

    Args:
        dataset: a prepared Dataset.
        image_id: its id.
        channels: the number that the network takes; None leaves it unchecked.

    Returns:
        ((height, width) as training sees it, True where EXIF turned the stored pixels on their
        side).

    Raises:
        Exception: whatever the image raises: it cannot be read.
    """
    path = dataset.image_info[image_id].get("path")
    if path and _reads_files(dataset):
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            raise ValueError("the file is empty (0 bytes)")
        size = _jpeg_size(path) if channels in (None, 3) else None
        if size is not None:
            return size
    if channels is None:
        return tuple(dataset.load_image(image_id).shape[:2]), False
    image = check_channels(dataset.load_image_as(image_id, channels), channels, "image")
    return tuple(image.shape[:2]), False


def _reads_files(dataset):
    """False where a script's own `load_image` decides what an image is."""
    return type(dataset).load_image is Dataset.load_image


def _jpeg_size(path):
    """As `upright_size`; None for a file that is no JPEG."""
    from PIL import Image

    if not os.path.isfile(path):
        return None
    try:
        file = Image.open(path)
    except Exception:
        return None  # no image, or one for another reader: reading it decides
    with file:
        if file.format not in JPEG:
            return None
        width, height = file.size
        turned = file.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
        file.draft(None, (1, 1))
        file.load()
    return ((width, height) if turned else (height, width)), turned


def annotated_size(info):
    """(height, width) that the annotations say, None where they say nothing."""
    if info.get("height") is None or info.get("width") is None:
        return None
    return int(info["height"]), int(info["width"])


def check_image(dataset, image_id, told, channels=None):
    """Looks at one image.

    Args:
        dataset: a prepared Dataset.
        image_id: its id.
        told: the kinds of findings that there are on this image already.
        channels: see `upright_size`.

    Returns:
        (size, faults): the (height, width) to draw its objects at, None where nothing says it;
        and a list of (kind, message).
    """
    said = annotated_size(dataset.image_info[image_id])
    if not dataset.image_info[image_id].get("path") and _reads_files(dataset):
        missing = ("image-missing", "the annotations name no file for it")
        return _sane(said), [] if told & ERRORS.keys() else [missing]
    try:
        size, turned = upright_size(dataset, image_id, channels)
    except Exception as error:
        faults = [] if told & KNOWN_BY_READERS else [_unreadable(error)]
        return _sane(said), faults
    if said is None or said == size:
        return size, []
    if "size-disagrees" in told:
        return _sane(said), []
    return _sane(said), [("size-disagrees", _disagreement(said, size, turned))]


def _sane(size):
    if size is None or min(size) < 1 or size[0] * size[1] > MOST_UNSEEN_PIXELS:
        return None
    return size


def _unreadable(error):
    """(kind, message) for what reading an image raised, from the error that began it."""
    if isinstance(error, FileNotFoundError):
        return "image-missing", "there is no such file"
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    return "image-unreadable", f"it cannot be read: {root or type(root).__name__}"


def _disagreement(said, size, turned):
    message = (f"the annotations are for {said[1]} x {said[0]} pixels (width x height), the image "
               f"has {size[1]} x {size[0]}")
    if said == size[::-1] and turned:
        message += ": they were made before the turn that its EXIF orientation asks for"
    elif said == size[::-1]:
        message += ": width and height are exchanged"
    return message
