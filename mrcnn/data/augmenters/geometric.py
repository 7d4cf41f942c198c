"""Augmenters that move pixels: image and masks by one matrix, or by one exact flip."""

import cv2
import numpy as np

from mrcnn.data.augmenters.sample import (
    Augmenter,
    Sample,
    check_number,
    content_box,
    in_opencv,
    masks_of,
    planes_of,
)
from mrcnn.data.augmenters.warp import scaling, translation, warp


def _exactly(sample, function):
    """Applies an OpenCV function that only reorders pixels to image and masks."""
    planes = planes_of(sample.masks)
    moved = np.empty_like(planes)
    for plane, canvas in zip(planes, moved, strict=True):
        function(plane, dst=canvas)
    image = in_opencv(lambda part, channels: function(part), sample.image)
    return Sample(image, masks_of(moved), sample.class_ids)


class FlipLeftRight(Augmenter):
    """Mirrors left to right.

    Args:
        p: probability.
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, sample, rng, another):
        """The mirror image."""
        return _exactly(sample, lambda array, dst=None: cv2.flip(array, 1, dst))


class FlipUpDown(Augmenter):
    """Turns upside down.

    Args:
        p: probability.
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, sample, rng, another):
        """The mirror image."""
        return _exactly(sample, lambda array, dst=None: cv2.flip(array, 0, dst))


class Rotate90(Augmenter):
    """Turns by 90, 180 or 270 degrees; an image that is no square only by 180.

    Args:
        p: probability that it turns at all.
    """

    TURNS = (cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE)

    def __init__(self, p=0.75):
        super().__init__(p)

    def change(self, sample, rng, another):
        """The turned sample."""
        square = sample.image.shape[0] == sample.image.shape[1]
        turn = self.TURNS[rng.integers(3) if square else 0]
        return _exactly(sample, lambda array, dst=None: cv2.rotate(array, turn, dst))


class Rotate(Augmenter):
    """Turns about the middle of the image, the padding not counted.

    Args:
        degrees: the angle is drawn from -degrees to degrees.
        p: probability.
        fill: colour of what comes from outside, a number or one a channel.
    """

    def __init__(self, degrees=10, p=1.0, fill=0):
        super().__init__(p)
        self.degrees, self.fill = check_number("degrees", degrees, 0, 180), fill

    def change(self, sample, rng, another):
        """The turned sample."""
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees))
        y1, x1, y2, x2 = content_box(sample.image)
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        turn = np.array([[np.cos(angle), np.sin(angle), 0],
                         [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        return warp(sample, translation(x, y) @ turn @ translation(-x, -y), self.fill)


class ScaleJitter(Augmenter):
    """Enlarges and cuts, or shrinks and pads, back to the same shape.

    The padding around the image is not counted: an enlarged image fills the frame as far as it
    can, a shrunk one lies anywhere in it.

    Args:
        low: the smallest factor.
        high: the largest; small and large factors are equally likely, 1/2 as likely as 2.
        p: probability.
        fill: colour of what comes from outside, a number or one a channel.
    """

    def __init__(self, low=0.5, high=2.0, p=1.0, fill=0):
        super().__init__(p)
        self.low = check_number("low", low, 0.01, 100)
        self.high, self.fill = check_number("high", high, low, 100), fill

    def change(self, sample, rng, another):
        """The scaled sample."""
        factor = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        height, width = sample.image.shape[:2]
        y1, x1, y2, x2 = content_box(sample.image)
        # Free room if above 0, what has to be cut off if below.
        x = rng.random() * (width - (x2 - x1) * factor)
        y = rng.random() * (height - (y2 - y1) * factor)
        matrix = translation(x, y) @ scaling(factor) @ translation(-x1, -y1)
        return warp(sample, matrix, self.fill)


class RandomCrop(Augmenter):
    """Keeps a random part of the image, the padding not counted.

    Args:
        low: the sides of the part are `low` to 1 times those of the image.
        enlarge: enlarge the part to the size of the image; False leaves it where it is.
        p: probability.
        fill: colour around the part, a number or one a channel.
    """

    def __init__(self, low=0.6, enlarge=True, p=1.0, fill=0):
        super().__init__(p)
        self.low, self.enlarge, self.fill = check_number("low", low, 0.01, 1), enlarge, fill

    def change(self, sample, rng, another):
        """The cut sample."""
        side = rng.uniform(self.low, 1)
        y1, x1, y2, x2 = content = content_box(sample.image)
        height, width = (max(1, round(side * size)) for size in (y2 - y1, x2 - x1))
        y = y1 + int(rng.integers(y2 - y1 - height + 1))
        x = x1 + int(rng.integers(x2 - x1 - width + 1))
        if not self.enlarge:
            return warp(sample, np.eye(3), self.fill, (y, x, y + height, x + width))
        factors = np.diag([(x2 - x1) / width, (y2 - y1) / height, 1])
        matrix = translation(x1, y1) @ factors @ translation(-x, -y)
        return warp(sample, matrix, self.fill, content)
