"""Where COCO sets keep things: the annotation files of a folder, and the images' folder."""

import json
import os
from difflib import get_close_matches
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.coco_checks import flat
from mrcnn.data.formats.json_stream import walk
from mrcnn.data.formats.paths import PathOutsideError, inside
from mrcnn.data.formats.shape_checks import EntryError, sub_folders

PREFIX = "instances_"
ROBOFLOW = "_annotations.coco.json"
LISTS = ("images", "annotations", "categories")
LOOKED_INTO = 30  # JSON files of a folder that are looked into; labelme has one an image
FEW = 3  # JSON files of a subset's folder; one is the annotations, and more are labelme's
LOOKED_AT = 200  # elements looked at; what comes before the lists is short
LOOKED_FOR = (f"annotations/{PREFIX}*.json, <subset>/{ROBOFLOW}, a COCO file in the folder, in "
              f"annotations/ or in <subset>/, or ../annotations/{PREFIX}<folder>.json")


def matches(path):
    """True where a file or folder is a COCO set."""
    path = Path(path)
    return looks_like_coco(path) if path.is_file() else bool(annotation_files(path))


def subsets(path):
    """Names of the subsets of a folder; empty for an undivided set or a file."""
    files = {} if Path(path).is_file() else annotation_files(Path(path))
    return [name for name in files if name is not None]


def looks_like_coco(path):
    """True where the top level of a JSON file has COCO's list of images or of annotations."""
    if path.suffix.lower() != ".json":
        return False
    count = 0
    try:
        for key, index, _ in walk(path):
            if key in ("images", "annotations") and index is not None:
                return True
            count += key != "categories"  # some sets have a thousand of them in front
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
        found = [file for file in found if file.stem.startswith(PREFIX)] or found
        if len(found) == 1:
            return {None: found[0]}
        if found:
            return {file.stem.removeprefix(PREFIX): file for file in found}
    return _of_sub_folders(folder)


def _of_sub_folders(folder):
    """The COCO files of <subset>/*.json, where there is one in each."""
    found = {}
    for below in sub_folders(folder)[:LOOKED_INTO]:
        files = sorted(below.glob("*.json"))
        files = [file for file in files if looks_like_coco(file)] if len(files) <= FEW else []
        if len(files) == 1:
            found[below.name] = files[0]
    return found


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
        raise DataError(f"{path}: several subsets: expected subset to be one of {names}")
    if not names:
        raise DataError(f"{path}: the set has no subsets, received {subset!r}")
    near = get_close_matches(str(subset), names, 1)
    raise DataError(f"{path}: expected one of the subsets {names}, received {subset!r}"
                    + (f"; did you mean {near[0]!r}?" if near else ""))


def image_folders(file, path, images):
    """Folders in which the images of an annotation file may lie.

    Args:
        file: the annotation file.
        path: what the caller gave; a folder may be the images' own.
        images: the images' folder where the caller gave it, or None.

    Returns:
        (folders, others): likeliest first; and those that count where they alone hold the images.

    Raises:
        FileNotFoundError: `images` is no folder.
    """
    name = file.stem.removeprefix(PREFIX)
    if images is not None:
        if not Path(images).is_dir():
            raise FileNotFoundError(f"images: no such folder: {images}")
        return [Path(images), Path(images, name)], []
    beside = file.parent.name == "annotations"
    root = file.parent.parent if beside else file.parent
    folders = [root / name, root / "images" / name, root / "images", root, file.parent]
    if not beside:
        folders.insert(0, root)
    if Path(path).is_dir():
        folders.insert(1 if Path(path) == root else 0, Path(path))
    below = [*sub_folders(root), *sub_folders(root / "images")]
    # instances_minival2014.json and person_keypoints_val2014.json are about images of val2014
    folders += [folder for folder in below if name.endswith(folder.name)]
    return list(dict.fromkeys(folders)), [one for one in below if one not in folders]


class ImageFiles:
    """Finds the files of the images.

    Args:
        folders: where they may lie, likeliest first.
        others: where they may lie besides, if only one of these holds them.
        names: some of their names.
        given: the caller named the folder, so that the last part of a name is enough.
    """

    def __init__(self, folders, others, names, given=False):
        self.listing, self.folders, self.others, self.given = Listing(), folders, others, given
        self.folder = Path(os.path.abspath(self._chosen(names)))

    def _chosen(self, names):
        """The folder that holds one of the named files, else the first that exists."""
        holding = [[folder for folder in folders if any(self._holds(folder, n) for n in names)]
                   for folders in (self.folders, self.others)]
        if holding[0] or len(holding[1]) == 1:
            return (holding[0] or holding[1])[0]
        return next((folder for folder in self.folders if folder.is_dir()), self.folders[0])

    def _holds(self, folder, name):
        try:
            return self.listing.has(inside(folder, name))
        except ValueError:
            return False

    def path(self, name):
        """The path for a file name, or an EntryError where it may not be followed."""
        try:
            path = inside(self.folder, name)
        except PathOutsideError as error:
            if self.given and self.listing.has(last := self._last_part(name)):
                return last
            raise EntryError("path-outside", f"file_name: {error}" + (
                "" if self.given else "; with images=FOLDER its last part is looked for there"
            )) from None
        except ValueError as error:
            raise EntryError("annotation-invalid", f"file_name: {error}") from None
        if self.given and not self.listing.has(path) and self.listing.has(self._last_part(name)):
            return self._last_part(name)
        return path

    def _last_part(self, name):
        return self.folder / name.replace("\\", "/").rsplit("/", 1)[-1]

    def check_exists(self, path):
        """An EntryError where there is no such file."""
        if not self.listing.has(path):
            tried, near = ", ".join(map(str, self.folders)), self.listing.near(path)
            hint = f"; there is {near}, and capital letters count" if near else ""
            raise EntryError("image-missing", f"no such file: {path}{hint} (images were looked "
                                              f"for in {tried})")

    def rest(self, record, path, size):
        """What an image's record says beside id, path and size, as JSON."""
        known = {"id"} if size is None else {"id", "height", "width"}
        known |= {key for key in ("height", "width") if record.get(key) is None}
        if path is not None and path.relative_to(self.folder).as_posix() == record.get("file_name"):
            known.add("file_name")
        return json.dumps(flat({key: value for key, value in record.items() if key not in known}))


class Listing:
    """Which files exist; asks the disk once a folder, not once a file."""

    def __init__(self):
        self.folders, self.folded = {}, {}

    def has(self, path):
        """True where `path` is a file."""
        folder, name = os.path.split(path)
        if folder not in self.folders:
            self.folders[folder] = _file_names(folder)
        return name in self.folders[folder]

    def near(self, path):
        """The name of a file that differs from `path` by capital letters alone, or None."""
        folder, name = os.path.split(path)
        if folder not in self.folded:
            self.has(path)
            self.folded[folder] = {one.casefold(): one for one in self.folders[folder]}
        return self.folded[folder].get(name.casefold())


def _file_names(folder):
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
