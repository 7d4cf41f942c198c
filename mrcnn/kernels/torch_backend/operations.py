"""Cropping and suppression with torch's own operations."""

import torch

from mrcnn.kernels.portable import crop_and_resize, crop_from_pyramid, non_max_suppression

__all__ = ["crop_and_resize", "crop_from_pyramid", "non_max_suppression", "top_k"]


def top_k(values, k):
    """The k largest along the last axis, the first of equals first: values, indices [..., k].

    torch.topk answers equal values in any order.
    """
    if k == 1:
        best, places = torch.max(values, dim=-1, keepdim=True)
        return best, places.to(torch.int32)
    ranked, order = torch.sort(values, dim=-1, descending=True, stable=True)
    return ranked[..., :k], order[..., :k].to(torch.int32)
