"""Painting into arrays: colours, masks and box edges."""

import colorsys

import numpy as np

from mrcnn.geometry.lazy_masks import PackedMasks

# What red, green and blue add to the brightness that eyes see: ITU-R BT.709, as scikit-image.
LUMA = np.array([0.2125, 0.7154, 0.0721])
_GOLDEN_STEP = 0.618033988749895  # fractional part of the golden ratio: spreads hues evenly


def random_colors(N, bright=True):
    """Colours that are easy to tell apart.

    The i-th colour is the same in every call, whatever N, and no random generator is touched.

    Args:
        N: how many colours.
        bright: full brightness; False gives colours of 70 % brightness.

    Returns:
        A list of N tuples (red, green, blue) of floats in 0..1.
    """
    value = 1.0 if bright else 0.7
    hues = [(0.02 + i * _GOLDEN_STEP) % 1.0 for i in range(N)]
    return [colorsys.hsv_to_rgb(hue, _saturation(hue, i), value) for i, hue in enumerate(hues)]


def _saturation(hue, i):
    """Strong and pale in turn; pure blue would vanish on a dark image, so it is paler."""
    blueness = max(0.0, 1.0 - abs(hue - 2 / 3) / 0.15)
    return 1.0 - 0.3 * (i % 2) - (0.35 - 0.15 * (i % 2)) * blueness


