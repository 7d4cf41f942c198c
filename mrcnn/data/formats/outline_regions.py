"""Regions as people draw them in an annotation tool.

Outlines, rectangles and ellipses in pixels follow scikit-image's rules; outlines in parts of the
image's sides follow pycocotools. See `coco_regions` for what every region has.
"""

import base64
import io
import math
from dataclasses import dataclass

import numpy as np

from mrcnn.data.formats.coco_regions import Polygons
from mrcnn.geometry.polygons import fill_ellipse, fill_polygon


@dataclass
class Outline:
    """A polygon; a pixel is inside when its centre, at whole numbers, is inside or on the edge."""

    KIND = "outline"
    xs: list
    ys: list

    def as_json(self):
        """Both lists."""
        return [self.xs, self.ys]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(*data)

    def draw(self, canvas):
        """As skimage.draw.polygon."""
        fill_polygon(self.ys, self.xs, canvas)

    def box(self, size=None):
        """The box of the corners."""
        return min(self.ys), min(self.xs), max(self.ys), max(self.xs)


@dataclass
class Rectangle:
    """An upright rectangle in pixels."""

    KIND = "rectangle"
    x: float
    y: float
    width: float
    height: float

    def as_json(self):
        """The four numbers."""
        return [self.x, self.y, self.width, self.height]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(*data)

    def draw(self, canvas):
        """Pixels whose centre, at whole numbers, is inside or on the left or upper edge."""
        x1, y1 = max(0, math.ceil(self.x)), max(0, math.ceil(self.y))
        x2, y2 = math.ceil(self.x + self.width), math.ceil(self.y + self.height)
        canvas[y1:max(y2, y1), x1:max(x2, x1)] = True

    def box(self, size=None):
        """The rectangle itself."""
        return self.y, self.x, self.y + self.height, self.x + self.width


@dataclass
class Ellipse:
    """A circle or an ellipse; theta in radians turns it as the VGG Image Annotator does."""

    KIND = "ellipse"
    cx: float
    cy: float
    rx: float
    ry: float
    theta: float = 0.0

    def as_json(self):
        """The five numbers."""
        return [self.cx, self.cy, self.rx, self.ry, self.theta]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(*data)

    def draw(self, canvas):
        """As skimage.draw.ellipse, which is what skimage.draw.disk calls for a circle."""
        fill_ellipse(self.cy, self.cx, self.ry, self.rx, canvas, rotation=-self.theta)

    def box(self, size=None):
        """The box around it, turned or not."""
        cos, sin = math.cos(self.theta), math.sin(self.theta)
        across = math.hypot(self.rx * cos, self.ry * sin)
        down = math.hypot(self.rx * sin, self.ry * cos)
        return self.cy - down, self.cx - across, self.cy + down, self.cx + across


@dataclass
class Relative:
    """An outline in parts of the image's sides: [x1, y1, x2, y2, ...], 0 to 1."""

    KIND = "relative"
    outline: list

    def as_json(self):
        """The outline as a list."""
        return self.outline

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data)

    def draw(self, canvas):
        """As pycocotools fills the outline in pixels of the canvas."""
        self._in_pixels(canvas.shape).draw(canvas)

    def box(self, size=None):
        """The box of the corners in pixels of an image of `size`; None without a size."""
        return None if size is None else self._in_pixels(size).box()

    def _in_pixels(self, size):
        height, width = size
        return Polygons([[value * (height if i % 2 else width)
                          for i, value in enumerate(self.outline)]])


@dataclass
class Patch:
    """A piece of a mask, as PNG in base64, whose upper left pixel lies at (x, y)."""

    KIND = "patch"
    x: int
    y: int
    png: str

    def as_json(self):
        """The place and the text."""
        return [self.x, self.y, self.png]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(*data)

    def draw(self, canvas):
        """Pixels above 0 are the object; what reaches out of the canvas is cut off."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(base64.b64decode(self.png))) as file:
                mask = np.array(file.convert("L")) > 0
        except Exception as error:  # Pillow raises many kinds
            raise ValueError(f"the mask is no readable PNG ({error})") from error
        mask = mask[max(0, -self.y):, max(0, -self.x):]
        part = canvas[max(0, self.y):, max(0, self.x):][:mask.shape[0], :mask.shape[1]]
        part |= mask[:part.shape[0], :part.shape[1]]

    def size(self):
        """(height, width) from the header of the PNG.

        Raises:
            ValueError: it is none.
        """
        head = base64.b64decode(self.png)[:24]
        if not head.startswith(b"\x89PNG\r\n\x1a\n") or len(head) < 24:
            raise ValueError("expected a PNG in base64")
        return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")

    def box(self, size=None):
        """The box of the piece."""
        height, width = self.size()
        return self.y, self.x, self.y + height, self.x + width


@dataclass
class Group:
    """Several regions that are one object together."""

    KIND = "group"
    parts: list

    def as_json(self):
        """Kind and data of each part."""
        return [[part.KIND, part.as_json()] for part in self.parts]

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        kinds = {kind.KIND: kind for kind in (Polygons, Ellipse, Patch)}
        return cls([kinds[kind].from_json(part) for kind, part in data])

    def draw(self, canvas):
        """Each part."""
        for part in self.parts:
            part.draw(canvas)

    def box(self, size=None):
        """The box around all parts."""
        y1, x1, y2, x2 = zip(*[part.box(size) for part in self.parts], strict=True)
        return min(y1), min(x1), max(y2), max(x2)
