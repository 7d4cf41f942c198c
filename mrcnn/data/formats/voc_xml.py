"""What a Pascal VOC XML file says, each part checked; see `voc`."""

from mrcnn.data.formats.coco_regions import Polygons
from mrcnn.data.formats.outline_regions import Rectangle
from mrcnn.data.formats.shape_checks import (
    EntryError,
    check_outline,
    check_within,
    number,
    shown,
)

MOST_AREA = 2**30  # pixels; a <size> beyond is a mistake
BOX = ("xmin", "ymin", "xmax", "ymax")


def parsed(path):
    """The root of an XML file; entities are refused, so that none can be a bomb."""
    from defusedxml import DefusedXmlException, ElementTree

    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise EntryError("annotations-unreadable", f"no such file: {path}") from None
    except DefusedXmlException as error:
        raise EntryError("annotations-unreadable",
                    f"it defines entities, which are not read: {error}") from error
    except (OSError, SyntaxError, ValueError, LookupError) as error:
        raise EntryError("annotations-unreadable", f"no readable XML: {error}") from error
    if root.tag != "annotation":
        raise EntryError("annotations-unreadable",
                         f"expected <annotation>, received <{root.tag:.80}>")
    return root


def text_of(element, name):
    """The text of the first child of a name; None where it is missing or blank."""
    return (element.findtext(name) or "").strip() or None


def _float(element, name):
    text = text_of(element, name)
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise EntryError("annotation-invalid",
                         f"{name}: expected a number, received {shown(text)}") from None
    return number(value, name)


def size_of(root):
    """(height, width), None where there is no <size>."""
    size = root.find("size")
    if size is None:
        return None
    sides = _float(size, "height"), _float(size, "width")
    if min(sides) < 1 or any(side % 1 for side in sides) or sides[0] * sides[1] > MOST_AREA:
        raise EntryError("annotation-invalid", "size: expected whole numbers above 0, received "
                                               f"height {sides[0]:g} and width {sides[1]:g}")
    return int(sides[0]), int(sides[1])


def box_of(one, size):
    """The Rectangle of an object, None where it has no box."""
    box = one.find("bndbox")
    if box is None:
        return None
    x1, y1, x2, y2 = (_float(box, name) for name in BOX)
    if x2 <= x1 or y2 <= y1:
        raise EntryError("box-invalid",
                         f"empty or inside out: x {x1:g} to {x2:g}, y {y1:g} to {y2:g}")
    region = Rectangle(x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1)
    if size is not None:
        check_within(region.box(), size)
    return region


def outline_of(one, size):
    """The Polygons of an object that has <polygon><x1>..<y1>..<x2>.., as Roboflow writes it.

    VOC's own files have none. As those of its boxes, the coordinates count pixels from 1.
    """
    polygon = one.find("polygon")
    if polygon is None:
        return None
    count = sum(child.tag[:1] == "x" for child in polygon)
    xs, ys = ([_float(polygon, f"{axis}{i}") - 1 for i in range(1, count + 1)] for axis in "xy")
    check_outline(xs, ys)
    region = Polygons([[value for point in zip(xs, ys, strict=True) for value in point]])
    if size is not None:
        check_within(region.box(), size)
    return region


def more_of(one):
    """Pose, flags and the names of body parts, where the XML has them."""
    flags = {name: int(text_of(one, name).lower() in ("1", "true", "yes"))
             for name in ("truncated", "difficult", "occluded") if text_of(one, name)}
    pose = text_of(one, "pose")
    parts = [text_of(part, "name") for part in one.findall("part")]
    return {**flags, **({"pose": pose} if pose else {}), **({"parts": parts} if parts else {})}
