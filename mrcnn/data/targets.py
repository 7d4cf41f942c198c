"""Training targets of the region proposal network: which anchors stand for objects, and how.

Matching follows Faster R-CNN (arXiv 1506.01497, section 3.1.2).
"""

import numpy as np

from mrcnn.data.anchoring import levels_of
from mrcnn.geometry.boxes import box_refinement, compute_overlaps

NEGATIVE_BELOW, POSITIVE_FROM = 0.3, 0.7  # IoU
CROWD_FROM = 0.001  # an anchor that overlaps a crowd by this much is no background
SLACK = 1e-6  # relative; areas of anchors are known up to rounding


def build_rpn_targets(image_shape, anchors, gt_class_ids, gt_boxes, config, rng=None):
    """Decides for each anchor whether it is an object, background or neither.

    Positive: IoU of at least 0.7 with an object, or, with RPN_LOW_QUALITY_MATCHES, the best anchor
    of an object. Negative: IoU below 0.3 with every object and no part in a crowd. At most half
    of RPN_TRAIN_ANCHORS_PER_IMAGE are positive; negatives fill up the rest.

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
    positive, background = _match(anchors, objects, config.RPN_LOW_QUALITY_MATCHES)
    for box in crowds:
        rows, iou = _overlaps(anchors, box, CROWD_FROM)
        background[rows[iou >= CROWD_FROM]] = False
    chance = np.random if rng is None else rng
    positive = _choose(positive, total // 2, chance)
    negative = _choose(np.flatnonzero(background), total - len(positive), chance)

    match = np.zeros(len(anchors), np.int32)
    match[negative], match[positive] = -1, 1
    bbox = np.zeros((total, 4))
    if len(positive):
        nearest = compute_overlaps(anchors[positive], objects).argmax(axis=1)
        deltas = box_refinement(anchors[positive], objects[nearest])
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


def _match(anchors, boxes, best_too):
    """(rows of the positive anchors in their order, [A] bool: background)."""
    background = np.ones(len(anchors), bool)
    positive = [np.zeros(0, np.intp)]
    for box in boxes:
        rows, iou = _overlaps(anchors, box, NEGATIVE_BELOW)
        background[rows[iou >= NEGATIVE_BELOW]] = False
        if best_too and len(rows) and iou.max() > 0:
            positive.append(rows[(iou == iou.max()) | (iou >= POSITIVE_FROM)])
        else:
            positive.append(rows[iou >= POSITIVE_FROM])
    positive = np.unique(np.concatenate(positive))
    background[positive] = False
    return positive, background


def _overlaps(anchors, box, least):
    """(rows, IoU) of anchors: all that overlap the box by `least`, or most, and some others.

    The areas of box and anchors rule out most levels.
    """
    levels = levels_of(anchors)
    if levels is None:
        rows = _neighbours(anchors, box)
        return rows, compute_overlaps(anchors[rows], box[None])[:, 0]
    y1, x1, y2, x2 = box.tolist()
    area = (y2 - y1) * (x2 - x1)
    most = [level.most_overlap(area) for level in levels]
    found_rows, found, best = [], [], 0.0
    for i in sorted(range(len(levels)), key=most.__getitem__, reverse=True):
        if most[i] * (1 + SLACK) < min(least, best):
            break
        rows = levels[i].rows_near(box)
        iou = compute_overlaps(anchors[rows], box[None])[:, 0]
        found_rows.append(rows)
        found.append(iou)
        best = max(best, iou.max(initial=0.0))
    return np.concatenate(found_rows), np.concatenate(found)


def _choose(rows, most, chance):
    """At most so many of the rows, in their order."""
    if len(rows) <= most:
        return rows
    if isinstance(chance, np.random.Generator):  # quick where few of many are wanted
        return np.sort(chance.choice(rows, most, replace=False, shuffle=False))
    gone = chance.choice(rows, len(rows) - most, replace=False)
    return np.setdiff1d(rows, gone, assume_unique=True)
