"""COCO: one JSON file with lists of images, annotations and categories.

The file is walked three times, so that its lists may stand in any order and nothing of it is
ever held whole: a survey that also finds every mistake in the JSON itself, then the images, then
the annotations.
"""

from array import array
from itertools import groupby
from tempfile import SpooledTemporaryFile

import numpy as np

from mrcnn.data.dataset import DataError
from mrcnn.data.formats import coco_checks as check
from mrcnn.data.formats.annotated import Instance, joined, row_of
from mrcnn.data.formats.coco_files import (
    ImageFiles,
    annotation_file,
    image_folders,
    matches,
    subsets,
)
from mrcnn.data.formats.coco_survey import survey_of
from mrcnn.data.formats.json_stream import elements
from mrcnn.data.formats.outline_regions import Rectangle
from mrcnn.data.formats.shape_checks import EntryError

__all__ = ["matches", "read_coco", "subsets"]

MOST_IN_MEMORY = 32 << 20  # bytes of objects; more wait in a temporary file to be sorted


def read_coco(dataset, path, images=None, subset=None, source="coco", class_ids=None,
              class_map=None, crowds_as_objects=False):
    """Reads a COCO set into a dataset; `prepare()` is for the caller.

    Args:
        dataset: AnnotatedDataset.
        path: the JSON file, or a folder, see `coco_files`.
        images: folder of the images where they lie elsewhere; the last part of a file name
            is enough there.
        subset: such as "train2017", where a folder has several.
        source: name for what is read; two files with ids in common need two.
        class_ids: category ids, in the order the classes shall have; only images with one of
            these and only objects of these are read. None or empty: all, in the order of ids.
        class_map: {category id or name: class name here}; categories of one class name are one
            class.
        crowds_as_objects: True reads crowds as single objects, for tools such as CVAT that call
            every mask one.

    Raises:
        DataError: no COCO file, broken JSON, no images, or arguments that do not fit it.
        FileNotFoundError: there is nothing at `path` or `images`.
        ValueError: `class_map` holds something else than names.
    """
    class_map = class_map or {}
    if not all(isinstance(name, str) for name in class_map.values()):
        raise ValueError(f"class_map: expected class names as values, received {class_map!r}")
    file = annotation_file(path, subset)
    survey = survey_of(file, None if class_ids is None else list(class_ids) or None)
    reader = _Reader(dataset, file, source, survey, crowds_as_objects)
    reader.add_classes(class_map)
    reader.add_images(ImageFiles(*image_folders(file, path, images), survey.names,
                                 images is not None))
    reader.add_annotations()


