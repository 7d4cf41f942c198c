"""File names that come out of annotation files: followed only inside the data set's folders."""

import os
from pathlib import Path

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".npy")


LONGEST_NAME = 255  # bytes that file systems take for one part of a path


class PathOutsideError(ValueError):
    """A file name that leads out of the folder it should lie in."""


def inside(folder, name, root=None):
    """The path of `name` below `folder`.

    Args:
        folder: the folder that `name` is relative to.
        name: file name as it stands in an annotation file; backslashes count as slashes.
        root: the folder that must not be left; None for `folder`.

    Returns:
        Path; nothing says that the file exists.

    Raises:
        PathOutsideError: it leads out of `root`.
        ValueError: no text, empty, or nothing a file system could hold.
    """
    if not _is_name(name):
        raise ValueError(f"expected a file name, received {name!r:.80}")
    slashed = name.replace("\\", "/")
    top = os.path.abspath(folder if root is None else root)
    path = os.path.normpath(os.path.join(os.path.abspath(folder), slashed))
    has_drive = len(slashed) > 1 and slashed[1] == ":"
    if has_drive or os.path.commonpath([top, path]) != top or path == top:
        raise PathOutsideError(f"{name!r} leads out of {top}")
    return Path(path)


def _is_name(name):
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        return False
    try:
        parts = os.fsencode(name).replace(b"\\", b"/").split(b"/")
    except UnicodeEncodeError:
        return False
    return max(map(len, parts)) <= LONGEST_NAME


def image_files(folder):
    """The image files directly in a folder, by name."""
    return sorted(path for path in Path(folder).iterdir()
                  if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith("."))


def image_of_stem(folder, stem):
    """The image file of this name with any known ending, or None."""
    for ending in IMAGE_ENDINGS:
        for spelled in (ending, ending.upper()):
            path = Path(folder, stem + spelled)
            if os.path.isfile(path):
                return path
    return None
