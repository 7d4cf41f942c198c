"""Crops of ground truth masks, read straight from the mask stack.

Shapes: B images, P rois, G objects, h/w the masks' size, m/n the crops' size.
"""

from keras import ops


def _sample_positions(low, high, size, count):
    """Corner-to-corner sample positions in pixels, [B, P, count], for edges [B, P]."""
    if count == 1:
        return 0.5 * (low + high)[..., None] * (size - 1.0)
    step = (high - low) * (size - 1.0) / (count - 1)
    steps = ops.arange(count, dtype="float32")
    return (low * (size - 1.0))[..., None] + steps * step[..., None]


def _neighbours(positions, size):
    """Pixel below, pixel above, weight of the latter, and whether it is inside."""
    inside = ops.logical_and(positions >= 0.0, positions <= size - 1.0)
    positions = ops.clip(positions, 0.0, size - 1.0)
    below = ops.floor(positions)
    above = ops.minimum(below + 1.0, size - 1.0)
    return ops.cast(below, "int32"), ops.cast(above, "int32"), positions - below, inside


def _between(low, high, weight):
    """Interpolation in the form crop_and_resize uses, so that ties at 0.5 round alike."""
    return low + (high - low) * weight


def crop_masks(masks, boxes, mask_rows, crop_shape):
    """Bilinear crops out of a stack of masks, as crop_and_resize makes them.

    The stack is never transposed: only the pixels that the crops touch are read.

    Args:
        masks: [B, h, w, G] uint8 or float.
        boxes: [B, P, 4] normalised to the masks' size; samples outside give 0.
        mask_rows: [B, P] int32, which of the G masks.
        crop_shape: (m, n).

    Returns:
        [B, P, m, n] float32.
    """
    batch, height, width, count = ops.shape(masks)
    flat = ops.reshape(masks, (-1,))
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    rows, columns = ops.cast(height, "float32"), ops.cast(width, "float32")
    top, bottom, dy, in_y = _neighbours(_sample_positions(y1, y2, rows, crop_shape[0]), rows)
    left, right, dx, in_x = _neighbours(_sample_positions(x1, x2, columns, crop_shape[1]), columns)
    image = ops.arange(batch, dtype="int32")[:, None, None, None] * (height * width * count)

    def pixels(y, x):
        offset = (y[..., None] * width + x[:, :, None, :]) * count
        index = image + offset + mask_rows[..., None, None]
        return ops.cast(ops.take(flat, index, axis=0), "float32")

    dy, dx = dy[..., None], dx[:, :, None, :]
    upper = _between(pixels(top, left), pixels(top, right), dx)
    lower = _between(pixels(bottom, left), pixels(bottom, right), dx)
    inside = ops.logical_and(in_y[..., None], in_x[:, :, None, :])
    return ops.where(inside, _between(upper, lower, dy), 0.0)
