"""RoIAlign (Mask R-CNN, section 3) in nothing but `keras.ops`; see `portable`.

Boxes are normalised from one edge of the image to the other. A roi is divided into bins; a bin
is the mean of the feature map at points inside it. A point up to one cell outside of the map has
the value at its border, one farther away is 0.

Shapes: B images, R rois, M = B * R, C channels, P pixels, T points.
"""

from keras import ops

from mrcnn.kernels.portable_crops import finite_boxes, pyramid_pixels


def first_and_extent(low, high, size, aligned):
    """Where rois begin along one axis and how far they reach, in cells.

    Args:
        low, high: edges, normalised.
        size: cells along the axis, float32, that broadcasts against them.
        aligned: half a cell's shift and no least extent; else they reach over one cell or more.
    """
    first, extent = low * size, (high - low) * size
    return (first - 0.5, extent) if aligned else (first, ops.maximum(extent, 1.0))


def neighbours(places, size):
    """The cells beside points along one axis.

    Args:
        places: in cells, 0 being the centre of the first one.
        size: cells, float32, that broadcasts against them.

    Returns:
        Cell below and cell above, int32, and the weights of both, float32: 0 for a point more
        than one cell outside.
    """
    inside = ops.logical_and(places >= -1.0, places <= size)
    inside = ops.cast(inside, "float32")
    places = ops.clip(places, 0.0, size - 1.0)
    below = ops.floor(places)
    above = ops.minimum(below + 1.0, size - 1.0)
    weight = places - below
    return (ops.cast(below, "int32"), ops.cast(above, "int32"),
            (1.0 - weight) * inside, weight * inside)


def _rounds(low, high, size, bins, ratio, aligned):
    """For each of the `ratio` points of a bin: `neighbours` [M, bins] along one axis."""
    size = ops.cast(size, "float32")[:, None]
    first, extent = first_and_extent(low[:, None], high[:, None], size, aligned)
    width = extent / bins
    which = ops.arange(bins, dtype="float32")[None]
    return [neighbours(first + (which + (point + 0.5) / ratio) * width, size)
            for point in range(ratio)]


def align_pixels(pixels, boxes, first_pixel, height, width, crop_shape, sampling_ratio, aligned):
    """RoIAlign out of a list of pixels [P, C]: [M, h, w, C] float32.

    One corner of one point of all bins is read at a time, so that no tensor is larger than the
    answer.

    Args:
        boxes: [M, 4].
        first_pixel, height, width: [M] int32, of each box's feature map; see `pyramid_pixels`.
        Others as `roi_align`.
    """
    y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
    rows = _rounds(y1, y2, height, crop_shape[0], sampling_ratio, aligned)
    columns = _rounds(x1, x2, width, crop_shape[1], sampling_ratio, aligned)
    total = 0.0
    for top, bottom, top_weight, bottom_weight in rows:
        for y, in_y in ((top, top_weight), (bottom, bottom_weight)):
            begin = (first_pixel[:, None] + y * width[:, None])[:, :, None]
            for left, right, left_weight, right_weight in columns:
                for x, in_x in ((left, left_weight), (right, right_weight)):
                    index = ops.reshape(begin + x[:, None, :], (-1,))
                    weight = ops.reshape(in_y[:, :, None] * in_x[:, None, :], (-1, 1))
                    values = ops.cast(ops.take(pixels, index, axis=0), "float32")
                    total = total + values * weight
    total = total / float(sampling_ratio**2)
    return ops.reshape(total, (-1, *crop_shape, pixels.shape[-1]))


