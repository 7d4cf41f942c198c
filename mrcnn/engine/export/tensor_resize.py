"""`geometry.resize` and `geometry.molding` on tensors, for images whose size is not known yet.

Everything is computed in float64 and in the order of the numpy versions, so that both answer the
same to the last bit; in the modes of `geometry.shortest_edge`, which OpenCV resizes in float32 for
`detect`, up to rounding.

Shapes: B images, H0/W0 a caller's image, H/W the network's input, C channels.
"""

from keras import ops

from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE
from mrcnn.geometry.shortest_edge import MULTIPLE


def real(value):
    """A number, a list or a tensor as float64; `ops.cast` would take numbers through float32."""
    return ops.convert_to_tensor(value, dtype="float64")


def whole(value):
    """A float64 scalar as the int32 it stands for."""
    return ops.cast(value, "int32")


def taps(positions, size_in, size_out, clamped=False):
    """The two samples of an axis that make each output sample; twin of `bilinear_taps`.

    Args:
        positions: [n] int32, places on the output axis.
        size_in, size_out: int32, length of the axis before and after.
        clamped: the first and last sample go on outside, where there are zeros otherwise.

    Returns:
        (low, high) [n] int32 and (low_weight, high_weight) [n] float64.
    """
    centre = (real(positions) + 0.5) * (real(size_in) / real(size_out)) - 0.5
    if clamped:
        centre = ops.clip(centre, real(0.0), real(size_in) - 1.0)
    floor = ops.floor(centre)
    low_weight = 1.0 - (centre - floor)
    low = whole(floor)
    high_weight = ops.where(low + 1 >= size_in, real(0.0), 1.0 - low_weight)
    low_weight = ops.where(low < 0, real(0.0), low_weight)
    return ops.maximum(low, 0), ops.minimum(low + 1, size_in - 1), low_weight, high_weight


def resize_bilinear(images, size_in, size_out, clamped=False):
    """Twin of `geometry.resize.resize_bilinear`, before integers are truncated.

    With `clamped` that of `geometry.shortest_edge.resize_clamped`, before integers are rounded.

    Args:
        images: [B, H0, W0, C] float32.
        size_in: (H0, W0) int32; size_out: (height, width) int32.

    Returns:
        [B, height, width, C] float64, within the range of each image.
    """
    rows, columns = (taps(ops.arange(n_out, dtype="int32"), n_in, n_out, clamped)
                     for n_in, n_out in zip(size_in, size_out, strict=True))
    top, bottom, top_weight, bottom_weight = rows
    left, right, left_weight, right_weight = columns
    upper = real(ops.take(images, top, axis=1)) * top_weight[:, None, None]
    lower = real(ops.take(images, bottom, axis=1)) * bottom_weight[:, None, None]
    total = ops.take(upper, left, axis=2) * left_weight[:, None]
    total += ops.take(upper, right, axis=2) * right_weight[:, None]
    total += ops.take(lower, left, axis=2) * left_weight[:, None]
    total += ops.take(lower, right, axis=2) * right_weight[:, None]
    lowest, highest = (real(end(images, axis=(1, 2, 3), keepdims=True))
                       for end in (ops.min, ops.max))
    return ops.minimum(ops.maximum(total, lowest), highest)


def scale_for(height, width, config, mode):
    """The factor of `geometry.resize.placement`, float64, for a mode that scales."""
    longest, shortest = real(ops.maximum(height, width)), real(ops.minimum(height, width))
    scale = real(1.0)
    if config.IMAGE_MIN_DIM:
        scale = ops.maximum(scale, real(config.IMAGE_MIN_DIM) / shortest)
    if config.IMAGE_MIN_SCALE:
        scale = ops.maximum(scale, real(config.IMAGE_MIN_SCALE))
    if config.IMAGE_MAX_DIM and mode == "square":
        limit = real(config.IMAGE_MAX_DIM)
        scale = ops.where(ops.round(longest * scale) > limit, limit / longest, scale)
    return scale


def mold(images, config, mode):
    """Resizes, pads and mean-subtracts as `engine.inference.mold_one` does.

    Args:
        images: [B, H0, W0, C] of a type in IMAGE_TYPES; integers are truncated after resizing,
            but not in the modes of `geometry.shortest_edge`.
        config: Config.
        mode: as `engine.inference.resize_mode` says.

    Returns:
        molded [B, H, W, C] float32, window [4] float64 (y1, x1, y2, x2) px of it, scale float64.
    """
    if mode in SHORTEST_EDGE:
        return _mold_by_shortest_edge(images, config, mode)
    is_whole = "int" in images.dtype.name
    _, height, width, _ = ops.shape(images)
    pixels, scale = ops.cast(images, "float32"), real(1.0)
    margins = ((0, 0), (0, 0))
    if mode != "none":
        scale = scale_for(height, width, config, mode)
        scaled = [ops.maximum(1, whole(ops.round(real(side) * scale))) for side in (height, width)]
        pixels = resize_bilinear(pixels, (height, width), scaled)
        pixels = ops.cast(ops.trunc(pixels) if is_whole else pixels, "float32")
        height, width = scaled
        margins = [_margins(side, config, mode) for side in scaled]
        pixels = ops.pad(pixels, [[0, 0], *map(list, margins), [0, 0]])
    (top, _), (left, _) = margins
    window = ops.stack([real(side) for side in (top, left, top + height, left + width)])
    return _normalised(pixels, config), window, scale


def _normalised(pixels, config):
    """Twin of `geometry.molding.mold_image`."""
    molded = real(pixels) - real(config.mean_pixel)
    if (config.image_std != 1).any():
        molded = molded / real(config.image_std)
    return ops.cast(molded, "float32")


def _mold_by_shortest_edge(images, config, mode):
    """`mold` for the modes of `geometry.shortest_edge`: padding is zero after the mean."""
    size = ops.shape(images)[1:3]
    scale, sides = scaled_sides(*size, config, mode == "shortest_edge_floor")
    pixels = resize_bilinear(ops.cast(images, "float32"), size, sides, clamped=True)
    behind = [[0, (side + MULTIPLE - 1) // MULTIPLE * MULTIPLE - side] for side in sides]
    molded = ops.pad(_normalised(ops.cast(pixels, "float32"), config), [[0, 0], *behind, [0, 0]])
    return molded, ops.stack([real(0.0), real(0.0), *map(real, sides)]), scale


def scaled_sides(height, width, config, floor):
    """Twin of `geometry.shortest_edge.scaled_sides`: scale float64, (height, width) int32."""
    short, long = real(config.IMAGE_MIN_DIM), real(config.IMAGE_MAX_DIM)
    exact = [real(height), real(width)]
    shortest, longest = ops.minimum(*exact), ops.maximum(*exact)
    scale, half = short / shortest, 0.5
    if floor:
        scale, half = ops.minimum(scale, long / longest), 0.0
        exact = [side * scale for side in exact]
    else:
        exact = [ops.where(side == shortest, short, scale * side) for side in exact]
        most = ops.maximum(*exact)
        shrink = ops.where(most > long, long / most, real(1.0))
        scale, exact = scale * shrink, [side * shrink for side in exact]
    return scale, [ops.maximum(whole(ops.floor(side + half)), 1) for side in exact]


def _margins(side, config, mode):
    """(before, after) in pixels around a side of the scaled image."""
    if mode == "square":
        wanted = config.IMAGE_MAX_DIM
    else:
        wanted = (side + 63) // 64 * 64  # converted, a negative quotient would be cut, not floored
    before = (wanted - side) // 2
    return before, wanted - side - before
