"""`geometry.molding.unmold_detections` on tensors: from the network's answer to image pixels.

Shapes: B images, D detections, N objects, h/w the soft masks, H0/W0 the image, C classes.
"""

from keras import ops

from mrcnn.engine.export.tensor_resize import real, taps, whole
from mrcnn.layers.tensor_boxes import take_rows

HALF = 0.5  # chance from which on a pixel belongs to the object


def _frame(size, edges):
    """(scale [4], shift [4]) float64 between pixels and normalised boxes of an image's size."""
    height, width = (real(side) - (0.0 if edges else 1.0) for side in size)
    shift = [0.0] * 4 if edges else [0.0, 0.0, 1.0, 1.0]
    return ops.stack([height, width, height, width]), real(shift)


def norm_px(boxes_px, size, edges=False):
    """Twin of `geometry.boxes.norm_boxes`: [..., 4] float64 px -> float32 normalised."""
    scale, shift = _frame(size, edges)
    return ops.cast((boxes_px - shift) / scale, "float32")


def boxes_to_image(boxes_norm, window, molded_size, image_size, edges=False):
    """Boxes normalised over the molded image -> pixels of the caller's image.

    Args:
        boxes_norm: [B, D, 4] float32; window: [4] float64 px of the molded image.
        molded_size, image_size: (height, width).
        edges: what 0 and 1 mean, see `geometry.boxes`.

    Returns:
        [B, D, 4] int32, y2/x2 exclusive, and the same in fractions of a pixel, float64.
    """
    y1, x1, y2, x2 = ops.unstack(norm_px(window, molded_size, edges), 4)
    shift = ops.stack([y1, x1, y1, x1])
    span = ops.stack([y2 - y1, x2 - x1, y2 - y1, x2 - x1])
    scale, one = _frame(image_size, edges)
    exact = real((boxes_norm - shift) / span) * scale + one
    return whole(ops.round(exact)), exact


def masks_of_class(masks, class_ids):
    """The soft masks of each detection's own class.

    Args:
        masks: [B, D, h, w, C]; class_ids: [B, D] int32.

    Returns:
        [B, D, h, w].
    """
    _, count, height, width, classes = masks.shape
    cells = ops.arange(height * width, dtype="int32") * classes
    first = ops.arange(count, dtype="int32") * (height * width * classes)
    places = first[:, None] + cells + ops.cast(class_ids, "int32")[..., None]
    flat = ops.reshape(masks, (-1, count * height * width * classes))
    chosen = take_rows(flat, ops.reshape(places, (-1, count * height * width)))
    return ops.reshape(chosen, (-1, count, height, width))


def objects_first(is_object, *values):
    """Rows of the objects in front of the others, in their order, cut to the longest list.

    Args:
        is_object: [B, D] bool.
        *values: [B, D, ...].

    Returns:
        counts [B] int32, then each of `values` as [B, N, ...] with N the largest count; the rows
        behind an image's last object are zero.
    """
    counts = ops.sum(ops.cast(is_object, "int32"), axis=1)
    most = ops.max(counts)
    kept, order = ops.top_k(ops.cast(is_object, "float32"), k=is_object.shape[1])
    kept, order = kept[:, :most] > 0.0, order[:, :most]
    rows = []
    for value in values:
        mask = ops.reshape(kept, (*ops.shape(kept), *[1] * (len(value.shape) - 2)))
        rows.append(ops.where(mask, take_rows(value, order), ops.cast(0, value.dtype)))
    return counts, *rows


def framed_boxes(boxes, mask_shape):
    """Twin of `geometry.masks.framed_boxes`: [..., 4] float64 px -> int32, y2/x2 exclusive."""
    centre = (boxes[..., :2] + boxes[..., 2:]) * 0.5
    share = real([(cells + 2) / cells for cells in mask_shape])
    half = (boxes[..., 2:] - boxes[..., :2]) * 0.5 * share
    corners = ops.trunc(ops.concatenate([centre - half, centre + half], axis=-1))
    return whole(corners + real([0.0, 0.0, 1.0, 1.0]))


def paste_mask(soft, box, image_size, frame=False):
    """Twin of `geometry.masks.paste_mask`: a soft mask in its place, cut at one half.

    Args:
        soft: [h, w] float32.
        box: [4] int32 px; without area it gives an empty mask.
        image_size: (H0, W0).
        frame: put a frame of one empty cell around the mask; `box` is one of `framed_boxes`.

    Returns:
        [H0, W0] bool.
    """
    y1, x1, y2, x2 = ops.unstack(box, 4)
    height, width = image_size
    top, left = ops.clip(y1, 0, height), ops.clip(x1, 0, width)
    bottom, right = ops.clip(y2, top, height), ops.clip(x2, left, width)
    soft = ops.pad(soft, [[1, 1], [1, 1]]) if frame else soft
    values = real(soft)
    sides = ((top, bottom, y1, y2), (left, right, x1, x2))
    for axis, (first, last, start, end) in enumerate(sides):
        positions = ops.arange(first, last, dtype="int32") - start
        low, high, low_weight, high_weight = (
            part if part.dtype == "int32" else ops.expand_dims(part, 1 - axis)
            for part in taps(positions, soft.shape[axis], end - start))
        values = (ops.take(values, low, axis=axis) * low_weight
                  + ops.take(values, high, axis=axis) * high_weight)
    values = ops.cast(values, "float32")
    if frame:
        inside = values > HALF
    else:
        inside = ops.logical_or(values >= HALF, ops.min(soft) >= HALF)
    return ops.pad(inside, [[top, height - bottom], [left, width - right]])


def paste_masks(soft, boxes, image_size, frame=False):
    """`paste_mask` of every object: [B, N, h, w] and [B, N, 4] px -> [B, N, H0, W0] bool."""
    images, count = ops.shape(boxes)[:2]
    height, width = soft.shape[2:]
    spare = [0, ops.maximum(1 - count, 0)]  # TensorFlow cannot map over nothing
    soft = ops.pad(soft, [[0, 0], spare, [0, 0], [0, 0]])
    boxes = ops.pad(boxes, [[0, 0], spare, [0, 0]])
    flat = ops.reshape(soft, (-1, height, width)), ops.reshape(boxes, (-1, 4))
    pasted = ops.map(lambda one: paste_mask(one[0], one[1], image_size, frame), flat)
    # No axis of zero in the new shape: ONNX takes it for "as before".
    return ops.reshape(pasted, (images, ops.maximum(count, 1), *image_size))[:, :count]
