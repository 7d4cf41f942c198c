"""Matterport's `mrcnn.utils`: the same names, gathered from where they live here.

Importing this module loads no TensorFlow; the two helpers that work on tensors import it when
they are called. Nothing inside the package imports from here.
"""

from mrcnn.data.dataset import Dataset
from mrcnn.engine.downloads import COCO_MODEL_URL, download_trained_weights
from mrcnn.evaluation.matching import compute_ap, compute_ap_range, compute_matches, compute_recall
from mrcnn.geometry.anchors import generate_anchors, generate_pyramid_anchors
from mrcnn.geometry.boxes import (
    apply_box_deltas,
    box_refinement,
    compute_iou,
    compute_overlaps,
    denorm_boxes,
    extract_bboxes,
    non_max_suppression,
    norm_boxes,
    trim_zeros,
)
from mrcnn.geometry.masks import compute_overlaps_masks, expand_mask, minimize_mask, unmold_mask
from mrcnn.geometry.resize import resize, resize_image, resize_mask

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "non_max_suppression",
    "norm_boxes",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]


def box_refinement_graph(box, gt_box):
    """`box_refinement` for tensors.

    Args:
        box: [N, (y1, x1, y2, x2)] tensor.
        gt_box: [N, (y1, x1, y2, x2)] tensor in the same unit.

    Returns:
        [N, (dy, dx, log(dh), log(dw))] tensor.
    """
    from mrcnn.layers import tensor_boxes

    return tensor_boxes.box_refinement(box, gt_box)


def batch_slice(inputs, graph_fn, batch_size, names=None):
    """Run a function of one image on every image of a batch, and stack what it answers.

    The library's own layers are batched and do without it; it serves layers that scripts bring.

    Args:
        inputs: a tensor [B, ...] or a list of them.
        graph_fn: takes one slice [...] of each input, answers a tensor or a list of tensors
            whose shapes do not depend on the slice.
        batch_size: B, a Python int; the loop is unrolled.
        names: accepted for compatibility; Keras 3 tensors carry no names of their own.

    Returns:
        A tensor [B, ...], or a list of them when `graph_fn` answers several.
    """
    from keras import ops

    del names
    inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    answers = [graph_fn(*(tensor[i] for tensor in inputs)) for i in range(batch_size)]
    answers = [a if isinstance(a, (list, tuple)) else [a] for a in answers]
    stacked = [ops.stack(parts, axis=0) for parts in zip(*answers, strict=True)]
    return stacked[0] if len(stacked) == 1 else stacked
