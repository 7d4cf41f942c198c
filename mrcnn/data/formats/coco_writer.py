"""save_coco: any Dataset as a COCO JSON, written piece by piece."""

import json
import os
import re
from pathlib import Path

import numpy as np

from mrcnn._atomic import atomic_path, refuse_existing
from mrcnn.data.dataset import DataError, image_label
from mrcnn.data.formats import coco_checks
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.coco_regions import Polygons, Rle
from mrcnn.data.formats.outline_regions import Outline, Rectangle
from mrcnn.data.formats.shape_checks import EntryError

OWN_RECORDS = ("categories", "folder")


def save_coco(dataset, path, images=None, overwrite=False):
    """Writes a dataset as COCO's instance annotations; images are not copied.

    What was read from one COCO file is written as it was. Other objects become a polygon where
    COCO's rule gives it the same pixels, else compressed run lengths; those without a pixel
    are left out, as in training. So are skipped images. Where ids of several sources clash,
    or are no numbers, images and annotations are numbered anew.

    Args:
        dataset: a prepared Dataset.
        path: the JSON file to write.
        images: the folder that file names shall be relative to; None for the folder that the
            images were read from.
        overwrite: replace a file that is there.

    Raises:
        FileExistsError: the file is there and `overwrite` is False.
        ValueError: the dataset is not prepared, or an image lies outside `images`.
        DataError: a mask cannot be made; the message names image and object.
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    if not hasattr(dataset, "num_classes"):
        raise ValueError("call prepare() first: the dataset has no ids yet")
    writer = _Writer(dataset, images)
    with atomic_path(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.write("{")
        for key, value in writer.others.items():
            file.write(f"{json.dumps(key)}: {json.dumps(value)},\n")
        _write_list(file, "images", writer.images())
        file.write(",\n")
        _write_list(file, "annotations", writer.annotations())
        file.write(",\n")
        _write_list(file, "categories", writer.categories)
        file.write("}\n")


def coco_ids(dataset):
    """The numbers that `save_coco` gives: ({image id: id there}, {class id: category id})."""
    writer = _Writer(dataset, None)
    return writer.number_images(), writer.category_ids


def _write_list(file, key, entries):
    file.write(f"{json.dumps(key)}: [")
    for index, entry in enumerate(entries):
        file.write((",\n" if index else "\n") + json.dumps(entry))
    file.write("]")


class _Ids:
    """Gives out ids, each once: the wished one where that is possible."""

    def __init__(self):
        self.used, self.next = set(), 1

    def take(self, wished, text_too=False):
        """`wished` where it is a number (or a text, if that is allowed) and free, else a new."""
        fits = type(wished) is int or (text_too and isinstance(wished, str))
        if not fits or str(wished) in self.used:
            while str(self.next) in self.used:
                self.next += 1
            wished = self.next
        self.used.add(str(wished))
        return wished


class _Writer:
    """The parts of the file, for one dataset."""

    def __init__(self, dataset, images):
        self.dataset = dataset
        infos = [dataset.image_info[i] for i in dataset.image_ids]
        self.records = getattr(dataset, "records", {})
        sources = {info["source"] for info in infos}
        only = sources.pop() if len(sources) == 1 else None
        self.source = only if only in self.records else None  # the one COCO file it is from
        known = self.records.get(self.source, {})
        self.others = {key: value for key, value in known.items() if key not in OWN_RECORDS}
        self.is_given = images is not None
        self.folder = images if self.is_given else known.get("folder") or _common_folder(infos)
        self.image_ids, self.sizes = {}, {}
        self.category_ids, self.categories = {}, []
        self._number_classes()

    def _number_classes(self):
        """Categories as they were; classes of elsewhere get the next numbers."""
        records = {(source, record["id"]): record for source, known in self.records.items()
                   for record in known.get("categories", ())}
        ids = _Ids()
        for (source, key), record in records.items():
            if source == self.source:
                name = self.dataset.class_info[self._class_of(key)]["name"]
                self.categories.append({**record, "name": name})
                ids.take(key, text_too=True)
        for class_id, info in enumerate(self.dataset.class_info[1:], 1):
            key = info["source"], info["id"]
            if self.source is not None and key[0] == self.source and key in records:
                self.category_ids[class_id] = info["id"]
            else:
                here = ids.take(None if self.source else class_id)
                self.category_ids[class_id] = here
                self.categories.append({**records.get(key, {}), "id": here, "name": info["name"]})

    def _class_of(self, category_id):
        return self.dataset.map_source_class_id(f"{self.source}.{category_id}")

    # --- images ------------------------------------------------------------------------------
    def number_images(self):
        """{image id: its id in the file}."""
        ids = _Ids()
        return {int(i): ids.take(self.dataset.image_info[i]["id"],
                                 text_too=self.source is not None)
                for i in self.dataset.image_ids}

    def images(self):
        """Yields the entry of each image."""
        self.image_ids = self.number_images()
        for image_id in self.dataset.image_ids:
            info = self.dataset.image_info[image_id]
            record = json.loads(info.get("record", "{}")) if self.source else {}
            self.sizes[image_id] = self._size(image_id)
            height, width = self.sizes[image_id]
            yield {"id": self.image_ids[image_id], "width": width, "height": height,
                   **record, "file_name": self._file_name(image_id, info, record)}

    def _size(self, image_id):
        """(height, width) in pixels."""
        if isinstance(self.dataset, AnnotatedDataset):
            return self.dataset.image_size(image_id)
        info = self.dataset.image_info[image_id]
        try:
            return coco_checks.image_size(info)
        except EntryError:
            return tuple(int(side) for side in self.dataset.load_image(image_id).shape[:2])

    def _file_name(self, image_id, info, record):
        if not info["path"]:
            made = re.sub(r"[^\w.-]", "_", f"{info['source']}_{info['id']}.png")
            return record.get("file_name", made)
        if "file_name" in record and not self.is_given:
            return record["file_name"]
        folder = Path(os.path.abspath(self.folder))
        path = Path(os.path.abspath(info["path"]))
        if not path.is_relative_to(folder):
            raise ValueError(f"images: expected the folder of all images, received {folder}; image "
                             f"{image_label(self.dataset, image_id)} lies elsewhere")
        return path.relative_to(folder).as_posix()

    # --- annotations -------------------------------------------------------------------------
    def annotations(self):
        """Yields the entry of each object."""
        ids = _Ids()
        annotated = isinstance(self.dataset, AnnotatedDataset)
        for image_id in self.dataset.image_ids:
            for entry in self._instances(image_id) if annotated else self._masks(image_id):
                entry["id"] = ids.take(entry.get("id"), text_too=self.source is not None)
                yield {**entry, "image_id": self.image_ids[image_id]}

    def _instances(self, image_id):
        """Yields the objects of an AnnotatedDataset's image."""
        from_coco = self.dataset.image_info[image_id]["source"] in self.records
        for instance in self.dataset.instances(image_id):
            entry = dict(instance.more) if from_coco else {}
            category = entry.pop("category_id", None) if self.source else None
            if category is None:
                category = self.category_ids[instance.class_id]
            entry["category_id"] = category
            entry["iscrowd"] = int(instance.crowd)
            if isinstance(instance.region, (Polygons, Rle)):
                entry["segmentation"] = instance.region.as_json()
            if not (from_coco and _is_whole(entry, instance.region)):
                made = self._described(image_id, instance)
                if made is None:
                    continue
                entry = {**made, **entry}
            yield entry

    def _described(self, image_id, instance):
        """Segmentation, area and bbox of an object, or None where it has no pixel."""
        canvas = np.zeros(self.sizes[image_id], bool)
        try:
            instance.region.draw(canvas)
        except (ValueError, OSError) as error:
            raise DataError(f"image {image_label(self.dataset, image_id)}, {instance.place}: "
                            f"{error}") from error
        if not canvas.any():
            return None
        entry = _described_mask(canvas)
        if isinstance(instance.region, Outline):
            entry["segmentation"] = _as_polygon(instance.region, canvas) or entry["segmentation"]
        return entry

    def _masks(self, image_id):
        """Yields the objects of any Dataset's image."""
        masks, class_ids = self.dataset.load_mask(image_id)
        label = image_label(self.dataset, image_id)
        masks = np.asarray(masks) != 0
        if masks.ndim != 3 or masks.shape[2] != len(class_ids):
            raise DataError(f"image {label}: load_mask: expected masks [H, W, N] and N class ids, "
                            f"received {masks.shape} and {len(class_ids)}")
        for index, class_id in enumerate(np.asarray(class_ids).tolist()):
            mask = masks[:, :, index]
            if not mask.any():
                continue
            if mask.shape != self.sizes[image_id] or abs(class_id) not in self.category_ids:
                raise DataError(f"image {label}, mask {index}: expected the image's size "
                                f"{self.sizes[image_id]} and a class of 1 to "
                                f"{len(self.category_ids)}, received {mask.shape} and {class_id}")
            yield {**_described_mask(mask), "iscrowd": int(class_id < 0),
                   "category_id": self.category_ids[abs(class_id)]}


