"""Regions that are image files: one file an object, or one file with a number for each object.

See `coco_regions` for what every region has.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class MaskFile:
    """An image file whose pixels above 0 are the object."""

    KIND = "mask-file"
    path: str

    def as_json(self):
        """The path."""
        return self.path

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data)

    def draw(self, canvas):
        """Reads the file."""
        canvas |= _read_labels(self.path, canvas.shape) > 0

    def box(self):
        """Unknown until it is drawn."""
        return None


@dataclass
class LabelFile:
    """The pixels of one value in a label image."""

    KIND = "label-file"
    path: str
    value: int

    def as_json(self):
        """Path and value."""
        return [self.path, self.value]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(*data)

    def draw(self, canvas):
        """Reads the file."""
        canvas |= _read_labels(self.path, canvas.shape) == self.value

    def box(self):
        """Unknown until it is drawn."""
        return None


def _read_labels(path, shape):
    from PIL import Image

    with Image.open(path) as file:
        labels = np.array(file)
    if labels.shape[:2] != tuple(shape):
        raise ValueError(f"{path}: expected the image's size {tuple(shape)}, received "
                         f"{labels.shape[:2]}")
    return labels if labels.ndim == 2 else labels.max(axis=2)
