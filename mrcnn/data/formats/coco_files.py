"""Where COCO sets keep things: the annotation files of a folder, and the images' folder."""

import os
from difflib import get_close_matches
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.json_stream import walk
from mrcnn.data.formats.paths import inside

PREFIX = "instances_"
ROBOFLOW = "_annotations.coco.json"
LISTS = ("images", "annotations", "categories")
LOOKED_INTO = 30  # JSON files of a folder that are looked into; labelme has one an image
LOOKED_AT = 200  # elements looked at; what comes before the lists is short
LOOKED_FOR = (f"annotations/{PREFIX}*.json, <subset>/{ROBOFLOW}, a COCO file in the folder or in "
              f"annotations/, or ../annotations/{PREFIX}<folder>.json")


def matches(path):
    """True where a file or folder is a COCO set."""
    path = Path(path)
    return looks_like_coco(path) if path.is_file() else bool(annotation_files(path))


def subsets(path):
    """Names of the subsets of a folder; empty for an undivided set or a file."""
    files = {} if Path(path).is_file() else annotation_files(Path(path))
    return [name for name in files if name is not None]


def looks_like_coco(path):
    """True where the top level of a JSON file has one of COCO's lists."""
    if path.suffix.lower() != ".json":
        return False
    try:
        for count, (key, index, _) in enumerate(walk(path)):
            if key in LISTS and index is not None:
                return True
            if key.startswith("_via") or count > LOOKED_AT:
                return False
    except (DataError, OSError):
        return False
    return False


def annotation_files(folder):
    """{subset: file} of a folder; the subset is None where there is but one."""
    own = folder / ROBOFLOW
    if own.is_file():
        return {None: own}
    if not folder.is_dir():
        return {}
    named = {file.stem.removeprefix(PREFIX): file
             for file in sorted(folder.glob(f"annotations/{PREFIX}*.json"))}
    below = {file.parent.name: file for file in sorted(folder.glob(f"*/{ROBOFLOW}"))}
    if named or below:
        return named or below
    for above in (folder.parent, folder.parent.parent):
        file = above / "annotations" / f"{PREFIX}{folder.name}.json"
        if file.is_file():
            return {None: file}
    return _by_content(folder)


def _by_content(folder):
    for place in (folder, folder / "annotations"):
        files = sorted(place.glob("*.json"))[:LOOKED_INTO]
        found = [file for file in files if looks_like_coco(file)]
        if len(found) == 1:
            return {None: found[0]}
        if found:
            return {file.stem.removeprefix(PREFIX): file for file in found}
    return {}


def annotation_file(path, subset):
    """The one file to read.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        DataError: no such file or subset in the folder, or several and none chosen.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    files = {None: path} if path.is_file() else annotation_files(path)
    if not files:
        raise DataError(f"{path}: no COCO annotations found; looked for {LOOKED_FOR}")
    names = [name for name in files if name is not None]
    if subset in files:
        return files[subset]
    if subset is None and len(files) == 1:
        return next(iter(files.values()))
    if subset is None:
        raise DataError(f"{path}: choose one of the subsets {names}")
    if not names:
        raise DataError(f"{path}: the set has no subsets, received {subset!r}")
    near = get_close_matches(str(subset), names, 1)
    raise DataError(f"{path}: expected one of the subsets {names}, received {subset!r}"
                    + (f"; did you mean {near[0]!r}?" if near else ""))


def image_folders(file, path, images):
    """Folders in which the images of an annotation file may lie, likeliest first.

    Args:
        file: the annotation file.
        path: what the caller gave; a folder may be the images' own.
        images: the images' folder where the caller gave it, or None.

    Raises:
        FileNotFoundError: `images` is no folder.
    """
    name = file.stem.removeprefix(PREFIX)
    if images is not None:
        if not Path(images).is_dir():
            raise FileNotFoundError(f"images: no such folder: {images}")
        return [Path(images), Path(images, name)]
    beside = file.parent.name == "annotations"
    root = file.parent.parent if beside else file.parent
    folders = [root / name, root / "images" / name, root / "images", root, file.parent]
    if not beside:
        folders.insert(0, root)
    if Path(path).is_dir():
        folders.insert(1 if Path(path) == root else 0, Path(path))
    return list(dict.fromkeys(folders))


def chosen_folder(folders, names, listing):
    """The first folder that holds one of the named files, else the first that exists."""
    for folder in folders:
        for name in names:
            try:
                if listing.has(inside(folder, name)):
                    return folder
            except ValueError:
                continue
    return next((folder for folder in folders if folder.is_dir()), folders[0])


class Listing:
    """Which files exist; asks the disk once a folder, not once a file."""

    def __init__(self):
        self.folders = {}

    def has(self, path):
        """True where `path` is a file."""
        folder, name = os.path.split(path)
        if folder not in self.folders:
            self.folders[folder] = _file_names(folder)
        return name in self.folders[folder]


def _file_names(folder):
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
