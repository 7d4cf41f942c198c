"""Cropping and suppression with torch's own operations."""

import keras
import torch

from mrcnn.kernels import portable, portable_align
from mrcnn.kernels.portable_crops import sample_grid

ADAPTIVE_ROI_ALIGN = True  # sampling_ratio 0 is known


def crop_pixels(pixels, boxes, first_pixel, height, width, crop_shape):
    """Bilinear crops [M, h, w, C] float32 out of a list of pixels [P, C].

    A sample is a weighted sum of four rows of the list: one embedding bag, which reads them and
    adds in one go, forwards and backwards.
    """
    corners, dy, dx, inside = sample_grid(boxes, first_pixel, height, width, crop_shape)
    weights = [(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx]
    weights = torch.stack(weights, dim=-1) * inside[..., None]
    samples = torch.nn.functional.embedding_bag(
        torch.stack(corners, dim=-1).reshape(-1, 4),
        pixels.float(),
        per_sample_weights=weights.detach().reshape(-1, 4),
        mode="sum",
    )
    return samples.reshape(-1, *crop_shape, pixels.shape[-1])


def crop_and_resize(images, boxes, box_indices, crop_shape):
    """Bilinear crops out of images; see `portable_crops`."""
    return portable.crop_and_resize(images, boxes, box_indices, crop_shape, crop_pixels)


def crop_from_pyramid(feature_maps, boxes, levels, crop_shape):
    """Crops out of the level each box belongs to; see `portable_crops`."""
    return portable.crop_from_pyramid(feature_maps, boxes, levels, crop_shape, crop_pixels)


def align_pixels(pixels, boxes, first_pixel, height, width, crop_shape, sampling_ratio, aligned):
    """RoIAlign [M, h, w, C] float32 out of a list of pixels [P, C]: a bag of them for each bin."""
    corners, weights, _, count = portable_align.point_list(
        boxes, first_pixel, height, width, crop_shape, sampling_ratio, aligned
    )
    bins = torch.nn.functional.embedding_bag(
        corners.reshape(-1),
        pixels.float(),
        offsets=4 * (torch.cumsum(count, 0, dtype=corners.dtype) - count),
        per_sample_weights=weights.detach().reshape(-1),
        mode="sum",
    )
    return bins.reshape(-1, *crop_shape, pixels.shape[-1])


def roi_align(feature_maps, boxes, levels, crop_shape, sampling_ratio, aligned):
    """RoIAlign out of the level each box belongs to; see `portable_align`."""
    return portable.roi_align(
        feature_maps, boxes, levels, crop_shape, sampling_ratio, aligned, align_pixels
    )


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
