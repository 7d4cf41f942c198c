"""Detections beside the truth, many images on one sheet."""

import numpy as np

from mrcnn.geometry.masks import compute_overlaps_masks
from mrcnn.visualize import figure, painting
from mrcnn.visualize.instances import display_instances

_PANEL = 2.6  # inches
_GAP = 0.06
_PAIR_GAP = 0.3
_HEADING = 0.45
_SAME_OBJECT = 0.5  # mask IoU from which a detection takes the colour of the truth


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
        true_colors, found_colors = _pair_colors(truth, result)
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


def _pair_colors(truth, result):
    """Colours of the truth, and of the detections that are the same objects."""
    colors = painting.random_colors(len(truth["class_ids"]))
    found = [(1.0, 1.0, 1.0)] * len(result["class_ids"])
    if colors and found:
        overlaps = compute_overlaps_masks(np.asarray(result["masks"]), np.asarray(truth["masks"]))
        best = np.argmax(overlaps, axis=1)
        for i, k in enumerate(best):
            if overlaps[i, k] >= _SAME_OBJECT:
                found[i] = colors[k]
    return colors, found