class _Reader:
    """The second and third walk."""

    def __init__(self, dataset, file, source, survey, crowds_as_objects):
        self.dataset, self.file, self.source, self.survey = dataset, file, source, survey
        self.names, self.classes = {}, {}  # category id -> name here, and class id or None
        self.own = {}  # category id as text -> as the categories have it
        self.places = {}  # image id as text -> place in image_info
        self.annotation_ids = set()
        self.box_only = 0
        self.crowds_as_objects = crowds_as_objects

    def finding(self, fault, region, image=None):
        """Notes an EntryError."""
        self.dataset.add_finding(fault.kind, str(fault), self.file, region, image)

    def add_classes(self, class_map):
        """Adds the classes of the categories, in the order of their ids or of `class_ids`."""
        records = self._categories(class_map)
        order = self.survey.class_ids
        if order is None:
            order = sorted(records, key=lambda key: (isinstance(key, str), key))
        unknown = [key for key in order if key not in records]
        if unknown:
            raise DataError(f"{self.file}: class_ids: expected some of {list(records)[:200]}, "
                            f"received {unknown}")
        own = {key: key for key in records}
        for key in (own[key] for key in order):  # the file's number, whatever type the caller's
            try:
                self.classes[key] = self.dataset.class_for(self.source, key, self.names[key])
            except ValueError as error:
                raise DataError(f"{self.file}: {error}; give it another source") from None
        kept = [records[key] for key in records if self.classes.get(key)]
        known = self.dataset.records.setdefault(self.source,
                                                dict(self.survey.others, categories=[]))
        known["categories"] += [record for record in kept if record not in known["categories"]]

    def _categories(self, class_map):
        records = {}
        for index, record in enumerate(self.survey.categories):
            try:
                key = check.identifier(check.entry(record).get("id"), "id")
                name = check.category_name(record)
                if key in records:
                    raise EntryError("duplicate-id", f"category id {key!r} stands for "
                                     f"{records[key]['name']!r} already, received {name!r}")
            except EntryError as fault:
                self.finding(fault, f"category entry {index}")
            else:
                records[key] = {**record, "id": key}
                self.names[key] = class_map.get(key, class_map.get(name, name))
                self.own.setdefault(str(key), key)
        for key in set(class_map) - set(records) - {one["name"] for one in records.values()}:
            self.dataset.add_finding("class-unused", f"class_map: there is no category {key!r}",
                                     self.file)
        return records

    def add_images(self, files):
        """Adds every image that is wanted, sound or not."""
        self.dataset.records[self.source].setdefault("folder", str(files.folder))
        taken = {str(info["id"]): place for place, info in enumerate(self.dataset.image_info)
                 if info["source"] == self.source}
        for index, record in elements(self.file, "images"):
            place, region = len(self.dataset.image_info), f"image entry {index}"
            try:
                key = check.identifier(check.entry(record).get("id"), "id")
            except EntryError as fault:
                self.finding(fault, region, place)
                self.dataset.add_annotated(self.source, f"{region} ({place})", None)
                continue
            region = f"image {key}"
            if self.survey.class_ids is not None and str(key) not in self.survey.wanted:
                continue
            if str(key) in taken:
                fault = EntryError("duplicate-id", "its id stands for two images; the second, "
                                   f"{check.shown(record.get('file_name'))}, is left out")
                self.finding(fault, region, taken[str(key)])
                continue
            self.places[str(key)] = taken[str(key)] = place
            self._add_image(key, record, files, region)

    def _add_image(self, key, record, files, region):
        path, size, more = None, None, {}
        place = len(self.dataset.image_info)
        try:
            path = files.path(check.file_name(record))
            files.check_exists(path)
        except EntryError as fault:
            self.finding(fault, region, place)
        try:
            size = check.stated_size(record)
            more = {"record": files.rest(record, path, size)}
        except EntryError as fault:
            self.finding(fault, region, place)
        except RecursionError:
            self.finding(check.too_deep(), region, place)
        self.dataset.add_annotated(self.source, key, path, (), *(size or (None, None)),
                                   annotation_file=str(self.file), **more)

    def add_annotations(self):
        """Adds the objects to their images."""
        with SpooledTemporaryFile(MOST_IN_MEMORY) as file:
            rows = _Rows(file)
            for index, annotation in elements(self.file, "annotations"):
                self._add_annotation(index, annotation, rows)
            self.annotation_ids.clear()
            for place, packed in rows.joined():
                self.dataset.image_info[place]["annotations"] = packed
        if self.box_only:
            self.dataset.add_finding("box-only", f"{self.box_only} annotations have a bbox but no "
                                     "segmentation; the box serves as their mask", self.file)

    def _add_annotation(self, index, annotation, rows):
        region, place = f"annotation entry {index}", None
        try:
            check.entry(annotation)
            place = self.places.get(check.id_text(annotation.get("image_id")))
            if "id" in annotation:
                region = f"annotation {check.identifier(annotation['id'], 'id')}"
            instance = self._instance(annotation, region, place)
            if instance is not None:
                rows.add(place, row_of(instance))
        except EntryError as fault:
            self.finding(fault, region, place)
        except RecursionError:
            self.finding(check.too_deep(), region, place)

    def _instance(self, annotation, region, place):
        """The Instance of an annotation, or None where it is not wanted; or an EntryError."""
        category = annotation.get("category_id")
        if place is None:
            if self.survey.class_ids is not None and category not in self.survey.class_ids:
                return None
            raise EntryError("annotation-invalid", "image_id: expected the id of a listed image, "
                             f"received {check.shown(annotation.get('image_id'))}")
        category = check.identifier(category, "category_id")
        category = self.own.get(str(category), category)
        if category not in self.names:
            raise EntryError("class-unknown", f"category_id: expected one of "
                             f"{check.shown(list(self.names))}, received {category!r}")
        class_id = self.classes.get(category)
        if class_id is None:
            self.dataset.left_out[self.names[category]] += 1
            return None
        self._check_id_is_new(annotation)
        covered = check.region(annotation, self._size(place))
        more = check.extras(annotation)
        if isinstance(covered, Rectangle):
            self.box_only += 1
            if "segmentation" in annotation:
                more["segmentation"] = annotation["segmentation"]
        info = self.dataset.class_info[class_id]
        if (info["source"], info["id"]) != (self.source, category):
            more["category_id"] = category
        crowd = check.crowd(annotation) and not self.crowds_as_objects
        return Instance(class_id, covered, region, crowd, more)

    def _check_id_is_new(self, annotation):
        if "id" in annotation:
            key = check.identifier(annotation["id"], "id")
            if key in self.annotation_ids:
                raise EntryError("duplicate-id", "its id stands for two annotations")
            self.annotation_ids.add(key)

    def _size(self, place):
        info = self.dataset.image_info[place]
        return (info["height"], info["width"]) if "height" in info else None


class _Rows:
    """Objects of all images as they come in, kept in a file until they can be sorted."""

    def __init__(self, file):
        self.file = file
        self.places, self.ends = array("q"), array("q", [0])

    def add(self, place, row):
        """Adds one, as `row_of` makes it, to the image at `place`."""
        self.file.write(row)
        self.places.append(place)
        self.ends.append(self.ends[-1] + len(row))

    def joined(self):
        """Yields (place, packed objects) for each image."""
        order = np.argsort(np.array(self.places), kind="stable")
        for place, group in groupby(order, key=self.places.__getitem__):
            yield place, joined([self._row(index) for index in group])

    def _row(self, index):
        self.file.seek(self.ends[index])
        return self.file.read(self.ends[index + 1] - self.ends[index])
