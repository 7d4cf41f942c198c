"""Arithmetic on boxes.

Boxes are `[N, (y1, x1, y2, x2)]` with y2 and x2 exclusive, in pixels unless a name says
`_norm`. Normalised boxes run from 0 to 1 over the centres of the first and last pixel, or, where
`edges` is True (Config.BOX_NORMALIZATION), from one edge of the image to the other.
"""

import numpy as np

# Pairs whose overlap is computed at once, so that the temporaries stay near 8 MB each.
_PAIRS_AT_ONCE = 1_000_000
_FOLDED_WIDTH = 8  # columns that are looked at one by one


def _as_boxes(boxes, name: str = "boxes") -> np.ndarray:
    """Answers `boxes` as an array after checking that it is `[N, 4]` (or holds nothing)."""
    boxes = np.asarray(boxes)
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name}: expected shape [N, 4] (y1, x1, y2, x2), received {boxes.shape}")
    return boxes


def clip_boxes(boxes, window) -> np.ndarray:
    """Moves every corner that lies outside a window to its border.

    Args:
        boxes: [N, 4] in any coordinate space.
        window: (y1, x1, y2, x2) in the same space.

    Returns:
        [N, 4] of the type of `boxes`.
    """
    boxes = _as_boxes(boxes)
    y1, x1, y2, x2 = window
    return np.clip(boxes, [y1, x1, y1, x1], [y2, x2, y2, x2]).astype(boxes.dtype)


def _pixel_frame(shape, edges) -> tuple[np.ndarray, np.ndarray]:
    """The (scale, shift) between pixel and normalised boxes of an image of (height, width)."""
    height, width = shape[0], shape[1]
    if edges:
        return np.array([height, width, height, width]), np.zeros(4, int)
    scale = np.array([height - 1, width - 1, height - 1, width - 1])
    return scale, np.array([0, 0, 1, 1])


def norm_boxes(boxes, shape, edges=False) -> np.ndarray:
    """Turns pixel boxes into normalised ones.

    Args:
        boxes: [..., 4] pixels.
        shape: (height, width) of the image, each more than 1.
        edges: what 0 and 1 mean, see the module.

    Returns:
        float32 boxes of the same shape, normalised.

    Raises:
        ValueError: the image is one pixel high or wide, so that positions have no measure.
    """
    if shape[0] < 2 or shape[1] < 2:
        raise ValueError(f"shape: expected at least (2, 2) pixels, received {tuple(shape[:2])}")
    scale, shift = _pixel_frame(shape, edges)
    return np.divide(np.asarray(boxes) - shift, scale).astype(np.float32)


def denorm_boxes(boxes, shape, edges=False) -> np.ndarray:
    """Turns normalised boxes into whole pixels, the inverse of `norm_boxes`.

    Args:
        boxes: [..., 4] normalised.
        shape: (height, width) of the image.
        edges: what 0 and 1 mean, see the module.

    Returns:
        int32 boxes of the same shape, rounded to the nearest pixel (ties to even).
    """
    return np.around(pixel_boxes(boxes, shape, edges)).astype(np.int32)


def pixel_boxes(boxes, shape, edges=False) -> np.ndarray:
    """As `denorm_boxes`, to fractions of a pixel: [..., 4] of the type of `boxes`."""
    scale, shift = _pixel_frame(shape, edges)
    return np.multiply(boxes, scale) + shift


