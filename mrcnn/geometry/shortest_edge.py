"""Resizing by the shorter and the longer side, as detectron2 and torchvision do it.

An image keeps its aspect ratio. The shorter side gets one length, unless the longer side would
pass another; the rest up to a multiple of MULTIPLE is padding, at the right and below. Pixels are
interpolated bilinearly with half-pixel centres and no smoothing, and the border pixel goes on
beyond the border (`torch.nn.functional.interpolate(..., align_corners=False)`).
"""

import math

import numpy as np

MODES = ("shortest_edge", "shortest_edge_floor")
MULTIPLE = 32  # pixels; what both sides of a molded image divide by
_CHANNELS_AT_ONCE = 64  # OpenCV 5 takes 128, others 512


def scaled_sides(height, width, short, long=None, floor=False):
    """What becomes of an image's sides.

    Args:
        height, width: of the image in pixels.
        short: length of the shorter side in pixels.
        long: bound of the longer one, which then decides; None for none.
        floor: sides are rounded down, as torchvision's `GeneralizedRCNNTransform` does; False:
            to the nearest pixel, halves up, as detectron2's `ResizeShortestEdge` does.

    Returns:
        (scale, (height, width) in whole pixels, at least 1).
    """
    shortest, longest = min(height, width), max(height, width)
    scale = short / shortest
    if floor:
        scale = scale if long is None else min(scale, long / longest)
        sides = [math.floor(side * scale) for side in (height, width)]
    else:
        exact = [short if side == shortest else scale * side for side in (height, width)]
        if long is not None and max(exact) > long:
            shrink = long / max(exact)
            scale, exact = scale * shrink, [side * shrink for side in exact]
        sides = [int(side + 0.5) for side in exact]
    return scale, tuple(max(side, 1) for side in sides)


def margin(side):
    """Pixels behind a side that bring it to a multiple of MULTIPLE."""
    return -side % MULTIPLE


def resize_clamped(image, output_shape) -> np.ndarray:
    """Resizes an image bilinearly, see the module.

    Args:
        image: [H, W] or [H, W, C] of any integer or float type.
        output_shape: (height, width) in pixels.

    Returns:
        [height, width] or [height, width, C] of the input type; integers are rounded to the
        nearest. Always a new array.
    """
    import cv2

    height, width = (int(n) for n in output_shape[:2])
    if image.shape[:2] == (height, width):
        return image.copy()
    exact_in_float32 = image.dtype.itemsize <= 2 or image.dtype == np.float32
    source = np.ascontiguousarray(image, np.float32 if exact_in_float32 else np.float64)
    source = source.reshape(*image.shape[:2], -1)
    parts = [cv2.resize(source[:, :, first : first + _CHANNELS_AT_ONCE], (width, height),
                        interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
             for first in range(0, source.shape[2], _CHANNELS_AT_ONCE)]
    resized = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    if image.dtype.kind != "f":
        np.rint(resized, out=resized)
    return resized.reshape(height, width, *image.shape[2:]).astype(image.dtype, copy=False)


def nearest_centre(size_in: int, size_out: int) -> np.ndarray:
    """Which sample of an axis each output sample copies: the one its centre lies in.

    Returns:
        [size_out] int, `floor((i + 1/2) * size_in / size_out)`, in whole numbers throughout.
    """
    return (2 * np.arange(size_out) + 1) * size_in // (2 * size_out)
