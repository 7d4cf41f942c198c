"""The data that a command is given: which part of it, read with which options."""

import os
from dataclasses import dataclass, field

from mrcnn.data.formats.detect import SHAPES, detect_format, is_shapes, subsets_of
from mrcnn.data.formats.loading import load_dataset

TRAIN_WORDS = ("train",)
VAL_WORDS = ("val", "valid", "validation")
TRAIN_SHAPES, VAL_SHAPES = (500, 0), (50, 2**20)  # (count, seed) of the generated sets
UNNAMED = "object"  # the class of annotations that name none


@dataclass
class DataSource:
    """What the words of a command line say about data.

    Attributes:
        path: folder or annotation file, or "shapes".
        format: as `load_dataset`.
        images: folder of the images, where they lie elsewhere; None otherwise.
        subset: the part that is wanted; None where it was not said.
        options: for the reader of the format, such as {"class_attribute": "fruit"}.
    """

    path: str
    format: str = "auto"
    images: str | None = None
    subset: str | None = None
    options: dict = field(default_factory=dict)

    @property
    def is_shapes(self):
        """True for the generated shapes."""
        return self.format == SHAPES or (self.format == "auto" and is_shapes(self.path))

    def format_name(self):
        """Name of the format, found out where it was not said."""
        return detect_format(self.path) if self.format == "auto" else self.format

    def subsets(self):
        """Names of its parts; [None] for an undivided set."""
        return subsets_of(self.path, self.format, self.images)

    def chosen(self, words):
        """The subset that was said, or else the one that is meant: see `chosen_subset`."""
        return self.subset or chosen_subset(self.subsets(), self.path, words)

    def load(self, subset=None, classes=None, **options):
        """The prepared Dataset of a subset; `options` besides its own."""
        return load_dataset(self.path, self.format, self.images, classes, subset,
                            **{**self.options, **options})

    def words(self):
        """The options for the reader as words of a command line."""
        return [word for name, value in self.options.items()
                for word in ("--" + name.replace("_", "-"), *([] if value is True else [value]))]

    def load_for(self, model, subset=None):
        """The prepared Dataset of a subset with a model's classes, in their order.

        A set that lacks some of the classes, or has them in another order, is read with the
        model's. Annotations that name no class take the name of a model that has one class.

        Args:
            model: with `class_names` by class id, the background first, or None.
            subset: name of a part, None for all.
        """
        dataset, known = self.load(subset), model.class_names
        if not known or list(dataset.class_names) == list(known):
            return dataset
        if set(dataset.class_names) <= set(known):
            return self.load(subset, classes=known[1:])
        if list(dataset.class_names[1:]) == [UNNAMED] and len(known) == 2:
            if self.format_name() in ("via", "masks"):
                return self.load(subset, class_name=known[1])
        return dataset


def chosen_subset(names, path, words):
    """The one subset that is meant: the only one, or one called as `words` say.

    Raises:
        ValueError: several, and none is called so.
    """
    if len(names) == 1:
        return names[0]
    for word in words:
        named = [name for name in names if name == word] or [
            name for name in names if name.startswith(word) and name != "trainval"]
        if len(named) == 1:
            return named[0]
    raise ValueError(f"{path} has the subsets {', '.join(map(str, names))}: choose one by --subset")


def folder_of_images(dataset):
    """The folder that the images of a set share, None where they are no files."""
    paths = [dataset.image_info[int(i)].get("path") for i in dataset.image_ids]
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths if path]
    return os.path.commonpath(folders) if folders else None
