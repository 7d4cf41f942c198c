"""Images side by side, and instances drawn on an image."""

import numpy as np

from mrcnn.visualize import figure, painting
from mrcnn.visualize.selection import of_classes

_TITLE = 0.3  # inches above each image of a grid


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
    cols, cell = max(int(cols), 1), 14.0 / max(int(cols), 1)
    shapes = [np.shape(image) for image in images]
    rows = [range(start, min(start + cols, len(images))) for start in range(0, len(images), cols)]
    tall = [cell * np.clip(max(shapes[i][0] / shapes[i][1] for i in row), 0.15, 2) for row in rows]
    fig = figure.new_figure((14, max(sum(tall) + _TITLE * len(rows), 1)))
    paper, top = fig.get_size_inches()[1], fig.get_size_inches()[1]
    for row, height in zip(rows, tall, strict=True):
        top -= height + _TITLE
        for k, i in enumerate(row):
            left, width = (k * cell + 0.02 * cell) / 14, 0.96 * cell / 14
            ax = fig.add_axes([left, top / paper, width, 0.98 * height / paper])
            ax.set_axis_off()
            figure.set_title(ax, titles[i])
            ax.imshow(_plain(images[i]), cmap=cmap, norm=norm, interpolation=interpolation)
    return figure.finish(fig)


def _plain(image):
    """[H, W] for matplotlib's colour map where there is one channel, else RGB."""
    image = np.asarray(image)
    return painting.to_rgb(image) if image.ndim == 3 and image.shape[2] > 1 else np.squeeze(image)


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
    classes=None,
):
    """Draw boxes, masks and labels of the instances of one image.

    Labels keep clear of each other: where there is no room for one, it is left out, those that
    come last first.

    Args:
        image: [H, W], or [H, W, C]; see `painting.to_rgb`.
        boxes: [N, (y1, x1, y2, x2)] pixels; an instance whose box is all zeros is left out.
        masks: [H, W, N] bool or 0/1, lazily or as N run-length codes of COCO (of these only the
            window that is drawn is made), or None for boxes alone. A mask is drawn inside its
            box.
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
        classes: names or ids of the only classes to draw; None for all. Colours stay as they
            are without it.

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: the arrays do not fit each other, a class id has no name, or one of
            `classes` is not known.
    """
    canvas = painting.to_rgb(image)
    boxes, class_ids = _checked(boxes, class_ids, scores, colors, captions)
    masks = painting.readable_masks(masks, canvas.shape, len(boxes))
    shown = np.flatnonzero(boxes.any(axis=1) & of_classes(class_ids, class_names, classes))
    colors = painting.random_colors(len(boxes)) if colors is None else list(colors)
    captions = instance_captions(class_ids, class_names, scores) if captions is None else captions
    ax, is_new = figure.image_axes(canvas.shape, figsize, ax, title)
    parts = {} if masks is None else _parts(masks, boxes, shown, canvas.shape)
    for i, (window, part) in parts.items() if show_mask else ():
        painting.apply_mask(canvas[window], part, colors[i])
    figure.show_image(ax, canvas)
    font, line, px_per_point = figure.style_sizes(ax, canvas.shape, len(shown))
    for i in shown:
        if i in parts:
            window, part = parts[i]
            figure.add_outline(ax, part, window, colors[i], line)
        if show_bbox:
            figure.add_box(ax, boxes[i], colors[i], line, "--", 0.7)
    labels = [(captions[i], boxes[i], colors[i]) for i in shown if captions[i]]
    figure.add_captions(ax, labels, font, px_per_point)
    return figure.finish(ax.figure, is_new)


def display_instances_person(
    image, boxes, masks, class_ids, class_names, scores=None, title="", figsize=(16, 16), ax=None,
    **options,
):
    """`display_instances` with the persons alone.

    Args:
        image, boxes, masks, class_ids, scores, title, figsize, ax: as there.
        class_names: name of every class, background first; one is "person".
        **options: others of `display_instances`.

    Returns:
        The figure that was drawn on.

    Raises:
        ValueError: as there, and where no class is called "person".
    """
    options = {"classes": ["person"], **options}
    return display_instances(image, boxes, masks, class_ids, class_names, scores, title, figsize,
                             ax, **options)


def _parts(masks, boxes, shown, image_shape):
    """Row -> (window of its box, mask inside it), for the rows that are shown."""
    windows = {i: painting.window_of(boxes[i], image_shape) for i in shown}
    return {i: (window, np.asarray(masks[window[0], window[1], i]) == 1)
            for i, window in windows.items()}


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


def _checked(boxes, class_ids, scores, colors, captions):
    """The boxes as [N, 4] and class ids as [N] ints; ValueError where the arrays do not fit."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    class_ids = np.asarray(class_ids).astype(np.int64).reshape(-1)
    count = len(boxes)
    given = {"class_ids": class_ids, "scores": scores, "colors": colors, "captions": captions}
    for name, values in given.items():
        if values is not None and len(values) < count:
            raise ValueError(f"{count} boxes but {len(values)} {name}: expected one per instance")
    return boxes, class_ids[:count]
