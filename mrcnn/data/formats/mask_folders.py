"""Folders of images and of mask images, without any annotation file.

Three layouts, each perhaps in one folder a subset:

    "nucleus"  <id>/images/<name>.png and <id>/masks/*, one file an object
    "folders"  images/<name>.jpg and masks/<name>/*, one file an object
    "labels"   images/<name>.jpg and masks/<name>.png, a label image: each value or colour but 0
               is an object (see `file_regions.read_labels`). It may be called <name>_mask or the
               like; <name>_0, <name>_1 and so on are one file an object

Label images are opened while reading, for nothing else says which objects there are; other
masks only when they are drawn.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import Instance
from mrcnn.data.formats.file_regions import LabelFile, MaskFile, read_labels
from mrcnn.data.formats.paths import IMAGE_ENDINGS, image_files
from mrcnn.data.formats.shape_checks import EntryError, sub_folders, the_subset

NAMED = re.compile(r"(.+?)[_-](?:masks?|segmentation|seg|labels?|gt)", re.IGNORECASE)
NUMBERED = re.compile(r"(.+?)[_-](?:(?:mask|instance|object|obj)[_-]?)?\d+", re.IGNORECASE)
LAYOUTS = ("nucleus", "folders", "labels")
MOST_VALUES = 10_000  # a label image of more is a photograph


def read_masks(dataset, path, images=None, subset=None, source="masks", class_name="object",
               layout=None, unannotated=False):
    """Reads a folder of images and masks into a dataset; all objects are of one class.

    Args:
        dataset: AnnotatedDataset; it gets the class, images and findings.
        path: the folder; with `images`, the folder that has masks, or the masks' own.
        images: folder of the images where they lie elsewhere; not for "nucleus".
        subset: name of a folder in `path` that has one of the layouts, such as stage1_train.
        source: name of the set in the dataset.
        class_name: what the objects are.
        layout: "nucleus", "folders" or "labels"; None finds out, and takes the last two mixed.
        unannotated: True keeps images without masks, to detect on; otherwise a finding counts
            them.

    Raises:
        DataError: nothing of this kind is there, or no such subset or layout.
        FileNotFoundError: there is no `path`.
    """
    if layout not in (None, *LAYOUTS):
        raise DataError(f"layout: expected one of {LAYOUTS}, received {layout!r}")
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"no such folder: {path}")
    root = path
    if images is None and (subset is not None or not _is_root(path)):
        root = path / (the_subset(path, subset, subsets(path)) or "")
    if images is None and not _is_root(root):
        raise DataError(f"{root}: no folders of masks: expected <id>/images and <id>/masks, or "
                        "images and masks")
    class_id = dataset.class_for(source, class_name, class_name)
    reader = _Reader(dataset, source, class_id, class_name, unannotated)
    if images is None and layout in (None, "nucleus") and not _is_pair(root):
        reader.read_nucleus(root)
    else:
        masks = root / "masks" if (root / "masks").is_dir() else root
        reader.read_pair(Path(images or root / "images"), masks, layout)
    reader.sum_up(root)
    if not reader.seen:
        raise DataError(f"{root}: there is no image in it")


def matches(path):
    """Whether a folder, or one of the folders in it, has one of the layouts."""
    path = Path(path)
    return path.is_dir() and (_is_root(path) or bool(subsets(path)))


def subsets(path):
    """The names of the folders in `path` that have one of the layouts."""
    path = Path(path)
    if _is_root(path):
        return []
    return [folder.name for folder in sub_folders(path) if _is_root(folder)]


def _is_root(path):
    return _is_pair(path) or any(map(_is_nucleus, sub_folders(path)[:20]))


def _is_pair(path):
    return (path / "images").is_dir() and (path / "masks").is_dir()


def _is_nucleus(path):
    """Whether the folder of one image: one image file and folders of no other name.

    Without masks, as in a test set, the image must be called as the folder.
    """
    names = {folder.name for folder in sub_folders(path)}
    if "images" not in names or not names <= {"images", "masks"}:
        return False
    files = image_files(path / "images")
    if "masks" in names:
        return len(files) == 1 or (not files and not sub_folders(path / "images"))
    return len(files) == 1 and files[0].stem == path.name


@dataclass
class _Reader:
    dataset: object
    source: str
    class_id: int | None  # None where the class is not wanted
    class_name: str
    unannotated: bool
    seen: int = 0
    bare: list = field(default_factory=list)
    ignored: list = field(default_factory=list)
    names: set = field(default_factory=set)
    values: list = field(default_factory=list)  # how many each label image has

    def read_nucleus(self, root):
        """One folder an image."""
        for folder in sub_folders(root):
            parts = {one.name for one in sub_folders(folder)}
            if not parts & {"images", "masks"}:
                self.ignored.append(folder)
                continue
            self.ignored += [one for one in sub_folders(folder)
                             if one.name not in ("images", "masks")]
            found = image_files(folder / "images") if "images" in parts else []
            self._ignore_others(folder / "images")
            faults = []
            image = next((file for file in found if file.stem == folder.name),
                         found[0] if found else folder / "images" / f"{folder.name}.png")
            if not found:
                faults.append((EntryError("image-missing", "expected one image, there is none"),
                               folder / "images", ""))
            if len(found) > 1:
                names = [file.name for file in found]
                faults.append((EntryError("annotation-invalid", "expected one image, received "
                                     f"{len(found)}: {names[:5]}"), folder / "images", ""))
            masks = self._mask_files(folder / "masks")
            self._add(folder.name, image, [(mask, None) for mask in masks], faults)
        self.ignored += image_files(root)

    def read_pair(self, images, masks, layout):
        """A folder of images beside a folder of masks."""
        if not images.is_dir():
            raise DataError(f"{images}: expected a folder of images, there is none")
        folders = {one.name: one for one in sub_folders(masks) if layout != "labels"}
        labels, pieces = {}, {}  # stem of the image -> files
        stems = {image.stem for image in image_files(images)}
        for file in image_files(masks) if layout != "folders" else []:
            stem, is_piece = _owner(file.stem, stems)
            (pieces if is_piece else labels).setdefault(stem, []).append(file)
        self._ignore_rest(images, masks, folders, [*labels.values(), *pieces.values()])
        for image in image_files(images):
            self._add_pair(image.stem, image, folders.pop(image.stem, None),
                           labels.pop(image.stem, ()), pieces.pop(image.stem, ()))
        for stem in sorted({*folders, *labels}):
            missing = EntryError("image-missing", f"masks of an image that is not in {images}")
            self._add_pair(stem, images / f"{stem}.png", folders.get(stem), labels.get(stem, ()),
                           (), [(missing, folders.get(stem) or labels[stem][0], "")])

    def _add_pair(self, stem, image, folder, labels, pieces, faults=()):
        faults, rows = list(faults), [(mask, None) for mask in pieces]
        if folder is not None:
            rows += [(mask, None) for mask in self._mask_files(folder)]
        if len(labels) + bool(rows) > 1:
            names = [file.name for file in labels]
            faults.append((EntryError("duplicate-id", f"expected one label image, or one folder of "
                                                 f"masks, received {names} {folder or ''}"),
                           labels[0], ""))
        elif labels:
            try:
                rows = [(labels[0], value) for value in _values(labels[0])]
                self.values.append(len(rows))
            except EntryError as fault:
                faults.append((fault, labels[0], ""))
        self._add(stem, image, rows, faults, is_annotated=bool(labels))

    def _add(self, name, image, rows, faults, is_annotated=False):
        """Adds an image; `rows` are its masks, (file, value or None for a whole file)."""
        if not rows and not faults and not is_annotated and not self.unannotated:
            self.bare.append(image)
            self.seen += 1
            return
        here, image_id = len(self.dataset.image_info), name
        if name in self.names:
            image_id = image.name
            faults.append((EntryError("duplicate-id", f"two images of the name {name}"), image, ""))
        self.names |= {name, image_id}
        instances = [self._instance(*row) for row in rows if self.class_id is not None]
        if self.class_id is None and rows:
            self.dataset.left_out[self.class_name] += len(rows)
        self.dataset.add_annotated(self.source, image_id, image, instances)
        self.seen += 1
        for fault, file, region in faults:
            self.dataset.add_finding(fault.kind, str(fault), file, region, here)

    def _instance(self, file, value):
        if value is None:
            return Instance(self.class_id, MaskFile(str(file)), file.name)
        return Instance(self.class_id, LabelFile(str(file), value), f"value {value}")

    def _mask_files(self, folder):
        if not folder.is_dir():
            return []
        self._ignore_others(folder)
        return image_files(folder)

    def _ignore_others(self, folder):
        """Notes what is no image file."""
        if folder.is_dir():
            self.ignored += [one for one in sorted(folder.iterdir()) if one.name[0] != "."
                             and (one.is_dir() or one.suffix.lower() not in IMAGE_ENDINGS)]

    def _ignore_rest(self, images, masks, folders, lists):
        """Notes what lies in the two folders and is not read."""
        read = {*folders.values(), *(file for files in lists for file in files), images}
        self._ignore_others(images)
        self.ignored += [one for one in sorted(masks.iterdir())
                         if one.name[0] != "." and one not in read]

    def sum_up(self, root):
        """The findings about the whole set."""
        if max(self.values, default=0) == 1:
            self.dataset.add_finding("one-value", f"{sum(self.values)} label images have one value "
                                     "each, which is one object; several objects of an image need "
                                     "a value or a file each", root)
        for kind, what, paths in (
                ("image-unannotated", "images without masks, left out", self.bare),
                ("entry-ignored", "files or folders that are no images or masks", self.ignored)):
            if paths:
                place = os.path.relpath(paths[0], root)
                self.dataset.add_finding(kind, f"{len(paths)} {what}, such as {place}", root)


def _owner(stem, stems):
    """(stem of the image that a mask file is of, whether it is one object of several)."""
    for pattern in (NAMED, NUMBERED) if stem not in stems else ():
        match = pattern.fullmatch(stem)
        if match and match[1] in stems:
            return match[1], pattern is NUMBERED
    return stem, False


def _values(path):
    """The values of a label image that are objects."""
    try:
        labels = read_labels(path)
    except (OSError, ValueError) as error:
        raise EntryError("mask-invalid", str(error)) from error
    values = np.unique(labels)
    if len(values) > MOST_VALUES:
        raise EntryError("mask-invalid", f"{len(values)} values or colours: no label image")
    if values[0] < 0:
        raise EntryError("mask-invalid", f"expected values from 0 upwards, received {values[0]}")
    return [int(value) for value in values if value]
