"""Augmenters that change values and move nothing. The padding, 0 all around, stays as it is."""

import cv2
import numpy as np

from mrcnn.data.augmenters.sample import (
    Augmenter,
    Sample,
    as_type,
    check_number,
    content_box,
    in_opencv,
)

# Brightness of red, green and blue, and the two axes of colour beside it (NTSC's YIQ).
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


class _OnContent(Augmenter):
    """An augmenter of the image alone, without its padding."""

    def change(self, sample, rng, another):
        """The sample with another image."""
        y1, x1, y2, x2 = content_box(sample.image)
        image = sample.image.copy()
        image[y1:y2, x1:x2] = self.recolour(sample.image[y1:y2, x1:x2], rng)
        return Sample(image, sample.masks, sample.class_ids)

    def recolour(self, image, rng):
        """Answers another [H, W, C] of the same type."""
        raise NotImplementedError


class ColourJitter(_OnContent):
    """Another brightness, contrast, saturation and hue.

    An image that is not [H, W, 3] uint8 gets another brightness and contrast only, within the
    range of an integer type, or of its own values where they are floats.

    Args:
        brightness: a factor is drawn from 1 - brightness to 1 + brightness.
        contrast: likewise, about the mean.
        saturation: likewise; 0 would be grey.
        hue: part of the colour circle to turn at most, both ways, up to 0.5.
        p: probability.
    """

    def __init__(self, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=1.0):
        super().__init__(p)
        self.brightness = check_number("brightness", brightness, 0, 1)
        self.contrast = check_number("contrast", contrast, 0, 1)
        self.saturation = check_number("saturation", saturation, 0, 1)
        self.hue = check_number("hue", hue, 0, 0.5)

    def recolour(self, image, rng):
        """The image in its new colours."""
        sizes = np.array([self.brightness, self.contrast, self.saturation])
        brightness, contrast, saturation = rng.uniform(1 - sizes, 1 + sizes)
        hue = rng.uniform(-self.hue, self.hue)
        if image.dtype == np.uint8 and image.shape[2] == 3:
            grey = float(YIQ[0] @ cv2.mean(image)[:3])
            matrix = brightness * contrast * colour_matrix(saturation, hue)
            offset = np.full((3, 1), (1 - contrast) * brightness * grey)
            return cv2.transform(image, np.hstack([matrix, offset]))
        kind = np.float32 if image.dtype.itemsize <= 2 else np.float64
        values = image.astype(kind)
        mean = values.mean(dtype=np.float64)
        values *= brightness * contrast
        values += (1 - contrast) * brightness * mean
        if image.dtype.kind == "f":
            np.clip(values, image.min(), image.max(), out=values)
        return as_type(values, image.dtype)


ColorJitter = ColourJitter


def colour_matrix(saturation, hue):
    """[3, 3] on (red, green, blue) that keeps every grey and its brightness.

    Args:
        saturation: factor of the colour, 0 is grey.
        hue: part of the circle by which colours turn about the grey axis.
    """
    angle = 2 * np.pi * hue
    cosine, sine = saturation * np.cos(angle), saturation * np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return np.linalg.inv(YIQ) @ turn @ YIQ


class Blur(_OnContent):
    """Gaussian blur.

    Args:
        sigma: its width in pixels is drawn from 0 to `sigma`.
        p: probability.
    """

    def __init__(self, sigma=1.5, p=1.0):
        super().__init__(p)
        self.sigma = check_number("sigma", sigma, 0, 100)

    def recolour(self, image, rng):
        """The blurred image."""
        sigma = max(rng.uniform(0, self.sigma), 0.01)
        return in_opencv(lambda part, channels: cv2.GaussianBlur(part, (0, 0), sigma), image)
