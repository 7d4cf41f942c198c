"""Names of files: in the order people count, and no two alike."""

import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from mrcnn.data.dataset import DataError


def natural_key(path):
    """Sorts frame_2 before frame_10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), part) if part.isdigit() else (-1, part.lower()) for part in parts]


def distinct_names(paths):
    """A name for each path's outputs: its stem; with its folder where several files share it.

    Args:
        paths: list of Path.

    Returns:
        list of texts of which no two are alike, upper and lower case counted as one.
    """
    shared = Counter(Path(path).stem.lower() for path in paths)
    taken = {stem for stem, count in shared.items() if count == 1}
    names = []
    for path in map(Path, paths):
        name = path.stem
        if shared[name.lower()] > 1:
            name = _free(f"{path.parent.name}_{name}" if path.parent.name else name, taken)
            taken.add(name.lower())
        names.append(name)
    return names


def _free(name, taken):
    candidate, number = name, 2
    while candidate.lower() in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def partial_path(path):
    """How a file is called that Ctrl-C ended early: out.mp4 becomes out.partial.mp4."""
    path = Path(path)
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def check_free(path, overwrite):
    """FileExistsError where there is a file already that may not be replaced, or a folder."""
    if Path(path).is_dir():
        raise FileExistsError(f"{path} is a folder: expected the name of a file")
    if Path(path).exists() and not overwrite:
        raise FileExistsError(f"{path} is there already; --overwrite replaces it")


@contextmanager
def naming(path):
    """Puts the name of the file that is written into the message of an OSError."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error


def check_ending(path, endings, what):
    """DataError where a file name does not end as files of this kind do."""
    if Path(path).suffix.lower() not in endings:
        raise DataError(f"{path}: expected {what} ending in {', '.join(endings)}")
