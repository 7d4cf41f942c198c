"""Training targets of the heads in numpy, and random rois: for debugging one half of the model.

The model itself makes these targets inside its graph (`layers/detection_target`).
"""

import numpy as np

from mrcnn.geometry.bilinear import bilinear_float
from mrcnn.geometry.boxes import box_refinement, compute_overlaps

POSITIVE_FROM = 0.5  # IoU with an object
HALF = 0.5 - 1e-5  # share of a bin from which it is mask, as in the layer
AROUND_OBJECTS = 0.9  # share of the random rois that lie near an object


def build_detection_targets(rpn_rois, gt_class_ids, gt_boxes, gt_masks, config, rng=None):
    """Samples rois and says what the heads should answer for them.

    At most TRAIN_ROIS_PER_IMAGE * ROI_POSITIVE_RATIO rois are positive; background fills up the
    rest, some of it more than once if there is too little (ROI_BALANCED_SAMPLER or not). With
    PROPOSAL_APPEND_GT the boxes of the objects are among the rois to choose from; with ROI_ALIGN
    "roi_align" the masks are the RoIAlign of the objects' masks, 0 or 1.

    Args:
        rpn_rois: [N, (y1, x1, y2, x2)] pixels.
        gt_class_ids: [G] int; zeros (padding) and negative ones (crowds) are left aside.
        gt_boxes: [G, 4] pixels.
        gt_masks: [H, W, G] bool, or mini-masks [h, w, G] with USE_MINI_MASK.
        config: Config.
        rng: what chooses; None for the global `np.random`.

    Returns:
        (rois, class_ids, bboxes, masks), positives first, R = TRAIN_ROIS_PER_IMAGE:
        rois: [R, 4] int32 pixels.
        class_ids: [R] int32, 0 for background.
        bboxes: [R, NUM_CLASSES, 4] float32 deltas divided by BBOX_STD_DEV, in the column of
            the roi's class; zero elsewhere.
        masks: [R, *MASK_SHAPE, NUM_CLASSES] float32 from 0 to 1, likewise.

    Raises:
        ValueError: no rois, shapes that do not fit, or a class id out of range.
    """
    rois = np.asarray(rpn_rois)
    class_ids, boxes, masks = _objects(rois, gt_class_ids, gt_boxes, gt_masks, config)
    if config.PROPOSAL_APPEND_GT:
        rois = np.concatenate([rois, boxes])
    overlaps = compute_overlaps(rois, boxes) if len(boxes) else np.zeros((len(rois), 1))
    best, best_iou = overlaps.argmax(axis=1), overlaps.max(axis=1)
    keep, positives = _sample(best_iou, config, np.random if rng is None else rng)

    rois = rois[keep].astype(np.int32)
    objects = best[keep[:positives]]
    out_ids = np.zeros(len(rois), np.int32)
    out_boxes = np.zeros((len(rois), config.NUM_CLASSES, 4), np.float32)
    out_masks = np.zeros((len(rois), *config.MASK_SHAPE, config.NUM_CLASSES), np.float32)
    if positives:
        rows = np.arange(positives)
        out_ids[rows] = class_ids[objects]
        deltas = box_refinement(rois[rows], boxes[objects]) / np.asarray(config.BBOX_STD_DEV)
        out_boxes[rows, out_ids[rows]] = deltas
        crops = _aligned_masks if config.ROI_ALIGN == "roi_align" else _resized_masks
        for row, crop in enumerate(crops(masks, boxes, objects.tolist(), rois, config)):
            out_masks[row, :, :, out_ids[row]] = crop
    return rois, out_ids, out_boxes, out_masks


def _objects(rois, gt_class_ids, gt_boxes, gt_masks, config):
    """Checks the arguments and keeps the real objects of the ground truth."""
    class_ids, boxes = np.asarray(gt_class_ids), np.asarray(gt_boxes)
    masks = np.asarray(gt_masks)
    if rois.ndim != 2 or rois.shape[1] != 4 or len(rois) == 0:
        raise ValueError(f"rpn_rois: expected shape [N, 4], N at least 1, received {rois.shape}")
    fits = class_ids.ndim == 1 and masks.ndim == 3 and masks.shape[2] == len(class_ids)
    if not fits or boxes.shape != (len(class_ids), 4):
        raise ValueError("expected gt_class_ids [G], gt_boxes [G, 4] and gt_masks [H, W, G], "
                         f"received shapes {class_ids.shape}, {boxes.shape} and {masks.shape}")
    if len(class_ids) and class_ids.max() >= config.NUM_CLASSES:
        raise ValueError(f"gt_class_ids: expected ids below NUM_CLASSES = {config.NUM_CLASSES}, "
                         f"received {class_ids.max()}")
    real = np.flatnonzero(class_ids > 0)
    return class_ids[real], boxes[real], masks[:, :, real]


def _sample(best_iou, config, chance):
    """(rows of the rois, positives first; number of positives)."""
    total = config.TRAIN_ROIS_PER_IMAGE
    positive = np.flatnonzero(best_iou >= POSITIVE_FROM)
    negative = np.flatnonzero(best_iou < POSITIVE_FROM)
    positive = _at_most(positive, int(total * config.ROI_POSITIVE_RATIO), chance)
    if not len(negative):  # every roi lies on an object: take those again, and nothing else
        positive = chance.choice(np.flatnonzero(best_iou >= POSITIVE_FROM), total)
        return positive, total
    missing = total - len(positive)
    negative = _at_most(negative, missing, chance)
    again = chance.choice(negative, missing - len(negative))
    return np.concatenate([positive, negative, again]).astype(np.intp), len(positive)


