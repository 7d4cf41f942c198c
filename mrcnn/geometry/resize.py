"""Resizing images and masks.

Bilinear resizing follows scikit-image (`order=1`, no smoothing, zeros outside) to the last bit:
pixel centres are mapped onto each other, samples outside the image count as zero, and the
result is clipped to the range of the input. Masks follow `scipy.ndimage.zoom(order=0)`: the
corner pixels are mapped onto each other and the nearest pixel is taken. The modes of
`geometry.shortest_edge` have rules of their own.
"""

import random

import numpy as np

from mrcnn.geometry import shortest_edge
from mrcnn.geometry.bilinear import bilinear_float, halved
from mrcnn.geometry.boxes import extract_bboxes

MODES = ("none", "square", "pad64", "crop", *shortest_edge.MODES)


def resize(image, output_shape, order=1, mode="constant", cval=0, clip=True,
           preserve_range=False, anti_aliasing=False, anti_aliasing_sigma=None):
    """`skimage.transform.resize` with smoothing off by default and with bool images allowed.

    The arguments are those of scikit-image. Needs scikit-image; the library itself uses the
    faster `resize_bilinear`.

    Returns:
        The resized image, float64 (float32 for float32 input), or the input type for order 0.
    """
    from skimage import transform

    image = np.asarray(image)
    if image.dtype == bool and order > 0:
        image = image.astype(np.float64)
    return transform.resize(
        image, output_shape, order=order, mode=mode, cval=cval, clip=clip,
        preserve_range=preserve_range, anti_aliasing=anti_aliasing,
        anti_aliasing_sigma=anti_aliasing_sigma,
    )


def _checked_image(image) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype.kind not in "uif":
        raise TypeError(f"image: expected an integer or float type, received {image.dtype}")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"image: expected shape [H, W] or [H, W, C], received {image.shape}")
    return image


def resize_bilinear(image, output_shape) -> np.ndarray:
    """Resizes an image bilinearly, without smoothing, equal to scikit-image's result.

    Args:
        image: [H, W] or [H, W, C] of any integer or float type.
        output_shape: (height, width) in pixels.

    Returns:
        [height, width] or [height, width, C] of the input type; integers are truncated.

    Raises:
        TypeError: the image holds no numbers.
        ValueError: the image is empty or has another number of dimensions, or the output is
            smaller than one pixel.
    """
    image = _checked_image(image)
    height, width = (int(n) for n in output_shape[:2])
    if height < 1 or width < 1:
        raise ValueError(f"output_shape: expected at least (1, 1), received {(height, width)}")
    if image.shape[:2] == (height, width):
        return image.copy()
    source = image.reshape(image.shape[0], image.shape[1], -1)
    if image.dtype == np.uint8 and image.shape[:2] == (2 * height, 2 * width):
        return halved(source).reshape((height, width) + image.shape[2:])
    out = np.empty((height, width, source.shape[2]), dtype=image.dtype)
    return bilinear_float(source, (height, width), out).reshape((height, width) + image.shape[2:])


def _scale_for(height, width, min_dim, max_dim, min_scale, mode):
    """The factor by which `resize_image` scales before it pads or crops."""
    scale = max(1, min_dim / min(height, width)) if min_dim else 1
    if min_scale and scale < min_scale:
        scale = min_scale
    longest = max(height, width)
    if max_dim and mode == "square" and round(longest * scale) > max_dim:
        scale = max_dim / longest
    return scale


