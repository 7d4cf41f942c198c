"""Non-maximum suppression of boxes with classes, exact.

Shapes: B images, N boxes, S blocks of BLOCK boxes.
"""

from keras import ops

from mrcnn.kernels.portable import fixed_point
from mrcnn.layers.tensor_boxes import overlaps

NEVER = 2.0  # an IoU that no two boxes reach
BLOCK = 512  # boxes that are decided at a time


def conflicts(boxes, class_ids, others, other_ids, within, across):
    """Which boxes cannot stand beside which.

    Args:
        boxes: [B, N, 4]; class_ids: [B, N]; others: [B, M, 4]; other_ids: [B, M].
        within: IoU threshold of two boxes of one class.
        across: that of two boxes of different classes.

    Returns:
        [B, N, M] bool.
    """
    same_class = ops.equal(class_ids[:, :, None], other_ids[:, None, :])
    return overlaps(boxes, others) > ops.where(same_class, within, across)


def suppress(boxes, class_ids, candidate, within, across=NEVER):
    """Exact greedy NMS, for boxes already in falling order of score; see `portable.settled`.

    Args:
        boxes: [B, N, 4]; class_ids: [B, N]; candidate: [B, N] bool.
        within, across: as of `conflicts`.

    Returns:
        [B, N] bool.
    """
    rank = ops.arange(ops.shape(boxes)[1], dtype="int32")
    earlier = rank[:, None] < rank[None, :]
    conflict = conflicts(boxes, class_ids, boxes, class_ids, within, across)
    conflict = ops.cast(ops.logical_and(conflict, earlier), "float32")
    return fixed_point(conflict, candidate)


def suppress_in_blocks(boxes, class_ids, candidate, counted, limit, within, across=NEVER):
    """`suppress` of very many boxes, until each image has as many as are asked for.

    Blocks are decided best first: what a kept box of an earlier block drops goes, and `suppress`
    settles the rest. It ends when every image has its `limit` or no candidate is left.

    Args:
        boxes: [B, N, 4] in falling order of score; class_ids: [B, N].
        candidate: [B, N] bool; the candidates stand in front of all others.
        counted: [B, N] bool, those that count towards `limit`.
        limit: boxes asked for in an image.
        within, across: as of `conflicts`.

    Returns:
        [B, N] bool: as `suppress` up to the end of the block that holds the last box asked for,
        False behind it.
    """
    batch, count = ops.shape(candidate)
    blocks = (count + BLOCK - 1) // BLOCK
    behind = [(0, 0), (0, blocks * BLOCK - count)]
    class_ids, candidate, counted = (
        ops.reshape(ops.pad(rows, behind), (-1, blocks, BLOCK))
        for rows in (class_ids, candidate, counted))
    boxes = ops.reshape(ops.pad(boxes, [*behind, (0, 0)]), (-1, blocks, BLOCK, 4))
    numbers = ops.arange(blocks, dtype="int32")[None, :, None]

    def goes_on(block, keep):
        found = ops.sum(ops.cast(ops.logical_and(keep, counted), "int32"), axis=(1, 2))
        last = ops.minimum(block, blocks - 1)
        open_ones = ops.logical_and(found < limit, ops.take(candidate, last, axis=1)[:, 0])
        return ops.logical_and(block < blocks, ops.any(open_ones))

    def decide(block, keep):
        mine, ids = ops.take(boxes, block, axis=1), ops.take(class_ids, block, axis=1)

        def beaten_by(other, left):
            beats = conflicts(ops.take(boxes, other, axis=1), ops.take(class_ids, other, axis=1),
                              mine, ids, within, across)
            beats = ops.logical_and(beats, ops.take(keep, other, axis=1)[:, :, None])
            return other + 1, ops.logical_and(left, ops.logical_not(ops.any(beats, axis=1)))

        first = ops.convert_to_tensor(0, dtype="int32")
        _, left = ops.while_loop(lambda other, left: other < block, beaten_by,
                                 (first, ops.take(candidate, block, axis=1)))
        kept = suppress(mine, ids, left, within, across)[:, None, :]
        return block + 1, ops.where(ops.equal(numbers, block), kept, keep)

    start = (ops.convert_to_tensor(0, dtype="int32"),
             ops.zeros((batch, blocks, BLOCK), dtype="bool"))
    _, keep = ops.while_loop(goes_on, decide, start)
    return ops.reshape(keep, (-1, blocks * BLOCK))[:, :count]
