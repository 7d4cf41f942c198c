"""What may stand in a COCO file: each function answers a checked value or raises an EntryError."""

import math

from mrcnn.data.formats.coco_regions import Polygons, Rle
from mrcnn.data.formats.outline_regions import Rectangle
from mrcnn.data.formats.shape_checks import EntryError, check_within

MOST_PIXELS = 1 << 31  # of an image
LARGEST_ID = 1 << 63
FURTHEST = 1e9  # pixels; a coordinate beyond is no coordinate
LARGEST_AREA = 1e18
LEAST_AREA = 1e-6  # square pixels; points whose triangles all have less are on a line
DEEPEST = 50  # lists within lists that are kept
OWN_KEYS = {"image_id", "category_id", "segmentation", "iscrowd"}


def too_deep():
    """The EntryError for lists in lists in lists."""
    return EntryError("annotation-invalid", "lists or objects nested too deeply")


def shown(value):
    """A value in a message, cut short."""
    return f"{value!r:.80}"


def entry(value):
    """An entry of one of the lists: a dict."""
    if not isinstance(value, dict):
        raise EntryError("annotation-invalid", f"expected an object, received {shown(value)}")
    return value


def identifier(value, what):
    """An id: a whole number, or a text that can be printed."""
    if type(value) is float and value.is_integer() and abs(value) < LARGEST_ID:
        value = int(value)
    if type(value) is int and abs(value) < LARGEST_ID:
        return value
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    raise EntryError("annotation-invalid", f"{what}: expected a number or a text, received "
                                           f"{shown(value)}")


def id_text(value):
    """An id as text, so that 7, 7.0 and "7" are one; None where it is no id."""
    try:
        return str(identifier(value, "id"))
    except EntryError:
        return None


def category_name(record):
    """The name of a category."""
    name = record.get("name")
    if isinstance(name, str) and name.strip() and name.isprintable():
        return name
    raise EntryError("annotation-invalid", f"name: expected a text, received {shown(name)}")


def file_name(record):
    """The file name of an image; LVIS has but its address, which ends in "<folder>/<name>"."""
    address = record.get("coco_url")
    if "file_name" not in record and isinstance(address, str) and "://" in address:
        return "/".join(address.split("/")[-2:])
    return record.get("file_name")


def stated_size(record):
    """As `image_size`; None where an image says neither side, and its file has to."""
    if record.get("height") is None and record.get("width") is None:
        return None
    return image_size(record)


def image_size(record):
    """(height, width) of an image in pixels."""
    sides = []
    for key in ("height", "width"):
        side = record.get(key)
        if type(side) is float and side.is_integer():
            side = int(side)
        if type(side) is not int or side < 1:
            raise EntryError("annotation-invalid", f"{key}: expected a whole number of at least 1, "
                                                   f"received {shown(record.get(key))}")
        sides.append(side)
    if sides[0] * sides[1] > MOST_PIXELS:
        raise EntryError("annotation-invalid", f"height and width: expected at most {MOST_PIXELS} "
                                               f"pixels, received {shown(sides)}")
    return tuple(sides)


def is_number(value, limit=FURTHEST):
    """True for a finite number of reasonable size; not for true and false."""
    return type(value) in (int, float) and -limit < value < limit


def crowd(annotation):
    """Whether an annotation is a crowd."""
    value = annotation.get("iscrowd")
    if value is None:
        return False
    if value in (0, 1) and isinstance(value, (int, float)):
        return bool(value)
    raise EntryError("annotation-invalid", f"iscrowd: expected 0 or 1, received {shown(value)}")


def extras(annotation):
    """What an annotation says besides, checked where it has a meaning; see `box`."""
    area = annotation.get("area")
    if area is not None and not (is_number(area, LARGEST_AREA) and area >= 0):
        raise EntryError("annotation-invalid", f"area: expected a number of at least 0, received "
                                               f"{shown(area)}")
    return flat({key: value for key, value in annotation.items() if key not in OWN_KEYS})