def placement(height, width, min_dim, max_dim, min_scale, mode):
    """What `resize_image` does to an image of a size, without the image.

    Args:
        height, width: of the image in pixels.
        min_dim, max_dim, min_scale, mode: as `resize_image` takes them; `min_scale` counts for
            nothing in the modes of `geometry.shortest_edge`.

    Returns:
        (scale, (height, width) after scaling, padding [(top, bottom), (left, right), (0, 0)]);
        "crop" and "none" do not pad.
    """
    if mode == "none":
        return 1, (height, width), [(0, 0), (0, 0), (0, 0)]
    if mode in shortest_edge.MODES:
        scale, sides = shortest_edge.scaled_sides(
            height, width, min_dim, max_dim, mode == "shortest_edge_floor")
        return scale, sides, [*((0, shortest_edge.margin(side)) for side in sides), (0, 0)]
    scale = _scale_for(height, width, min_dim, max_dim, min_scale, mode)
    if scale != 1:
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
    frame = {"square": (max_dim, max_dim), "crop": (height, width)}.get(
        mode, (-(-height // 64) * 64, -(-width // 64) * 64))
    margins = [_margins(height, frame[0]), _margins(width, frame[1]), (0, 0)]
    return scale, (height, width), margins


def _check_mode(mode, min_dim, max_dim):
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, received {mode!r}")
    if mode == "square" and not max_dim:
        raise ValueError(f"max_dim: mode 'square' needs a size, received {max_dim}")
    if mode in ("crop", *shortest_edge.MODES) and not min_dim:
        raise ValueError(f"min_dim: mode {mode!r} needs a size, received {min_dim}")
    if mode == "pad64" and min_dim and min_dim % 64:
        nearest = max(64, round(min_dim / 64) * 64)
        raise ValueError(
            f"min_dim: mode 'pad64' needs a multiple of 64, received {min_dim}; "
            f"the nearest valid size is {nearest}"
        )


def _margins(size: int, wanted: int) -> tuple[int, int]:
    before = (wanted - size) // 2
    return before, wanted - size - before


def _pad(image, padding):
    """Puts zeros around `image`; `padding` is [(top, bottom), (left, right), (0, 0)]."""
    sizes = [n + sum(pair) for n, pair in zip(image.shape, padding, strict=False)]
    framed = np.zeros(sizes, dtype=image.dtype)
    top, left = padding[0][0], padding[1][0]
    framed[top : top + image.shape[0], left : left + image.shape[1]] = image
    return framed


def _random_corner(height, width, size, rng):
    """A place (y, x) for a square crop; Python's `random` is Matterport's source of chance."""
    if rng is None:
        return random.randint(0, height - size), random.randint(0, width - size)
    return int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))


def resize_image(image, min_dim=None, max_dim=None, min_scale=None, mode="square", *, rng=None):
    """Brings an image to a size the network takes, keeping its aspect ratio.

    Args:
        image: [H, W] or [H, W, C] of any integer or float type.
        min_dim: enlarge until the short side has this many pixels (never shrinks; "shortest_edge"
            does).
        max_dim: mode "square": side of the square; shrinks the image to fit. "shortest_edge":
            bound of the longer side.
        min_scale: enlarge at least by this factor, even if `min_dim` does not ask for it.
        mode: "none": as it is. "square": zeros around it make a square of `max_dim`.
            "pad64": zeros around it make both sides multiples of 64. "crop": a random
            square of `min_dim` is cut out. "shortest_edge", "shortest_edge_floor": see
            `geometry.shortest_edge`; zeros at the right and below make both sides multiples of
            32, and integers are rounded.
        rng: `np.random.Generator` for the place of the crop; None uses Python's `random`.

    Returns:
        (image, window, scale, padding, crop): image of the input type; window (y1, x1, y2, x2),
        the pixels of the result that hold the image; padding [(top, bottom), (left, right),
        (0, 0)] pixels; crop (y, x, height, width) in the scaled image, None in other modes.

    Raises:
        TypeError, ValueError: the image is none, or the mode or its size is not valid.
    """
    image = _checked_image(image)
    _check_mode(mode, min_dim, max_dim)
    if mode == "none":
        return image, (0, 0, *image.shape[:2]), 1, [(0, 0), (0, 0), (0, 0)], None
    scale, (height, width), padding = placement(*image.shape[:2], min_dim, max_dim, min_scale, mode)
    if mode in shortest_edge.MODES:
        image = shortest_edge.resize_clamped(image, (height, width))
    elif scale != 1:
        image = resize_bilinear(image, (height, width))
    if mode == "crop":
        y, x = _random_corner(height, width, min_dim, rng)
        cut = image[y : y + min_dim, x : x + min_dim]
        return cut, (0, 0, min_dim, min_dim), scale, padding, (y, x, min_dim, min_dim)
    top, left = padding[0][0], padding[1][0]
    window = (top, left, top + height, left + width)
    return _pad(image, padding), window, scale, padding, None


def _nearest_taps(size_in: int, scale: float) -> np.ndarray:
    """Which sample of an axis each output sample copies; -1 for those that are zero.

    Float rounding can push the last sample past the end; scipy then answers zero there.
    """
    if scale == 1:
        return np.arange(size_in)
    size_out = max(1, round(size_in * scale))
    step = (size_in - 1) / (size_out - 1) if size_out > 1 else 1.0
    place = np.arange(size_out) * step
    return np.where(place > size_in - 1, -1, np.floor(place + 0.5).astype(np.intp))


def resize_mask(mask, scale, padding, crop=None, boxes=None, size=None) -> np.ndarray:
    """Gives masks the size their image got from `resize_image`.

    Only what lies in the box of an object is read and written; the rest is zero.

    Args:
        mask: [H, W, N] of any type.
        scale: the factor `resize_image` answered.
        padding: the padding `resize_image` answered; not used when `crop` is given.
        crop: the crop `resize_image` answered.
        boxes: [N, 4] whole pixels around the masks where they are known (`extract_bboxes`).
        size: (height, width) without padding, for the modes of `geometry.shortest_edge`: each
            pixel copies the one its centre lies in. None: by `scale`, see the module.

    Returns:
        [h, w, N] of the input type, nearest neighbour. The masks lie in memory one after the
        other, so `masks[:, :, i]` is contiguous.

    Raises:
        ValueError: the mask has not three dimensions, or no pixel.
    """
    mask = np.asarray(mask)
    if mask.ndim != 3 or 0 in mask.shape[:2]:
        raise ValueError(f"mask: expected shape [H, W, N], received {mask.shape}")
    rows, columns = (
        _nearest_taps(side, scale) if size is None else shortest_edge.nearest_centre(side, size[i])
        for i, side in enumerate(mask.shape[:2]))
    if crop is not None:
        y, x, height, width = crop
        rows, columns = rows[y : y + height], columns[x : x + width]
    else:
        rows, columns = (np.pad(taps, pair, constant_values=-1)
                         for taps, pair in zip((rows, columns), padding, strict=False))
    canvases = np.zeros((mask.shape[2], len(rows), len(columns)), mask.dtype)
    for i, (y1, x1, y2, x2) in enumerate(extract_bboxes(mask) if boxes is None else boxes):
        ys = np.flatnonzero((rows >= y1) & (rows < y2))
        xs = np.flatnonzero((columns >= x1) & (columns < x2))
        if len(ys) and len(xs):
            lines = mask[rows[ys], x1:x2, i]
            part = lines.take(columns[xs] - x1, axis=1)
            canvases[i, ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] = part
    return np.moveaxis(canvases, 0, -1)