def to_rgb(image):
    """A fresh RGB picture of whatever image is given, to paint on.

    Args:
        image: [H, W], [H, W, 1], [H, W, 2] or [H, W, C]; of more than three channels the first
            three are shown, of two the first. Floats are taken as 0..1 when no value exceeds 1,
            else as 0..255. Where a value exceeds 255 (16 bits, say) and not all are one, they
            are stretched over 0..255.

    Returns:
        [H, W, 3] uint8, a copy.

    Raises:
        ValueError: the array has another number of axes, or no pixels.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"expected an image [H, W] or [H, W, C], received shape {image.shape}")
    if image.ndim == 2 or image.shape[2] < 3:
        grey = image if image.ndim == 2 else image[..., 0]
        image = np.stack([grey] * 3, axis=-1)
    image = image[..., :3]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image).copy()
    values = np.nan_to_num(image.astype(np.float32), posinf=255.0, neginf=0.0)
    if values.max() > 255 and np.ptp(values):
        values = (values - values.min()) * (255.0 / np.ptp(values))
    scale = 255.0 if image.dtype == bool or (image.dtype.kind == "f" and values.max() <= 1) else 1.0
    return np.clip(np.round(values * scale), 0, 255).astype(np.uint8)


def apply_mask(image, mask, color, alpha=0.5):
    """Blend a colour into the image where the mask is set, in place.

    Args:
        image: [H, W, 3], values 0..255, any dtype; changed in place.
        mask: [H, W], bool or 0/1.
        color: (red, green, blue), floats in 0..1.
        alpha: weight of the colour, 0 (nothing) to 1 (opaque).

    Returns:
        The image it was given.
    """
    inside = np.asarray(mask) == 1
    if image.shape[:2] != inside.shape:
        raise ValueError(f"mask {inside.shape} and image {image.shape[:2]} differ in size")
    tint = alpha * 255.0 * np.asarray(color[:3], dtype=np.float64)
    image[inside] = (image[inside] * (1.0 - alpha) + tint).astype(image.dtype)
    return image


def color_splash(image, mask):
    """The image in grey, with its own colours where an instance is.

    Args:
        image: [H, W, C]; see `to_rgb`.
        mask: [H, W, N] bool or 0/1; nothing keeps its colour where N is 0.

    Returns:
        [H, W, 3] uint8.

    Raises:
        ValueError: masks and image differ in size.
    """
    image, mask = to_rgb(image), np.asarray(mask)
    if mask.ndim != 3 or (mask.shape[2] and mask.shape[:2] != image.shape[:2]):
        expected = (*image.shape[:2], "N")
        raise ValueError(f"expected masks of shape {expected}, received {mask.shape}")
    if not mask.shape[2]:
        return grey_outside(image, np.zeros(image.shape[:2], bool))
    return grey_outside(image, mask.any(axis=2))


def grey_outside(image, inside):
    """A copy of an RGB image, grey where `inside` [H, W] bool is not set."""
    grey = np.round(image @ LUMA).astype(np.uint8)
    splash = np.repeat(grey[..., None], 3, axis=2)
    splash[inside] = image[inside]
    return splash


def draw_box(image, box, color):
    """Paint the edges of a box, two pixels thick, in place.

    Args:
        image: [H, W, C]; changed in place.
        box: (y1, x1, y2, x2) in pixels; what lies outside the image is not painted.
        color: C values in the image's own units (0..255 for uint8).

    Returns:
        The image it was given.
    """
    height, width = image.shape[:2]
    y1, x1, y2, x2 = (int(round(float(v))) for v in box)
    top, bottom = max(y1, 0), min(y2 + 2, height)
    left, right = max(x1, 0), min(x2 + 2, width)
    for edge in (y1, y2):
        image[max(edge, 0) : max(edge + 2, 0), left:right] = color
    for edge in (x1, x2):
        image[top:bottom, max(edge, 0) : max(edge + 2, 0)] = color
    return image


def readable_masks(masks, image_shape, count):
    """Masks that answer `masks[rows, columns, i]`, whatever form they come in.

    Args:
        masks: [H, W, N] as an array or as anything with `shape` that takes such indices
            (`LazyMasks`, `PackedMasks`), a list of N run-length codes of COCO, anything else
            that numpy can make an array of, or None.
        image_shape: (H, W, ...) of the image they belong to.
        count: N.

    Returns:
        An object with that indexing; None for None.

    Raises:
        ValueError: another shape than the image's and the count's.
    """
    if masks is None:
        return None
    if isinstance(masks, (list, tuple)) and all(isinstance(one, dict) for one in masks):
        masks = PackedMasks.of_rles(masks, image_shape)
    elif not (hasattr(masks, "shape") and hasattr(masks, "__getitem__")):
        masks = np.asarray(masks)
    expected = (*image_shape[:2], count)
    if tuple(masks.shape) != expected and (count or np.prod(masks.shape)):
        raise ValueError(f"expected masks of shape {expected}, received {tuple(masks.shape)}")
    return masks


def window_of(box, image_shape):
    """The box in whole pixels, grown by one and cut to the image, as two slices."""
    height, width = image_shape[:2]
    y1, x1 = (max(int(np.floor(v)) - 1, 0) for v in box[:2])
    y2, x2 = min(int(np.ceil(box[2])) + 1, height), min(int(np.ceil(box[3])) + 1, width)
    return slice(y1, max(y2, y1)), slice(x1, max(x2, x1))


def paint_masks(canvas, masks, boxes, colors, alpha=0.5):
    """Blend each mask into the canvas, touching only the pixels of its box.

    Args:
        canvas: [H, W, 3] uint8, changed in place.
        masks: [H, W, N] bool or 0/1, or another answer of `readable_masks`.
        boxes: [N, (y1, x1, y2, x2)] pixels; a mask is painted inside its box (plus one pixel).
        colors: N colours of floats in 0..1.
        alpha: weight of the colour.
    """
    for i, box in enumerate(boxes):
        rows, columns = window_of(box, canvas.shape)
        apply_mask(canvas[rows, columns], masks[rows, columns, i], colors[i], alpha)


def mask_outlines(part, window):
    """The outline of a mask at half-pixel precision, holes included.

    Args:
        part: [h, w] bool or 0/1, the mask inside its window.
        window: (rows, columns), two slices of the image, as `window_of` answers them.

    Returns:
        A list of [K, (x, y)] float arrays in image coordinates (pixel centres at integers).
    """
    from contourpy import contour_generator  # comes with matplotlib

    inside = np.pad(np.asarray(part) == 1, 1).astype(np.float64)
    origin = np.array([window[1].start - 1, window[0].start - 1], dtype=np.float64)
    return [line + origin for line in contour_generator(z=inside).lines(0.5)]
