"""Cropping and suppression with torch's own operations."""

import keras
import torch

from mrcnn.kernels import portable
from mrcnn.kernels.portable import crop_and_resize, crop_from_pyramid

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


def non_max_suppression(boxes, scores, limit, iou_threshold):
    """Greedy non-maximum suppression in each image of a batch, exact.

    Args:
        boxes: [B, N, 4].
        scores: [B, N].
        limit: most boxes kept an image (K).
        iou_threshold: boxes that overlap a better one by more than this are dropped.

    Returns:
        indices [B, K] int32 in falling order of score, and valid [B, K] bool (the rows
        after the last kept box are False).
    """
    boxes, scores = keras.ops.convert_to_tensor(boxes), keras.ops.convert_to_tensor(scores)
    _, order = top_k(scores, scores.shape[1])
    return portable.suppress_in_order(boxes, order, limit, iou_threshold)
