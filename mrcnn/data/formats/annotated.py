"""AnnotatedDataset: what every reader fills, and what is the same for all formats.

The objects of an image are kept as compressed JSON until somebody asks for them, so that a set
of 100,000 images stays small in memory; masks are drawn on demand. What a reader stumbles over
becomes a Finding.
"""

import json
import zlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mrcnn.data.dataset import DataError, Dataset, image_label
from mrcnn.data.findings import Finding
from mrcnn.data.formats.coco_regions import Polygons, Rle
from mrcnn.data.formats.file_regions import LabelFile, MaskFile
from mrcnn.data.formats.outline_regions import Ellipse, Group, Outline, Patch, Rectangle, Relative
from mrcnn.data.image_files import read_image_size

REGIONS = {region.KIND: region
           for region in (Polygons, Rle, Outline, Rectangle, Ellipse, Relative, Patch, Group,
                          MaskFile, LabelFile)}


@dataclass
class Instance:
    """One object of an image.

    Attributes:
        class_id: its class in the dataset, 1 upwards.
        region: what it covers, an instance of one of REGIONS.
        place: how messages call it, such as "annotation 17".
        crowd: it stands for many objects at once.
        more: what the format says besides, JSON only (COCO's id, area and bbox, say).
    """

    class_id: int
    region: object
    place: str
    crowd: bool = False
    more: dict = field(default_factory=dict)


