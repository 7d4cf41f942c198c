"""Augmenters that change values and leave pixels where they are."""

import cv2
import numpy as np

from .core import Augmenter, as_dtype, chance, sample
from .geometric import in_opencv


def _per_channel(parameter, per_channel, image, rng, whole):
    """One value of a parameter, or one for each channel."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if channels > 1 and chance(float(per_channel), rng):
        return np.array([sample(parameter, rng, whole) for _ in range(channels)], np.float64)
    return np.float64(sample(parameter, rng, whole))


class _Pointwise(Augmenter):
    """A formula with one parameter, for each value by itself."""

    whole = False

    def __init__(self, parameter, per_channel, **common):
        super().__init__(**common)
        self.parameter, self.per_channel = parameter, per_channel

    def apply(self, image, rng, parents, hooks):
        """The image of the same type, cut to its range."""
        amount = _per_channel(self.parameter, self.per_channel, image, rng, self.whole)
        return as_dtype(self.formula(image.astype(np.float64), amount, image.dtype), image.dtype)

    def formula(self, values, amount, dtype):
        """The new values."""
        raise NotImplementedError


class Multiply(_Pointwise):
    """Makes an image lighter or darker by a factor.

    Args:
        mul: the factor.
        per_channel: True, or how often, to draw one for each channel.
    """

    def __init__(self, mul=(0.8, 1.2), per_channel=False, **common):
        super().__init__(mul, per_channel, **common)

    def formula(self, values, amount, dtype):
        """values * amount."""
        return values * amount


class Add(_Pointwise):
    """Adds a number to all values.

    Args:
        value: the number.
        per_channel: as in Multiply.
    """

    whole = True

    def __init__(self, value=(-20, 20), per_channel=False, **common):
        super().__init__(value, per_channel, **common)

    def formula(self, values, amount, dtype):
        """values + amount."""
        return values + amount


class LinearContrast(_Pointwise):
    """Moves values away from the middle of their range, or towards it.

    Args:
        alpha: factor of the distance.
        per_channel: as in Multiply.
    """

    def __init__(self, alpha=(0.6, 1.4), per_channel=False, **common):
        super().__init__(alpha, per_channel, **common)

    def formula(self, values, amount, dtype):
        """middle + (values - middle) * amount."""
        middle = np.iinfo(dtype).max // 2 + 1 if np.issubdtype(dtype, np.integer) else 0.5
        return middle + (values - middle) * amount


class ContrastNormalization(LinearContrast):
    """The old name of LinearContrast."""


class AdditiveGaussianNoise(Augmenter):
    """Adds noise.

    Args:
        loc: its mean.
        scale: its standard deviation.
        per_channel: True, or how often, for other noise in each channel.
    """

    def __init__(self, loc=0, scale=(0, 15), per_channel=False, **common):
        super().__init__(**common)
        self.loc, self.scale, self.per_channel = loc, scale, per_channel

    def apply(self, image, rng, parents, hooks):
        """The noisy image."""
        loc, scale = sample(self.loc, rng), sample(self.scale, rng)
        each = image.ndim == 3 and chance(float(self.per_channel), rng)
        shape = image.shape if each else (*image.shape[:2], *([1] * (image.ndim - 2)))
        return as_dtype(image + rng.normal(loc, scale, shape), image.dtype)


class GaussianBlur(Augmenter):
    """Blurs.

    Args:
        sigma: standard deviation in pixels; 0 leaves the image as it is.
    """

    def __init__(self, sigma=(0.0, 3.0), **common):
        super().__init__(**common)
        self.sigma = sigma

    def apply(self, image, rng, parents, hooks):
        """The blurred image."""
        sigma = float(sample(self.sigma, rng))
        if sigma < 1e-3:
            return image
        width = max(int((3.3 if sigma < 3 else 2.9 if sigma < 5 else 2.6) * sigma), 5)
        size = (width + 1 - width % 2,) * 2  # an odd number of pixels
        return in_opencv(lambda part: cv2.GaussianBlur(part, size, sigma,
                                                       borderType=cv2.BORDER_REFLECT_101), image)
