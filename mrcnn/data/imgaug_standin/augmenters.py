"""The augmenters under imgaug's path: `from imgaug import augmenters as iaa`."""

from .colour import (
    Add,
    AdditiveGaussianNoise,
    ContrastNormalization,
    GaussianBlur,
    LinearContrast,
    Multiply,
)
from .core import Augmenter, missing
from .geometric import Affine, Crop, CropAndPad, Fliplr, Flipud, Pad, Rot90
from .meta import Identity, Noop, OneOf, Sequential, SomeOf, Sometimes

__all__ = [
    "Add",
    "AdditiveGaussianNoise",
    "Affine",
    "Augmenter",
    "ContrastNormalization",
    "Crop",
    "CropAndPad",
    "Fliplr",
    "Flipud",
    "GaussianBlur",
    "Identity",
    "LinearContrast",
    "Multiply",
    "Noop",
    "OneOf",
    "Pad",
    "Rot90",
    "Sequential",
    "SomeOf",
    "Sometimes",
]


def __getattr__(name):
    """Says where the missing augmenter is to be had."""
    raise missing("imgaug.augmenters", name)
