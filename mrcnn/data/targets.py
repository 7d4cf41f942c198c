"""Training targets of the region proposal network: which anchors stand for objects, and how.

Matching follows Faster R-CNN (arXiv 1506.01497, section 3.1.2).
"""

import numpy as np

from mrcnn.geometry.boxes import box_refinement, compute_overlaps

NEGATIVE_BELOW, POSITIVE_FROM = 0.3, 0.7  # IoU
CROWD_FROM = 0.001  # an anchor that overlaps a crowd by this much is no background


def build_rpn_targets(image_shape, anchors, gt_class_ids, gt_boxes, config, rng=None):
    """Decides for each anchor whether it is an object, background or neither.

    Positive: IoU of at least 0.7 with an object, or the best anchor of an object. Negative: IoU
    below 0.3 with every object and no part in a crowd. At most half of
    RPN_TRAIN_ANCHORS_PER_IMAGE are positive; negatives fill up the rest.

    Args:
        image_shape: accepted for Matterport's sake; not used.
        anchors: [A, (y1, x1, y2, x2)] pixels.
        gt_class_ids: [N] int; negative for a crowd.
        gt_boxes: [N, 4] pixels.
        config: Config.
        rng: what chooses among too many; None for the global `np.random`.

    Returns:
        (rpn_match, rpn_bbox): [A] int32 of 1, -1 and 0; [RPN_TRAIN_ANCHORS_PER_IMAGE, 4]
        float64, the deltas of the positive anchors in their order divided by RPN_BBOX_STD_DEV,
        then zeros.

    Raises:
        ValueError: shapes do not fit, or a box has no area.
    """
    del image_shape
    class_ids, boxes = _checked_objects(gt_class_ids, gt_boxes)
    anchors = np.asfortranarray(anchors)
    total = config.RPN_TRAIN_ANCHORS_PER_IMAGE
    objects, crowds = boxes[class_ids > 0], boxes[class_ids < 0]
    best_iou, best_object, is_best = _match(anchors, objects)

    match = np.where(best_iou < NEGATIVE_BELOW, -1, 0).astype(np.int32)
    match[_touches(anchors, crowds)] = 0
    match[is_best | (best_iou >= POSITIVE_FROM)] = 1
    chance = np.random if rng is None else rng
    _thin_out(match, 1, total // 2, chance)
    _thin_out(match, -1, total - int((match == 1).sum()), chance)

    positive = np.flatnonzero(match == 1)
    bbox = np.zeros((total, 4))
    if len(positive):
        deltas = box_refinement(anchors[positive], objects[best_object[positive]])
        bbox[: len(positive)] = deltas / np.asarray(config.RPN_BBOX_STD_DEV)
    return match, bbox


def _checked_objects(gt_class_ids, gt_boxes):
    class_ids, boxes = np.asarray(gt_class_ids), np.asarray(gt_boxes)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if class_ids.ndim != 1 or boxes.shape != (len(class_ids), 4):
        raise ValueError("expected gt_class_ids [N] and gt_boxes [N, 4], received shapes "
                         f"{class_ids.shape} and {boxes.shape}")
    real = class_ids != 0  # zeros are the padding of a batch
    class_ids, boxes = class_ids[real], boxes[real]
    flat = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
    if flat.any():
        raise ValueError("gt_boxes: expected boxes (y1, x1, y2, x2) of positive area, received "
                         f"{boxes[flat][0].tolist()}")
    return class_ids, boxes


def _neighbours(anchors, box):
    """Rows of the anchors that share some area with `box`."""
    y1, x1, y2, x2 = box
    return np.flatnonzero((anchors[:, 0] < y2) & (anchors[:, 2] > y1)
                          & (anchors[:, 1] < x2) & (anchors[:, 3] > x1))


def _match(anchors, boxes):
    """Best object of each anchor; only overlapping pairs are computed, they are few.

    Returns:
        ([A] IoU with the best object, [A] which one (the first of equals), [A] bool: it is the
        best anchor, or one of several equals, of some object).
    """
    best_iou = np.zeros(len(anchors))
    best_object = np.zeros(len(anchors), np.intp)
    is_best = np.zeros(len(anchors), bool)
    for i, box in enumerate(boxes):
        rows = _neighbours(anchors, box)
        if not len(rows):
            continue
        iou = compute_overlaps(anchors[rows], box[None])[:, 0]
        is_best[rows[iou == iou.max()]] = True
        better = iou > best_iou[rows]
        best_iou[rows[better]] = iou[better]
        best_object[rows[better]] = i
    return best_iou, best_object, is_best


def _touches(anchors, crowds):
    """[A] bool: the anchor overlaps one of the boxes by CROWD_FROM or more."""
    touches = np.zeros(len(anchors), bool)
    for box in crowds:
        rows = _neighbours(anchors, box)
        touches[rows[compute_overlaps(anchors[rows], box[None])[:, 0] >= CROWD_FROM]] = True
    return touches


def _thin_out(match, value, most, chance):
    """Sets a random choice of the anchors that have `value` to 0, so that `most` are left."""
    rows = np.flatnonzero(match == value)
    if len(rows) > most:
        match[chance.choice(rows, len(rows) - most, replace=False)] = 0
