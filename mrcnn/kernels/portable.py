"""Cropping and suppression in nothing but `keras.ops`: for every backend and for export.

Sizes may be static or not; no tensor that is computed with has more than four axes, and
nothing is scattered, so that converters know every operation in here.

Shapes: B images, N and G boxes, K kept boxes.
"""

from keras import ops

from mrcnn.kernels.portable_align import roi_align
from mrcnn.kernels.portable_crops import crop_and_resize, crop_from_pyramid

__all__ = [
    "crop_and_resize",
    "crop_from_pyramid",
    "first_true",
    "fixed_point",
    "non_max_suppression",
    "overlaps",
    "roi_align",
    "smaller",
    "suppress_in_order",
    "take_rows",
    "top_k",
]

BLOCK = 512  # boxes that non-maximum suppression decides at a time


def take_rows(values, indices):
    """Rows of each image: values [B, N, ...], indices [B, K] -> [B, K, ...]."""
    shape = ops.shape(values)
    first_row = ops.arange(shape[0], dtype="int32")[:, None] * shape[1]
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(flat, ops.cast(indices, "int32") + first_row, axis=0)


def overlaps(boxes1, boxes2):
    """Intersection over union of every pair.

    Args:
        boxes1: [..., N, 4].
        boxes2: [..., G, 4].

    Returns:
        [..., N, G] float32; 0 where either box has no area.
    """
    y1, x1, y2, x2 = ops.unstack(ops.expand_dims(boxes1, -2), 4, axis=-1)
    gy1, gx1, gy2, gx2 = ops.unstack(ops.expand_dims(boxes2, -3), 4, axis=-1)
    height = ops.maximum(ops.minimum(y2, gy2) - ops.maximum(y1, gy1), 0.0)
    width = ops.maximum(ops.minimum(x2, gx2) - ops.maximum(x1, gx1), 0.0)
    intersection = height * width
    union = (y2 - y1) * (x2 - x1) + (gy2 - gy1) * (gx2 - gx1) - intersection
    return ops.where(intersection > 0.0, intersection / ops.where(union > 0.0, union, 1.0), 0.0)


def top_k(values, k):
    """The k largest along the last axis, the first of equals first: values, indices [..., k]."""
    return ops.top_k(values, k=k)


def smaller(limit, size):
    """The smaller of a number and a size, which is a number or, where it is open, a tensor."""
    return min(limit, size) if isinstance(size, int) else ops.minimum(limit, size)


def non_max_suppression(boxes, scores, limit, iou_threshold):
    """Greedy non-maximum suppression in each image of a batch, exact.

    Boxes are decided in blocks, best first: those that overlap a kept one of an earlier block
    go, the rest of the block is settled by `settled`, and what stays joins the kept ones. It
    ends when every image has its K boxes.

    Args:
        boxes: [B, N, 4].
        scores: [B, N].
        limit: most boxes kept an image (K).
        iou_threshold: boxes that overlap a better one by more than this are dropped.

    Returns:
        indices [B, K] int32 in falling order of score, and valid [B, K] bool (the rows
        after the last kept box are False).
    """
    scores = ops.convert_to_tensor(scores)
    order = top_k(scores, ops.shape(scores)[1])[1]
    return suppress_in_order(ops.convert_to_tensor(boxes), order, limit, iou_threshold)


def suppress_in_order(boxes, order, limit, iou_threshold):
    """`non_max_suppression` of boxes [B, N, 4] whose places in falling order of score are known.

    Args:
        order: [B, N] of integers.
    """
    batch, count = ops.shape(order)[:2]
    order = ops.cast(order, "int32")
    missing = (BLOCK - count % BLOCK) % BLOCK  # of negative numbers ONNX has another remainder
    order = ops.pad(order, [(0, 0), (0, missing)])
    ranked = take_rows(boxes, order)
    blocks = (count + missing) // BLOCK

    def goes_on(block, kept, valid):
        wanted = ops.any(ops.logical_not(valid))
        return ops.logical_and(ops.less(block, blocks), wanted)

    def decide(block, kept, valid):
        start = ops.cast(block * BLOCK, "int32")
        ranks = start + ops.arange(BLOCK, dtype="int32")
        mine = ops.take(ranked, ranks, axis=1)
        real = ops.broadcast_to((ranks < count)[None], (batch, BLOCK))
        beaten = ops.logical_and(
            overlaps(mine, take_rows(ranked, kept)) > iou_threshold, valid[:, None, :]
        )
        keep = settled(mine, ops.logical_and(real, ops.logical_not(ops.any(beaten, axis=-1))),
                       iou_threshold)
        ranks = ops.broadcast_to(ranks[None], (batch, BLOCK))
        both = ops.concatenate([kept, ranks], axis=1)
        places, valid = first_true(ops.concatenate([valid, keep], axis=1), limit)
        return block + 1, ops.where(valid, take_rows(both, places), 0), valid

    none = ops.zeros((batch, limit), dtype="int32")
    start = (ops.convert_to_tensor(0, dtype="int32"), none, none > 0)
    _, kept, valid = ops.while_loop(goes_on, decide, start)
    return take_rows(order, kept), valid


def first_true(flags, count):
    """The first `count` true places of each row.

    Args:
        flags: [B, N] bool, N at least `count`.
        count: static.

    Returns:
        places [B, count] int32 in rising order, and [B, count] bool, False behind the last one.
    """
    length = ops.shape(flags)[1]
    # Falling numbers, so that no two are equal: not every backend's top_k is stable.
    falling = length - ops.arange(length, dtype="int32")
    found, places = ops.top_k(ops.where(flags, ops.cast(falling, "float32"), 0.0), k=count)
    return ops.cast(places, "int32"), found > 0.0


def settled(boxes, candidate, iou_threshold):
    """Which boxes of one block greedy suppression keeps.

    A box survives when no surviving box before it overlaps it by more than the threshold.
    Applying that rule to all at once, from "all survive" on, reaches the greedy answer after
    as many rounds as the longest chain of suppressions.

    Args:
        boxes: [B, N, 4] in falling order of score.
        candidate: [B, N] bool, those that may survive.

    Returns:
        [B, N] bool.
    """
    rank = ops.arange(ops.shape(boxes)[1], dtype="int32")
    conflict = ops.logical_and(overlaps(boxes, boxes) > iou_threshold,
                               (rank[:, None] < rank[None, :])[None])
    return fixed_point(ops.cast(conflict, "float32"), candidate)


def fixed_point(conflict, candidate):
    """Survivors [B, N] bool of the conflicts [B, N, N] float32: 1.0 where row may drop column."""

    def survivors(keep):
        suppressed = ops.matmul(ops.cast(keep, "float32")[:, None, :], conflict)[:, 0] > 0.0
        return ops.logical_and(candidate, ops.logical_not(suppressed))

    def changed(keep, previous):
        return ops.any(ops.not_equal(keep, previous))

    def one_round(keep, previous):
        return survivors(keep), keep

    return ops.while_loop(changed, one_round, (survivors(candidate), candidate))[0]

