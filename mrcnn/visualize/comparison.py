"""Detections and truth: on one image, or side by side on a sheet of many."""

import numpy as np

from mrcnn.evaluation import matching
from mrcnn.geometry.masks import compute_overlaps_masks
from mrcnn.visualize import figure, painting
from mrcnn.visualize.instances import display_instances, instance_captions
from mrcnn.visualize.selection import of_classes

TRUTH_COLOR = (0.0, 1.0, 0.0, 0.8)
PREDICTION_COLOR = (1.0, 0.0, 0.0, 1.0)
_PANEL = 2.6  # inches
_GAP = 0.06
_PAIR_GAP = 0.3
_HEADING = 0.45
_SAME_OBJECT = 0.5  # mask IoU from which a detection takes the colour of the truth


def display_differences(
    image,
    gt_box,
    gt_class_id,
    gt_mask,
    pred_box,
    pred_class_id,
    pred_score,
    pred_mask,
    class_names,
    title="",
    ax=None,
    show_mask=True,
    show_box=True,
    iou_threshold=0.5,
    score_threshold=0.5,
    classes=None,
):
    """Draw truth (green) and detections (red) on one image.

    A detection's caption is "score / best mask IoU with a truth of any class". A truth that no
    detection of its class reaches at `iou_threshold` is captioned "missed: class".

    Args:
        image: [H, W, C].
        gt_box, pred_box: [N, (y1, x1, y2, x2)] pixels.
        gt_class_id, pred_class_id: [N] indices into class_names.
        gt_mask, pred_mask: [H, W, N] bool.
        pred_score: [N] confidences; detections below `score_threshold` are not drawn.
        class_names: name of every class, background first.
        title, ax, show_mask: as in `display_instances`.
        show_box: draw the boxes.
        iou_threshold: mask IoU from which a truth counts as found.
        score_threshold: smallest score drawn.
        classes: names or ids of the only classes to look at; None for all.

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: as `display_instances`.
    """
    gt_box, gt_class_id, pred_box, pred_class_id, pred_score = (np.asarray(array) for array in (
        gt_box, gt_class_id, pred_box, pred_class_id, pred_score))
    keep = np.any(gt_box, axis=-1) & of_classes(gt_class_id, class_names, classes)
    truth = _rows(image, gt_box, gt_class_id, gt_mask, np.flatnonzero(keep))
    order = np.argsort(-pred_score, kind="stable")
    keep = (pred_score >= score_threshold) & np.any(pred_box, axis=-1)
    order = order[(keep & of_classes(pred_class_id, class_names, classes))[order]]
    found = _rows(image, pred_box, pred_class_id, pred_mask, order)
    ranks = np.arange(len(order), 0, -1, dtype=np.float32)  # distinct: ties keep their order
    gt_match, _, overlaps = matching.compute_matches(
        *truth, *found[:2], ranks, found[2], iou_threshold=iou_threshold)
    best = overlaps.max(axis=1) if overlaps.size else np.zeros(len(order))
    names = instance_captions(truth[1], class_names)
    captions = ["" if m > -1 else f"missed: {n}" for m, n in zip(gt_match, names, strict=True)]
    captions += [f"{s:.2f} / {iou:.2f}" for s, iou in zip(pred_score[order], best, strict=True)]
    return display_instances(
        image,
        np.concatenate([truth[0], found[0]]),
        np.concatenate([truth[2], found[2]], axis=-1),
        np.concatenate([truth[1], found[1]]),
        class_names,
        title=title or "truth green, detections red (score / IoU)",
        ax=ax,
        show_mask=show_mask,
        show_bbox=show_box,
        colors=[TRUTH_COLOR] * len(truth[0]) + [PREDICTION_COLOR] * len(order),
        captions=captions,
    )


def _rows(image, boxes, class_ids, masks, rows):
    """(boxes, class ids, masks [H, W, K] bool) of some instances."""
    masks = painting.readable_masks(masks, np.shape(image), len(boxes))
    planes = [np.asarray(masks[:, :, i]) == 1 for i in rows]
    empty = np.zeros((*np.shape(image)[:2], 0), bool)
    return boxes[rows], class_ids[rows], np.stack(planes, axis=-1) if planes else empty


def compare_figure(images, truths, results, class_names, columns=2):
    """A sheet of pairs: the truth on the left, what was detected on the right.

    An object keeps one colour in both halves of a pair (mask IoU of at least 0.5, whatever the
    class); a detection that meets no truth is white.

    Args:
        images: list of [H, W, C] images.
        truths: one dict an image with `rois` [G, 4] pixels, `masks` [H, W, G], `class_ids` [G].
        results: one dict an image as `detect` answers it: the same keys and `scores`.
        class_names: name of every class, background first.
        columns: pairs per row.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        ValueError: the three lists differ in length, or are empty.
    """
    if not len(images) == len(truths) == len(results) or not len(images):
        counts = f"{len(images)} images, {len(truths)} truths, {len(results)} results"
        raise ValueError(f"expected as many truths and results as images, received {counts}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    pair = 2 * _PANEL + _GAP
    width = columns * pair + (columns - 1) * _PAIR_GAP + 2 * _GAP
    height = rows * (_PANEL + _GAP) + _GAP + _HEADING
    fig = figure.new_figure((width, height))
    for i, (image, truth, result) in enumerate(zip(images, truths, results, strict=True)):
        left = _GAP + (i % columns) * (pair + _PAIR_GAP)
        bottom = height - _HEADING - (i // columns + 1) * (_PANEL + _GAP)
        true_colors, found_colors = pair_colors(truth, result)
        for k, (one, colors) in enumerate([(truth, true_colors), (result, found_colors)]):
            corner = (left + k * (_PANEL + _GAP)) / width, bottom / height
            ax = fig.add_axes([*corner, _PANEL / width, _PANEL / height])
            if i < columns:
                place = (corner[0] + 0.5 * _PANEL / width, 1 - 0.55 * _HEADING / height)
                fig.text(*place, ("truth", "detected")[k], ha="center", va="center", size=12)
            _draw_panel(ax, image, one, class_names, colors)
    return figure.finish(fig)


def _draw_panel(ax, image, one, class_names, colors):
    shown = one["rois"], one["masks"], one["class_ids"], class_names, one.get("scores")
    display_instances(image, *shown, ax=ax, show_bbox=False, colors=colors)


def pair_colors(truth, result):
    """Colours by which a detection is seen to be an object of the truth.

    Args:
        truth: dict with "masks" [H, W, G] and "class_ids" [G].
        result: the same of what was detected.

    Returns:
        ([G] colours of the truth, those of `random_colors`; [N] colours of the detections, that
        of the object each overlaps most, white below a mask IoU of 0.5).
    """
    colors = painting.random_colors(len(truth["class_ids"]))
    found = [(1.0, 1.0, 1.0)] * len(result["class_ids"])
    if colors and found:
        overlaps = compute_overlaps_masks(np.asarray(result["masks"]), np.asarray(truth["masks"]))
        best = np.argmax(overlaps, axis=1)
        for i, k in enumerate(best):
            if overlaps[i, k] >= _SAME_OBJECT:
                found[i] = colors[k]
    return colors, found
