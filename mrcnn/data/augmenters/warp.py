"""Moving image and masks by one matrix.

Matrices are [3, 3] for (x, y, 1) and lead from the old image to the new one. Their coordinates
are those of pixel corners: an image reaches from 0 to its width and height.
"""

import cv2
import numpy as np

from mrcnn.data.augmenters.sample import Sample, in_opencv, masks_of, planes_of


def translation(x, y):
    """The matrix that moves by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scaling(factor):
    """The matrix that enlarges about the corner (0, 0)."""
    return np.diag([factor, factor, 1.0])


def warp(sample, matrix, fill=0, region=None):
    """Moves image and masks by one matrix, bilinearly; a mask is what is more than half covered.

    Args:
        sample: Sample.
        matrix: [3, 3], see the module.
        fill: colour of what comes from outside, a number or one a channel.
        region: (y1, x1, y2, x2) whole pixels, the only part of the new image to be drawn; the
            rest is `fill`. None for all.

    Returns:
        Sample of the same shapes.
    """
    image = sample.image
    region = region or (0, 0, *image.shape[:2])
    colour = np.broadcast_to(np.asarray(fill, np.float64), image.shape[2])

    def draw(part, channels):
        border = tuple(float(value) for value in colour[channels])
        canvas = np.empty_like(part)
        canvas[:] = np.rint(border) if part.dtype.kind in "ui" else border
        draw_warped(part, (0, 0), canvas, region, matrix, border)
        return canvas

    planes = planes_of(sample.masks)
    moved = np.zeros_like(planes)
    for plane, canvas in zip(planes, moved, strict=True):
        _warp_mask(plane, canvas, matrix, region)
    return Sample(in_opencv(draw, image), masks_of(moved), sample.class_ids)


def draw_warped(source, corner, canvas, region, matrix, border=(0,)):
    """Draws an array, moved by a matrix, into a region of a canvas.

    Args:
        source: [h, w] or [h, w, C], the part of the old image whose corner is `corner`.
        corner: (y, x) pixels.
        canvas: the new image, changed in place.
        region: (y1, x1, y2, x2) pixels.
        matrix: [3, 3].
        border: colour outside `source`.
    """
    y1, x1, y2, x2 = region
    # OpenCV asks for the way back, between pixel centres of the two arrays.
    back = np.linalg.inv(translation(-x1 - 0.5, -y1 - 0.5) @ matrix
                         @ translation(corner[1] + 0.5, corner[0] + 0.5))
    done = cv2.warpAffine(source, back[:2], (x2 - x1, y2 - y1), borderValue=border,
                          flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    canvas[y1:y2, x1:x2] = done.reshape(canvas[y1:y2, x1:x2].shape)


def _warp_mask(plane, canvas, matrix, region):
    """Moves one mask, looking only where it is and where it goes."""
    x, y, width, height = cv2.boundingRect(plane)
    corners = matrix @ np.array([[x, x + width, x, x + width],
                                 [y, y, y + height, y + height], [1, 1, 1, 1]])
    left, top = np.floor(corners[:2].min(axis=1)).astype(int)
    right, bottom = np.ceil(corners[:2].max(axis=1)).astype(int)
    y1, x1 = max(top, region[0]), max(left, region[1])
    y2, x2 = min(bottom, region[2]), min(right, region[3])
    if width == 0 or y2 <= y1 or x2 <= x1:
        return
    draw_warped(plane[y : y + height, x : x + width] * np.uint8(255), (y, x), canvas,
                (y1, x1, y2, x2), matrix)
    part = canvas[y1:y2, x1:x2]
    np.greater(part, 127, out=part.view(bool))
