"""A small stand-in for imgaug, for scripts that import it where it is not installed.

imgaug is no longer maintained and brings a second OpenCV with it. This package has the augmenters
that scripts for Mask R-CNN use, with imgaug's parameters; `mrcnn_imgaug_hook` serves it as
`imgaug` when there is no real one. It imports nothing of `mrcnn`.
"""

from . import augmenters
from .core import ALL, HooksImages, seed

__version__ = "0.4.0+standin"
__all__ = ["ALL", "HooksImages", "augmenters", "seed"]


def __getattr__(name):
    """Says where the missing part of imgaug is to be had."""
    from .core import missing

    raise missing("imgaug", name)
