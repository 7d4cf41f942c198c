"""Augmentation that needs no other library.

    from mrcnn import augmenters
    augmentation = augmenters.Compose([augmenters.CopyPaste(p=0.5), augmenters.standard()])
    model.train(..., augmentation=augmentation)

Each augmenter keeps shape and type of the image, moves masks exactly as the image, and takes all
its chance from the generator it is handed.
"""

from mrcnn.data.augmenters.colour import Blur, ColorJitter, ColourJitter
from mrcnn.data.augmenters.compose import Compose, OneOf, Sometimes, standard
from mrcnn.data.augmenters.copy_paste import CopyPaste
from mrcnn.data.augmenters.geometric import (
    FlipLeftRight,
    FlipUpDown,
    RandomCrop,
    Rotate,
    Rotate90,
    ScaleJitter,
)
from mrcnn.data.augmenters.sample import Augmenter, Sample

__all__ = [
    "Augmenter", "Blur", "ColorJitter", "ColourJitter", "Compose", "CopyPaste", "FlipLeftRight",
    "FlipUpDown", "OneOf", "RandomCrop", "Rotate", "Rotate90", "Sample", "ScaleJitter",
    "Sometimes", "standard",
]
