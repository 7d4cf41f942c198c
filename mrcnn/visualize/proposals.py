"""What happens inside the network: anchors, proposals, regions of interest, masks by class."""

import numpy as np

from mrcnn.geometry.masks import unmold_mask
from mrcnn.visualize import figure, painting
from mrcnn.visualize.instances import display_images

_GREY = (0.6, 0.6, 0.6)


def draw_rois(image, rois, refined_rois, mask, class_ids, class_names, limit=10):
    """Draw regions of interest; the positive ones with their refined box, mask and class.

    The share of positive regions stands in the title. When there are more than `limit` regions,
    an even spread of them is drawn, always the same one.

    Args:
        image: [H, W, C].
        rois: [R, (y1, x1, y2, x2)] pixels.
        refined_rois: [R, (y1, x1, y2, x2)] pixels, after the box deltas.
        mask: [R, h, w] mask of each region, in the region's own frame.
        class_ids: [R], or [R, 1] as `data_generator` answers them; 0 is background.
        class_names: name of every class, background first.
        limit: how many regions to draw.

    Returns:
        The figure.
    """
    canvas, class_ids = painting.to_rgb(image), np.asarray(class_ids).reshape(-1)
    chosen = np.unique(np.linspace(0, len(rois) - 1, min(limit, len(rois))).round().astype(int))
    positive = int(np.sum(class_ids > 0))
    title = f"{len(chosen)} of {len(rois)} regions, {positive} positive"
    ax, _ = figure.image_axes(canvas.shape, (12, 12), None, title)
    font, line, px_per_point = figure.style_sizes(ax, canvas.shape, len(chosen))
    labels = []
    for color, i in zip(painting.random_colors(len(chosen)), chosen, strict=True):
        inside = class_ids[i] > 0
        figure.add_box(ax, rois[i], color if inside else _GREY, line, "--")
        if not inside:
            continue
        box = np.round(np.asarray(rois[i], dtype=np.float32)).astype(np.int32)
        full = unmold_mask(np.asarray(mask[i], dtype=np.float32), box, canvas.shape)
        painting.apply_mask(canvas, full, color)
        figure.add_box(ax, refined_rois[i], color, line)
        _add_link(ax, rois[i], refined_rois[i], color, line)
        labels.append((class_names[class_ids[i]], refined_rois[i], color))
    figure.show_image(ax, canvas)
    figure.add_captions(ax, labels, font, px_per_point)
    return figure.finish(ax.figure)


def draw_boxes(
    image,
    boxes=None,
    refined_boxes=None,
    masks=None,
    captions=None,
    visibilities=None,
    title="",
    ax=None,
    colors=None,
):
    """Draw boxes, each with the box it was refined to, its mask and a caption.

    Args:
        image: [H, W, C].
        boxes: [N, (y1, x1, y2, x2)] pixels, drawn dashed when refined boxes are given too.
        refined_boxes: [N, (y1, x1, y2, x2)] pixels, drawn solid with a line from its box.
        masks: [H, W, N] bool, drawn inside the boxes.
        captions: N texts.
        visibilities: [N] of 0 (grey, dotted, no caption), 1 (thin), 2 (thick); default 1.
        title: text above the image.
        ax: axes to draw on instead of a new figure.
        colors: N colours of floats in 0..1, or None for distinct ones.

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: neither boxes nor refined_boxes are given.
    """
    if boxes is None and refined_boxes is None:
        raise ValueError("expected boxes, refined_boxes or both, received neither")
    first = np.asarray(refined_boxes if boxes is None else boxes, dtype=np.float32)
    last = first if refined_boxes is None else np.asarray(refined_boxes, dtype=np.float32)
    canvas, count = painting.to_rgb(image), len(first)
    visible = np.ones(count, int) if visibilities is None else np.asarray(visibilities)
    distinct = painting.random_colors(count) if colors is None else list(colors)
    colors = [c if v else _GREY for c, v in zip(distinct, visible, strict=True)]
    ax, is_new = figure.image_axes(canvas.shape, (12, 12), ax, title)
    font, line, px_per_point = figure.style_sizes(ax, canvas.shape, count)
    if masks is not None:
        around = np.concatenate([np.minimum(first, last)[:, :2], np.maximum(first, last)[:, 2:]], 1)
        painting.paint_masks(canvas, masks, around, colors)
    figure.show_image(ax, canvas)
    for i, color in enumerate(colors):
        width = line * (1.6 if visible[i] == 2 else 1.0)
        if boxes is not None and np.any(first[i]):
            style = ":" if not visible[i] else "-" if refined_boxes is None else "--"
            figure.add_box(ax, first[i], color, width, style, 0.9 if visible[i] else 0.6)
        if refined_boxes is not None and visible[i] and np.any(last[i]):
            figure.add_box(ax, last[i], color, width)
            _add_link(ax, first[i], last[i], color, width)
    labels = [] if captions is None else [
        (captions[i], last[i], colors[i]) for i in range(count) if captions[i] and visible[i]]
    figure.add_captions(ax, labels, font, px_per_point)
    return figure.finish(ax.figure, is_new)


def display_top_masks(image, mask, class_ids, class_names, limit=4):
    """The image, and beside it the masks of the classes that cover the most of it.

    Each class is a panel with its name and number of instances.

    Args:
        image: [H, W, C].
        mask: [H, W, N] bool.
        class_ids: [N] indices into class_names.
        class_names: name of every class, background first.
        limit: how many classes.

    Returns:
        The figure.
    """
    mask, class_ids = np.asarray(mask), np.asarray(class_ids)
    present = [int(c) for c in np.unique(class_ids) if c > 0]
    areas = {c: int(mask[:, :, class_ids == c].sum()) for c in present}
    panels, titles = [image], [f"H x W = {image.shape[0]} x {image.shape[1]}"]
    for class_id in sorted(present, key=lambda c: -areas[c])[:limit]:
        which = np.flatnonzero(class_ids == class_id)
        panels.append(np.max(mask[:, :, which] * (1 + np.arange(len(which))), axis=-1))
        titles.append(f"{class_names[class_id]} ({len(which)})")
    return display_images(panels, titles, cols=limit + 1, cmap="Blues_r")


def _add_link(ax, box, refined, color, width):
    """A line from a box's first corner to the same corner of its refined box."""
    ends_x, ends_y = [box[1] - 0.5, refined[1] - 0.5], [box[0] - 0.5, refined[0] - 0.5]
    ax.plot(ends_x, ends_y, color=color, linewidth=0.7 * width)