def _centre_form(boxes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Answers (centre y, centre x, height, width), each [N]."""
    height = boxes[:, 2] - boxes[:, 0]
    width = boxes[:, 3] - boxes[:, 1]
    return boxes[:, 0] + 0.5 * height, boxes[:, 1] + 0.5 * width, height, width


def apply_box_deltas(boxes, deltas) -> np.ndarray:
    """Moves and scales boxes by refinements (Faster R-CNN, arXiv 1506.01497, section 3.1.2).

    Args:
        boxes: [N, 4] in any coordinate space.
        deltas: [N, (dy, dx, log(dh), log(dw))], not divided by any standard deviation.

    Returns:
        float32 [N, 4] in the space of `boxes`.

    Raises:
        ValueError: a shape is not [N, 4] or the lengths differ.
    """
    boxes = _as_boxes(boxes).astype(np.float32)
    deltas = _as_boxes(deltas, "deltas")
    if len(boxes) != len(deltas):
        raise ValueError(f"expected one delta a box, received {len(deltas)} for {len(boxes)} boxes")
    centre_y, centre_x, height, width = _centre_form(boxes)
    centre_y = centre_y + deltas[:, 0] * height
    centre_x = centre_x + deltas[:, 1] * width
    height = height * np.exp(deltas[:, 2])
    width = width * np.exp(deltas[:, 3])
    y1 = centre_y - 0.5 * height
    x1 = centre_x - 0.5 * width
    return np.stack([y1, x1, y1 + height, x1 + width], axis=1).astype(np.float32)


def box_refinement(box, gt_box) -> np.ndarray:
    """The deltas that turn each box into its ground truth, the inverse of `apply_box_deltas`.

    Args:
        box: [N, 4] of positive area.
        gt_box: [N, 4] of positive area, in the same space.

    Returns:
        float32 [N, (dy, dx, log(dh), log(dw))].
    """
    box = _as_boxes(box, "box").astype(np.float32)
    gt_box = _as_boxes(gt_box, "gt_box").astype(np.float32)
    centre_y, centre_x, height, width = _centre_form(box)
    gt_centre_y, gt_centre_x, gt_height, gt_width = _centre_form(gt_box)
    dy = (gt_centre_y - centre_y) / height
    dx = (gt_centre_x - centre_x) / width
    return np.stack([dy, dx, np.log(gt_height / height), np.log(gt_width / width)], axis=1)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def compute_iou(box, boxes, box_area, boxes_area) -> np.ndarray:
    """Intersection over union of boxes that broadcast against each other.

    Args:
        box: [4], or [..., 4] that broadcasts against `boxes`.
        boxes: [N, 4] in the same space.
        box_area: area of `box`. Areas are passed in so that a loop computes them once.
        boxes_area: [N] areas of `boxes`.

    Returns:
        [N] overlaps from 0 to 1; two boxes without any area overlap by 0.
    """
    height = np.minimum(box[..., 2], boxes[..., 2]) - np.maximum(box[..., 0], boxes[..., 0])
    width = np.minimum(box[..., 3], boxes[..., 3]) - np.maximum(box[..., 1], boxes[..., 1])
    intersection = np.maximum(height, 0) * np.maximum(width, 0)
    union = box_area + boxes_area - intersection
    return intersection / np.where(union == 0, 1, union)


def compute_overlaps(boxes1, boxes2) -> np.ndarray:
    """Intersection over union of every box of one set with every box of another.

    Args:
        boxes1: [N1, 4].
        boxes2: [N2, 4] in the same space.

    Returns:
        float64 [N1, N2].
    """
    first, second = _as_boxes(boxes1, "boxes1"), _as_boxes(boxes2, "boxes2")
    if first.dtype.kind != "f" or second.dtype.kind != "f":
        first, second = first.astype(np.float64), second.astype(np.float64)
    overlaps = np.zeros((len(first), len(second)))
    second_area = _areas(second)
    rows = max(1, _PAIRS_AT_ONCE // max(1, len(second)))
    for start in range(0, len(first), rows):
        part = first[start : start + rows, None]
        overlaps[start : start + rows] = compute_iou(part, second, _areas(part), second_area)
    return overlaps


def non_max_suppression(boxes, scores, threshold) -> np.ndarray:
    """Keeps the best of every group of boxes that overlap.

    Args:
        boxes: [N, 4].
        scores: [N].
        threshold: a box goes when its IoU with a better, kept box is above this.

    Returns:
        int32 indices of the kept boxes, best score first.

    Raises:
        ValueError: a shape is wrong or the lengths differ.
    """
    boxes, scores = _as_boxes(boxes), np.asarray(scores)
    if scores.shape != (len(boxes),):
        raise ValueError(f"scores: expected shape ({len(boxes)},), received {scores.shape}")
    if boxes.dtype.kind != "f":
        boxes = boxes.astype(np.float32)
    areas = _areas(boxes)
    waiting = scores.argsort()[::-1]
    keep = []
    while waiting.size:
        best, rest = waiting[0], waiting[1:]
        keep.append(best)
        overlap = compute_iou(boxes[best], boxes[rest], areas[best], areas[rest])
        waiting = rest[overlap <= threshold]
    return np.array(keep, dtype=np.int32)


def extract_bboxes(mask) -> np.ndarray:
    """The tight box around each mask.

    Args:
        mask: [H, W, N], any pixel that is not zero belongs to the instance.

    Returns:
        int32 [N, 4] pixels, y2 and x2 exclusive; four zeros for an empty mask.

    Raises:
        ValueError: the mask has not three dimensions.
    """
    mask = np.asarray(mask)
    if mask.ndim != 3:
        raise ValueError(f"mask: expected shape [H, W, N], received {mask.shape}")
    boxes = np.zeros((mask.shape[2], 4), dtype=np.int32)
    for i, (rows, columns) in enumerate(_used(mask)):
        ys, xs = np.flatnonzero(rows), np.flatnonzero(columns)
        if len(ys):
            boxes[i] = ys[0], xs[0], ys[-1] + 1, xs[-1] + 1
    return boxes


def _used(mask):
    """Yields (rows [H] bool, columns [W] bool) that hold a pixel, for each of [H, W, N] masks."""
    height, width, count = mask.shape
    if count < 2 or abs(mask.strides[2]) > abs(mask.strides[1]):  # one mask after the other
        for i in range(count):
            rows = mask[:, :, i].any(axis=1)
            yield rows, mask[rows.argmax() : height - rows[::-1].argmax(), :, i].any(axis=0)
        return
    columns = mask.any(axis=0)
    folded = mask if mask.dtype == bool else mask != 0
    while width > _FOLDED_WIDTH:  # long runs of memory are quick, N pixels at a time are not
        half = (width + 1) // 2
        folded = folded[:, :half] | folded[:, width - half :]  # the halves may share a column
        width = half
    yield from zip(folded.any(axis=1).T, columns.T, strict=True)


def trim_zeros(x) -> np.ndarray:
    """Drops the rows of a [N, D] array in which every value is zero (the padding of a batch)."""
    x = np.asarray(x)
    if x.ndim != 2:
        raise ValueError(f"expected a two-dimensional array, received shape {x.shape}")
    return x[(x != 0).any(axis=1)]
