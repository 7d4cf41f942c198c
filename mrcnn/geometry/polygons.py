"""Filling outlines on a bool canvas: the pixels that scikit-image's `draw` names, in less time.

A pixel is the point at its whole numbers (row, column).
"""

import numpy as np

VERTEX_REACH = 1e-12  # how near a corner a pixel belongs to it
LARGEST = 2.0**40  # beyond, a crossing is not known to half a pixel


def fill_polygon(ys, xs, canvas):
    """Sets the pixels inside a polygon or on its edge, as skimage.draw.polygon names them.

    A pixel belongs where the edges that cross its row right of it are odd in number, or those
    left of it. An edge from y0 to y1 counts on the right for y0 <= row < y1 and on the left for
    y0 < row <= y1, and the crossing itself is neither right nor left, so that one of the two
    numbers is odd on an edge. Only rows times crossings are computed; runs are then written.

    Args:
        ys: [N] numbers, rows of the corners, in order; the last is joined to the first.
        xs: [N] numbers, columns of the corners.
        canvas: [H, W] bool, changed in place; what is outside it is cut off.

    Raises:
        ValueError: lengths that differ, or coordinates that are not finite or beyond 2**40.
    """
    ys, xs = _checked(ys), _checked(xs)
    if ys.shape != xs.shape:
        raise ValueError(f"expected as many ys as xs, received {ys.size} and {xs.size}")
    flat = canvas.ravel()  # a view, or a copy of what is not contiguous
    for start, end in _runs(ys, xs, *canvas.shape):
        flat[start:end] = True
    if not canvas.flags.c_contiguous:
        canvas[...] = flat.reshape(canvas.shape)
    _set_corners(ys, xs, canvas)


def _checked(values):
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not (np.abs(values) <= LARGEST).all():
        raise ValueError("expected a list of finite coordinates of at most 2**40")
    return values


def _runs(ys, xs, height, width):
    """Yields (start, end) of runs to set, counted along the rows of an [height, width] canvas."""
    y0, y1, x0, x1, rows = _crossings(ys, xs, height)
    at = np.rint(np.clip(_beside(x0, x1, y0, y1), -1, width + 1))
    side = _beside(x0 - at, x1 - at, y0, y1)
    for counts, is_past in (((y0 > 0) != (y1 > 0), side > 0), ((y0 < 0) != (y1 < 0), side >= 0)):
        columns = np.clip(at + is_past, 0, width)[counts].astype(np.int64)
        ends = np.sort(rows[counts] * width + columns)  # an even number in every row
        starts, ends = ends[0::2], ends[1::2]
        some = starts < ends
        yield from zip(starts[some].tolist(), ends[some].tolist(), strict=True)


def _crossings(ys, xs, height):
    """All (edge, row) that meet: both ends of the edge, y counted from the row; and the row."""
    low, high = np.minimum(ys, np.roll(ys, 1)), np.maximum(ys, np.roll(ys, 1))
    first = np.maximum(np.ceil(low), 0).astype(np.int64)
    last = np.minimum(np.floor(high), height - 1).astype(np.int64)
    number = np.where(low < high, np.maximum(last - first + 1, 0), 0)
    edges = np.repeat(np.arange(len(ys)), number)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(number) - number - first, number)
    return ys[edges] - rows, ys[edges - 1] - rows, xs[edges], xs[edges - 1], rows


def _beside(x0, x1, y0, y1):
    """How far right of x = 0 edges cross y = 0 (O'Rourke, Computational Geometry in C, ch. 7)."""
    return (x0 * y1 - x1 * y0) / (y1 - y0)


def _set_corners(ys, xs, canvas):
    rows, columns = np.rint(ys), np.rint(xs)
    near = (np.abs(ys - rows) < VERTEX_REACH) & (np.abs(xs - columns) < VERTEX_REACH)
    near &= (rows >= 0) & (rows < canvas.shape[0]) & (columns >= 0) & (columns < canvas.shape[1])
    canvas[rows[near].astype(np.int64), columns[near].astype(np.int64)] = True


def fill_ellipse(cy, cx, ry, rx, canvas, rotation=0.0):
    """Sets the pixels strictly inside an ellipse, as skimage.draw.ellipse names them.

    Args:
        cy: row of the centre.
        cx: column of the centre.
        ry: half axis along the rows before turning, above 0; equal to rx for a circle.
        rx: half axis along the columns.
        canvas: [H, W] bool, changed in place; what is outside it is cut off.
        rotation: in radians, counter-clockwise as the image is seen.

    Raises:
        ValueError: a half axis of 0 or less, or a number that is not finite or beyond 2**40.
    """
    cy, cx, ry, rx, rotation = _checked([cy, cx, ry, rx, rotation])
    if min(ry, rx) <= 0:
        raise ValueError(f"expected half axes above 0, received {ry} and {rx}")
    cos, sin = np.cos(rotation % np.pi), np.sin(rotation % np.pi)
    down, across = abs(ry * cos) + rx * sin, ry * sin + abs(rx * cos)
    top, left = max(0, int(np.ceil(cy - down))), max(0, int(np.ceil(cx - across)))
    bottom, right = max(0, int(np.floor(cy + down)) + 1), max(0, int(np.floor(cx + across)) + 1)
    part = canvas[top:bottom, left:right]
    y = np.arange(part.shape[0], dtype=np.float64)[:, None] - (cy - top)
    x = np.arange(part.shape[1], dtype=np.float64) - (cx - left)
    part |= ((y * cos + x * sin) / ry) ** 2 + ((y * sin - x * cos) / rx) ** 2 < 1