def point_list(boxes, first_pixel, height, width, crop_shape, sampling_ratio, aligned):
    """Every point of every bin in one list, bin after bin, for backends with dynamic sizes.

    Args:
        As `align_pixels`; sampling_ratio 0 takes ceil(roi side / bins) points a bin and axis,
        none for a roi without extent, and at most two for each cell of the map.

    Returns:
        pixels [T, 4] int32 and their shares of the bin [T, 4] float32 (four corners a point), the
        bin of each point [T] int32 and the points of each bin [M * h * w] int32.
    """
    boxes = ops.reshape(boxes, (-1, 2, 2))  # [M, (low, high), (y, x)]
    sizes = ops.stack([height, width], axis=-1)
    first, extent = first_and_extent(boxes[:, 0], boxes[:, 1], ops.cast(sizes, "float32"), aligned)
    side = extent / ops.convert_to_tensor(crop_shape, "float32")
    points = ops.full_like(sizes, sampling_ratio)
    if not sampling_ratio:
        wanted = ops.clip(ops.ceil(side), 0.0, 2.0 * ops.cast(sizes, "float32"))
        points = ops.cast(wanted, "int32")
    bins = crop_shape[0] * crop_shape[1]
    count = ops.repeat(points[:, 0] * points[:, 1], bins)
    places = ops.arange(ops.shape(count)[0], dtype="int32")
    owner = ops.repeat(places, count)
    rank = ops.arange(ops.shape(owner)[0], dtype="int32") - ops.take(ops.cumsum(count) - count,
                                                                     owner, axis=0)
    roi, within = owner // bins, owner % bins
    along = ops.take(points, roi, axis=0)
    which = ops.stack([within // crop_shape[1], within % crop_shape[1]], axis=-1)
    step = ops.stack([rank // along[:, 1], rank % along[:, 1]], axis=-1)
    share = (ops.cast(step, "float32") + 0.5) / ops.cast(along, "float32")
    at = ops.take(first, roi, axis=0)
    at = at + (ops.cast(which, "float32") + share) * ops.take(side, roi, axis=0)
    corners, weights = _corners(at, ops.take(sizes, roi, axis=0),
                                ops.take(first_pixel, roi, axis=0))
    return corners, weights / ops.cast(along[:, :1] * along[:, 1:], "float32"), owner, count


def _corners(places, sizes, first_pixel):
    """The four cells around points [T, (y, x)] and their weights: [T, 4] each."""
    below, above, low, high = neighbours(places, ops.cast(sizes, "float32"))
    rows = [first_pixel + y * sizes[:, 1] for y in (below[:, 0], above[:, 0])]
    corners = [row + x for row in rows for x in (below[:, 1], above[:, 1])]
    weights = [y * x for y in (low[:, 0], high[:, 0]) for x in (low[:, 1], high[:, 1])]
    return ops.stack(corners, axis=-1), ops.stack(weights, axis=-1)


def roi_align(feature_maps, boxes, levels, crop_shape, sampling_ratio, aligned, read=align_pixels):
    """RoIAlign of every box out of the pyramid level it belongs to.

    Args:
        feature_maps: list of [B, h, w, C], finest first.
        boxes: [B, R, (y1, x1, y2, x2)] normalised from edge to edge; what is not finite counts
            as 0. No gradient goes to them.
        levels: [B, R] int32 index into `feature_maps`.
        crop_shape: (height, width) in bins.
        sampling_ratio: points of a bin along each axis; 0: as many as the bin has cells, on
            TensorFlow and torch.
        aligned: half a cell's shift, so that cells are centred where their pixels are.
        read: what reads the points; another backend's twin of `align_pixels`.

    Returns:
        [B, R, height, width, C] float32, rows in the order of `boxes`.

    Raises:
        ValueError: sampling_ratio 0 where sizes have to be known beforehand.
    """
    if not sampling_ratio and read is align_pixels:
        raise ValueError("sampling_ratio = 0 (ROI_ALIGN_SAMPLING_RATIO) takes a number of points "
                         "that depends on each roi, which JAX and exported files do not have: "
                         "expected 1 or more, as a rule 2")
    feature_maps = [ops.convert_to_tensor(feature_map) for feature_map in feature_maps]
    boxes = ops.convert_to_tensor(boxes)
    pixels, *places = pyramid_pixels(feature_maps, ops.cast(levels, "int32"))
    flat = finite_boxes(ops.reshape(boxes, (-1, 4)))
    crops = read(pixels, flat, *places, crop_shape, sampling_ratio, aligned)
    shape = ops.shape(boxes)
    return ops.reshape(crops, (shape[0], shape[1], *crop_shape, feature_maps[0].shape[-1]))
