"""Cropping and suppression on JAX: XLA fuses the portable kernels, so they are the fast ones."""

from mrcnn.kernels.portable import (
    crop_and_resize,
    crop_from_pyramid,
    non_max_suppression,
    roi_align,
    top_k,
)

__all__ = [
    "ADAPTIVE_ROI_ALIGN",
    "crop_and_resize",
    "crop_from_pyramid",
    "non_max_suppression",
    "roi_align",
    "top_k",
]

ADAPTIVE_ROI_ALIGN = False  # sizes that depend on values cannot be compiled