def _at_most(rows, most, chance):
    return chance.choice(rows, most, replace=False) if len(rows) > most else rows


def _resized(mask, shape):
    """A mask as float32 of another size, between 0 and 1."""
    return bilinear_float(mask[:, :, None], tuple(shape), np.empty((*shape, 1)))[:, :, 0]


def _whole(mask, box, config):
    """(mask [h, w] bool at the size of the image, place (y, x) of its first pixel there)."""
    if not config.USE_MINI_MASK:
        return mask.astype(bool, copy=False), (0, 0)
    top, left, bottom, right = (int(n) for n in box)
    return _resized(mask, (bottom - top, right - left)) > 0.5, (top, left)


def _mask_in_roi(mask, place, roi, shape):
    """What of an object's mask lies in a roi: [*shape] float."""
    y1, x1, y2, x2 = (int(n) for n in roi)
    y1, x1, y2, x2 = max(y1, 0), max(x1, 0), max(y2, y1 + 1), max(x2, x1 + 1)
    part = np.zeros((max(y2 - y1, 1), max(x2 - x1, 1)), bool)
    top, left = max(place[0], y1), max(place[1], x1)
    shared = mask[top - place[0] : max(y2 - place[0], 0), left - place[1] : max(x2 - place[1], 0)]
    part[top - y1 :, left - x1 :][: shared.shape[0], : shared.shape[1]] = shared
    return _resized(part, shape)


def _resized_masks(masks, boxes, objects, rois, config):
    """Yields the mask of each object inside its roi, resized: [*MASK_SHAPE] float."""
    whole = {i: _whole(masks[:, :, i], boxes[i], config) for i in set(objects)}
    for row, i in enumerate(objects):
        yield _mask_in_roi(*whole[i], rois[row], config.MASK_SHAPE)


def _aligned_masks(masks, boxes, objects, rois, config):
    """Yields the RoIAlign of each object's mask in its roi: [*MASK_SHAPE] of 0.0 and 1.0."""
    size = masks.shape[:2]
    for row, i in enumerate(objects):
        low, high = (np.asarray(corner, float) for corner in (rois[row][:2], rois[row][2:]))
        if config.USE_MINI_MASK:  # from pixels of the image to those of the mini-mask
            scale = size / np.maximum(boxes[i][2:] - boxes[i][:2], 1)
            low, high = (low - boxes[i][:2]) * scale, (high - boxes[i][:2]) * scale
        down, across = (
            _bin_weights(low[axis], high[axis], size[axis], config.MASK_SHAPE[axis],
                         config.ROI_ALIGN_SAMPLING_RATIO, config.ROI_ALIGN_ALIGNED)
            for axis in (0, 1)
        )
        yield (down @ masks[:, :, i].astype(float) @ across.T >= HALF).astype(np.float32)


def _bin_weights(low, high, size, bins, ratio, aligned):
    """What each pixel of an axis counts in each bin of RoIAlign: [bins, size]; see the layer."""
    first, extent = (low - 0.5, high - low) if aligned else (low, max(high - low, 1.0))
    points = ratio or max(int(np.ceil(extent / bins)), 0)
    weights = np.zeros((bins, size))
    for point in range(bins * points):
        place = first + (point + 0.5) * extent / (bins * points)
        if -1.0 <= place <= size:
            place = min(max(place, 0.0), size - 1.0)
            below = int(place)
            weights[point // points, below] += (below + 1 - place) / points
            weights[point // points, min(below + 1, size - 1)] += (place - below) / points
    return weights


def generate_random_rois(image_shape, count, gt_class_ids, gt_boxes, rng=None):
    """Rois to train the heads on without the proposal network.

    Nine of ten lie near an object: each side within one object's height or width of it. The
    others lie anywhere, as all do where there is no object.

    Args:
        image_shape: (height, width, ...) in pixels.
        count: number of rois.
        gt_class_ids: [G]; accepted for Matterport's sake, not used.
        gt_boxes: [G, 4] pixels.
        rng: np.random.Generator; None for the global `np.random`.

    Returns:
        int32 [count, (y1, x1, y2, x2)] pixels, of positive area and inside the image.

    Raises:
        ValueError: an image without area.
    """
    del gt_class_ids
    height, width = (int(n) for n in image_shape[:2])
    if height < 1 or width < 1:
        raise ValueError(f"image_shape: expected positive sides, received {(height, width)}")
    boxes = np.asarray(gt_boxes).reshape(-1, 4)
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    chance = np.random if rng is None else rng
    each = int(AROUND_OBJECTS * count / len(boxes)) if len(boxes) else 0
    parts = []
    for y1, x1, y2, x2 in boxes:
        ys = _spans(max(y1 - (y2 - y1), 0), min(y2 + (y2 - y1), height), each, chance)
        xs = _spans(max(x1 - (x2 - x1), 0), min(x2 + (x2 - x1), width), each, chance)
        parts.append((ys, xs))
    left = count - each * len(boxes)
    parts.append((_spans(0, height, left, chance), _spans(0, width, left, chance)))
    rois = [np.stack([ys[0], xs[0], ys[1], xs[1]], axis=1) for ys, xs in parts]
    return np.concatenate(rois).astype(np.int32)


def _spans(low, high, count, chance):
    """Random (start, end) between two borders, at least one pixel apart: [2, count]."""
    ends = np.sort(np.floor(chance.uniform(low, high + 1, (2, count))), axis=0)
    start = np.minimum(ends[0], high - 1)
    return np.stack([start, np.clip(ends[1], start + 1, high)])
