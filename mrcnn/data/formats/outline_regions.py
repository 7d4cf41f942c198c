"""Regions as people draw them in an annotation tool; scikit-image's rules say which pixels.

See `coco_regions` for what every region has.
"""

from dataclasses import dataclass


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
        from skimage import draw

        canvas[draw.polygon(self.ys, self.xs, canvas.shape)] = True

    def box(self):
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
        x1, y1 = max(0, -int(-self.x // 1)), max(0, -int(-self.y // 1))
        x2, y2 = -int(-(self.x + self.width) // 1), -int(-(self.y + self.height) // 1)
        canvas[y1:max(y2, y1), x1:max(x2, x1)] = True

    def box(self):
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
        """As skimage.draw.ellipse."""
        from skimage import draw

        canvas[draw.ellipse(self.cy, self.cx, self.ry, self.rx, canvas.shape,
                            rotation=-self.theta)] = True

    def box(self):
        """The box around it, turned or not."""
        reach = max(self.rx, self.ry) if self.theta else None
        rx, ry = (reach, reach) if reach else (self.rx, self.ry)
        return self.cy - ry, self.cx - rx, self.cy + ry, self.cx + rx
