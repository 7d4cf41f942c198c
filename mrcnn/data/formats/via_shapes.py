"""Regions of the VGG Image Annotator: what they cover, and what says their class."""

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.outline_regions import Ellipse, Outline, Rectangle
from mrcnn.data.formats.shape_checks import (
    MOST_PIXELS,
    EntryError,
    above_zero,
    check_outline,
    number,
    numbers,
    shown,
)

CLASS_ATTRIBUTES = ("class", "label", "category", "name", "type", "object")


def find_class_attribute(regions, wanted, file):
    """The attribute that says the class, None where no region has one.

    Args:
        regions: all regions of a file, of any type.
        wanted: its name, or None to find it.
        file: how messages call the file.

    Raises:
        DataError: `wanted` is not among them, or several could be meant.
    """
    names = sorted({name for region in regions for name in _attributes(region)
                    if choices(region, name)})
    if wanted is not None:
        if wanted not in names:
            raise DataError(f"{file}: class_attribute: no region has {wanted!r}; region "
                            f"attributes with values are {names}")
        return wanted
    if len(names) < 2:
        return names[0] if names else None
    likely = [name for usual in CLASS_ATTRIBUTES for name in names if name.lower() == usual]
    if not likely:
        raise DataError(f"{file}: class_attribute: expected the region attribute that says the "
                        f"class, one of {names}")
    return likely[0]


def _attributes(region):
    attributes = region.get("region_attributes") if isinstance(region, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def choices(region, name):
    """The texts that an attribute of a region stands for: its own, or the options ticked."""
    value = _attributes(region).get(name)
    if isinstance(value, dict):
        return [option for option, ticked in value.items() if ticked is True and option.strip()]
    if type(value) is int and abs(value) <= MOST_PIXELS:  # scripts write numbers of classes
        return [str(value)]
    return [value.strip()] if isinstance(value, str) and value.strip() else []


def shape_of(region):
    """What a region covers; None for a point.

    Raises:
        EntryError: it is no region of VIA's, or encloses nothing.
    """
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    kind = shape.get("name") if isinstance(shape, dict) else None
    if kind == "point":
        return None
    if kind in ("polygon", "polyline"):
        return _outline(shape)
    if kind == "rect":
        x, y = number(shape.get("x"), "x"), number(shape.get("y"), "y")
        return Rectangle(x, y, *(above_zero(shape.get(side), side, "box-invalid")
                                 for side in ("width", "height")))
    if kind in ("circle", "ellipse"):
        axes = ("r", "r") if kind == "circle" else ("rx", "ry")
        return Ellipse(number(shape.get("cx"), "cx"), number(shape.get("cy"), "cy"),
                       *(above_zero(shape.get(axis), axis, "outline-invalid") for axis in axes),
                       number(shape.get("theta", 0.0), "theta"))
    raise EntryError("annotation-invalid", "shape_attributes: expected polygon, polyline, rect, "
                f"circle, ellipse or point as \"name\", received {shown(shape)}")


def _outline(shape):
    xs = numbers(shape.get("all_points_x"), "all_points_x")
    ys = numbers(shape.get("all_points_y"), "all_points_y")
    if len(xs) != len(ys):
        raise EntryError("annotation-invalid", "expected as many all_points_y as all_points_x, "
                                          f"received {len(ys)} and {len(xs)}")
    check_outline(xs, ys)
    return Outline(xs, ys)
