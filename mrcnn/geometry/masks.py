"""Masks: mini-masks, pasting of predicted masks, overlaps.

A mini-mask holds one instance, cut to its box and shrunk to a fixed size, so that training can
keep many instances in memory. All resizing here equals scikit-image's bilinear result.
"""

import numpy as np

from mrcnn.geometry.bilinear import bilinear_float, bilinear_taps

# Pixels that one matrix product of `compute_overlaps_masks` covers; sums stay exact in float32.
_PIXELS_AT_ONCE = 1 << 18


def _check_masks(name, mask, bbox):
    mask, bbox = np.asarray(mask), np.asarray(bbox)
    if mask.ndim != 3:
        raise ValueError(f"{name}: expected shape [H, W, N], received {mask.shape}")
    if bbox.shape != (mask.shape[2], 4):
        raise ValueError(
            f"bbox: expected shape ({mask.shape[2]}, 4) for {mask.shape[2]} masks, "
            f"received {bbox.shape}"
        )
    return mask, bbox


def _resize_binary(mask: np.ndarray, shape) -> np.ndarray:
    """Resizes a bool [H, W] and keeps what is more than half covered."""
    resized = bilinear_float(mask[:, :, None], shape, np.empty((*shape, 1)))
    return resized[:, :, 0] > 0.5


def minimize_mask(bbox, mask, mini_shape) -> np.ndarray:
    """Cuts each mask to its box and shrinks it to a fixed size.

    Args:
        bbox: [N, 4] whole pixels.
        mask: [H, W, N].
        mini_shape: (height, width) of a mini-mask.

    Returns:
        bool [height, width, N].

    Raises:
        ValueError: shapes do not fit, or a box holds no pixel of the image.
    """
    mask, bbox = _check_masks("mask", mask, bbox)
    mini = np.zeros((*mini_shape, mask.shape[2]), dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(bbox.astype(np.int64)):
        part = mask[y1:y2, x1:x2, i].astype(bool)
        if part.size == 0:
            raise ValueError(
                f"instance {i}: expected a box of positive area inside the image of "
                f"{mask.shape[:2]}, received (y1, x1, y2, x2) = {tuple(bbox[i].tolist())}"
            )
        mini[:, :, i] = _resize_binary(part, mini_shape)
    return mini


def expand_mask(bbox, mini_mask, image_shape) -> np.ndarray:
    """Puts mini-masks back into the image, the inverse of `minimize_mask` up to resolution.

    Args:
        bbox: [N, 4] whole pixels inside the image.
        mini_mask: [h, w, N].
        image_shape: (height, width, ...) of the image.

    Returns:
        bool [height, width, N]; a box without area gives an empty mask.
    """
    mini_mask, bbox = _check_masks("mini_mask", mini_mask, bbox)
    mask = np.zeros((*image_shape[:2], mini_mask.shape[2]), dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(bbox.astype(np.int64)):
        if y2 > y1 and x2 > x1:
            part = mini_mask[:, :, i].astype(bool)
            mask[y1:y2, x1:x2, i] = _resize_binary(part, (y2 - y1, x2 - x1))
    return mask


def _resize_axis(values, axis: int, size_out: int, part: slice) -> np.ndarray:
    """Values [h, w] float64 resized along an axis, the samples `part` of `size_out`."""
    low, high, low_weight, high_weight = (
        tap[part] for tap in bilinear_taps(values.shape[axis], size_out))
    shape = (-1, 1) if axis == 0 else (1, -1)
    resized = np.take(values, low, axis) * low_weight.reshape(shape)
    resized += np.take(values, high, axis) * high_weight.reshape(shape)
    return resized


def framed_boxes(boxes, mask_shape) -> np.ndarray:
    """The pixels that masks cover once a frame of one empty cell is around them.

    Each box grows about its centre by the frame's share of it, and is cut to whole pixels towards
    zero; the pixels of both ends belong to it. So torchvision's `paste_masks_in_image` does it.

    Args:
        boxes: [..., (y1, x1, y2, x2)] pixels, to fractions of one.
        mask_shape: (h, w) of a mask without the frame.

    Returns:
        int64 of the same shape, y2/x2 exclusive, never empty.
    """
    boxes = np.asarray(boxes, np.float64)
    centre = (boxes[..., :2] + boxes[..., 2:]) * 0.5
    cells = np.asarray(mask_shape[:2])
    half = (boxes[..., 2:] - boxes[..., :2]) * 0.5 * ((cells + 2) / cells)
    corners = np.concatenate([centre - half, centre + half], axis=-1).astype(np.int64)
    return corners + [0, 0, 1, 1]


def _in_frame(mask) -> np.ndarray:
    """[h, w] -> [h + 2, w + 2], zeros around it."""
    framed = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), mask.dtype)
    framed[1:-1, 1:-1] = mask
    return framed


