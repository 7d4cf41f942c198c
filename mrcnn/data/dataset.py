"""Dataset: the classes and images of one or several sources, seen as one list.

A script subclasses it, calls `add_class` and `add_image`, overrides `load_mask` (and
`load_image` where the images are no plain files), and calls `prepare()`:

    class Balloons(Dataset):
        def load(self, folder):
            self.add_class("balloon", 1, "balloon")
            self.add_image("balloon", image_id="a.jpg", path=folder / "a.jpg", polygons=[...])

A source has its own class and image ids; inside, both are counted from 0 over all sources.
"""

import numpy as np

from mrcnn.data.image_files import read_image

MOST_NAMES = 10  # of classes, where a dataset is shown
BACKGROUND = {"source": "", "id": 0, "name": "BG"}


class DataError(ValueError):
    """Something in the data is unusable; the message names the image."""


def image_label(dataset, image_id):
    """How messages call an image: its id here, and its path, or source and id there."""
    try:
        info = dataset.image_info[image_id]
    except (AttributeError, IndexError, KeyError, TypeError):
        return f"{image_id}"
    if info.get("path"):
        return f"{image_id} ({info['path']})"
    return f"{image_id} ({info.get('source', '?')}.{info.get('id', '?')})"


class Dataset:
    """Base class of all datasets.

    Attributes:
        image_info: one dict an image: id, source, path and whatever else `add_image` got.
        class_info: one dict a class: source, id, name; the background is always the first.
        skipped: image ids that `skip_images` took out of `image_ids`.

    Args:
        class_map: accepted for Matterport's sake; not used.
    """

    def __init__(self, class_map=None):
        del class_map
        self._image_ids = np.arange(0)
        self.image_info = []
        self.class_info = [dict(BACKGROUND)]
        self.source_class_ids = {}
        self.skipped = set()

    def __repr__(self):
        names = [str(info["name"]).split(",")[0] for info in self.class_info[1:]]
        shown = ", ".join([*names[:MOST_NAMES], *(["..."] if len(names) > MOST_NAMES else [])])
        return (f"<{type(self).__name__}: images: {len(self.image_info) - len(self.skipped)}, "
                f"classes: {len(names)} ({shown})>")

    # --- filling -----------------------------------------------------------------------------
    def add_class(self, source, class_id, class_name):
        """Adds a class; one that is there already is left alone.

        Args:
            source: name of the set it comes from, without a dot.
            class_id: its id in that set.
            class_name: what people call it.

        Raises:
            ValueError: the source has a dot, or the id stands for another name already.
        """
        _check_source(source)
        for info in self.class_info:
            if info["source"] == source and info["id"] == class_id:
                if info["name"] != class_name:
                    raise ValueError(
                        f"class {class_id} of source {source!r} is {info['name']!r} already, "
                        f"received {class_name!r}"
                    )
                return
        self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source, image_id, path, **kwargs):
        """Adds an image.

        Args:
            source: name of the set it comes from.
            image_id: its id in that set.
            path: its file, or None where `load_image` needs none.
            **kwargs: anything `load_mask` will want; it is kept in `image_info`.
        """
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def prepare(self, class_map=None):
        """Numbers classes and images; call it once everything is added, or again after more.

        Raises:
            ValueError: two images of one source share an id, or a source has a dot.
        """
        del class_map
        self._check_images()
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = [clean_name(info["name"]) for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = self._ids_to_use()
        self.class_from_source_map = {
            f"{info['source']}.{info['id']}": i for i, info in enumerate(self.class_info)
        }
        self.image_from_source_map = {
            f"{info['source']}.{info['id']}": i for i, info in enumerate(self.image_info)
        }
        self.sources = list(dict.fromkeys(info["source"] for info in self.class_info))
        self.source_class_ids = {
            source: [i for i, info in enumerate(self.class_info)
                     if i == 0 or info["source"] == source]
            for source in self.sources
        }

    def skip_images(self, image_ids):
        """Takes images out of `image_ids`, and so out of training; the ids of the others stay.

        Args:
            image_ids: ids to leave out, besides those that were left out before.

        Raises:
            IndexError: an id that does not exist.
        """
        for image_id in image_ids:
            self._info(image_id)
        self.skipped.update(int(image_id) for image_id in image_ids)
        if len(self._image_ids):
            self._image_ids = self._ids_to_use()

    def _ids_to_use(self):
        ids = np.arange(len(self.image_info))
        return ids[~np.isin(ids, list(self.skipped))] if self.skipped else ids

    def _check_images(self):
        seen = {}
        for i, info in enumerate(self.image_info):
            _check_source(info["source"])
            key = f"{info['source']}.{info['id']}"
            if key in seen:
                raise ValueError(
                    f"image ids of a source must differ: {info['id']!r} of source "
                    f"{info['source']!r} belongs to images {image_label(self, seen[key])} and "
                    f"{image_label(self, i)}"
                )
            seen[key] = i

    # --- looking up --------------------------------------------------------------------------
    @property
    def image_ids(self):
        """[num_images] int, 0 upwards; empty before `prepare()`."""
        return self._image_ids

    def map_source_class_id(self, source_class_id):
        """The class id here for "source.id", such as "coco.12"."""
        return self._mapped("class_from_source_map", source_class_id)

    def _mapped(self, table, key):
        known = getattr(self, table, None)
        if known is None:
            raise ValueError("call prepare() first: the dataset has no ids yet")
        if key not in known:
            examples = ", ".join(map(repr, list(known)[:5]))
            raise KeyError(f"{key!r} is not known here; known are {examples} ...")
        return known[key]

    def get_source_class_id(self, class_id, source):
        """The id that class `class_id` has in its source, the inverse of the mapping above.

        Raises:
            ValueError: the class comes from another source.
        """
        info = self.class_info[class_id]
        if info["source"] != source:
            raise ValueError(
                f"class {class_id} ({info['name']}) comes from source {info['source']!r}, "
                f"not from {source!r}"
            )
        return info["id"]

    def source_image_link(self, image_id):
        """Where an image can be looked at: its path; override it to answer an address."""
        return self._info(image_id)["path"]

    def image_reference(self, image_id):
        """A text that tells a person which image this is; "" unless overridden."""
        del image_id
        return ""

    def _info(self, image_id):
        if not 0 <= image_id < len(self.image_info):
            raise IndexError(
                f"image_id: expected 0 to {len(self.image_info) - 1}, received {image_id}"
            )
        return self.image_info[image_id]

    # --- loading -----------------------------------------------------------------------------
    def load_image(self, image_id):
        """Reads an image from its file.

        An override may return any number type and any number of channels.

        Returns:
            [H, W, 3] uint8, RGB, upright (see `image_files.read_image`).

        Raises:
            DataError: the image has no path, or its file is no image.
            FileNotFoundError: the file is missing.
        """
        return self._read(image_id, 3)

    def load_image_as(self, image_id, channels):
        """`load_image`, with the channels that a network takes where the file has them.

        Args:
            image_id: its id here.
            channels: Config.IMAGE_CHANNEL_COUNT; an overridden `load_image` is not told.

        Returns:
            [H, W, C] of any number type; see `image_files.read_image`.

        Raises:
            DataError, FileNotFoundError: as `load_image`.
        """
        if getattr(self.load_image, "__func__", None) is not Dataset.load_image:
            return self.load_image(image_id)
        return self._read(image_id, channels)

    def _read(self, image_id, channels):
        path = self._info(image_id).get("path")
        label = image_label(self, image_id)
        if not path:
            raise DataError(f"image {label}: it has no path; override load_image() to make it")
        try:
            return read_image(path, channels)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"image {label}: {error}") from error
        except ValueError as error:
            raise DataError(f"image {label}: {error}") from error

    def load_mask(self, image_id):
        """The objects of an image; override it. This one knows none.

        Returns:
            (mask [H, W, N] bool, class_ids [N] int32). A crowd has its class id negated.
        """
        del image_id
        return np.empty((0, 0, 0), bool), np.empty(0, np.int32)


def clean_name(name):
    """The first of several comma-separated names."""
    return str(name).split(",")[0]


def _check_source(source):
    if "." in source:
        raise ValueError(f"source: expected a name without a dot, received {source!r}")
