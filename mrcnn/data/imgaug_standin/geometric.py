"""Augmenters that move pixels."""

import cv2
import numpy as np

from .core import ALL, Augmenter, chance, sample

BORDERS = {"constant": cv2.BORDER_CONSTANT, "edge": cv2.BORDER_REPLICATE,
           "symmetric": cv2.BORDER_REFLECT, "reflect": cv2.BORDER_REFLECT_101,
           "wrap": cv2.BORDER_WRAP}
INTERPOLATIONS = {0: cv2.INTER_NEAREST, 1: cv2.INTER_LINEAR, 3: cv2.INTER_CUBIC}
PLAIN = (np.uint8, np.uint16, np.int16, np.float32, np.float64)  # what OpenCV works on
CHANNELS_AT_ONCE = 4  # as many as OpenCV warps in one call


def in_opencv(function, image):
    """Applies an OpenCV function to an image of any type and any number of channels.

    Args:
        function: [H, W, C] to [h, w] or [h, w, C], C up to 4.
        image: [H, W] or [H, W, C].
    """
    source = image if image.dtype in PLAIN else image.astype(np.float64)
    source = source.reshape(*image.shape[:2], -1)
    parts = []
    for start in range(0, source.shape[2], CHANNELS_AT_ONCE):
        part = np.ascontiguousarray(source[:, :, start : start + CHANNELS_AT_ONCE])
        done = function(part)
        parts.append(done.reshape(*done.shape[:2], part.shape[2]))
    whole = np.concatenate(parts, axis=2) if parts else source
    if image.dtype not in PLAIN:
        whole = whole > 0.5 if image.dtype == bool else np.rint(whole).astype(image.dtype)
    return whole.reshape(*whole.shape[:2], *image.shape[2:])


class _Flip(Augmenter):
    """Mirrors along `axis`.

    Args:
        p: probability.
    """

    axis: int

    def __init__(self, p=1, **common):
        super().__init__(**common)
        self.p = p

    def apply(self, image, rng, parents, hooks):
        """The image or its mirror image."""
        return np.ascontiguousarray(np.flip(image, self.axis)) if chance(self.p, rng) else image


class Fliplr(_Flip):
    """Mirrors left to right."""

    axis = 1


class Flipud(_Flip):
    """Mirrors top to bottom."""

    axis = 0


class Rot90(Augmenter):
    """Turns by quarters, clockwise.

    Args:
        k: how many quarters; a pair, a list or ALL chooses.
        keep_size: scale the result to the size of the image.
    """

    def __init__(self, k=1, keep_size=True, **common):
        super().__init__(**common)
        self.k, self.keep_size = [0, 1, 2, 3] if k == ALL else k, keep_size

    def apply(self, image, rng, parents, hooks):
        """The image turned, of its old size with `keep_size`."""
        turned = np.rot90(image, -sample(self.k, rng, whole=True))
        return _scaled_to(image.shape, turned) if self.keep_size else np.ascontiguousarray(turned)


def _scaled_to(shape, image):
    """The image with the height and width of `shape`."""
    if image.shape[:2] == shape[:2]:
        return np.ascontiguousarray(image)
    size = shape[1], shape[0]
    return in_opencv(lambda part: cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), image)


def _along_axes(parameter, rng, default, whole=False):
    """(x, y): from {"x": .., "y": ..} each its own, from anything else one value for both."""
    if isinstance(parameter, dict):
        return tuple(sample(parameter.get(axis, default), rng, whole) for axis in ("x", "y"))
    return (sample(parameter, rng, whole),) * 2


class Affine(Augmenter):
    """Scales, shears, turns and moves, about the centre and in this order.

    Args:
        scale: factor; {"x": .., "y": ..} for each axis.
        translate_percent: in shares of width and height; a dict likewise.
        translate_px: in pixels instead.
        rotate: degrees, clockwise.
        shear: degrees; a dict likewise, a single value counts for x alone.
        order: 0 takes the nearest pixel, 1 interpolates, 3 is cubic; a list or ALL chooses.
        cval: value of new pixels.
        mode: "constant", or where else new pixels come from: "edge", "symmetric", "reflect",
            "wrap"; a list or ALL chooses.
        fit_output: only False: the image keeps its size.
        backend: accepted; OpenCV does it.
    """

    def __init__(self, scale=1.0, translate_percent=None, translate_px=None, rotate=0.0,
                 shear=0.0, order=1, cval=0, mode="constant", fit_output=False, backend="auto",
                 **common):
        super().__init__(**common)
        if fit_output:
            raise ValueError("fit_output: expected False, received True: image and masks must "
                             "keep their size")
        if translate_percent is not None and translate_px is not None:
            raise ValueError("expected translate_percent or translate_px, received both")
        self.scale, self.rotate, self.shear = scale, rotate, shear
        self.translate_percent, self.translate_px = translate_percent, translate_px
        self.order = list(INTERPOLATIONS) if order == ALL else order
        self.mode = list(BORDERS) if mode == ALL else mode
        self.cval = cval

    def matrix(self, shape, rng):
        """Where pixels go, as a matrix [2, 3] for (x, y, 1)."""
        height, width = shape[:2]
        scale_x, scale_y = _along_axes(self.scale, rng, 1.0)
        move = (0.0, 0.0)
        if self.translate_percent is not None:
            share = _along_axes(self.translate_percent, rng, 0.0)
            move = share[0] * width, share[1] * height
        elif self.translate_px is not None:
            move = _along_axes(self.translate_px, rng, 0, whole=True)
        angle = np.deg2rad(sample(self.rotate, rng))
        shear = self.shear if isinstance(self.shear, dict) else {"x": self.shear}
        shear_x, shear_y = (np.tan(np.deg2rad(n)) for n in _along_axes(shear, rng, 0.0))
        centre = np.array([width / 2 - 0.5, height / 2 - 0.5])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        slant = np.array([[1.0, -shear_x], [0.0, 1.0]]) @ np.array([[1.0, 0.0], [shear_y, 1.0]])
        linear = turn @ slant @ np.diag([scale_x, scale_y])
        return np.column_stack([linear, centre + move - linear @ centre])

    def apply(self, image, rng, parents, hooks):
        """The image of the same size, warped."""
        matrix = self.matrix(image.shape, rng)
        flags = INTERPOLATIONS[sample(self.order, rng)]
        border, value = BORDERS[sample(self.mode, rng)], float(sample(self.cval, rng))
        size = image.shape[1], image.shape[0]
        return in_opencv(
            lambda part: cv2.warpAffine(part, matrix, size, flags=flags, borderMode=border,
                                        borderValue=(value,) * CHANNELS_AT_ONCE),
            image,
        )


