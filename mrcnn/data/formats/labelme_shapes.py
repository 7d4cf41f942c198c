"""Shapes of labelme: what they cover.

Coordinates count from the upper left corner of the image: pixel edges are at whole numbers. So
outlines are filled by pycocotools' rule, and a circle covers pixels by their centre at a half.
"""

import math

from mrcnn.data.formats.coco_regions import Polygons
from mrcnn.data.formats.outline_regions import Ellipse, Group, Patch
from mrcnn.data.formats.shape_checks import (
    EntryError,
    check_outline,
    check_within,
    number,
    shown,
)

CORNERS = ("rotation", "oriented_rectangle", "quadrilateral")  # turned boxes, by their corners
WITHOUT_AREA = ("point", "points", "line", "linestrip")


def shape_of(shape, size):
    """What a shape covers.

    Args:
        shape: an element of "shapes", of any type.
        size: (height, width) of the image; None where the file does not say it.

    Returns:
        Polygons, Ellipse or Patch; a text, its kind, for one that has no area.

    Raises:
        EntryError: it is no shape, encloses nothing, or lies outside the image.
    """
    if not isinstance(shape, dict):
        raise EntryError("annotation-invalid", f"expected an object, received {shown(shape)}")
    kind = shape.get("shape_type") or "polygon"
    if kind in WITHOUT_AREA:
        return kind
    readers = {"polygon": _polygon, "rectangle": _rectangle, "circle": _circle, "mask": _mask,
               **dict.fromkeys(CORNERS, _polygon)}
    if not isinstance(kind, str) or kind not in readers:
        raise EntryError("annotation-invalid", f"shape_type: expected one of "
                         f"{[*readers, *WITHOUT_AREA]}, received {shown(kind)}")
    region = readers[kind](shape)
    if size is not None:
        check_within(region.box(), size)
    return region


def together(regions):
    """One region of several."""
    if len(regions) == 1:
        return regions[0]
    if all(isinstance(region, Polygons) for region in regions):
        return Polygons([polygon for region in regions for polygon in region.polygons])
    return Group(regions)


def _points(shape, expected=None):
    """The points as two lists, xs and ys; `expected` of them unless that is None."""
    points = shape.get("points")
    if not isinstance(points, list) or not all(
            isinstance(point, list) and len(point) == 2 for point in points):
        raise EntryError("annotation-invalid", f"points: expected a list of [x, y], received "
                                               f"{shown(points)}")
    if expected is not None and len(points) != expected:
        raise EntryError("outline-invalid", f"points: expected {expected}, received {len(points)}")
    return ([number(x, "x") for x, _ in points], [number(y, "y") for _, y in points])


def _polygon(shape):
    xs, ys = _points(shape)
    check_outline(xs, ys)
    return Polygons([[value for point in zip(xs, ys, strict=True) for value in point]])


def _rectangle(shape):
    """Two opposite corners or, as X-AnyLabeling has it, all four."""
    points = shape.get("points")
    xs, ys = _points(shape, 4 if isinstance(points, list) and len(points) == 4 else 2)
    (x1, *_, x2), (y1, *_, y2) = sorted(xs), sorted(ys)
    if x1 == x2 or y1 == y2:
        raise EntryError("box-invalid", f"expected two opposite corners, received x {x1:g} to "
                                        f"{x2:g}, y {y1:g} to {y2:g}")
    return Polygons([[x1, y1, x2, y1, x2, y2, x1, y2]])


def _circle(shape):
    (cx, at_x), (cy, at_y) = _points(shape, 2)
    radius = math.hypot(at_x - cx, at_y - cy)
    if radius <= 0:
        raise EntryError("outline-invalid", "expected a centre and a point of the circle, "
                                            "received one place twice")
    return Ellipse(cx - 0.5, cy - 0.5, radius, radius)


def _mask(shape):
    (x1, x2), (y1, y2) = _points(shape, 2)
    png = shape.get("mask")
    if not isinstance(png, str):
        raise EntryError("mask-invalid", f"mask: expected a PNG in base64, received {shown(png)}")
    region = Patch(round(x1), round(y1), png)
    try:
        height, width = region.size()
    except ValueError as error:
        raise EntryError("mask-invalid", f"mask: {error}") from error
    # The lower right corner is the last pixel, or the one after it where the image ends there.
    if round(y2) - round(y1) - height not in (0, -1) or round(x2) - round(x1) - width not in (
            0, -1):
        raise EntryError("mask-invalid", f"mask: expected the size of its box, x {x1:g} to "
                         f"{x2:g}, y {y1:g} to {y2:g}, received {width} x {height} pixels")
    return region
