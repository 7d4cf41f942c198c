"""Box formulas on tensors: the twins of `mrcnn.geometry.boxes`, in `keras.ops`.

Shapes: B images, N boxes, G ground truth. Boxes are (y1, x1, y2, x2).
"""

from keras import ops

from mrcnn.kernels.portable import overlaps, take_rows

__all__ = [
    "apply_box_deltas",
    "box_refinement",
    "clip_boxes",
    "denorm_boxes",
    "norm_boxes",
    "overlaps",
    "pad_rows",
    "pixel_boxes",
    "scaled_deltas",
    "shorter_sides_px",
    "take_rows",
]

BOUNDLESS = 3e38  # a log(dh) that none exceeds


def apply_box_deltas(boxes, deltas):
    """Move and stretch boxes by (dy, dx, log(dh), log(dw)) (R-CNN, appendix C).

    Args:
        boxes: [..., 4], any unit.
        deltas: [..., 4], in units of the box's own size.

    Returns:
        [..., 4] in the unit of `boxes`.
    """
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    dy, dx, dh, dw = ops.unstack(deltas, 4, axis=-1)
    height, width = y2 - y1, x2 - x1
    center_y = y1 + 0.5 * height + dy * height
    center_x = x1 + 0.5 * width + dx * width
    height, width = height * ops.exp(dh), width * ops.exp(dw)
    top, left = center_y - 0.5 * height, center_x - 0.5 * width
    return ops.stack([top, left, top + height, left + width], axis=-1)


def scaled_deltas(deltas, std_dev, highest_log=None):
    """What the network answers, as deltas for `apply_box_deltas`.

    Args:
        deltas: [..., (dy, dx, log(dh), log(dw))] in units of `std_dev`.
        std_dev: four numbers.
        highest_log: the most that log(dh) and log(dw) may be; None: no bound.

    Returns:
        [..., 4].
    """
    deltas = deltas * ops.convert_to_tensor(std_dev, dtype="float32")
    if highest_log is None:
        return deltas
    highest = [BOUNDLESS, BOUNDLESS, highest_log, highest_log]
    return ops.minimum(deltas, ops.convert_to_tensor(highest, dtype="float32"))


def box_refinement(box, gt_box):
    """Deltas that move `box` onto `gt_box`: the inverse of `apply_box_deltas`.

    Args:
        box: [..., 4] of positive height and width.
        gt_box: [..., 4] of positive height and width, same unit.

    Returns:
        [..., (dy, dx, log(dh), log(dw))].
    """
    y1, x1, y2, x2 = ops.unstack(ops.cast(box, "float32"), 4, axis=-1)
    gy1, gx1, gy2, gx2 = ops.unstack(ops.cast(gt_box, "float32"), 4, axis=-1)
    height, width = y2 - y1, x2 - x1
    gt_height, gt_width = gy2 - gy1, gx2 - gx1
    dy = (gy1 + 0.5 * gt_height - y1 - 0.5 * height) / height
    dx = (gx1 + 0.5 * gt_width - x1 - 0.5 * width) / width
    return ops.stack([dy, dx, ops.log(gt_height / height), ops.log(gt_width / width)], axis=-1)


def clip_boxes(boxes, window):
    """Clip boxes [..., 4] to a window that broadcasts to [..., (y1, x1, y2, x2)]."""
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    wy1, wx1, wy2, wx2 = ops.unstack(window, 4, axis=-1)
    return ops.stack(
        [
            ops.maximum(ops.minimum(y1, wy2), wy1),
            ops.maximum(ops.minimum(x1, wx2), wx1),
            ops.maximum(ops.minimum(y2, wy2), wy1),
            ops.maximum(ops.minimum(x2, wx2), wx1),
        ],
        axis=-1,
    )


def _scale_and_shift(shape, edges):
    height, width = ops.unstack(ops.cast(shape, "float32"), 2, axis=-1)
    scale = ops.stack([height, width, height, width], axis=-1)
    if edges:
        return scale, ops.zeros((4,), dtype="float32")
    return scale - 1.0, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], dtype="float32")


def norm_boxes(boxes_px, shape, edges=False):
    """Pixels to normalised: 0 is the first pixel, 1 the last (y2, x2 become inclusive).

    Args:
        boxes_px: [..., 4] pixels, y2/x2 exclusive.
        shape: [..., (height, width)] that broadcasts against the boxes' rows.
        edges: 0 and 1 are the image's edges instead, see `geometry.boxes`.
    """
    scale, shift = _scale_and_shift(shape, edges)
    return (ops.cast(boxes_px, "float32") - shift) / scale


def denorm_boxes(boxes_norm, shape, edges=False):
    """Normalised to whole pixels, int32: the inverse of `norm_boxes`."""
    return ops.cast(ops.round(pixel_boxes(boxes_norm, shape, edges)), "int32")


def pixel_boxes(boxes_norm, shape, edges=False):
    """Normalised to pixels, to a fraction of one: the inverse of `norm_boxes`."""
    scale, shift = _scale_and_shift(shape, edges)
    return boxes_norm * scale + shift


def shorter_sides_px(boxes_norm, shape, edges=False):
    """The shorter side of each box in pixels: [..., 4] normalised -> [...]."""
    height, width = ops.unstack(ops.cast(shape, "float32"), 2, axis=-1)
    y1, x1, y2, x2 = ops.unstack(boxes_norm, 4, axis=-1)
    if edges:
        return ops.minimum((y2 - y1) * height, (x2 - x1) * width)
    return ops.minimum((y2 - y1) * (height - 1.0), (x2 - x1) * (width - 1.0)) + 1.0


def pad_rows(values, count):
    """Zero rows behind [B, N, ...] until N reaches `count` (N static and <= count)."""
    missing = count - values.shape[1]
    return ops.pad(values, [(0, 0), (0, missing)] + [(0, 0)] * (len(values.shape) - 2))
