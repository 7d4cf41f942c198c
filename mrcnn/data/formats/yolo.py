"""YOLO: a text file an image, a line an object: its class, then numbers from 0 to 1.

Three points or more, "class x1 y1 x2 y2 ...", are an outline in parts of the image's width and
height; four numbers are a box, "class centre_x centre_y width height".
"""

import math
import os
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import Instance
from mrcnn.data.formats.outline_regions import Relative
from mrcnn.data.formats.paths import image_files
from mrcnn.data.formats.shape_checks import EntryError, check_outline, shown, the_subset
from mrcnn.data.formats.yolo_folders import (
    MOST_CLASSES,
    class_names,
    image_folders,
    image_lists,
    label_files,
    label_folder,
    listed_images,
    names_of,
    read_yaml,
    subsets_of,
    yaml_of,
)

ROUNDING = 0.01  # part of a side that an outline may reach beyond its image


def matches(path):
    """True for a data.yaml with names, and for a folder of a YOLO set.

    That has a data.yaml, or text files in labels/, or text files and classes.txt.
    """
    path = Path(path)
    if yaml_of(path) is not None:
        return True
    if not path.is_dir():
        return False
    names = subsets_of(path, None)
    labels = [path / "labels", *(path / "labels" / name for name in names),
              *(path / name / "labels" for name in names)]
    return any(label_files(folder) for folder in labels) or bool(
        (path / "classes.txt").is_file() and label_files(path))


def subsets(path):
    """The names of the subsets; empty where the set is not divided."""
    root, _, data = _described(Path(path))
    return subsets_of(root, data)


def _described(path):
    """(folder, data.yaml or None, what it holds or None)."""
    file = yaml_of(path)
    root = path if path.is_dir() else path.parent
    return root, file, None if file is None else read_yaml(file)


