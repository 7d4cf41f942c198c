"""Masks to polygons, in the coordinates of COCO and labelme: pixel edges at whole numbers.

A mask's outline runs along the edges of its pixels, so its corners are points of a grid. At each
corner the outline turns: every corner has one horizontal and one vertical neighbour, and going
from one to the other in turn walks around the mask. Where two pixels touch by a corner only, two
corners of the outline lie there, one for each pixel.
"""

import numpy as np

FINEST = 0.1  # pixels; a smaller tolerance leaves every corner where it is
LEAST_OVERLAP = 0.95  # IoU of a part and its polygon
# Which outlines turn in a corner, by the four pixels around it (1 above left, 2 above right,
# 4 below left, 8 below right): the directions in which their edges lie, (right, down).
_TURNS = {
    1: [(0, 0)], 2: [(1, 0)], 4: [(0, 1)], 8: [(1, 1)],
    14: [(0, 0)], 13: [(1, 0)], 11: [(0, 1)], 7: [(1, 1)],
    9: [(0, 0), (1, 1)], 6: [(1, 0), (0, 1)],
}


def polygons_of(mask, tolerance=1.0, origin=(0, 0)) -> list[np.ndarray]:
    """The outlines of a mask, one polygon for each of its parts.

    Parts are pixels that share edges. A hole belongs to the polygon around it: the outline goes
    to the hole, around it and back the same way, which fills right wherever polygons are filled
    (pycocotools, labelme, OpenCV), and can be seen as a line without width.

    Args:
        mask: bool [H, W].
        tolerance: pixels that a polygon may leave the outline by, to have fewer points; less
            where it would overlap its part by less than 0.95 (IoU). With 0 it follows the
            pixels, and pycocotools fills it to exactly this mask.
        origin: (y, x) added to the points.

    Returns:
        List of [K, (x, y)] float64 pixels, the largest part first; an empty mask has none.

    Raises:
        ValueError: the tolerance is negative or no number, or the mask has not two axes.
    """
    import cv2

    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask: expected shape [H, W], received {mask.shape}")
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"tolerance: expected at least 0 pixels, received {tolerance!r}")
    if not mask.any():
        return []
    binary = (mask != 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=4)
    order = sorted(range(1, count), key=lambda label: -stats[label, cv2.CC_STAT_AREA])
    polygons = []
    for label in order:
        left, top, width, height = (int(value) for value in stats[label, :4])
        part = labels[top : top + height, left : left + width] == label
        polygons.append(_polygon(part, tolerance) + (left + origin[1], top + origin[0]))
    return polygons


def _polygon(part, tolerance):
    """The polygon of one part, with a tolerance that keeps its shape."""
    loops = sorted(_loops(part), key=lambda loop: -abs(_area(loop)))
    while tolerance >= FINEST:
        polygon = _joined([_simplified(loop, tolerance) for loop in loops])
        if _overlap(polygon, part) >= LEAST_OVERLAP:
            return polygon
        tolerance /= 2
    return _joined(loops)


def _joined(loops):
    """One polygon of the longest way round and its holes, which turn the other way."""
    whole, *holes = loops
    for hole in holes:
        backwards = _area(hole) * _area(whole) < 0
        whole = _with_hole(whole, hole if backwards else hole[::-1])
    return whole


def _overlap(polygon, part):
    """IoU of a part and what its polygon fills."""
    from pycocotools import mask as coding

    code = coding.frPyObjects([polygon.ravel().tolist()], *part.shape)[0]
    own = coding.encode(np.asfortranarray(part, np.uint8))
    return float(coding.iou([code], [own], [0])[0, 0])


def _loops(part):
    """The closed outlines of a part: list of [K, (x, y)] float64, outer one and holes."""
    corners, turns = _corners(part)
    neighbours = [_partners(corners, turns, axis) for axis in (0, 1)]
    left, loops = np.ones(len(corners), bool), []
    for start in range(len(corners)):
        if left[start]:
            loop, at, axis = [], start, 0
            while left[at]:
                left[at] = False
                loop.append(at)
                at, axis = neighbours[axis][at], 1 - axis
            loops.append(corners[loop].astype(np.float64))
    return loops


def _corners(part):
    """(corners [K, (x, y)] int, turns [K, (right, down)] int) of a bool [h, w]."""
    grid = np.pad(part, 1).astype(np.int64)
    code = grid[:-1, :-1] + 2 * grid[:-1, 1:] + 4 * grid[1:, :-1] + 8 * grid[1:, 1:]
    corners, turns = [], []
    for value, found in _TURNS.items():
        places = np.argwhere(code == value)[:, ::-1]
        for turn in found:
            corners.append(places)
            turns.append(np.tile(turn, (len(places), 1)))
    return np.concatenate(corners), np.concatenate(turns)


def _partners(corners, turns, axis):
    """[K]: for each corner the one at the other end of its horizontal (0) or vertical (1) edge.

    Along a grid line, edges start and end by turns, so sorted corners are pairs. Of two corners
    in one place the one whose edge has come from before ends first.
    """
    order = np.lexsort((turns[:, axis], corners[:, axis], corners[:, 1 - axis]))
    partners = np.empty(len(corners), np.int64)
    partners[order[0::2]], partners[order[1::2]] = order[1::2], order[0::2]
    return partners.tolist()


def _area(loop):
    """Signed area of a closed polygon [K, 2] (the shoelace formula)."""
    x, y = (loop - loop[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _simplified(loop, tolerance):
    """Fewer points, at least three; none of the old ones further than `tolerance` away."""
    import cv2

    fewer = cv2.approxPolyDP(loop.astype(np.float32), tolerance, True)[:, 0]
    return fewer.astype(np.float64) if len(fewer) > 2 else loop


def _with_hole(whole, hole):
    """One polygon of two: out to the hole between their nearest points, around it and back."""
    from scipy.spatial import cKDTree

    distances, places = cKDTree(whole).query(hole)
    start = int(distances.argmin())
    leave = int(places[start])
    around = np.roll(hole, -start, axis=0)
    return np.concatenate([whole[: leave + 1], around, around[:1], whole[leave:]])
