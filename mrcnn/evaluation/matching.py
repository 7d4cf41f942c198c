"""Matching predictions with ground truth by mask overlap, and average precision of one image.

These numbers describe one image at one threshold; the numbers papers quote are in `coco`.
"""

import numpy as np

from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.geometry.masks import compute_overlaps_masks


def _trimmed(side, boxes, **parts):
    """The entries of `parts` that belong to the real boxes, those that are not all zero.

    Each part, counted along its last axis, is padded like the boxes or holds the real entries
    first and after them nothing but zeros, or nothing at all.
    """
    real = np.flatnonzero(boxes.reshape(-1, 4).any(axis=1))
    counts = {"boxes": len(boxes), **{name: part.shape[-1] for name, part in parts.items()}}
    trimmed = []
    for part in parts.values():
        if part.shape[-1] == len(boxes):
            trimmed.append(part[..., real])
        elif part.shape[-1] >= len(real) and not part[..., len(real):].any():
            trimmed.append(part[..., : len(real)])
        else:
            raise ValueError(f"{side}: expected as many of each kind, received {counts}, "
                             f"{len(real)} of the boxes not zero")
    return trimmed


def _prepare(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks):
    """Drops padding, sorts predictions and answers (gt classes, pred classes, overlaps)."""
    arrays = (gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_masks, pred_scores)
    gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_masks, pred_scores = (
        np.asarray(array) for array in arrays
    )
    gt_class_ids, gt_masks = _trimmed(
        "ground_truth", gt_boxes, class_ids=gt_class_ids, masks=gt_masks
    )
    pred_class_ids, pred_masks, pred_scores = _trimmed(
        "predictions", pred_boxes, class_ids=pred_class_ids, masks=pred_masks, scores=pred_scores
    )
    order = np.argsort(pred_scores)[::-1]
    overlaps = compute_overlaps_masks(pred_masks[..., order], gt_masks)
    return gt_class_ids, pred_class_ids[order], overlaps


def _match(gt_class_ids, pred_class_ids, overlaps, iou_threshold, score_threshold=0.0):
    """Gives each prediction, best score first, the best free instance of its class."""
    gt_match = np.full(len(gt_class_ids), -1, dtype=np.int32)
    pred_match = np.full(len(pred_class_ids), -1, dtype=np.int32)
    lowest = max(iou_threshold, score_threshold)
    for i, class_id in enumerate(pred_class_ids):
        for j in np.argsort(overlaps[i])[::-1]:
            if overlaps[i, j] < lowest:
                break
            if gt_match[j] < 0 and gt_class_ids[j] == class_id:
                gt_match[j], pred_match[i] = i, j
                break
    return gt_match, pred_match


def compute_matches(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores,
                    pred_masks, iou_threshold=0.5, score_threshold=0.0):
    """Finds which prediction is which instance.

    Going through the predictions by falling score, each takes the instance of its class that it
    overlaps most and that is still free. Rows of zero boxes (padding) are dropped first; the
    other arrays of that side may be padded or not.

    Args:
        gt_boxes: [G, 4] pixels.
        gt_class_ids: [G].
        gt_masks: [H, W, G].
        pred_boxes: [N, 4] pixels.
        pred_class_ids: [N].
        pred_scores: [N].
        pred_masks: [H, W, N].
        iou_threshold: least mask IoU of a match.
        score_threshold: a second lower bound on the IoU, kept for its place in the signature.

    Returns:
        (gt_match int32 [G], pred_match int32 [N], overlaps float32 [N, G]): the index of the
        partner or -1. Predictions are counted in order of falling score.

    Raises:
        ValueError: the parts of one side differ in length other than by padding, or the masks
            in size.
    """
    gt_class_ids, pred_class_ids, overlaps = _prepare(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks
    )
    matches = _match(gt_class_ids, pred_class_ids, overlaps, iou_threshold, score_threshold)
    return (*matches, overlaps)


def _average_precision(gt_match, pred_match):
    """Area under the precision envelope (PASCAL VOC 2010 development kit, section 3.4.1)."""
    hits = np.cumsum(pred_match > -1)
    precisions = np.concatenate([[0], hits / (np.arange(len(pred_match)) + 1), [0]])
    recalls = hits.astype(np.float32) / max(len(gt_match), 1)
    recalls = np.concatenate([[0], recalls, [1]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    steps = np.flatnonzero(recalls[:-1] != recalls[1:]) + 1
    ap = np.sum((recalls[steps] - recalls[steps - 1]) * precisions[steps])
    return ap, precisions, recalls


def compute_ap(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores,
               pred_masks, iou_threshold=0.5):
    """Average precision of one image at one mask-IoU threshold, all classes together.

    Args:
        The arrays are those of `compute_matches`.
        iou_threshold: least mask IoU of a match.

    Returns:
        (mAP, precisions [N + 2], recalls [N + 2], overlaps [N, G]). Precisions are made falling,
        with 0 before and after; recalls start at 0 and end at 1. Without ground truth mAP is 0.
    """
    gt_match, pred_match, overlaps = compute_matches(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks,
        iou_threshold,
    )
    return (*_average_precision(gt_match, pred_match), overlaps)


def compute_ap_range(gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask,
                     iou_thresholds=None, verbose=1):
    """Mean of `compute_ap` over several thresholds, by default 0.5 to 0.95 in steps of 0.05.

    Args:
        The arrays are those of `compute_matches`.
        iou_thresholds: thresholds to average over.
        verbose: 1 prints each value and the mean.

    Returns:
        The mean as a float.

    Raises:
        ValueError: there is no threshold.
    """
    thresholds = np.arange(0.5, 1.0, 0.05) if iou_thresholds is None else list(iou_thresholds)
    if len(thresholds) == 0:
        raise ValueError("iou_thresholds: expected at least one threshold, received none")
    gt_classes, pred_classes, overlaps = _prepare(
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask
    )
    values = []
    for threshold in thresholds:
        ap, _, _ = _average_precision(*_match(gt_classes, pred_classes, overlaps, threshold))
        values.append(ap)
        if verbose:
            print(f"AP at IoU {threshold:.2f}: {ap:.3f}")
    mean = float(np.mean(values))
    if verbose:
        print(f"AP at IoU {thresholds[0]:.2f} to {thresholds[-1]:.2f}: {mean:.3f}")
    return mean


def compute_recall(pred_boxes, gt_boxes, iou):
    """Share of the ground-truth boxes that some prediction overlaps.

    Args:
        pred_boxes: [N, 4] pixels.
        gt_boxes: [G, 4] pixels.
        iou: least IoU that counts.

    Returns:
        (recall, positive_ids): recall from 0 to 1 (0 without ground truth), and the indices of
        the predictions that overlap some ground-truth box enough. Each prediction counts for the
        box it overlaps most.
    """
    overlaps = compute_overlaps(pred_boxes, gt_boxes)
    if 0 in overlaps.shape:
        return 0.0, np.zeros(0, dtype=np.int64)
    positive_ids = np.flatnonzero(overlaps.max(axis=1) >= iou)
    found = np.unique(overlaps[positive_ids].argmax(axis=1))
    return len(found) / len(gt_boxes), positive_ids
