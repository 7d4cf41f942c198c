"""Between the caller's images and the network's: mean, image meta, and detections back.

One meta row is `[image_id, original H, W, C, molded H, W, C, window y1, x1, y2, x2, scale,
active_class_ids...]`: 12 numbers and one flag a class.
"""

import numpy as np

from mrcnn.geometry.boxes import norm_boxes, pixel_boxes
from mrcnn.geometry.lazy_masks import LazyMasks

# Field of a meta row -> its columns (one column alone loses its axis when parsed).
META_COLUMNS = {
    "image_id": 0,
    "original_image_shape": slice(1, 4),
    "image_shape": slice(4, 7),
    "window": slice(7, 11),
    "scale": 11,
    "active_class_ids": slice(12, None),
}
META_FIXED = 12
_TABLE_CHANNELS = 16  # images of more channels are rare; OpenCV's tables end somewhere


def _one_a_channel(name, image, value) -> np.ndarray:
    value = np.asarray(value, dtype=np.float64)
    if value.ndim == 1 and len(value) not in (1, image.shape[-1]):
        raise ValueError(
            f"{name}: expected {image.shape[-1]} values for an image of shape {image.shape}, "
            f"received {len(value)}"
        )
    return value


def mold_image(image, mean_pixel, out=None, image_std=1.0, window=None) -> np.ndarray:
    """Subtracts the mean pixel, and divides by the standard deviation.

    Args:
        image: [..., C] uint8, or any number type.
        mean_pixel: [C] or a single number.
        out: float32 of the shape of `image`, contiguous, to write to; None for a new array.
        image_std: [C] or a single number.
        window: (y1, x1, y2, x2) pixels of an [H, W, C] image that are no padding; what lies
            outside becomes 0. None leaves the padding as it is.

    Returns:
        float32 of the same shape.

    Raises:
        ValueError: the mean, or the deviation, has not one value a channel.
    """
    image = np.asarray(image)
    mean = _one_a_channel("mean_pixel", image, mean_pixel)
    std = _one_a_channel("image_std", image, image_std)
    out = np.empty(image.shape, np.float32) if out is None else out
    channels = image.shape[-1] if image.ndim == 3 else 0
    if image.dtype == np.uint8 and 1 <= channels <= _TABLE_CHANNELS and image.size:
        import cv2

        table = (np.arange(256)[:, None] - np.broadcast_to(mean, channels)) / std
        cv2.LUT(image, table.astype(np.float32)[None], out)
    else:
        np.subtract(image, mean, out=out, casting="same_kind")
        if (std != 1).any():
            np.divide(out, std.astype(np.float32), out=out)
    if window is not None:
        _clear_outside(out, window)
    return out


def _clear_outside(image, window):
    """Zeros around a window of an [H, W, C] image, in place."""
    y1, x1, y2, x2 = (int(side) for side in window)
    image[:y1] = image[y2:] = 0
    image[y1:y2, :x1] = image[y1:y2, x2:] = 0


def unmold_image(molded, mean_pixel, image_std=1.0) -> np.ndarray:
    """Adds the mean pixel again, the exact inverse of `mold_image` for uint8 images.

    Returns:
        uint8 of the same shape, rounded and cut to 0..255.
    """
    molded = np.asarray(molded)
    mean = _one_a_channel("mean_pixel", molded, mean_pixel)
    std = _one_a_channel("image_std", molded, image_std)
    pixels = molded + mean if (std == 1).all() else molded * std + mean
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def compose_image_meta(image_id, original_image_shape, image_shape, window, scale,
                       active_class_ids) -> np.ndarray:
    """Packs what the network must know of an image into one row of numbers.

    Args:
        image_id: int.
        original_image_shape: (H, W, C) before resizing.
        image_shape: (H, W, C) after resizing and padding.
        window: (y1, x1, y2, x2) pixels that hold the image, without the padding.
        scale: factor between original and molded image.
        active_class_ids: [NUM_CLASSES] ones for the classes of the image's dataset.

    Returns:
        float64 [12 + NUM_CLASSES].

    Raises:
        ValueError: a part has a wrong length.
    """
    parts = {"original_image_shape": (original_image_shape, 3), "image_shape": (image_shape, 3),
             "window": (window, 4)}
    for name, (value, length) in parts.items():
        if len(value) != length:
            raise ValueError(f"{name}: expected {length} numbers, received {tuple(value)}")
    return np.array(
        [image_id, *original_image_shape, *image_shape, *window, scale, *active_class_ids],
        dtype=np.float64,
    )


