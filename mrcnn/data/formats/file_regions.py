"""Regions that are image files: one file an object, or one file with a number for each object.

See `coco_regions` for what every region has.
"""

import os
import threading
from dataclasses import dataclass

import numpy as np

from mrcnn.data.image_files import read_bands

VOID = 255  # the value that Pascal VOC gives to the seams between objects
_last = threading.local()  # the label image that this thread decoded last: .key, .labels


@dataclass
class MaskFile:
    """An image file whose pixels above 0 are the object.

    Grey, palette and 1-bit files: above 0. JPEG files: above 127, because of their noise.
    Colours: above 0 in any of the three. Where all colours are one and there is an alpha
    channel that is not, the alpha channel counts.
    """

    KIND = "mask-file"
    path: str

    def as_json(self):
        """The path."""
        return self.path

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data)

    def draw(self, canvas):
        """Reads the file; its size must be that of the canvas."""
        bands, is_lossy = _read_raw(self.path)
        _check_size(self.path, bands, canvas.shape)
        colours, alpha = _without_alpha(bands)
        if alpha is not None and (colours == colours[:1, :1]).all() and np.ptp(alpha):
            colours = alpha[:, :, None]
        canvas |= (colours > (127 if is_lossy else 0)).any(axis=2)

    def box(self, size=None):
        """Unknown until it is drawn."""
        return None


@dataclass
class LabelFile:
    """The pixels of one value in a label image, see `read_labels`."""

    KIND = "label-file"
    path: str
    value: int

    def as_json(self):
        """Path and value."""
        return [self.path, self.value]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(*data)

    def draw(self, canvas):
        """Reads the file, or remembers it; its size must be that of the canvas."""
        labels = read_labels(self.path)
        _check_size(self.path, labels, canvas.shape)
        canvas |= labels == self.value

    def box(self, size=None):
        """Unknown until it is drawn."""
        return None


def read_labels(path):
    """The numbers of a label image; each thread remembers the last file it decoded.

    Args:
        path: an image file, not JPEG, whose pixels name the objects: grey, palette places, or
            colours. A colour is the number 65536 red + 256 green + blue (with 16 bits
            2**32 red + 65536 green + blue).

    Returns:
        [H, W] whole numbers, read-only; alpha does not count.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or not one of labels.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"no such file: {path}")
    state = os.stat(path)
    key = str(path), state.st_mtime_ns, state.st_size
    if getattr(_last, "key", None) != key:
        labels = _decoded(path)
        labels.setflags(write=False)
        _last.key, _last.labels = key, labels
    return _last.labels


def leftover_values(path, count, ignored=(0, VOID)):
    """Values in a label image that belong to no object.

    Args:
        path: as in `read_labels`.
        count: the objects are the values 1 to `count`.
        ignored: values that need none.

    Returns:
        sorted list of int.
    """
    found = np.unique(read_labels(path)).tolist()
    return [value for value in found if value not in ignored and not 1 <= value <= count]


def _decoded(path):
    bands, is_lossy = _read_raw(path)
    if is_lossy:
        raise ValueError(f"{path}: a label image cannot be a JPEG, which changes the values")
    colours, _ = _without_alpha(bands)
    if colours.shape[2] not in (1, 3):
        raise ValueError(f"{path}: a label image has one band or three, received "
                         f"{colours.shape[2]}")
    if colours.dtype.kind == "f":
        if not (colours == np.rint(colours)).all():
            raise ValueError(f"{path}: a label image holds whole numbers, received fractions")
        colours = colours.astype(np.int64)
    if colours.shape[2] == 1:
        return colours[:, :, 0]
    base = 256 ** colours.dtype.itemsize if colours.dtype.itemsize <= 2 else 65536
    red, green, blue = np.moveaxis(colours.astype(np.int64), 2, 0)
    return (red * base + green) * base + blue


def _read_raw(path):
    """([H, W, C] with palette places in place of colours, whether the file is lossy)."""
    from PIL import Image

    try:
        file = Image.open(path)
    except Exception:  # no image, or one for another reader: reading it decides
        return read_bands(path), False
    with file:
        is_lossy, mode = file.format in ("JPEG", "MPO"), file.mode
        if mode not in ("P", "1"):
            return read_bands(path), is_lossy
        try:
            return np.array(file)[:, :, None], False
        except Exception as error:
            raise ValueError(f"not a readable image file: {path} ({error})") from error


def _without_alpha(bands):
    """(the other bands, alpha [H, W] or None)."""
    if bands.shape[2] in (2, 4):
        return bands[:, :, :-1], bands[:, :, -1]
    return bands, None


def _check_size(path, pixels, shape):
    if pixels.shape[:2] != tuple(shape):
        raise ValueError(f"{path}: expected the image's size {tuple(shape)}, received "
                         f"{pixels.shape[:2]}")
