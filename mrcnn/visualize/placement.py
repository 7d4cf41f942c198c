"""Where labels go: beside their boxes, inside the picture, and never over one another."""

import numpy as np

MOST_COVERED = 0.25  # share of the picture that labels may take
_HIDES_LITTLE = 0.35  # share of its box up to which a label may as well lie inside
_MOST_ROWS = 20  # tried inside a box


def place_labels(boxes, sizes, limits):
    """Finds a free place for each label, first come first served.

    A label stands above its box or inside its upper edge, else below, beside, or further down
    inside. One for which there is no room is left out, as are those that would make labels
    cover more than a quarter of the picture.

    Args:
        boxes: [N, (y1, x1, y2, x2)] pixels.
        sizes: N (height, width) of the labels in pixels.
        limits: (y1, x1, y2, x2) that labels must stay within.

    Returns:
        A list of N: (y, x) of the upper left corner, or None for a label left out.
    """
    limits = np.asarray(limits, dtype=np.float64)
    room = MOST_COVERED * np.prod(limits[2:] - limits[:2])
    places, taken = [], np.zeros((len(boxes), 4))
    count = 0
    for box, size in zip(np.asarray(boxes, dtype=np.float64), sizes, strict=True):
        size = np.asarray(size, dtype=np.float64)
        corner = None
        if size.prod() <= room or not count:
            corner = _free_corner(_corners(box, size, limits), size, limits, taken[:count])
        places.append(corner)
        if corner is not None:
            taken[count] = *corner, *(corner + size)
            count, room = count + 1, room - size.prod()
    return [None if corner is None else (float(corner[0]), float(corner[1])) for corner in places]


def _corners(box, size, limits):
    """[K, (y, x)] upper left corners that a label of this size could have, best first."""
    tall, wide = size
    y1, y2 = np.clip(box[[0, 2]], limits[0], limits[2])
    x1, x2 = np.clip(box[[1, 3]], limits[1], limits[3])
    middle, rows = (x1 + x2 - wide) / 2, np.arange(y1, max(y2 - tall, y1) + 1e-6, tall)
    above, below = ([(y, x) for x in (x1, x2 - wide, middle)] for y in (y1 - tall, y2))
    beside = [(y, x) for x in (x2, x1 - wide) for y in (y1, y2 - tall)]
    inside = [(y, x) for y in (y1, y2 - tall, *rows[1:_MOST_ROWS]) for x in (x1, x2 - wide)]
    if tall * wide <= _HIDES_LITTLE * (y2 - y1) * (x2 - x1):
        return np.array([above[0], inside[0], *above, *inside[:4], *below, *beside, *inside])
    return np.array([*above, *below, *beside, *inside])


def _free_corner(corners, size, limits, taken):
    """The first corner of a label that lies within the limits and meets no other label.

    Sideways it may slide to get inside. Where the label is larger than the picture is tall, its
    upper edge counts.
    """
    last = np.maximum(limits[2:] - size, limits[:2])
    starts = np.stack([corners[:, 0], np.clip(corners[:, 1], limits[1], last[1])], axis=1)
    fits = (starts[:, 0] >= limits[0] - 1e-6) & (starts[:, 0] <= last[0] + 1e-6)
    ends = starts + size
    apart = ((starts[:, None] >= taken[None, :, 2:] - 1e-6)
             | (ends[:, None] <= taken[None, :, :2] + 1e-6)).any(axis=2).all(axis=1)
    free = np.flatnonzero(fits & apart)
    return starts[free[0]] if len(free) else None