def parse_image_meta(meta) -> dict[str, np.ndarray]:
    """Takes meta rows apart, the inverse of `compose_image_meta`.

    Args:
        meta: [B, 12 + NUM_CLASSES].

    Returns:
        dict with image_id [B], original_image_shape [B, 3], image_shape [B, 3], window [B, 4]
        (pixels), scale [B] and active_class_ids [B, NUM_CLASSES]; int32, `scale` float32.

    Raises:
        ValueError: `meta` is not a batch of rows.
    """
    meta = np.asarray(meta)
    if meta.ndim != 2 or meta.shape[1] < META_FIXED:
        raise ValueError(
            f"meta: expected shape [B, {META_FIXED} + NUM_CLASSES], received {meta.shape}"
        )
    return {
        name: meta[:, columns].astype(np.float32 if name == "scale" else np.int32)
        for name, columns in META_COLUMNS.items()
    }


def _boxes_to_original(boxes_norm, original_image_shape, image_shape, window, edges) -> np.ndarray:
    """Boxes normalised over the molded image -> pixels of the original image, in fractions."""
    y1, x1, y2, x2 = norm_boxes(window, image_shape[:2], edges)
    shift = np.array([y1, x1, y1, x1])
    scale = np.array([y2 - y1, x2 - x1, y2 - y1, x2 - x1])
    return pixel_boxes((boxes_norm - shift) / scale, original_image_shape[:2], edges)


def _check_detections(detections: np.ndarray, mrcnn_mask: np.ndarray) -> None:
    if detections.ndim != 2 or detections.shape[1] != 6:
        raise ValueError(f"detections: expected shape [D, 6], received {detections.shape}")
    if mrcnn_mask.ndim != 4 or len(mrcnn_mask) != len(detections):
        raise ValueError(
            f"mrcnn_mask: expected shape [{len(detections)}, h, w, NUM_CLASSES], "
            f"received {mrcnn_mask.shape}"
        )
    highest = detections[:, 4].max(initial=0)
    if highest >= mrcnn_mask.shape[3]:
        raise ValueError(
            f"detections: expected class ids below {mrcnn_mask.shape[3]}, the classes of "
            f"mrcnn_mask, received {highest:g}"
        )


def unmold_detections(detections, mrcnn_mask, original_image_shape, image_shape, window,
                      edges=False, frame=False):
    """Turns what the network answers for one image into the caller's pixels.

    Args:
        As of `unmold_lazily`.

    Returns:
        (boxes int32 [N, 4] pixels, class_ids int32 [N], scores float32 [N],
        masks bool [H0, W0, N]). Boxes that round to no area are left out. The masks lie in
        memory one after the other, so `masks[:, :, i]` is contiguous.

    Raises:
        ValueError: shapes do not fit.
    """
    *objects, masks = unmold_lazily(
        detections, mrcnn_mask, original_image_shape, image_shape, window, edges, frame)
    return (*objects, np.asarray(masks))


def unmold_lazily(detections, mrcnn_mask, original_image_shape, image_shape, window,
                  edges=False, frame=False):
    """`unmold_detections`, with masks that become pixels where they are looked at.

    Args:
        detections: [D, (y1, x1, y2, x2, class_id, score)], boxes normalised over the molded
            image; the first row of class 0 ends the list.
        mrcnn_mask: [D, h, w, NUM_CLASSES] soft masks.
        original_image_shape: (H0, W0, ...) of the caller's image.
        image_shape: (H, W, ...) of the molded image.
        window: (y1, x1, y2, x2) pixels of the molded image that hold the image.
        edges: what 0 and 1 mean in the detections' boxes, see `geometry.boxes`.
        frame: paste masks with a frame of one empty cell, and follow the boxes to a fraction of
            a pixel (Config.MASK_PASTE_FRAME).

    Returns:
        (boxes int32 [N, 4] pixels, class_ids int32 [N], scores float32 [N], LazyMasks). Boxes
        that round to no area are left out.

    Raises:
        ValueError: shapes do not fit.
    """
    detections, mrcnn_mask = np.asarray(detections), np.asarray(mrcnn_mask)
    _check_detections(detections, mrcnn_mask)
    padding_rows = np.flatnonzero(detections[:, 4] == 0)
    detections = detections[: padding_rows[0] if padding_rows.size else None]
    boxes_px = _boxes_to_original(
        detections[:, :4], original_image_shape, image_shape, window, edges)
    boxes = np.around(boxes_px).astype(np.int32)
    real = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    boxes, class_ids = boxes[real], detections[real, 4].astype(np.int32)
    soft = mrcnn_mask[real, :, :, class_ids]  # a copy: the masks of the other classes can go
    scores = detections[real, 5].astype(np.float32)
    masks = LazyMasks(boxes_px[real] if frame else boxes, soft, original_image_shape, frame)
    return boxes, class_ids, scores, masks
