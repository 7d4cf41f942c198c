"""Images side by side, and instances drawn on an image."""

import numpy as np

from mrcnn.evaluation import matching
from mrcnn.visualize import figure, painting

TRUTH_COLOR = (0.0, 1.0, 0.0, 0.8)
PREDICTION_COLOR = (1.0, 0.0, 0.0, 1.0)


def display_images(images, titles=None, cols=4, cmap=None, norm=None, interpolation=None):
    """Draw images in a grid.

    Args:
        images: a list of arrays [H, W] or [H, W, C], or one array [B, H, W, C].
        titles: one text per image.
        cols: images per row.
        cmap, norm, interpolation: passed to matplotlib's imshow.

    Returns:
        The figure.
    """
    images = list(images)
    titles = [""] * len(images) if titles is None else list(titles)
    if len(titles) != len(images):
        raise ValueError(f"expected one title per image ({len(images)}), received {len(titles)}")
    rows = max(-(-len(images) // cols), 1)
    cell = 14.0 / cols
    fig = figure.new_figure((14, rows * (cell + 0.3)))
    for place, (image, title) in enumerate(zip(images, titles, strict=True), start=1):
        ax = fig.add_subplot(rows, cols, place)
        ax.set_axis_off()
        ax.set_title(title, fontsize=9)
        image = np.asarray(image)
        image = painting.to_rgb(image) if image.ndim == 3 and image.shape[2] > 1 else image
        ax.imshow(np.squeeze(image), cmap=cmap, norm=norm, interpolation=interpolation)
    top = 1 - 0.3 / (rows * (cell + 0.3))
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=top, wspace=0.04, hspace=0.12)
    return figure.finish(fig)


def display_instances(
    image,
    boxes,
    masks,
    class_ids,
    class_names,
    scores=None,
    title="",
    figsize=(16, 16),
    ax=None,
    show_mask=True,
    show_bbox=True,
    colors=None,
    captions=None,
):
    """Draw boxes, masks and labels of the instances of one image.

    Args:
        image: [H, W], or [H, W, C]; see `painting.to_rgb`.
        boxes: [N, (y1, x1, y2, x2)] pixels; an instance whose box is all zeros is left out.
        masks: [H, W, N] bool or 0/1, or None for boxes alone. A mask is drawn inside its box.
        class_ids: [N] indices into class_names, negated for a crowd.
        class_names: name of every class, background first.
        scores: [N] confidences, or None.
        title: text above the image.
        figsize: (width, height) in inches that a new figure fits into.
        ax: axes to draw on instead of a new figure (then nothing is shown by this call).
        show_mask: fill the masks; their outlines are drawn in any case.
        show_bbox: draw the boxes.
        colors: N colours of floats in 0..1, or None for distinct ones.
        captions: N texts (or None each) instead of "class score".

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: the arrays do not fit each other, or a class id has no name.
    """
    canvas = painting.to_rgb(image)
    boxes, class_ids = _checked(canvas, boxes, masks, class_ids, scores, colors, captions)
    colors = painting.random_colors(len(boxes)) if colors is None else list(colors)
    captions = instance_captions(class_ids, class_names, scores) if captions is None else captions
    ax, is_new = figure.image_axes(canvas.shape, figsize, ax, title)
    if masks is not None and show_mask:
        painting.paint_masks(canvas, masks, boxes, colors)
    figure.show_image(ax, canvas)
    font, line, px_per_point = figure.style_sizes(ax, canvas.shape, len(boxes))
    shown = [i for i, box in enumerate(boxes) if np.any(box)]
    for i in shown:
        if masks is not None:
            figure.add_outline(ax, masks[:, :, i], boxes[i], colors[i], line)
        if show_bbox:
            figure.add_box(ax, boxes[i], colors[i], line, "--", 0.7)
    for i in shown:
        if captions[i]:
            box, text = boxes[i], str(captions[i])
            figure.add_caption(ax, text, box, colors[i], canvas.shape, font, px_per_point)
    return figure.finish(ax.figure, is_new)


def instance_captions(class_ids, class_names, scores=None):
    """Texts "class", "class 0.98" or, for the negated id of a crowd, "class (crowd)".

    Raises:
        ValueError: a class id without a name.
    """
    texts = []
    for i, class_id in enumerate(class_ids):
        if abs(class_id) >= len(class_names):
            known = f"0..{len(class_names) - 1}"
            raise ValueError(f"instance {i} has class id {class_id}; class_names knows {known}")
        crowd = " (crowd)" if class_id < 0 else ""
        score = "" if scores is None or scores[i] is None else f" {float(scores[i]):.2f}"
        texts.append(f"{class_names[abs(class_id)]}{crowd}{score}")
    return texts


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

    Returns:
        The figure that was drawn on.
    """
    keep = np.flatnonzero(np.any(np.asarray(gt_box), axis=-1))
    gt_box, gt_class_id, gt_mask = gt_box[keep], np.asarray(gt_class_id)[keep], gt_mask[..., keep]
    order = np.argsort(-np.asarray(pred_score), kind="stable")
    order = order[np.asarray(pred_score)[order] >= score_threshold]
    order = order[np.any(np.asarray(pred_box)[order], axis=-1)]
    pred_box, pred_mask = np.asarray(pred_box)[order], pred_mask[..., order]
    pred_class_id, pred_score = np.asarray(pred_class_id)[order], np.asarray(pred_score)[order]
    ranks = np.arange(len(order), 0, -1, dtype=np.float32)  # distinct: ties keep their order
    truth, found = (gt_box, gt_class_id, gt_mask), (pred_box, pred_class_id, ranks, pred_mask)
    gt_match, _, overlaps = matching.compute_matches(*truth, *found, iou_threshold=iou_threshold)
    best = overlaps.max(axis=1) if overlaps.size else np.zeros(len(order))
    names = instance_captions(gt_class_id, class_names)
    captions = ["" if m > -1 else f"missed: {n}" for m, n in zip(gt_match, names, strict=True)]
    captions += [f"{s:.2f} / {iou:.2f}" for s, iou in zip(pred_score, best, strict=True)]
    return display_instances(
        image,
        np.concatenate([gt_box, pred_box]),
        np.concatenate([gt_mask, pred_mask], axis=-1),
        np.concatenate([gt_class_id, pred_class_id]),
        class_names,
        title=title or "truth green, detections red (score / IoU)",
        ax=ax,
        show_mask=show_mask,
        show_bbox=show_box,
        colors=[TRUTH_COLOR] * len(gt_box) + [PREDICTION_COLOR] * len(pred_box),
        captions=captions,
    )


def _checked(canvas, boxes, masks, class_ids, scores, colors, captions):
    """The boxes as [N, 4] and class ids as [N] ints; ValueError where the arrays do not fit."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    class_ids = np.asarray(class_ids).astype(np.int64).reshape(-1)
    count = len(boxes)
    given = {"class_ids": class_ids, "scores": scores, "colors": colors, "captions": captions}
    for name, values in given.items():
        if values is not None and len(values) < count:
            raise ValueError(f"{count} boxes but {len(values)} {name}: expected one per instance")
    expected = (*canvas.shape[:2], count)
    if masks is not None and count and np.shape(masks) != expected:
        raise ValueError(f"expected masks of shape {expected}, received {np.shape(masks)}")
    return boxes, class_ids
