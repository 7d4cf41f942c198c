"""Cropping and suppression in nothing but `keras.ops`: for every backend and for export.

Sizes may be static or not; no tensor that is computed with has more than four axes, and
nothing is scattered, so that converters know every operation in here.

Shapes: B images, R rois, N boxes, K kept boxes, C channels, P pixels, M samples.
"""

from keras import ops

# A box edge at exactly 1.0 can be rounded past the last pixel, where a crop is zeros. Staying
# this far inside the border avoids it (DEPARTURES.md).
BORDER_MARGIN = 1e-6
BLOCK = 512  # boxes that non-maximum suppression decides at a time


def take_rows(values, indices):
    """Rows of each image: values [B, N, ...], indices [B, K] -> [B, K, ...]."""
    shape = ops.shape(values)
    first_row = ops.arange(shape[0], dtype="int32")[:, None] * shape[1]
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(flat, ops.cast(indices, "int32") + first_row, axis=0)


def overlaps(boxes1, boxes2):
    """Intersection over union of every pair.

    Args:
        boxes1: [..., N, 4].
        boxes2: [..., G, 4].

    Returns:
        [..., N, G] float32; 0 where either box has no area.
    """
    y1, x1, y2, x2 = ops.unstack(ops.expand_dims(boxes1, -2), 4, axis=-1)
    gy1, gx1, gy2, gx2 = ops.unstack(ops.expand_dims(boxes2, -3), 4, axis=-1)
    height = ops.maximum(ops.minimum(y2, gy2) - ops.maximum(y1, gy1), 0.0)
    width = ops.maximum(ops.minimum(x2, gx2) - ops.maximum(x1, gx1), 0.0)
    intersection = height * width
    union = (y2 - y1) * (x2 - x1) + (gy2 - gy1) * (gx2 - gx1) - intersection
    return ops.where(intersection > 0.0, intersection / ops.where(union > 0.0, union, 1.0), 0.0)


def top_k(values, k):
    """The k largest along the last axis, the first of equals first: values, indices [..., k]."""
    return ops.top_k(values, k=k)


def smaller(limit, size):
    """The smaller of a number and a size, which is a number or, where it is open, a tensor."""
    return min(limit, size) if isinstance(size, int) else ops.minimum(limit, size)


# --- crops ----------------------------------------------------------------------------------


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


def _inside_edges(boxes):
    """The four edges [M] of boxes [M, 4], finite and off the border."""
    finite = ops.logical_and(boxes > -1e30, boxes < 1e30)  # False for NaN, too
    boxes = ops.where(finite, ops.minimum(boxes, 1.0 - BORDER_MARGIN), 0.0)
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


# --- suppression ----------------------------------------------------------------------------


def non_max_suppression(boxes, scores, limit, iou_threshold):
    """Greedy non-maximum suppression in each image of a batch, exact.

    Boxes are decided in blocks, best first: those that overlap a kept one of an earlier block
    go, the rest of the block is settled by `settled`, and what stays joins the kept ones. It
    ends when every image has its K boxes.

    Args:
        boxes: [B, N, 4].
        scores: [B, N].
        limit: most boxes kept an image (K).
        iou_threshold: boxes that overlap a better one by more than this are dropped.

    Returns:
        indices [B, K] int32 in falling order of score, and valid [B, K] bool (the rows
        after the last kept box are False).
    """
    scores = ops.convert_to_tensor(scores)
    order = top_k(scores, ops.shape(scores)[1])[1]
    return suppress_in_order(ops.convert_to_tensor(boxes), order, limit, iou_threshold)


def suppress_in_order(boxes, order, limit, iou_threshold):
    """`non_max_suppression` of boxes [B, N, 4] whose places in falling order of score are known.

    Args:
        order: [B, N] of integers.
    """
    batch, count = ops.shape(order)[:2]
    order = ops.cast(order, "int32")
    missing = (-count) % BLOCK
    order = ops.pad(order, [(0, 0), (0, missing)])
    ranked = take_rows(boxes, order)
    blocks = (count + missing) // BLOCK

    def goes_on(block, kept, valid):
        wanted = ops.any(ops.logical_not(valid))
        return ops.logical_and(ops.less(block, blocks), wanted)

    def decide(block, kept, valid):
        start = ops.cast(block * BLOCK, "int32")
        ranks = start + ops.arange(BLOCK, dtype="int32")
        mine = ops.take(ranked, ranks, axis=1)
        real = ops.broadcast_to((ranks < count)[None], (batch, BLOCK))
        beaten = ops.logical_and(
            overlaps(mine, take_rows(ranked, kept)) > iou_threshold, valid[:, None, :]
        )
        keep = settled(mine, ops.logical_and(real, ops.logical_not(ops.any(beaten, axis=-1))),
                       iou_threshold)
        ranks = ops.broadcast_to(ranks[None], (batch, BLOCK))
        both = ops.concatenate([kept, ranks], axis=1)
        places, valid = first_true(ops.concatenate([valid, keep], axis=1), limit)
        return block + 1, ops.where(valid, take_rows(both, places), 0), valid

    none = ops.zeros((batch, limit), dtype="int32")
    start = (ops.convert_to_tensor(0, dtype="int32"), none, none > 0)
    _, kept, valid = ops.while_loop(goes_on, decide, start)
    return take_rows(order, kept), valid


def first_true(flags, count):
    """The first `count` true places of each row.

    Args:
        flags: [B, N] bool, N at least `count`.
        count: static.

    Returns:
        places [B, count] int32 in rising order, and [B, count] bool, False behind the last one.
    """
    length = ops.shape(flags)[1]
    # Falling numbers, so that no two are equal: not every backend's top_k is stable.
    falling = length - ops.arange(length, dtype="int32")
    found, places = ops.top_k(ops.where(flags, ops.cast(falling, "float32"), 0.0), k=count)
    return ops.cast(places, "int32"), found > 0.0


def settled(boxes, candidate, iou_threshold):
    """Which boxes of one block greedy suppression keeps.

    A box survives when no surviving box before it overlaps it by more than the threshold.
    Applying that rule to all at once, from "all survive" on, reaches the greedy answer after
    as many rounds as the longest chain of suppressions.

    Args:
        boxes: [B, N, 4] in falling order of score.
        candidate: [B, N] bool, those that may survive.

    Returns:
        [B, N] bool.
    """
    rank = ops.arange(ops.shape(boxes)[1], dtype="int32")
    conflict = ops.logical_and(overlaps(boxes, boxes) > iou_threshold,
                               (rank[:, None] < rank[None, :])[None])
    return fixed_point(ops.cast(conflict, "float32"), candidate)


def fixed_point(conflict, candidate):
    """Survivors [B, N] bool of the conflicts [B, N, N] float32: 1.0 where row may drop column."""

    def survivors(keep):
        suppressed = ops.matmul(ops.cast(keep, "float32")[:, None, :], conflict)[:, 0] > 0.0
        return ops.logical_and(candidate, ops.logical_not(suppressed))

    def changed(keep, previous):
        return ops.any(ops.not_equal(keep, previous))

    def one_round(keep, previous):
        return survivors(keep), keep

    return ops.while_loop(changed, one_round, (survivors(candidate), candidate))[0]

