"""VGG Image Annotator, versions 1 and 2: the JSON export and the project file.

An entry has a "filename" and "regions", a dict in version 1 and a list in version 2. A region
has "shape_attributes", what was drawn, and "region_attributes", what people said about it.
"""

import os
import re
from itertools import islice
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import Instance
from mrcnn.data.formats.json_stream import read_json
from mrcnn.data.formats.paths import inside
from mrcnn.data.formats.shape_checks import (
    MOST_OPENED,
    EntryError,
    files_of,
    head_of,
    image_in,
    image_path,
    shown,
    sub_folders,
    the_subset,
)
from mrcnn.data.formats.via_shapes import choices, find_class_attribute, shape_of

NO_NAME = "object"
FIRST_NAMES = 20  # file names that are looked for to find the images' folder
STRUCTURE = re.compile(r'"_via_(img_metadata|settings|attributes)"|"shape_attributes"|"vid_list"|'
                       r'"filename"\s*:.*"regions"\s*:', re.DOTALL)


def matches(path):
    """True for a VIA file, or a folder that has one, in itself or in a subset's folder.

    Also for what VIA writes and cannot be read, its CSV and VIA 3, so that reading says it.
    """
    return _is_via(path) if Path(path).is_file() else bool(_files(path) or subsets(path))


def subsets(path):
    """The names of the subsets of a folder; empty where it has a VIA file of its own."""
    if not Path(path).is_dir() or _files(path):
        return []
    return [folder.name for folder in sub_folders(path) if _files(folder)]


def _is_via(path):
    name = Path(path).name.lower()
    if name.endswith(".csv"):
        return "region_shape_attributes" in head_of(path)
    if not name.endswith(".json"):
        return False
    return name.startswith("via") and "coco" not in name or bool(STRUCTURE.search(head_of(path)))


def _files(folder):
    """The VIA files of a folder: those called via*.json, any with VIA's structure, or its CSV."""
    files = files_of(folder, ".json")
    named = [path for path in files if path.name.lower().startswith("via") and _is_via(path)]
    found = named or [path for path in files[:MOST_OPENED] if _is_via(path)]
    return found or [path for path in files_of(folder, ".csv")[:MOST_OPENED] if _is_via(path)]


def read_via(dataset, path, images=None, subset=None, source="via", class_attribute=None,
             class_name=None):
    """Reads a VIA file: polygon, polyline (drawn closed), rect, circle and ellipse.

    Classes get numbers in the order of their names; their id in the source is the name. Without
    `class_attribute` and `class_name`, the class is the one region attribute that has values, or
    one called class, label, category, name, type or object; without any, all are "object". An
    entry without regions is an image without objects.

    Args:
        dataset: AnnotatedDataset, changed in place.
        path: the file, or a folder with via*.json or another JSON file of VIA's.
        images: folder of the images, where the last part of a file name is enough; None for
            that of the file, images/ beside it, or what a project says inside its folder.
        subset: name of a folder below `path`, such as "train".
        source: name of the source.
        class_attribute: the region attribute that says the class: text, or a choice of one.
        class_name: the class of all objects; attributes are not looked at.

    Raises:
        DataError: there is no such file, it is no JSON or not VIA's, or nothing says which
            attribute is the class.
        OSError: it cannot be opened.
    """
    if class_attribute is not None and class_name is not None:
        raise DataError("expected class_attribute or class_name, received both")
    file = _file(Path(path), subset)
    if file.suffix.lower() == ".csv":
        raise DataError(f"{file}: a CSV export of VIA, which is not read; in VIA, export the "
                        "annotations as JSON")
    data = read_json(file)
    entries = _entries(data, file)
    regions = {key: _regions(entry) for key, entry in entries.items()}
    attribute = None
    if class_name is None:
        all_regions = [region for of_image in regions.values() for _, region in of_image or []]
        attribute = find_class_attribute(all_regions, class_attribute, file)
    folder = Path(images) if images is not None else _image_folder(file, Path(path), data, entries)
    _Reader(dataset, file, folder, images and folder, source, attribute,
            class_name or NO_NAME).read(entries, regions)


def _file(path, subset):
    if path.is_file():
        return path
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    chosen = the_subset(path, subset, subsets(path))
    folder = path / chosen if chosen is not None else path
    files = _files(folder)
    if not files:
        raise DataError(f"{folder}: expected via*.json, or another JSON file of the VGG Image "
                        "Annotator; there is none")
    if len(files) > 1:
        raise DataError(f"{folder}: several VIA files: expected one of "
                        f"{[file.name for file in files]} as the path")
    return files[0]


def _image_folder(file, path, data, entries):
    """The folder that holds some of the images, else that of the file."""
    folders, root = [file.parent], path if path.is_dir() else file.parent
    try:
        folders.append(inside(file.parent, data["_via_settings"]["core"]["default_filepath"]))
    except (KeyError, TypeError, ValueError):
        pass  # no project, or one that says nothing of use
    folders += [file.parent / "images", root / "images" / file.parent.name, root / "images"]
    names = [entry.get("filename") for entry in islice(entries.values(), FIRST_NAMES)
             if isinstance(entry, dict)]
    for folder in folders:
        for name in names:
            try:
                if os.path.isfile(image_path(name, folder)):
                    return folder
            except EntryError:
                continue
    return file.parent