def _is_whole(entry, region):
    """True for an object of a COCO file that needs nothing added."""
    if isinstance(region, Rectangle):
        return "bbox" in entry
    return "segmentation" in entry and "bbox" in entry and "area" in entry


def _described_mask(mask):
    """A mask [H, W] bool as COCO's compressed run lengths, with area and bbox."""
    from pycocotools import mask as coding

    code = coding.encode(np.asfortranarray(mask, np.uint8))
    return {"segmentation": {"size": [int(side) for side in code["size"]],
                             "counts": code["counts"].decode()},
            "area": int(coding.area(code)), "bbox": coding.toBbox(code).tolist()}


def _as_polygon(outline, canvas):
    """The outline as COCO's polygons, or None where that is not exactly the canvas."""
    numbers = [float(number) for point in zip(outline.xs, outline.ys, strict=True)
               for number in point]
    try:
        region = coco_checks.region({"segmentation": [numbers]}, canvas.shape)
        drawn = np.zeros_like(canvas)
        region.draw(drawn)
    except ValueError:
        return None
    return region.as_json() if np.array_equal(drawn, canvas) else None


def _common_folder(infos):
    """The folder that holds all images."""
    folders = {os.path.dirname(os.path.abspath(info["path"])) for info in infos if info["path"]}
    return os.path.commonpath(folders) if folders else "."
