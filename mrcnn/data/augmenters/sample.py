"""What augmenters work on, and what they have in common."""

from dataclasses import dataclass

import cv2
import numpy as np

OPENCV_TYPES = (np.uint8, np.uint16, np.int16, np.float32, np.float64)
CHANNELS_AT_ONCE = 4  # as many as OpenCV fills a border of
PIXELS_AT_ONCE = 4096  # of all masks together, so that they stay in the processor's cache


@dataclass
class Sample:
    """An image with its objects.

    Attributes:
        image: [H, W, C] of any number type.
        masks: [H, W, N] bool.
        class_ids: [N] int32; negative for a crowd.
    """

    image: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray


class Augmenter:
    """Base of all augmenters. One's own overrides `change`.

    The attributes bear the names of the constructor's arguments.

    Args:
        p: probability that anything happens at all.
    """

    def __init__(self, p=1.0):
        self.p = check_number("p", p, 0, 1)

    def apply(self, sample, rng, another=None):
        """The sample augmented; the arrays of the one passed in stay as they are.

        Args:
            sample: Sample.
            rng: np.random.Generator that decides everything.
            another: f(rng) -> Sample of another image, or None where there is none to be had.
        """
        return self.change(sample, rng, another) if rng.random() < self.p else sample

    def change(self, sample, rng, another):
        """What happens where `p` lets it: answers a new Sample; sample, rng, another as `apply`."""
        raise NotImplementedError

    def __call__(self, image, mask, rng):
        """`apply` for an image [H, W, C] and masks [H, W, N] alone: answers (image, mask)."""
        done = self.apply(Sample(image, mask, np.ones(mask.shape[2], np.int32)), rng)
        return done.image, done.masks

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


def check_number(name, value, low, high):
    """`value`, or a ValueError where it is no number from `low` to `high`."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, received {value!r}")
    return value


def planes_of(masks):
    """Masks [H, W, N] bool as [N, H, W] uint8 of 0 and 1, each contiguous; a view if possible."""
    if not masks.flags.c_contiguous or masks.size == 0:
        return np.ascontiguousarray(np.moveaxis(masks, -1, 0)).view(np.uint8)
    height, width, count = masks.shape
    flat = masks.view(np.uint8).reshape(-1, count)
    planes = np.empty((count, len(flat)), np.uint8)
    for start in range(0, len(flat), PIXELS_AT_ONCE):
        part = slice(start, start + PIXELS_AT_ONCE)
        planes[:, part] = cv2.transpose(flat[part]).reshape(count, -1)
    return planes.reshape(count, height, width)


def masks_of(planes):
    """The inverse of `planes_of`, a view."""
    return np.moveaxis(planes.view(bool), 0, -1)


def in_opencv(function, image):
    """Applies an OpenCV function to an image of any number type and number of channels.

    Args:
        function: f(part, channels): part [H, W, up to 4], channels the slice it was cut out by.
        image: [H, W, C].

    Returns:
        [h, w, C] of the image's type; rounded where it had to be calculated in float64.
    """
    source = image if image.dtype in OPENCV_TYPES else image.astype(np.float64)
    parts = []
    for start in range(0, source.shape[2], CHANNELS_AT_ONCE):
        channels = slice(start, start + CHANNELS_AT_ONCE)
        done = function(np.ascontiguousarray(source[:, :, channels]), channels)
        parts.append(done.reshape(*done.shape[:2], -1))
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    return as_type(whole, image.dtype)


def as_type(values, dtype):
    """Numbers in another type: for integers rounded and kept within the type's range."""
    if values.dtype == dtype:
        return values
    if np.dtype(dtype).kind in "ui":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


def content_box(image):
    """(y1, x1, y2, x2) around all pixels that are not 0, the padding left out.

    An image of nothing but 0 counts whole.
    """
    height, width, channels = image.shape
    if image.dtype != np.uint8:
        image = (image != 0).view(np.uint8)
    flat = np.ascontiguousarray(image).reshape(height, width * channels)
    x, y, across, down = cv2.boundingRect(flat)
    if down == 0:
        return 0, 0, height, width
    return y, x // channels, y + down, -(-(x + across) // channels)