def _entries(data, file):
    """The entries of the images, key -> entry."""
    if isinstance(data, dict) and {"project", "file", "metadata"} <= data.keys():
        raise DataError(f"{file}: a project of VIA 3, which is not read; export it as COCO")
    wrong = DataError(f"{file}: expected a VIA 1 or 2 export or project: an object with "
                      f"\"filename\" and \"regions\" for each image; received {shown(data)}")
    if not isinstance(data, dict):
        raise wrong
    entries = data.get("_via_img_metadata", data)
    if not isinstance(entries, dict):
        raise wrong
    entries = {key: entry for key, entry in entries.items() if not key.startswith("_via_")}
    if not any(isinstance(entry, dict) and ("filename" in entry or "regions" in entry)
               for entry in entries.values()):
        raise wrong
    return entries


def _regions(entry):
    """The regions of an entry as a list of (name, region); None where there is no such thing."""
    regions = entry.get("regions", []) if isinstance(entry, dict) else None
    if isinstance(regions, dict):
        return list(regions.items())
    return list(enumerate(regions)) if isinstance(regions, list) else None


class _Reader:
    """Adds the entries of one file to a dataset."""

    def __init__(self, dataset, file, images, given, source, attribute, class_name):
        self.dataset, self.file, self.source = dataset, file, source
        self.images, self.given = images, given
        self.attribute, self.class_name = attribute, class_name
        self.seen = set()

    def read(self, entries, regions):
        """Two passes: the classes in the order of their names, then the images."""
        shapes = {key: self._shapes(entries[key], regions[key], len(self.dataset.image_info) + i)
                  for i, key in enumerate(entries)}
        names = sorted({name for of_image in shapes.values() for _, _, name in of_image})
        ids = {name: self.dataset.class_for(self.source, name, name) for name in names}
        for key, entry in entries.items():
            self._add(key, entry, shapes[key], ids)
        empty = sum(of_image is not None and not of_image for of_image in regions.values())
        if empty:
            self.dataset.add_finding("image-unannotated", f"{empty} images have no regions; they "
                                     "are kept as images without objects", self.file)

    def _shapes(self, entry, regions, place):
        """The sound objects of an image as (place, region, class name)."""
        shapes, points = [], 0
        label = _label(entry)
        if regions is None:
            self._finding("annotation-invalid", "expected an object with \"filename\" and "
                          f"\"regions\", a list or an object, received {shown(entry)}", label,
                          place)
        for name, region in regions or []:
            try:
                drawn = shape_of(region)
                if drawn is None:
                    points += 1
                else:
                    shapes.append((f"region {name}", drawn, self._class_name(region)))
            except EntryError as fault:
                self._finding(fault.kind, str(fault), f"{label}, region {name}", place)
        if points:
            self._finding("entry-ignored", f"{points} point shapes have no area and are left out",
                          label, place)
        return shapes

    def _class_name(self, region):
        if self.attribute is None:
            return self.class_name
        chosen = choices(region, self.attribute)
        if len(chosen) != 1:
            received = shown(chosen) if chosen else "none"
            raise EntryError("class-unknown", f"region attribute {self.attribute!r}: expected "
                                              f"one class, received {received}")
        return chosen[0]

    def _add(self, key, entry, shapes, ids):
        place, label = len(self.dataset.image_info), _label(entry)
        path, faults = None, []
        try:
            path = image_in(entry.get("filename") if isinstance(entry, dict) else None,
                            self.given, self.images)
        except EntryError as fault:
            faults.append((fault.kind, str(fault)))
        if path is not None and not os.path.isfile(path):
            unused = " (the copy in base64_img_data is not used)"
            faults.append(("image-missing", f"there is no file {path}"
                           + (unused if entry.get("base64_img_data") else "")))
        image_id = path.relative_to(os.path.abspath(self.images)).as_posix() if path else key
        if image_id in self.seen:
            faults.append(("duplicate-id", f"{shown(image_id)} has two entries"))
            image_id = self._unused(key)
        self.seen.add(image_id)
        for kind, message in faults:
            self._finding(kind, message, label, place)
        instances = []
        for where, region, name in shapes:
            if ids[name] is None:
                self.dataset.left_out[name] += 1
            else:
                instances.append(Instance(ids[name], region, where))
        self.dataset.add_annotated(self.source, image_id, path, instances,
                                   annotation_file=str(self.file))

    def _unused(self, key):
        while key in self.seen:
            key += "'"
        return key

    def _finding(self, kind, message, region, place):
        self.dataset.add_finding(kind, message, self.file, region, place)


def _label(entry):
    """How messages call an entry."""
    name = entry.get("filename") if isinstance(entry, dict) else None
    return name[-80:] if isinstance(name, str) and name else "an entry without a file name"
