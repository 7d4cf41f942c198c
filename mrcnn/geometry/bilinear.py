"""Bilinear interpolation that equals scikit-image's to the last bit.

Pixel centres are mapped onto each other, samples outside the image count as zero, and the result
is clipped to the range of the input.
"""

import numpy as np

# Float64 values of one strip of the output; a strip that fits the cache is twice as fast.
_STRIP_VALUES = 32_768


def bilinear_taps(size_in: int, size_out: int) -> tuple[np.ndarray, ...]:
    """The two samples along one axis that make each output sample.

    Args:
        size_in: length of the axis before resizing.
        size_out: length after resizing.

    Returns:
        (low, high, low_weight, high_weight), each [size_out]: sample indices and their float64
        weights. A sample outside the axis has weight zero and a valid index.
    """
    centre = (np.arange(size_out) + 0.5) * (size_in / size_out) - 0.5
    low = np.floor(centre)
    low_weight = 1.0 - (centre - low)
    high_weight = 1.0 - low_weight
    low = low.astype(np.intp)
    low_weight[low < 0] = 0.0
    high_weight[low + 1 >= size_in] = 0.0
    return np.maximum(low, 0), np.minimum(low + 1, size_in - 1), low_weight, high_weight


def bilinear_float(image: np.ndarray, output_shape, out: np.ndarray) -> np.ndarray:
    """Resizes `image` [H, W, C] into `out` [h, w, C], computing in float64.

    The four terms of a pixel are multiplied and added in the order scikit-image uses, because
    truncating to integers afterwards shows even the last bit. Where no order rounds anything
    (`_is_exact`) a faster one is taken.

    Returns:
        `out`, converted to its type as `astype` does.
    """
    height, width, channels = image.shape
    source = image.reshape(height, width * channels)
    rows = bilinear_taps(height, output_shape[0])
    columns = _by_value(bilinear_taps(width, output_shape[1]), channels)
    low, high = np.fmin.reduce(source, axis=None), np.fmax.reduce(source, axis=None)
    in_range = low == 0 and out.dtype in (np.uint8, np.uint16)  # truncating does the rest
    mix = _mix_exactly if _is_exact(source.dtype, rows, columns) else _mix
    step = max(1, _STRIP_VALUES // max(1, output_shape[1] * channels))
    for start in range(0, output_shape[0], step):
        strip = slice(start, start + step)
        total = mix(source, [part[strip] for part in rows], columns)
        if not in_range:
            np.clip(total, low, high, out=total)
        out[strip] = total.reshape(-1, *out.shape[1:])
    return out


def _by_value(taps, channels):
    """Taps along [W] -> taps along [W * channels], where the channels of a pixel are neighbours."""
    low, high, low_weight, high_weight = (np.repeat(part, channels) for part in taps)
    channel = np.arange(len(low)) % channels
    return low * channels + channel, high * channels + channel, low_weight, high_weight


def _mix(source, rows, columns):
    """One strip of the output, [h, w * C] float64, in scikit-image's order."""
    top, bottom, top_weight, bottom_weight = rows
    left, right, left_weight, right_weight = columns
    upper = source[top] * top_weight[:, None]
    lower = source[bottom] * bottom_weight[:, None]
    total = upper.take(left, axis=1, mode="clip")  # "clip" skips a check, no tap is outside
    total *= left_weight
    for line, taps, weight in ((upper, right, right_weight), (lower, left, left_weight),
                               (lower, right, right_weight)):
        term = line.take(taps, axis=1, mode="clip")
        term *= weight
        total += term
    return total


def _is_exact(dtype, rows, columns):
    """Whether float32 holds every product and sum: 8 bits a value, 8 bits a weight.

    So it is for halving and doubling, for 640 pixels that become 1024, and the like.
    """
    weights = (*rows[2:], *columns[2:])
    return dtype == np.uint8 and not any((weight * 256 % 1).any() for weight in weights)


def _mix_exactly(source, rows, columns):
    """As `_mix`, one axis after the other in float32."""
    top, bottom, top_weight, bottom_weight = rows
    left, right, left_weight, right_weight = columns
    lines = source[top] * top_weight.astype(np.float32)[:, None]
    lines += source[bottom] * bottom_weight.astype(np.float32)[:, None]
    total = lines.take(left, axis=1, mode="clip") * left_weight.astype(np.float32)
    total += lines.take(right, axis=1, mode="clip") * right_weight.astype(np.float32)
    return total


def halved(image):
    """[H, W, C] uint8 of even sides at half its size: the mean of four pixels, truncated."""
    out = np.empty((image.shape[0] // 2, image.shape[1] // 2, image.shape[2]), np.uint8)
    for start in range(0, len(image), 32):
        part = image[start : start + 32]
        pairs = np.add(part[0::2], part[1::2], dtype=np.uint16)
        for channel in range(image.shape[2]):  # three at a time are slower
            four = pairs[:, 0::2, channel] + pairs[:, 1::2, channel]
            out[start // 2 : start // 2 + len(part) // 2, :, channel] = four >> 2
    return out
