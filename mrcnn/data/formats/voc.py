"""Pascal VOC: XML annotations, with a label image of the objects where there is one.

A folder is either VOC's own (VOC2012, VOCdevkit, or the folder that holds it) with ImageSets,
Annotations, JPEGImages and SegmentationObject; or the boxes of a drawing tool: XML files in
Annotations or beside the images, perhaps in one folder a subset.

Value n in SegmentationObject/<id>.png belongs to the n-th object of the XML, counted from 1; 0
is background and 255 void. Images without a label image have boxes alone, which then serve as
masks, or the polygons that some tools write beside them. VOC's boxes count pixels from 1 and
include their last one. The label images are not opened here; whether they agree with the XML,
`data.check` says.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mrcnn.data.formats.annotated import Instance
from mrcnn.data.formats.file_regions import VOID, LabelFile
from mrcnn.data.formats.outline_regions import Rectangle
from mrcnn.data.formats.paths import image_of_stem
from mrcnn.data.formats.shape_checks import (
    EntryError,
    files_of,
    head_of,
    image_path,
    path_inside,
    shown,
    unlisted_images,
)
from mrcnn.data.formats.voc_folders import (
    MASKS,
    Folders,
    annotations_of,
    lists_of,
    located,
    root_of,
    xml_folders,
)
from mrcnn.data.formats.voc_xml import box_of, more_of, outline_of, parsed, size_of, text_of

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)


def read_voc(dataset, path, images=None, subset=None, source="voc", class_names=None,
             keep_difficult=True):
    """Reads a Pascal VOC folder into a dataset.

    Args:
        dataset: AnnotatedDataset; it gets classes, images and findings.
        path: VOC2012, VOCdevkit or the folder that holds it, a folder of XML files, or one XML
            file.
        images: folder of the images where it is not JPEGImages or images, or beside the XML.
        subset: name of a list in ImageSets/Segmentation, or of a folder of XML files. None
            reads all lists, or all XML files.
        source: name of the set in the dataset.
        class_names: the only names that are right; another one is a finding. None takes what
            is there: VOC's 20 in their order first where ImageSets and one of them are found,
            and no labelmap.txt, which a tool such as CVAT writes to a set of one's own.
        keep_difficult: False leaves out objects that are marked as difficult, with a finding.

    Raises:
        DataError: no annotations are found, or no such subset.
        FileNotFoundError: there is no `path`.
    """
    folders, stems = located(Path(path), images, subset)
    reader = _Reader(dataset, source, folders, keep_difficult)
    reader.take_classes(stems if class_names is None else (), class_names)
    for stem in stems:
        reader.read_image(stem)
    reader.sum_up()


def matches(path):
    """Whether a folder or file looks like Pascal VOC, be it label images without an XML file."""
    path = Path(path)
    if path.is_file():
        return path.suffix.lower() == ".xml" and "<annotation" in head_of(path)
    if (path / MASKS).is_dir():
        return True
    root = root_of(path, choose=False)
    return any("<annotation" in head_of(file)
               for folder in ([root] if root else xml_folders(path))[:1]
               for file in files_of(annotations_of(folder), ".xml")[:3])


def subsets(path):
    """The names of the lists in ImageSets/Segmentation, or of folders of XML files."""
    path = Path(path)
    if path.is_file():
        return []
    root = root_of(path)
    return [folder.name for folder in xml_folders(path)] if root is None else list(lists_of(root))


@dataclass
class _Reader:
    dataset: object
    source: str
    folders: Folders
    keep_difficult: bool
    ids: dict = field(default_factory=dict)  # name -> class id here, None if not wanted
    boxes: Counter = field(default_factory=Counter)  # image -> objects that are boxes alone
    difficult: int = 0
    used: set = field(default_factory=set)

    def take_classes(self, stems, class_names):
        """Adds the classes: those given, or those of all objects of `stems`."""
        if class_names is None:
            found = {name for stem in stems for name in self._names(stem)}
            has_own = self._is_vocs and not found.isdisjoint(VOC_CLASSES)
            own = VOC_CLASSES if has_own else ()
            class_names = [*own, *sorted(found.difference(own))]
        for name in class_names:
            is_own = self._is_vocs and name in VOC_CLASSES
            class_id = VOC_CLASSES.index(name) + 1 if is_own else name
            self.ids[name] = self.dataset.class_for(self.source, class_id, name)

    @property
    def _is_vocs(self):
        own = self.folders.root / "labelmap.txt"
        return self.folders.has_lists and not own.is_file()

    def _names(self, stem):
        try:
            objects = parsed(self._xml(stem)).findall("object")
        except EntryError:
            return []  # reading the image says what is wrong
        return filter(None, (text_of(one, "name") for one in objects))

    def _xml(self, stem):
        return path_inside(stem + ".xml", self.folders.annotations)

    def read_image(self, stem):
        """Adds one image with its objects and findings."""
        here, faults = len(self.dataset.image_info), []
        path = root = size = None
        instances, more, file = [], {}, self.folders.annotations
        try:
            file = self._xml(stem)
            path = image_of_stem(self.folders.images, stem)
            root = parsed(file)
        except EntryError as fault:
            faults.append((fault, ""))
        if root is not None:
            path = self._noted(faults, "filename", self._image, stem, path, root) or path
            size = self._noted(faults, "size", size_of, root)
            instances, more = self._instances(root, stem, size, faults)
        elif path is None and faults[0][0].kind == "annotations-unreadable":
            path = self.folders.images / f"{stem}.jpg"
        height, width = size or (None, None)
        self.used.add(path)
        self.dataset.add_annotated(self.source, stem, path, instances, height, width,
                                   annotation_file=str(file), **more)
        if path is not None and not os.path.isfile(path):
            faults.append((EntryError("image-missing", f"no such file: {path}"), ""))
        for fault, region in faults:
            self.dataset.add_finding(fault.kind, str(fault), file, region, here)

    @staticmethod
    def _noted(faults, region, function, *args):
        """What `function` answers; None and a note where it finds a fault."""
        try:
            return function(*args)
        except EntryError as fault:
            faults.append((fault, region))
            return None

    def _image(self, stem, found, root):
        """The image: the one of the XML's own name, or what <filename> says."""
        name = text_of(root, "filename")
        is_absolute = name is not None and (name[:1] in "/\\" or name[1:2] == ":")
        if name is None or (found is not None and is_absolute):
            return found or self.folders.images / f"{stem}.jpg"
        named = image_path(name, self.folders.images, self._top())
        return found or named

    def _top(self):
        """The folder that a file name must not leave: the set's, or that of the images."""
        root, images = self.folders.root, self.folders.images
        return root if root in images.parents else images

    def _instances(self, root, stem, size, faults):
        """(the sound objects of an image, what `data.check` needs to check its label image)."""
        mask = None if self.folders.masks is None else self.folders.masks / f"{stem}.png"
        mask = str(mask) if mask is not None and os.path.isfile(mask) else None
        objects, found = root.findall("object"), []
        for place, one in enumerate(objects, 1):
            region = f"object {place}"
            made = self._noted(faults, region, self._instance, one, place, size, mask)
            if made is not None:
                found.append(made)
                self.boxes[stem] += isinstance(made.region, Rectangle)
        return found, {} if mask is None else {"label_image": [mask, len(objects)]}

    def _instance(self, one, place, size, mask):
        """One object, None where it is not wanted."""
        name = text_of(one, "name")
        if name is None:
            raise EntryError("annotation-invalid", "expected a class in <name>, there is none")
        if name not in self.ids:
            raise EntryError("class-unknown",
                             f"class {shown(name)}: expected one of {[*self.ids]}")
        if self.ids[name] is None:
            self.dataset.left_out[name] += 1
            return None
        more = more_of(one)
        if more.get("difficult") == 1 and not self.keep_difficult:
            self.difficult += 1
            return None
        box, outline = box_of(one, size), outline_of(one, size)
        if mask is None and box is None and outline is None:
            raise EntryError("annotation-invalid",
                             "expected <bndbox> or a label image, there is none")
        if mask is not None and place >= VOID:
            raise EntryError("mask-invalid",
                             f"a label image has no value for object {place}: {VOID} is void")
        region = outline or box if mask is None else LabelFile(mask, place)
        return Instance(self.ids[name], region, f"object {place}", more=more)

    def sum_up(self):
        """The findings about the whole set."""
        boxes = {stem: count for stem, count in self.boxes.items() if count}
        if boxes:
            self.dataset.add_finding(
                "box-only", f"{sum(boxes.values())} objects of {len(boxes)} images, such as "
                f"{next(iter(boxes))}, have no label image in SegmentationObject; their boxes "
                "serve as masks", self.folders.annotations)
        if self.difficult:
            self.dataset.add_finding("entry-ignored", f"{self.difficult} difficult objects, left "
                                     "out as keep_difficult=False asks", self.folders.annotations)
        others = unlisted_images([self.folders.images], self.used) if self.folders.is_all else []
        if others:
            self.dataset.add_finding("image-unannotated", f"{len(others)} images without an XML "
                                     f"file, such as {others[0].name}", self.folders.images)
