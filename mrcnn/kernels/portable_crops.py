"""Crops in nothing but `keras.ops`; see `portable`.

Shapes: B images, R rois, N boxes, C channels, P pixels, M samples.
"""

from keras import ops

# A box edge at exactly 1.0 can be rounded past the last pixel, where a crop is zeros. Staying
# this far inside the border avoids it (DEPARTURES.md).
BORDER_MARGIN = 1e-6


def _samples(low, high, size, count):
    """Sample places along one axis, corner to corner.

    Args:
        low, high: [M] normalised edges.
        size: float32 tensor, pixels along the axis: a scalar or [M].
        count: number of samples.

    Returns:
        Pixel below and pixel above [M, count] int32, weight of the latter and 1.0 where the
        sample is inside the image, else 0.0, [M, count] float32.
    """
    last = size - 1.0
    if count == 1:
        places = (0.5 * (low + high) * last)[:, None]
    else:
        step = (high - low) * last / (count - 1)
        steps = ops.arange(count, dtype="float32")
        places = (low * last)[:, None] + steps[None] * step[:, None]
    last = last if len(last.shape) == 0 else last[:, None]
    inside = ops.logical_and(places >= 0.0, places <= last)
    places = ops.clip(places, 0.0, last)
    below = ops.floor(places)
    above = ops.minimum(below + 1.0, last)
    weight = places - below
    return ops.cast(below, "int32"), ops.cast(above, "int32"), weight, ops.cast(inside, "float32")


def finite_boxes(boxes):
    """Boxes with 0 for what is not finite: diverged weights shall show as a NaN loss."""
    finite = ops.logical_and(boxes > -1e30, boxes < 1e30)  # False for NaN, too
    return ops.where(finite, boxes, 0.0)


def _inside_edges(boxes):
    """The four edges [M] of boxes [M, 4], finite and off the border."""
    boxes = ops.minimum(finite_boxes(boxes), 1.0 - BORDER_MARGIN)
    return ops.unstack(boxes, 4, axis=-1)


def sample_grid(boxes, first_pixel, height, width, crop_shape):
    """Where the samples of boxes lie in a list of pixels.

    Args:
        boxes: [M, 4] normalised.
        first_pixel: [M] int32, the place in the list where the box's image begins.
        height, width: int32 size of that image, [M] or scalars.
        crop_shape: (h, w).

    Returns:
        List of four indices [M, h, w] int32 (top left, top right, bottom left, bottom right),
        weight of the bottom [M, h, 1], of the right [M, 1, w], and 1.0 or 0.0 for samples in
        and out of the image [M, h, w].
    """
    y1, x1, y2, x2 = _inside_edges(boxes)
    rows, columns = ops.cast(height, "float32"), ops.cast(width, "float32")
    top, bottom, dy, in_y = _samples(y1, y2, rows, crop_shape[0])
    left, right, dx, in_x = _samples(x1, x2, columns, crop_shape[1])
    stride = width if len(width.shape) == 0 else width[:, None]

    def corner(y, x):
        return (first_pixel[:, None] + y * stride)[:, :, None] + x[:, None, :]

    corners = [corner(y, x) for y in (top, bottom) for x in (left, right)]
    return corners, dy[:, :, None], dx[:, None, :], in_y[:, :, None] * in_x[:, None, :]


def crop_pixels(pixels, boxes, first_pixel, height, width, crop_shape):
    """Bilinear crops [M, h, w, C] float32 out of a list of pixels [P, C]; see `sample_grid`."""
    corners, dy, dx, inside = sample_grid(boxes, first_pixel, height, width, crop_shape)
    channels = pixels.shape[-1]

    def flat(values):
        return ops.reshape(ops.broadcast_to(values, ops.shape(inside)), (-1, 1))

    top_left, top_right, bottom_left, bottom_right = (
        ops.cast(ops.take(pixels, ops.reshape(index, (-1,)), axis=0), "float32")
        for index in corners
    )
    dy, dx = flat(dy), flat(dx)
    top = top_left + (top_right - top_left) * dx
    bottom = bottom_left + (bottom_right - bottom_left) * dx
    crops = (top + (bottom - top) * dy) * flat(inside)
    return ops.reshape(crops, (-1, *crop_shape, channels))


def crop_and_resize(images, boxes, box_indices, crop_shape, read=crop_pixels):
    """Crop normalised boxes out of images, sampling corner to corner, bilinear.

    Args:
        images: [B, H, W, C].
        boxes: [N, (y1, x1, y2, x2)] normalised; 1.0 is the centre of the last pixel. What
            is not finite counts as 0.
        box_indices: [N] int32, the image of each box.
        crop_shape: (height, width) of the crops.
        read: what reads the samples; another backend's twin of `crop_pixels`.

    Returns:
        [N, height, width, C] float32; samples outside of the image are 0.
    """
    images, boxes = ops.convert_to_tensor(images), ops.convert_to_tensor(boxes)
    shape = ops.shape(images)
    height, width = (ops.convert_to_tensor(n, dtype="int32") for n in shape[1:3])
    pixels = ops.reshape(images, (-1, images.shape[-1]))
    first_pixel = ops.cast(box_indices, "int32") * (height * width)
    return read(pixels, boxes, first_pixel, height, width, crop_shape)


def pyramid_pixels(feature_maps, levels):
    """All pixels of a pyramid in one list, and where each box finds its image in it.

    Args:
        feature_maps: list of [B, h, w, C].
        levels: [B, R] int32 index into `feature_maps`.

    Returns:
        pixels [P, C]; first pixel, height and width of each box's feature map, [B * R] int32.
    """
    shapes = [ops.shape(feature_map) for feature_map in feature_maps]
    heights, widths = (
        ops.stack([ops.convert_to_tensor(shape[axis], dtype="int32") for shape in shapes])
        for axis in (1, 2)
    )
    areas, batch = heights * widths, ops.shape(levels)[0]
    begins = (ops.cumsum(areas) - areas) * batch
    owner = ops.broadcast_to(ops.arange(batch, dtype="int32")[:, None], ops.shape(levels))
    levels, owner = ops.reshape(levels, (-1,)), ops.reshape(owner, (-1,))
    begins, areas, heights, widths = (
        ops.take(values, levels, axis=0) for values in (begins, areas, heights, widths)
    )
    pixels = [ops.reshape(feature_map, (-1, feature_map.shape[-1])) for feature_map in feature_maps]
    return ops.concatenate(pixels, axis=0), begins + owner * areas, heights, widths


def crop_from_pyramid(feature_maps, boxes, levels, crop_shape, read=crop_pixels):
    """Crop every box out of the pyramid level it belongs to.

    Args:
        feature_maps: list of [B, h, w, C], finest first.
        boxes: [B, R, 4] normalised.
        levels: [B, R] int32 index into `feature_maps`.
        crop_shape: (height, width).
        read: what reads the samples; another backend's twin of `crop_pixels`.

    Returns:
        [B, R, height, width, C] float32, rows in the order of `boxes`.
    """
    feature_maps = [ops.convert_to_tensor(feature_map) for feature_map in feature_maps]
    boxes, levels = ops.convert_to_tensor(boxes), ops.cast(levels, "int32")
    pixels, *places = pyramid_pixels(feature_maps, levels)
    crops = read(pixels, ops.reshape(boxes, (-1, 4)), *places, crop_shape)
    shape = ops.shape(boxes)
    return ops.reshape(crops, (shape[0], shape[1], *crop_shape, feature_maps[0].shape[-1]))
