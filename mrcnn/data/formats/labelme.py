"""labelme: one JSON file an image, with "shapes" and the "imagePath" they were drawn on."""

import os
import re
from collections import Counter
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import Instance, packed, unpacked
from mrcnn.data.formats.json_stream import read_json
from mrcnn.data.formats.labelme_shapes import shape_of, together
from mrcnn.data.formats.paths import image_of_stem
from mrcnn.data.formats.shape_checks import (
    MOST_OPENED,
    MOST_PIXELS,
    EntryError,
    files_of,
    head_of,
    image_in,
    last_part,
    shown,
    sub_folders,
    the_subset,
    unlisted_images,
)

STRUCTURE = re.compile(r'"shapes"\s*:|"imageData"\s*:')
OWN_KEYS = {"shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "version", "flags"}
FOLDERS = ("labels", "annotations")  # of the JSON files, where they do not lie beside the images
NO_OBJECT = ("__ignore__", "_background_")  # labels of labelme's for what is no object


def matches(path):
    """True for a labelme file, or a folder of them, in itself or in a subset's folder."""
    path = Path(path)
    if path.is_file():
        return path.suffix.lower() == ".json" and bool(STRUCTURE.search(head_of(path)))
    return bool(_json_files(path, None) or subsets(path))


def subsets(path):
    """The names of the subsets of a folder; empty where it has JSON files of its own."""
    path = Path(path)
    if not path.is_dir() or _json_files(path, None):
        return []
    names = {folder.name for parent in (path, *(path / name for name in FOLDERS))
             for folder in sub_folders(parent) if folder.name not in FOLDERS}
    return sorted(name for name in names if _json_files(path, name))


def _json_files(path, subset):
    """The labelme files of a subset: the first folder that has any is the one."""
    beside = path / subset if subset is not None else path
    apart = [path / name / subset for name in FOLDERS] if subset is not None else []
    for folder in (beside, *(beside / name for name in FOLDERS), *apart):
        files = files_of(folder, ".json")
        if any(matches(file) for file in files[:MOST_OPENED]):
            return files
    return []


def read_labelme(dataset, path, images=None, subset=None, source="labelme"):
    """Reads labelme files: polygon, rectangle, circle and mask; points and lines have no area.

    Shapes of one file with the same label and the same group_id are one object. Classes get
    numbers in the order of their names; their id in the source is the name. The image is the
    file that imagePath names, or else one of that name, or called as the JSON file, beside it or
    in `images`.

    Args:
        dataset: AnnotatedDataset, changed in place.
        path: a JSON file, or a folder of them: in itself, in labels/ or in annotations/.
        images: folder of the images; None for that of the JSON files, or images/ beside it.
        subset: name of a folder below `path`, such as "train".
        source: name of the source.

    Raises:
        DataError: there is no labelme file.
        OSError: the folder cannot be opened.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    root, files = path, [path]
    if path.is_file():
        root = path.parent
    else:
        subset = the_subset(path, subset, subsets(path))
        files = _json_files(path, subset)
    if not files:
        raise DataError(f"{path if subset is None else path / subset}: expected labelme's .json "
                        "files with \"shapes\", there, in labels/ or in annotations/; there are "
                        "none")
    reader = _Reader(dataset, Path(root), images and Path(images), subset, source)
    rows = [reader.read(file, len(files) == 1) for file in files]
    reader.finish([row for row in rows if row], files)


class _Reader:
    """Reads file after file; objects are kept packed until all class names are known."""

    def __init__(self, dataset, root, images, subset, source):
        self.dataset, self.root, self.images = dataset, root, images
        self.subset, self.source = subset, source
        self.place = len(dataset.image_info) - 1  # of the image that is being read
        self.labels = {}  # label -> its number, which stands for the class until all are known
        self.used = set()  # the paths of the images
        self.ignored = Counter()

    def read(self, file, is_alone):
        """The arguments of `add_annotated` for one file; whatever is wrong becomes a finding.

        None for a file that is another program's, and is counted; not where it is the only one.
        """
        self.place += 1
        row = {"image_id": file.relative_to(self.root).with_suffix("").as_posix(), "path": None,
               "objects": None, "height": None, "width": None, "annotation_file": str(file)}
        try:
            data = read_json(file)
            if not is_alone and isinstance(data, dict) and OWN_KEYS.isdisjoint(data) and (
                    self._of_stem(file) is None):
                self.place -= 1
                self.ignored["JSON files are not labelme's"] += 1
                return None
            if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
                raise DataError("expected an object with a list of \"shapes\", received "
                                f"{shown(data)}")
        except (DataError, OSError) as error:
            self._finding("annotations-unreadable", str(error), file)
            row["path"] = self._of_stem(file)
            self.used.add(row["path"])
            return row
        row["path"] = self._image(data, file)
        row["height"], row["width"] = self._size(data, file)
        size = (row["height"], row["width"]) if row["height"] else None
        row["objects"] = packed(self._objects(data["shapes"], size, file))
        return row

    def finish(self, rows, files):
        """Adds classes and images, and says what was left out."""
        ids = {label: self.dataset.class_for(self.source, label, label)
               for label in sorted(self.labels)}
        labels = list(self.labels)
        for row in rows:
            instances = []
            for one in unpacked(row.pop("objects")):
                label = labels[one.class_id]
                one.class_id = ids[label]
                if one.class_id is None:
                    self.dataset.left_out[label] += 1
                else:
                    instances.append(one)
            self.dataset.add_annotated(self.source, row.pop("image_id"), row.pop("path"),
                                       instances, **row)
        folder = files[0].parent
        for what, number in sorted(self.ignored.items()):
            self.dataset.add_finding("entry-ignored", f"{number} {what}, left out", folder)
        self.used.discard(None)
        without = unlisted_images(sorted({path.parent for path in self.used}), self.used)
        if without:
            self.dataset.add_finding("image-unannotated", f"{len(without)} images have no JSON "
                                     f"file and are left out, such as {without[0].name}", folder)

    # --- the image -----------------------------------------------------------------------------
    def _folders(self, file):
        """Where the image of a JSON file may lie besides where imagePath says."""
        if self.images is not None:
            return [self.images]
        folders = [file.parent, file.parent / "images", self.root / "images"]
        return [*folders, self.root / "images" / self.subset] if self.subset else folders

    def _image(self, data, file):
        """The path of the image, None where there is none that may be read."""
        try:
            path = image_in(data.get("imagePath"), self.images, file.parent, self.root)
        except EntryError as error:
            outside = error.kind == "path-outside"  # moved here from elsewhere, with its image?
            path = outside and (self._of_stem(file) or self._beside(data["imagePath"], file))
            if not path:
                self._finding(error.kind, f"imagePath: {error}", file)
                return None
        if not os.path.isfile(path):
            path = self._beside(path.name, file) or self._of_stem(file) or path
        if not os.path.isfile(path):
            unused = " (the copy in imageData is not used)" if data.get("imageData") else ""
            self._finding("image-missing", f"there is no file {path}{unused}", file)
        elif path in self.used:
            self._finding("duplicate-id", f"another file describes {path.name} too", file)
        self.used.add(path)
        return path

    def _beside(self, name, file):
        beside = [Path(os.path.abspath(folder), last_part(name)) for folder in self._folders(file)]
        return next(filter(os.path.isfile, beside), None)

    def _of_stem(self, file):
        found = (image_of_stem(folder, file.stem) for folder in self._folders(file))
        path = next((path for path in found if path), None)
        return path and Path(os.path.abspath(path))

    def _size(self, data, file):
        """(height, width) as the file says it; (None, None) where it does not."""
        size = data.get("imageHeight"), data.get("imageWidth")
        if size == (None, None):
            return size
        if all(isinstance(side, int) and not isinstance(side, bool) and 0 < side <= MOST_PIXELS
               for side in size):
            return size
        self._finding("annotation-invalid", "imageHeight, imageWidth: expected whole numbers of "
                                            f"pixels, received {shown(size)}", file)
        return None, None

    # --- the objects ---------------------------------------------------------------------------
    def _objects(self, shapes, size, file):
        """The objects as Instances whose class is the place of their label in `labels`."""
        groups = {}
        for i, shape in enumerate(shapes):
            try:
                region = shape_of(shape, size)
                label, group = shape.get("label"), shape.get("group_id")
                if isinstance(region, str):
                    self.ignored[f"{region} shapes have no area"] += 1
                    continue
                if not isinstance(label, str) or not label.strip():
                    raise EntryError("class-unknown", f"label: expected a name, received "
                                                      f"{shown(label)}")
                if label in NO_OBJECT:
                    self.ignored[f"shapes are labelled {label}"] += 1
                    continue
            except EntryError as error:
                self._finding(error.kind, str(error), file, f"shape {i}")
            else:
                key = (label.strip(), f"{i}" if group is None else f"group {shown(group)}")
                groups.setdefault(key, []).append((i, region))
        return [Instance(self._class_of(label), together([region for _, region in parts]),
                         "shape " + " and ".join(str(i) for i, _ in parts))
                for (label, _), parts in groups.items()]

    def _class_of(self, label):
        return self.labels.setdefault(label, len(self.labels))

    def _finding(self, kind, message, file, region=""):
        self.dataset.add_finding(kind, message, file, region, self.place)
