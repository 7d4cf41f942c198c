"""Where a YOLO set has its images, labels and class names.

Images lie in images/ or images/<subset>/, labels in labels/ likewise; or both in <subset>/. A
data.yaml says so, by folders or by text files that list images, and names the classes; without
one, classes.txt does.
"""

import os
import re
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import image_files, inside
from mrcnn.data.formats.shape_checks import files_of, shown, sub_folders

SUBSETS = ("train", "val", "test")
YAML = (".yaml", ".yml")
MOST_CLASSES = 100_000
NO_LABELS = ("classes", "train", "val", "test", "readme", "readme.dataset", "readme.roboflow")


def yaml_of(path):
    """The data.yaml of a folder, or `path` itself where it is one; None where there is none."""
    path = Path(path)
    if path.is_file():
        return path if path.suffix.lower() in YAML else None
    files = [file for ending in YAML for file in files_of(path, ending)]
    named = [file for file in files if file.stem.lower() in ("data", "dataset")] or files
    return next((file for file in named if _describes_a_set(file)), None)


def _describes_a_set(file):
    try:
        return not {"names", "train"}.isdisjoint(read_yaml(file))
    except (DataError, OSError):
        return file.stem.lower() == "data"


def read_yaml(file):
    """A YAML file that holds a mapping.

    Raises:
        DataError: it is none; the message names file and, where known, line and column.
        OSError: it cannot be opened.
    """
    import yaml

    text = Path(file).read_bytes()
    try:
        data = yaml.safe_load(text)
    except RecursionError as error:
        raise DataError(f"{file}: no valid YAML: nested too deeply") from error
    except Exception as error:  # PyYAML lets IndexError, ValueError and others through
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise DataError(f"{file}: {place}no valid YAML: "
                        f"{getattr(error, 'problem', None) or error}") from error
    if not isinstance(data, dict):
        raise DataError(f"{file}: expected a mapping with names and train, received {shown(data)}")
    return data


def class_names(names, what):
    """Class names as {number: name}.

    Args:
        names: a list, or a mapping of whole numbers to names.
        what: how messages call it.

    Raises:
        DataError: it is something else.
    """
    rows = dict(enumerate(names)) if isinstance(names, (list, tuple)) else names
    if not isinstance(rows, dict) or not 0 < len(rows) <= MOST_CLASSES:
        raise DataError(f"{what}: expected a list of names, or numbers with names, received "
                        f"{shown(names)}")
    for number, name in rows.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        said = isinstance(name, (str, int, float)) and not isinstance(name, bool)
        if not (whole and 0 <= number < MOST_CLASSES and said and str(name).strip()):
            raise DataError(f"{what}: expected a number from 0 and a name (yes and no in quotes), "
                            f"received {shown(number)}: {shown(name)}")
    return {number: str(name).strip() for number, name in rows.items()}


def names_of(root, data, file):
    """{number: name} from data.yaml or classes.txt; None where neither says it.

    Raises:
        DataError: the names are no names, or not as many as nc says.
    """
    if data is not None and "names" in data:
        names = class_names(data["names"], f"{file}: names")
        if "nc" in data and data["nc"] != len(names):
            raise DataError(f"{file}: nc: expected {len(names)}, the number of names, received "
                            f"{shown(data['nc'])}")
        return names
    for path in (root / "classes.txt", root / "labels" / "classes.txt"):
        if path.is_file():
            lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            return class_names([line for line in lines if line.strip()], str(path))
    return None


def subsets_of(root, data):
    """The names of the subsets below a folder; empty where it is not divided."""
    root = Path(root)
    if data is not None:
        said = [name for name in SUBSETS if data.get(name)]
        if said:
            return [name for name in said if _has_images(root, name, data)] or said
    inside_images = [folder.name for folder in sub_folders(root / "images")]
    beside = [folder.name for folder in sub_folders(root) if (folder / "labels").is_dir()]
    return inside_images or beside


def _has_images(root, subset, data):
    try:
        return bool(image_folders(root, subset, data))
    except DataError:
        return False


def image_folders(root, subset, data):
    """The folders that hold the images of a subset.

    A folder that data.yaml names counts where it lies below `root`; one that leads out of it is
    looked for inside by the rest of its name, for such files are often moved.

    Args:
        root: Path of the set.
        subset: its name, or None.
        data: what data.yaml holds, or None.

    Raises:
        DataError: there is none; the message says where they were looked for.
    """
    values = _values(subset, data)
    found = [_below(root, (data or {}).get("path"), value) for value in values]
    if found and all(found):
        return list(dict.fromkeys(found))
    places = [root / "images", root] if subset is None else [
        root / "images" / subset, root / subset / "images", root / subset]
    usual = [folder for folder in places if folder.is_dir() and image_files(folder)]
    if usual:
        return usual[:1]
    said = f"data.yaml says {shown(values)}, and " if values else ""
    raise DataError(f"{root}: no images: {said}there are none in "
                    f"{[str(place.relative_to(root)) for place in places]}; folders are followed "
                    "inside the folder of data.yaml only")


def image_lists(root, subset, data):
    """The text files of image names that data.yaml has for a subset; none where it has folders."""
    values = [value for value in _values(subset, data) if str(value).lower().endswith(".txt")]
    found = [_below(root, (data or {}).get("path"), value, os.path.isfile) for value in values]
    return [path for path in found if path]


def listed_images(lists, root):
    """The images that text files list.

    Args:
        lists: the files, a name a line.
        root: folder that the names are relative to, and that is not left.

    Returns:
        ({path of an image that is there: None}, {name without such an image: (file, line)}).

    Raises:
        DataError: a list cannot be read.
    """
    found, missing = {}, {}
    for file in lists:
        try:
            lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        except OSError as error:
            raise DataError(f"{file}: the list cannot be read: {error}") from error
        for i, name in enumerate(map(str.strip, lines), 1):
            path = _listed_image(root, name)
            if path is not None:
                found[path] = None
            elif name:
                missing[name] = file, f"line {i}"
    return found, missing


def _listed_image(root, name):
    """Its path; the first folders of a name may be others, for lists are often moved."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    paths = (Path(os.path.abspath(root), *parts[i:]) for i in range(len(parts)))
    return next((path for path in paths if os.path.isfile(path)), None)


def _values(subset, data):
    """What data.yaml says of a subset, as a list."""
    values = (data or {}).get(subset) if subset is not None else None
    return [values] if isinstance(values, str) else values if isinstance(values, list) else []


def _below(root, base, value, exists=os.path.isdir):
    """The folder, or file, below `root` that data.yaml means, or None."""
    if not isinstance(value, str):
        return None
    joined = [f"{base}/{value}"] if isinstance(base, str) else []
    for name in (*joined, value, re.sub(r"^([/\\]*\.\.?[/\\])+", "", value)):
        try:
            path = inside(root, name)
        except ValueError:  # leads out, or is no name
            continue
        if exists(path):
            return path
    return None


def label_folder(folder, root, subset):
    """The folder with the label files of an image folder; None where there is none."""
    options = []
    parts = Path(os.path.abspath(folder)).parts
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        options.append(Path(*parts[:last], "labels", *parts[last + 1:]))
    if subset is not None:
        options += [root / "labels" / subset, root / subset / "labels", root / subset]
    options += [root / "labels", folder, root]
    return next((option for option in options if label_files(option)), None)


def label_files(folder):
    """The label files of a folder, stem -> path."""
    return {path.stem: path for path in files_of(folder, ".txt")
            if path.stem.lower() not in NO_LABELS}
