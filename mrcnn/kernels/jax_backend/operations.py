"""Cropping and suppression on JAX: XLA fuses the portable kernels, so they are the fast ones."""

from mrcnn.kernels.portable import (
    crop_and_resize,
    crop_from_pyramid,
    non_max_suppression,
    top_k,
)

__all__ = ["crop_and_resize", "crop_from_pyramid", "non_max_suppression", "top_k"]