def read_yolo(dataset, path, images=None, subset=None, source="yolo", names=None):
    """Reads a YOLO set for segmentation; objects that are boxes become filled boxes.

    An image without a label file has no objects, as in YOLO's own training. Class ids in the
    source are the numbers of the label files.

    Args:
        dataset: AnnotatedDataset, changed in place.
        path: the folder, or its data.yaml.
        images: folder of the images, or of the subsets' folders; None finds it.
        subset: "train", "val", "test" or another folder's name.
        source: name of the source.
        names: class names, a list or {number: name}; None for those of data.yaml or classes.txt.

    Raises:
        DataError: there are no images or no labels, or data.yaml cannot be used.
        OSError: a folder cannot be opened.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    root, file, data = _described(path)
    subset = the_subset(path, subset, subsets_of(root, data))
    lists = image_lists(root, subset, data) if images is None else []
    chosen, missing = listed_images(lists, root)
    if chosen:
        folders = list(dict.fromkeys(image.parent for image in chosen))
    else:
        folders = image_folders(root, subset, data) if images is None else [_given(images, subset)]
    pairs = [(folder, label_folder(folder, root, subset)) for folder in folders]
    if not any(labels for _, labels in pairs):
        raise DataError(f"{path if subset is None else path / subset}: expected label files, "
                        f"*.txt, in labels/ or beside the images of {folders[0]}; there are none")
    if names is None:
        known = names_of(root, data, file)
    else:
        known = class_names(names, "names")
    reader = _Reader(dataset, source, root if images is None else Path(images), missing)
    rows = [row for folder, labels in pairs for row in reader.listed(folder, labels)
            if not chosen or row[1] in chosen]
    reader.read([*rows, *((name, None, None) for name in missing)], known, root)


def _given(images, subset):
    images = Path(images)
    if not images.is_dir():
        raise FileNotFoundError(f"no such folder: {images}")
    below = images / subset if subset is not None else images
    return below if below.is_dir() else images


class _Reader:
    """Adds images with the objects of their label files."""

    def __init__(self, dataset, source, root, missing):
        self.dataset, self.source, self.root = dataset, source, root
        self.missing = missing  # name of an image that a list has, and nobody else -> place
        self.boxes = 0

    def listed(self, folder, labels):
        """(image id, image path or None, label path or None), also for labels without an image."""
        files = {} if labels is None else label_files(labels)
        root = os.path.abspath(self.root)
        rows = []
        for path in map(Path, map(os.path.abspath, image_files(folder))):
            rows.append((path.relative_to(root).as_posix(), path, files.get(path.stem)))
        stems = {path.stem for _, path, _ in rows}
        return rows + [(Path(os.path.relpath(file, root)).as_posix(), None, file)
                       for stem, file in files.items() if stem not in stems]

    def read(self, rows, names, folder):
        """Adds the classes, then image after image.

        Args:
            rows: from `listed`.
            names: {number: name}; None names classes by the numbers found.
            folder: how messages call the set.
        """
        if names is None:
            found = {shape[0] for _, _, file in rows for _, shape in self._lines(file, None)[0]}
            names = {number: f"class {number}" for number in sorted(found)}
            self.dataset.add_finding("class-unnamed", "neither data.yaml nor classes.txt names "
                                     f"the {len(names)} classes", folder)
        try:
            ids = {number: self.dataset.class_for(self.source, number, name)
                   for number, name in names.items()}
        except ValueError as error:  # another set of this source gave the number another name
            raise DataError(f"{folder}: {error}") from error
        self.boxes = 0
        for image_id, path, file in rows:
            self._add(image_id, path, file, names, ids)
        if self.boxes:
            self.dataset.add_finding("box-only", f"{self.boxes} objects have a box and no "
                                     "outline; the box is taken for the mask", folder)

    def _add(self, image_id, path, file, names, ids):
        place = len(self.dataset.image_info)
        if path is None:
            message = f"there is no image for this {'list entry' if file is None else 'label file'}"
            self.dataset.add_finding("image-missing", message,
                                     *(self.missing.get(image_id) or (file, "")), place)
        shapes, faults = self._lines(file, names)
        for kind, message, region in faults:
            self.dataset.add_finding(kind, message, file, region, place)
        instances = []
        for line, (number, region) in shapes:
            if ids[number] is None:
                self.dataset.left_out[names[number]] += 1
            else:
                instances.append(Instance(ids[number], region, f"line {line}"))
        self.dataset.add_annotated(self.source, image_id, path, instances,
                                   annotation_file=None if file is None else str(file))

    def _lines(self, file, names):
        """The objects of a label file as (line, (class number, region)), and its faults."""
        shapes, faults = [], []
        if file is None:
            return shapes, faults
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            return shapes, [("annotations-unreadable", f"expected UTF-8 text: {error}", "")]
        for i, line in enumerate(lines, 1):
            if line.strip():
                try:
                    shapes.append((i, self._shape(line, names)))
                except EntryError as error:
                    faults.append((error.kind, str(error), f"line {i}"))
        return shapes, faults

    def _shape(self, line, names):
        """(class number, Relative) of a line."""
        values = _values(line)
        number, outline = values[0], values[1:]
        known = number == int(number) and 0 <= number < MOST_CLASSES
        if not known or (names is not None and number not in names):
            expected = "a whole number from 0" if names is None else f"one of {shown([*names])}"
            raise EntryError("class-unknown", f"class: expected {expected}, received {number:g}")
        is_box = len(outline) == 4
        if is_box:
            outline = _corners(*outline)
        if not all(-ROUNDING <= value <= 1 + ROUNDING for value in outline):
            low, high = min(outline), max(outline)
            raise EntryError("outside-image", "expected parts of the image's sides, 0 to 1, "
                                              f"received {low:g} to {high:g}")
        check_outline(outline[0::2], outline[1::2])
        self.boxes += is_box
        return int(number), Relative(outline)


def _values(line):
    """The numbers of a line: a class and at least one pair."""
    try:
        values = [float(word) for word in line.split()]
    except ValueError as error:
        raise EntryError("annotation-invalid", f"expected numbers, received {shown(line)}"
                         ) from error
    if not all(map(math.isfinite, values)):
        raise EntryError("annotation-invalid", f"expected finite numbers, received {shown(line)}")
    if len(values) < 3 or len(values) % 2 == 0:
        raise EntryError("annotation-invalid", "expected a class and pairs of x and y, received "
                                               f"{len(values)} numbers")
    return values


def _corners(cx, cy, width, height):
    if width <= 0 or height <= 0:
        raise EntryError("box-invalid", f"expected a width and a height above 0, received "
                                        f"{width:g} and {height:g}")
    x1, x2, y1, y2 = cx - width / 2, cx + width / 2, cy - height / 2, cy + height / 2
    return [x1, y1, x2, y1, x2, y2, x1, y2]