class AnnotatedDataset(Dataset):
    """A Dataset with instances, findings and shared classes.

    Classes of one name are one class, whichever source they come from.

    Attributes:
        findings: list of Finding.
        dropped: image id -> number of instances left out because no pixel was theirs; filled
            while masks are loaded.
        left_out: class name -> number of instances not read because `classes` does not name it.
        records: source -> what its annotation file says of the whole set, JSON only.

    Args:
        classes: names, in their order, of the only classes to read, or a Dataset that has
            them; None for all.
    """

    def __init__(self, classes=None):
        super().__init__()
        self.findings, self.dropped, self.left_out, self.records = [], {}, Counter(), {}
        self._aliases = {}  # (source, id there) -> class id here
        self._names = {}
        self._unclaimed = set()
        self._fixed = classes is not None
        if classes is not None:
            if isinstance(classes, Dataset):
                classes = [info["name"] for info in classes.class_info[1:]]
            for name in classes:
                self._unclaimed.add(self._new_class("classes", name, name))

    # --- filling -----------------------------------------------------------------------------
    def add_finding(self, kind, message, file, region="", image=None):
        """Notes something; see Finding for the arguments."""
        self.findings.append(Finding(kind, message, str(file), region, image))

    def class_for(self, source, class_id, name):
        """The class id here for a class of a source, added where it is new.

        Returns:
            int, or None where `classes` does not name it.

        Raises:
            ValueError: the id stands for another name already.
        """
        key = source, class_id
        if key in self._aliases:
            known = self.class_info[self._aliases[key]]["name"]
            if known != name:
                raise ValueError(f"class {class_id} of source {source!r} is {known!r} already, "
                                 f"received {name!r}")
        elif name in self._names:
            self._aliases[key] = self._names[name]
            if self._names[name] in self._unclaimed:
                self._unclaimed.discard(self._names[name])
                self.class_info[self._names[name]].update(source=source, id=class_id)
        elif self._fixed:
            return None
        else:
            self._aliases[key] = self._new_class(source, class_id, name)
        return self._aliases[key]

    def _new_class(self, source, class_id, name):
        self.add_class(source, class_id, name)
        self._names[name] = len(self.class_info) - 1
        return self._names[name]

    def add_annotated(self, source, image_id, path, instances=(), height=None, width=None,
                      **more):
        """Adds an image with its objects.

        Args:
            source: name of the set it comes from, without a dot.
            image_id: its id in that set.
            path: its file; None where there is none that may be read.
            instances: list of Instance.
            height: in pixels as the annotations have it; None reads it from the file.
            width: likewise.
            **more: kept in `image_info`.

        Returns:
            its place in `image_info`.
        """
        info = {"annotations": packed(instances), **more}
        if height is not None and width is not None:
            info.update(height=int(height), width=int(width))
        self.add_image(source, image_id, None if path is None else str(path), **info)
        return len(self.image_info) - 1

    def prepare(self, class_map=None):
        """As `Dataset.prepare`, and sources share the classes that have one name."""
        super().prepare(class_map)
        for (source, class_id), here in self._aliases.items():
            self.class_from_source_map[f"{source}.{class_id}"] = here
            if source not in self.sources:
                self.sources.append(source)
            active = self.source_class_ids.setdefault(source, [0])
            if here not in active:
                self.source_class_ids[source] = sorted([*active, here])
        for info in self.image_info:  # a source of nothing but background images
            self.source_class_ids.setdefault(info["source"], [0])

    # --- looking up --------------------------------------------------------------------------
    def get_source_class_id(self, class_id, source):
        """As `Dataset.get_source_class_id`, for any of the sources that share the class."""
        for (origin, there), here in self._aliases.items():
            if origin == source and here == class_id:
                return there
        return super().get_source_class_id(class_id, source)

    def image_reference(self, image_id):
        """The path of the image."""
        return self._info(image_id)["path"] or ""

    def image_size(self, image_id):
        """(height, width) of an image in pixels, upright, from the annotations or its header.

        Raises:
            DataError: neither says it.
        """
        info = self._info(image_id)
        if "height" in info:
            return info["height"], info["width"]
        if "read_size" not in info:  # apart from what the annotations say
            label = image_label(self, image_id)
            if info["path"] is None:
                raise DataError(f"image {label}: there is no file that may be read")
            try:
                info["read_size"] = read_image_size(info["path"])
            except (OSError, ValueError) as error:
                raise DataError(f"image {label}: {error}") from error
        return info["read_size"]

    def instances(self, image_id):
        """The objects of an image, list of Instance, crowds and empty ones included."""
        return unpacked(self._info(image_id).get("annotations"))

    def load_mask(self, image_id):
        """Draws the objects of an image; those without a pixel are left out and counted.

        Returns:
            (mask [H, W, N] bool, class_ids [N] int32). A crowd has its class id negated.

        Raises:
            DataError: a mask cannot be made; the message names image and object.
        """
        instances = self.instances(image_id)
        if not instances:
            return np.zeros((0, 0, 0), bool), np.zeros(0, np.int32)
        canvases = np.zeros((len(instances), *self.image_size(image_id)), bool)
        for instance, canvas in zip(instances, canvases, strict=True):
            try:
                instance.region.draw(canvas)
            except (ValueError, OSError) as error:
                raise DataError(f"image {image_label(self, image_id)}, {instance.place}: "
                                f"{error}") from error
        kept = canvases.any(axis=(1, 2))
        if not kept.all():
            self.dropped[int(image_id)] = int(len(kept) - kept.sum())
            canvases = canvases[kept]
        ids = [-one.class_id if one.crowd else one.class_id for one in instances]
        return np.moveaxis(canvases, 0, -1), np.array(ids, np.int32)[kept]


def packed(instances):
    """Instances as compressed JSON; None for none."""
    return joined([row_of(instance) for instance in instances])


def row_of(instance):
    """One instance as bytes of JSON; `joined` makes of many what `unpacked` reads."""
    region = instance.region
    row = [instance.class_id, instance.place, int(instance.crowd), instance.more, region.KIND,
           region.as_json()]
    return json.dumps(row, separators=(",", ":")).encode()


def joined(rows):
    """Rows of `row_of` as `packed` has them; None for none."""
    return zlib.compress(b"[" + b",".join(rows) + b"]", 1) if rows else None


def unpacked(data):
    """The inverse of `packed`."""
    if data is None:
        return []
    return [Instance(class_id, REGIONS[kind].from_json(region), place, bool(crowd), more)
            for class_id, place, crowd, more, kind, region in json.loads(zlib.decompress(data))]
