"""Crops of ground truth masks, read straight from the mask stack.

Shapes: B images, P rois, G objects, h/w the masks' size, m/n the crops' size.
"""

from keras import ops

from mrcnn.kernels.portable_align import first_and_extent, neighbours, point_list


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


def align_masks(masks, boxes, mask_rows, crop_shape, sampling_ratio, aligned):
    """RoIAlign out of a stack of masks; see `kernels.portable_align`.

    Args:
        masks: [B, h, w, G] uint8 or float.
        boxes: [B, P, 4] normalised from edge to edge of the masks.
        mask_rows: [B, P] int32, which of the G masks.
        crop_shape: (m, n).
        sampling_ratio: points of a bin along each axis; 0: as many as the bin has pixels.
        aligned: half a pixel's shift.

    Returns:
        [B, P, m, n] float32.
    """
    shape = ops.shape(masks)
    masks_of_image = ops.arange(shape[0], dtype="int32")[:, None] * (shape[1] * shape[2] * shape[3])
    first = masks_of_image + ops.cast(mask_rows, "int32")
    flat, size = ops.reshape(masks, (-1,)), shape[1:]
    if sampling_ratio:
        return _align_points(flat, size, boxes, first, crop_shape, sampling_ratio, aligned)
    return _align_each(flat, size, boxes, first, crop_shape, aligned)


def _align_points(flat, size, boxes, first, crop_shape, ratio, aligned):
    """`align_masks` with a fixed number of points, one corner of one point of all bins at a time.

    Args:
        flat: all pixels [B * h * w * G].
        size: (h, w, G).
        first: [B, P] int32, the place of a mask's first pixel.
    """
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    rows = _taps(y1, y2, size[0], crop_shape[0], ratio, aligned)
    columns = list(_taps(x1, x2, size[1], crop_shape[1], ratio, aligned))
    total = 0.0
    for y, in_y in rows:
        begin = y * size[1]
        for x, in_x in columns:
            cell = begin[..., None] + x[:, :, None, :]
            index = first[..., None, None] + cell * size[2]
            values = ops.cast(ops.take(flat, index, axis=0), "float32")
            total = total + values * in_y[..., None] * in_x[:, :, None, :]
    return total / float(ratio**2)


def _taps(low, high, size, bins, ratio, aligned):
    """Yields (pixel, weight), [B, P, bins] each: two for each of a bin's points on one axis."""
    size = ops.cast(size, "float32")
    first, extent = first_and_extent(low, high, size, aligned)
    which = ops.arange(bins, dtype="float32")
    for point in range(ratio):
        places = first[..., None] + (which + (point + 0.5) / ratio) * (extent / bins)[..., None]
        below, above, low_weight, high_weight = neighbours(places, size)
        yield from ((below, low_weight), (above, high_weight))


def _align_each(flat, size, boxes, first, crop_shape, aligned):
    """`align_masks` with as many points as a box takes, one box at a time."""
    sizes = [ops.convert_to_tensor(n, dtype="int32")[None] for n in size[:2]]
    bins = crop_shape[0] * crop_shape[1]

    def one(box_and_first):
        box, begin = box_and_first
        start = ops.zeros((1,), dtype="int32")
        cells, weights, owner, _ = point_list(box[None], start, *sizes, crop_shape, 0, aligned)
        values = ops.cast(ops.take(flat, begin + cells * size[2], axis=0), "float32")
        return ops.segment_sum(ops.sum(values * weights, axis=-1), owner, num_segments=bins)

    boxes_of_all = ops.reshape(boxes, (-1, 4))
    crops = ops.map(one, (boxes_of_all, ops.reshape(first, (-1,))))
    return ops.reshape(crops, (*ops.shape(boxes)[:2], *crop_shape))
