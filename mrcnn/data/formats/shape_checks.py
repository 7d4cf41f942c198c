"""Checks and look-ups that the readers share.

An EntryError becomes a Finding about the shape or image it was raised for; the reader goes on.
"""

import os
import reprlib
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import PathOutsideError, image_files, inside

MOST_PIXELS = 1_000_000  # no image has a side as long; beyond, a number is a mistake
MOST_OPENED = 8  # JSON files of a folder that are looked into to recognise its format
HEAD = 4096


class EntryError(ValueError):
    """What is wrong with one thing; `kind` is one of `findings.ERRORS`."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def shown(value):
    """A value as messages show it, cut short."""
    return reprlib.repr(value)


def number(value, name):
    """`value`, where it is a number that could be a coordinate.

    Raises:
        EntryError: it is none, not finite, or beyond a million.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EntryError("annotation-invalid",
                         f"{name}: expected a number, received {shown(value)}")
    if not -MOST_PIXELS <= value <= MOST_PIXELS:
        raise EntryError("annotation-invalid", f"{name}: expected a number of pixels of at most "
                                               f"{MOST_PIXELS}, received {shown(value)}")
    return value


def numbers(values, name):
    """A list of which `number` accepts each, else an EntryError."""
    if not isinstance(values, list):
        raise EntryError("annotation-invalid",
                         f"{name}: expected a list of numbers, received {shown(values)}")
    return [number(value, f"{name}[{i}]") for i, value in enumerate(values)]


def check_outline(xs, ys):
    """Refuses an outline that encloses nothing.

    Raises:
        EntryError: fewer than three points, or all on one line.
    """
    if len(xs) < 3:
        raise EntryError("outline-invalid", f"expected at least 3 points, received {len(xs)}")
    across, down = [x - xs[0] for x in xs], [y - ys[0] for y in ys]
    far = max(range(len(xs)), key=lambda i: across[i] ** 2 + down[i] ** 2)
    if all(x * down[far] == y * across[far] for x, y in zip(across, down, strict=True)):
        raise EntryError("outline-invalid", f"its {len(xs)} points lie on one line or in one place")


def above_zero(value, name, kind):
    """`value`, where it is a length above 0, else an EntryError."""
    if number(value, name) <= 0:
        raise EntryError(kind, f"{name}: expected more than 0, received {value:g}")
    return value


def check_within(box, size):
    """Refuses a box that lies outside its image, or reaches out by more than rounding.

    Args:
        box: (y1, x1, y2, x2) in pixels.
        size: (height, width) of the image.

    Raises:
        EntryError: more than 2 pixels, and more than a hundredth of the side, are beyond.
    """
    for low, high, side in zip(box[:2], box[2:], size, strict=True):
        margin = max(2.0, side / 100)
        if high < 0 or low > side or low < -margin or high > side + margin:
            y1, x1, y2, x2 = (round(float(value), 1) for value in box)
            raise EntryError("outside-image", f"expected it inside the image of {size[1]} x "
                             f"{size[0]} pixels, received x {x1:g} to {x2:g}, y {y1:g} to {y2:g}")


def image_path(name, folder, root=None):
    """The path of an image that an annotation file names; nothing says that it exists.

    Raises:
        EntryError: it is no file name, an address, or leads out of `root`.
    """
    if isinstance(name, str) and name.lstrip().lower().startswith(("http:", "https:", "ftp:")):
        raise EntryError("path-outside",
                         f"expected a file name, received an address: {shown(name)}")
    if isinstance(name, str) and name.lstrip().startswith("data:"):
        raise EntryError("annotation-invalid", "expected a file name, received the image itself; "
                                               "images are read from files")
    return path_inside(name, folder, root, "image: ")


def path_inside(name, folder, root=None, what=""):
    """`paths.inside`, whose errors become EntryErrors; `what` stands before those of no file name.

    Raises:
        EntryError: it is no file name, or leads out of `root`.
    """
    try:
        return inside(folder, name, root)
    except PathOutsideError as error:
        raise EntryError("path-outside", str(error)) from error
    except ValueError as error:
        raise EntryError("annotation-invalid", f"{what}{error}") from error


def image_in(name, given, folder, root=None):
    """As `image_path`, for callers that may have named the folder of the images.

    Args:
        name: the file name, of any type.
        given: the folder that the caller named, or None. There the last part of a name that
            leads elsewhere is enough.
        folder: the folder that the name is relative to otherwise.
        root: the folder that must not be left then; None for `folder`.
    """
    try:
        path = image_path(name, given or folder, None if given else root)
    except EntryError as error:
        if error.kind != "path-outside":
            raise
        if given is None:
            raise EntryError(error.kind, f"{error}; with images=FOLDER its last part is looked "
                                         "for there") from error
        return image_path(last_part(name), given)
    if given is None or os.path.isfile(path):
        return path
    last = image_path(last_part(name), given)
    return last if os.path.isfile(last) else path


def last_part(name):
    """The file name of a path as it stands in an annotation file, in either kind of slashes."""
    return name.replace("\\", "/").split("/")[-1]


def head_of(path):
    """The first few thousand characters of a file; "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read(HEAD)
    except OSError:
        return ""


def files_of(folder, ending):
    """The files of one ending directly in a folder, by name; none where there is no folder."""
    if not os.path.isdir(folder):
        return []
    return sorted(path for path in Path(folder).iterdir()
                  if path.suffix.lower() == ending and not path.name.startswith(".")
                  and path.is_file())


def sub_folders(folder):
    """The folders directly in a folder, by name."""
    if not os.path.isdir(folder):
        return []
    return sorted(path for path in Path(folder).iterdir()
                  if path.is_dir() and not path.name.startswith("."))


def unlisted_images(folders, used):
    """The image files of some folders that are not in `used` (a set of paths)."""
    return [path for folder in dict.fromkeys(folders) if os.path.isdir(folder)
            for path in image_files(folder) if path not in used]


def the_subset(path, subset, names):
    """`subset`, or the only one there is.

    Raises:
        DataError: there are several to choose from, or none of this name.
    """
    if subset is None and len(names) > 1:
        raise DataError(f"{path}: several subsets: expected subset to be one of {names}")
    if subset is not None and names and subset not in names:
        raise DataError(f"{path}: subset: expected one of {names}, received {subset!r}")
    return names[0] if subset is None and names else subset
