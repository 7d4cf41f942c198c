"""Regions as COCO writes them; pycocotools decides which pixels are theirs.

Every region of this folder has the same five parts: KIND, `as_json()` and `from_json()` (exact
inverses), `draw(canvas)`, which sets the pixels of a bool [H, W] canvas and raises ValueError
where it cannot, and `box()`: (y1, x1, y2, x2) in pixels, or None where only drawing tells.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Polygons:
    """One object of one or several outlines, [x1, y1, x2, y2, ...] in pixels each."""

    KIND = "polygons"
    polygons: list

    def as_json(self):
        """The outlines as lists."""
        return self.polygons

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data)

    def draw(self, canvas):
        """As pycocotools' annToMask."""
        from pycocotools import mask as rle

        height, width = canvas.shape
        code = rle.merge(rle.frPyObjects(self.polygons, height, width))
        canvas |= rle.decode(code).astype(bool)

    def box(self):
        """The box of all corners."""
        xs = np.concatenate([polygon[0::2] for polygon in self.polygons])
        ys = np.concatenate([polygon[1::2] for polygon in self.polygons])
        return float(ys.min()), float(xs.min()), float(ys.max()), float(xs.max())


@dataclass
class Rle:
    """Run lengths down the columns, background first: a list, or COCO's compressed text."""

    KIND = "rle"
    size: list  # (height, width)
    counts: object

    def as_json(self):
        """As COCO has it."""
        return {"size": self.size, "counts": self.counts}

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data["size"], data["counts"])

    def draw(self, canvas):
        """Decodes it; its size must be that of the canvas."""
        from pycocotools import mask as rle

        if list(self.size) != list(canvas.shape):
            raise ValueError(f"RLE: expected the image's size {list(canvas.shape)}, received "
                             f"{list(self.size)}")
        code = self.as_json()
        if isinstance(self.counts, list):
            code = rle.frPyObjects(code, *self.size)
        canvas |= rle.decode(code).astype(bool)

    def box(self):
        """Unknown until it is drawn."""
        return None
