"""Objects of overlapping tiles, put together to those of the whole image.

Two tiles that overlap see a part of the image twice. An object there is reported by both, and one
that a tile's border cuts is reported in pieces. So objects of different tiles are compared where
both tiles look:

1. A piece is *cut* when its box comes near a border of its tile that is none of the image's.
   All others are *whole*: their tile saw all of them.
2. Of two whole ones that overlap as NMS would not allow, the surer stays.
3. A cut piece that lies on a whole one of its class, in the part that both tiles see, is a worse
   look at the same object and goes. So does a piece that lies as a whole on a whole one of
   another class: a few pixels of an object are easily taken for something else.
4. Cut pieces of one class that lie on each other, in what both tiles see, are one object: the
   union of their masks and boxes, with the best of their scores.

To lie on another is to share at least `merge` of one's own pixels with it (in 4. of the smaller's).
"""

from dataclasses import dataclass

import numpy as np

from mrcnn.geometry.lazy_masks import PackedMasks
from mrcnn.results.result import Result

CUT_PIXELS = 2  # a box this near to the border is cut, and
CUT_SHARE = 0.05  # one that is nearer than this share of its side: boxes are not exact


@dataclass
class Pieces:
    """Objects of all tiles, in pixels of the whole image.

    Attributes:
        boxes: [P, 4] int64; class_ids: [P]; scores: [P]; tiles: [P, (y1, x1, y2, x2)] of each.
        masks: PackedMasks of P.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    tiles: np.ndarray
    masks: PackedMasks


def pieces_of(tile, result, image_shape):
    """The objects of one tile as Pieces.

    Args:
        tile: (y1, x1, y2, x2) pixels of the image.
        result: dict of `detect` for the tile, in pixels of the tile.
        image_shape: (H, W, ...).
    """
    shift = np.array([tile[0], tile[1], tile[0], tile[1]], np.int64)
    masks = Result(result, (tile[2] - tile[0], tile[3] - tile[1])).windowed_masks()
    packed = PackedMasks.of(masks)
    boxes = np.asarray(result["rois"], np.int64).reshape(-1, 4) + shift
    moved = PackedMasks(packed.windows + shift, packed.codes_of_windows, image_shape)
    return Pieces(boxes, np.asarray(result["class_ids"], np.int32),
                  np.asarray(result["scores"], np.float32),
                  np.tile(np.asarray(tile, np.int64), (len(boxes), 1)), moved)


def gathered(parts, image_shape):
    """Pieces of many tiles as one Pieces, best score first."""
    def joined(name, shape, dtype):
        arrays = [getattr(part, name) for part in parts]
        return np.concatenate([np.zeros(shape, dtype), *arrays]).astype(dtype)

    codes = [code for part in parts for code in part.masks.codes_of_windows]
    windows = np.concatenate([np.zeros((0, 4), np.int64), *(part.masks.windows for part in parts)])
    scores = joined("scores", 0, np.float32)
    order = np.argsort(-scores, kind="stable")
    masks = PackedMasks(windows, codes, image_shape).select(order)
    return Pieces(joined("boxes", (0, 4), np.int64)[order],
                  joined("class_ids", 0, np.int32)[order], scores[order],
                  joined("tiles", (0, 4), np.int64)[order], masks)


def merge_pieces(pieces, image_shape, merge=0.5, nms_threshold=0.3, across_classes=None):
    """The objects of the whole image.

    Args:
        pieces: Pieces, best score first.
        image_shape: (H, W, ...).
        merge: see the head of this file.
        nms_threshold: IoU of two whole masks of one class above which the surer stays.
        across_classes: the same for two classes; None keeps both.

    Returns:
        dict "rois", "class_ids", "scores", "masks" (PackedMasks), best score first.
    """
    pairs = _Comparisons(pieces)
    cut = is_cut(pieces.boxes, pieces.tiles, image_shape)
    limits = nms_threshold, across_classes
    loose = [i for i in np.flatnonzero(cut) if not _lies_on(pieces, pairs, i, ~cut, merge)]
    groups = [[i] for i in _kept_whole(pieces, pairs, np.flatnonzero(~cut), limits)]
    groups += _groups(pieces, pairs, loose, merge)
    return _objects(pieces, groups, image_shape)


def is_cut(boxes, tiles, image_shape):
    """[P] bool: whose box ends at a border of its tile inside the image."""
    sides = boxes[:, 2:] - boxes[:, :2]
    near = np.maximum(CUT_PIXELS, CUT_SHARE * sides)
    inner_start = tiles[:, :2] > 0
    inner_end = tiles[:, 2:] < np.asarray(image_shape[:2])
    starts = inner_start & (boxes[:, :2] - tiles[:, :2] <= near)
    ends = inner_end & (tiles[:, 2:] - boxes[:, 2:] <= near)
    return (starts | ends).any(axis=1)


class _Comparisons:
    """Pixels of two pieces inside the part of the image that both tiles see; made once a pair."""

    def __init__(self, pieces):
        self.pieces, self.known = pieces, {}

    def partners(self, i):
        """Places of the pieces of other tiles that may share pixels with piece i."""
        windows, tiles = self.pieces.masks.windows, self.pieces.tiles
        seen = np.concatenate([np.maximum(windows[:, :2], windows[i, :2]),
                               np.minimum(windows[:, 2:], windows[i, 2:])], axis=1)
        meet = (seen[:, :2] < seen[:, 2:]).all(axis=1)
        return np.flatnonzero(meet & (tiles != tiles[i]).any(axis=1))

    def areas(self, i, j):
        """(shared pixels, those of i, those of j) in what both tiles see."""
        if i > j:
            shared, first, second = self.areas(j, i)
            return shared, second, first
        if (i, j) not in self.known:
            self.known[i, j] = self._areas(i, j)
        return self.known[i, j]

    def _areas(self, i, j):
        tiles, masks = self.pieces.tiles, self.pieces.masks
        (y1, x1), (y2, x2) = (np.maximum(tiles[i, :2], tiles[j, :2]),
                              np.minimum(tiles[i, 2:], tiles[j, 2:]))
        first, second = (masks.part(k, *_meeting(masks.windows[k], y1, x1, y2, x2))
                         for k in (i, j))
        top, left, bottom, right = _common(masks.windows[i], masks.windows[j])
        rows, columns = (max(top, y1), min(bottom, y2)), (max(left, x1), min(right, x2))
        shared = masks.part(i, rows, columns) & masks.part(j, rows, columns)
        return int(shared.sum()), int(first.sum()), int(second.sum())

    def agreement(self, i, j):
        """Shared pixels as a share of the smaller mask, where both tiles look."""
        shared, first, second = self.areas(i, j)
        return shared / max(min(first, second), 1)

    def overlap(self, i, j):
        """IoU where both tiles look."""
        shared, first, second = self.areas(i, j)
        return shared / max(first + second - shared, 1)


def _common(first, second):
    return (*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:]))


def _meeting(window, *area):
    """A window cut to an area, as two (start, stop)."""
    y1, x1, y2, x2 = _common(window, np.array(area))
    return (y1, max(y1, y2)), (x1, max(x1, x2))


def _kept_whole(pieces, pairs, whole, limits):
    """Greedy NMS of the whole pieces of different tiles, best score first."""
    kept, within, across = set(), limits[0], limits[1]
    for i in whole:
        rivals = [j for j in pairs.partners(i) if j in kept]
        for j in rivals:
            same = pieces.class_ids[i] == pieces.class_ids[j]
            limit = within if same else across
            if limit is not None and pairs.overlap(i, j) > limit:
                break
        else:
            kept.add(int(i))
    return sorted(kept)


def _lies_on(pieces, pairs, i, is_whole, merge):
    """True for a cut piece that a whole one of another tile explains, kept or not."""
    for j in pairs.partners(i):
        if is_whole[j]:
            shared, own, _ = pairs.areas(i, j)
            if pieces.class_ids[i] != pieces.class_ids[j]:
                own = int(pieces.masks.inside(i).sum())
            if shared >= merge * max(own, 1):
                return True
    return False


def _groups(pieces, pairs, places, merge):
    """Cut pieces that are one object: lists of places."""
    group_of = {i: i for i in places}

    def root(i):
        while group_of[i] != i:
            i = group_of[i]
        return i

    for i in places:
        for j in pairs.partners(i):
            one_class = j in group_of and pieces.class_ids[i] == pieces.class_ids[j]
            if j < i and one_class and pairs.agreement(i, j) >= merge:
                first, second = sorted((root(i), root(j)))
                group_of[second] = first
    groups = {}
    for i in places:
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def _objects(pieces, groups, image_shape):
    """Each group as one object, best score first: a group's first piece is its best."""
    groups = sorted(groups, key=lambda group: -pieces.scores[group[0]])
    boxes = np.zeros((len(groups), 4), np.int32)
    windows, codes = np.zeros((len(groups), 4), np.int64), []
    for row, group in enumerate(groups):
        boxes[row] = _around(pieces.boxes[group])
        windows[row] = pieces.masks.windows[group[0]]
        if len(group) == 1:
            codes.append(pieces.masks.codes_of_windows[group[0]])
        else:
            windows[row] = _around(pieces.masks.windows[group])
            codes += PackedMasks.of_windows(
                windows[row : row + 1], [_union(pieces.masks, group, windows[row])], image_shape
            ).codes_of_windows
    best = [group[0] for group in groups]
    return {"rois": boxes, "class_ids": pieces.class_ids[best], "scores": pieces.scores[best],
            "masks": PackedMasks(windows, codes, image_shape)}


def _around(boxes):
    """The box around boxes [K, 4]; those without area (of empty masks) do not count."""
    real = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    if not len(real):
        return boxes[0]
    return np.concatenate([real[:, :2].min(axis=0), real[:, 2:].max(axis=0)])


def _union(masks, group, window):
    """The pixels of any mask of a group inside a window, bool."""
    top, left, bottom, right = window
    union = np.zeros((bottom - top, right - left), bool)
    for i in group:
        y1, x1, y2, x2 = masks.windows[i]
        union[y1 - top : y2 - top, x1 - left : x2 - left] |= masks.inside(i)
    return union