def flat(value):
    """The value itself, where it is not nested so deeply that it cannot be kept."""
    if is_deep(value):
        raise too_deep()
    return value


def is_deep(value, levels=DEEPEST):
    """True where lists or objects stand in each other more than `levels` times."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(is_deep(one, levels - 1) for one in value)


def box(annotation, size):
    """The box [x, y, width, height] in pixels, or None where there is none.

    Args:
        annotation: its entry.
        size: (height, width) of the image; None where that is unknown.
    """
    value = annotation.get("bbox")
    if value is None or value == []:
        return None
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_number, value)):
        raise EntryError("box-invalid", f"bbox: expected [x, y, width, height] of finite numbers, "
                                        f"received {shown(value)}")
    x, y, width, height = value
    if width <= 0 or height <= 0:
        raise EntryError("box-invalid", f"bbox: expected a width and height above 0, received "
                                        f"{shown(value)}")
    if size is not None:
        check_within((y, x, y + height, x + width), size)
    return value


def region(annotation, size):
    """What the annotation covers: Polygons, Rle, or the box as a Rectangle where that is all.

    Args:
        annotation: its entry.
        size: (height, width) of the image; None where that is unknown.
    """
    segmentation, bbox = annotation.get("segmentation"), box(annotation, size)
    if segmentation is None or segmentation in ([], {}):
        if bbox is None:
            raise EntryError("annotation-invalid", "expected a segmentation or a bbox, received "
                                                   "neither")
        return Rectangle(*bbox)
    if isinstance(segmentation, dict):
        return _rle(segmentation, size)
    return _polygons(segmentation, size)


def _rle(segmentation, size):
    sides, counts = segmentation.get("size"), segmentation.get("counts")
    if size is not None and sides != list(size):
        raise EntryError("mask-invalid", f"RLE: expected the image's size {list(size)}, received "
                                         f"{shown(sides)}")
    if not isinstance(counts, (list, str)):
        raise EntryError("mask-invalid", f"RLE: expected counts, a list or a text, received "
                                         f"{shown(counts)}")
    try:
        if not isinstance(sides, list) or len(sides) != 2:
            raise EntryError("mask-invalid", f"RLE: expected a size [height, width], received "
                                             f"{shown(sides)}")
        made = Rle(list(image_size({"height": sides[0], "width": sides[1]})), counts)
        made.run_lengths()
    except ValueError as error:
        raise EntryError("mask-invalid", str(error)) from None
    return made


def _polygons(polygons, size):
    if not isinstance(polygons, list):
        raise EntryError("outline-invalid", f"segmentation: expected a list of outlines or an RLE, "
                                            f"received {shown(polygons)}")
    for polygon in polygons:
        if not isinstance(polygon, list) or not _are_numbers(polygon):
            raise EntryError("outline-invalid", f"outline: expected a list of finite numbers, "
                                                f"received {shown(polygon)}")
        if len(polygon) < 6 or len(polygon) % 2:
            raise EntryError("outline-invalid", "outline: expected 3 points or more, x and y "
                                                f"each, received {len(polygon)} numbers")
    if all(map(_is_line, polygons)):
        raise EntryError("outline-invalid", "outline: expected an area above 0, received a line")
    made = Polygons(polygons)
    if size is not None:
        check_within(made.box(), size)
    return made


def _are_numbers(values):
    """As `is_number` for each of many, without a Python loop."""
    if not values:
        return True
    return (set(map(type, values)) <= {int, float} and -FURTHEST < min(values)
            and max(values) < FURTHEST and not math.isnan(sum(values)))


def _is_line(polygon):
    """True where all points of an outline lie on one line, or in one point."""
    x0, y0, x1, y1, x2, y2 = polygon[:6]
    if abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) > 2 * LEAST_AREA:
        return False  # most end here
    points = [(x - x0, y - y0) for x, y in zip(polygon[0::2], polygon[1::2], strict=True)]
    far_x, far_y = max(points, key=lambda point: abs(point[0]) + abs(point[1]))
    return all(abs(x * far_y - y * far_x) < 2 * LEAST_AREA for x, y in points)