def _sides(parameter, independently, rng, whole):
    """(top, right, bottom, left) of a CropAndPad parameter."""
    if isinstance(parameter, tuple) and len(parameter) == 4:
        return [sample(side, rng, whole) for side in parameter]
    if independently:
        return [sample(parameter, rng, whole) for _ in range(4)]
    return [sample(parameter, rng, whole)] * 4


def _negative(parameter):
    """The parameter of a CropAndPad that cuts what this one says."""
    if isinstance(parameter, (tuple, list)):
        return type(parameter)(_negative(part) for part in parameter)
    return None if parameter is None else -parameter


class CropAndPad(Augmenter):
    """Cuts pixels off the sides (negative amounts) or adds some (positive ones).

    Args:
        px: pixels: one parameter for all sides, or four: (top, right, bottom, left).
        percent: shares of height and width instead.
        pad_mode: where new pixels come from, as in Affine.
        pad_cval: value of new pixels in mode "constant".
        keep_size: scale the result to the size of the image.
        sample_independently: each side gets a value of its own.
    """

    def __init__(self, px=None, percent=None, pad_mode="constant", pad_cval=0, keep_size=True,
                 sample_independently=True, **common):
        super().__init__(**common)
        if px is not None and percent is not None:
            raise ValueError("expected px or percent, received both")
        self.px, self.percent = px, percent
        self.pad_mode = list(BORDERS) if pad_mode == ALL else pad_mode
        self.pad_cval, self.keep_size = pad_cval, keep_size
        self.sample_independently = sample_independently

    def amounts(self, shape, rng):
        """Pixels at (top, right, bottom, left), negative where some are cut off."""
        if self.px is not None:
            amounts = _sides(self.px, self.sample_independently, rng, whole=True)
        elif self.percent is not None:
            shares = _sides(self.percent, self.sample_independently, rng, whole=False)
            amounts = np.multiply(shares, [shape[0], shape[1], shape[0], shape[1]])
        else:
            amounts = [0, 0, 0, 0]
        top, right, bottom, left = (int(round(n)) for n in amounts)
        top, bottom = _leave_one(top, bottom, shape[0])
        left, right = _leave_one(left, right, shape[1])
        return top, right, bottom, left

    def apply(self, image, rng, parents, hooks):
        """The image cut and padded, of its old size with `keep_size`."""
        height, width = image.shape[:2]
        top, right, bottom, left = self.amounts(image.shape, rng)
        border, value = BORDERS[sample(self.pad_mode, rng)], float(sample(self.pad_cval, rng))
        cut = image[max(-top, 0) : height - max(-bottom, 0),
                    max(-left, 0) : width - max(-right, 0)]
        added = [max(n, 0) for n in (top, bottom, left, right)]
        if any(added):
            cut = in_opencv(
                lambda part: cv2.copyMakeBorder(part, *added, border,
                                                value=(value,) * CHANNELS_AT_ONCE),
                cut,
            )
        return _scaled_to(image.shape, cut) if self.keep_size else np.ascontiguousarray(cut)


def _leave_one(before, after, size):
    """Cuts less where nothing would be left of `size` pixels."""
    cut = max(-before, 0) + max(-after, 0)
    too_much = cut - (size - 1)
    if too_much <= 0:
        return before, after
    less = min(too_much, max(-before, 0))
    return before + less, after + (too_much - less)


class Crop(CropAndPad):
    """Cuts pixels off the sides; see CropAndPad, with positive amounts."""

    def __init__(self, px=None, percent=None, keep_size=True, sample_independently=True, **common):
        super().__init__(_negative(px), _negative(percent), keep_size=keep_size,
                         sample_independently=sample_independently, **common)


class Pad(CropAndPad):
    """Adds pixels at the sides; see CropAndPad."""