def paste_mask(mask, bbox, canvas: np.ndarray, frame=False) -> None:
    """Resizes a soft mask to its box and writes it, cut at 0.5, into a canvas.

    Args:
        mask: [h, w] float, chance of each cell to belong to the object.
        bbox: (y1, x1, y2, x2) whole pixels; what lies outside the canvas is left out.
        canvas: bool [H, W], changed in place.
        frame: put a frame of one empty cell around the mask; `bbox` is one of `framed_boxes`.

    Raises:
        ValueError: the mask is no [h, w] array or the box has no area.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask: expected shape [h, w], received {mask.shape}")
    y1, x1, y2, x2 = (int(v) for v in bbox)
    if y2 <= y1 or x2 <= x1:
        raise ValueError(f"bbox: expected y2 > y1 and x2 > x1, received {(y1, x1, y2, x2)}")
    top, left = max(y1, 0), max(x1, 0)
    bottom, right = max(min(y2, canvas.shape[0]), top), max(min(x2, canvas.shape[1]), left)
    if frame:
        mask = _in_frame(mask)
    elif mask.min() >= 0.5:  # scikit-image clips to the range of the input: no darker border
        canvas[top:bottom, left:right] = True
        return
    # Two taps a pixel: a matrix product of this size costs more in waking BLAS threads.
    soft = _resize_axis(mask.astype(np.float64), 0, y2 - y1, slice(top - y1, bottom - y1))
    soft = _resize_axis(soft, 1, x2 - x1, slice(left - x1, right - x1))
    if mask.dtype.itemsize <= 4:  # scikit-image answers float32 then, whose rounding can reach 0.5
        soft = soft.astype(np.float32)
    canvas[top:bottom, left:right] = soft > 0.5 if frame else soft >= 0.5


def unmold_mask(mask, bbox, image_shape, frame=False) -> np.ndarray:
    """Turns the mask the network predicted for a box into a mask of the image.

    Args:
        mask: [h, w] float from 0 to 1, as the mask head answers it (28 x 28 by default).
        bbox: (y1, x1, y2, x2) whole pixels of the image; with `frame` to fractions of one.
        image_shape: (height, width, ...) of the image.
        frame: paste with a frame of one empty cell (Config.MASK_PASTE_FRAME).

    Returns:
        bool [height, width].

    Raises:
        ValueError: the mask is no [h, w] array or the box has no area.
    """
    full = np.zeros(tuple(image_shape[:2]), dtype=bool)
    paste_mask(mask, framed_boxes(bbox, np.shape(mask)) if frame else bbox, full, frame)
    return full


def _flat(name, masks) -> np.ndarray:
    """Answers bool [H * W, N]."""
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"{name}: expected shape [H, W, N], received {masks.shape}")
    if masks.dtype != bool:
        masks = masks > 0.5
    return masks.reshape(masks.shape[0] * masks.shape[1], masks.shape[2])


def compute_overlaps_masks(masks1, masks2) -> np.ndarray:
    """Intersection over union of every mask of one set with every mask of another.

    Args:
        masks1: [H, W, N1], bool or float (above 0.5 belongs to the instance).
        masks2: [H, W, N2].

    Returns:
        float32 [N1, N2]; two empty masks overlap by 0.

    Raises:
        ValueError: the image sizes differ or a shape is wrong.
    """
    first, second = _flat("masks1", masks1), _flat("masks2", masks2)
    counts = first.shape[1], second.shape[1]
    if 0 in counts:
        return np.zeros(counts, dtype=np.float32)
    if np.shape(masks1)[:2] != np.shape(masks2)[:2]:
        raise ValueError(
            f"expected masks of one image size, received {np.shape(masks1)[:2]} "
            f"and {np.shape(masks2)[:2]}"
        )
    shared, area1, area2 = np.zeros(counts), np.zeros(counts[0]), np.zeros(counts[1])
    for start in range(0, len(first), _PIXELS_AT_ONCE):
        part1 = first[start : start + _PIXELS_AT_ONCE].astype(np.float32)
        part2 = second[start : start + _PIXELS_AT_ONCE].astype(np.float32)
        shared += part1.T @ part2
        area1 += part1.sum(axis=0)
        area2 += part2.sum(axis=0)
    union = area1[:, None] + area2[None, :] - shared
    return (shared / np.maximum(union, 1)).astype(np.float32)
