"""The pictures of `mrcnn inspect`: an image with its objects, at the steps before training."""

from dataclasses import dataclass

import numpy as np

from mrcnn._text import counted
from mrcnn.data.anchoring import config_anchors
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.targets import build_rpn_targets
from mrcnn.geometry.boxes import apply_box_deltas, compute_overlaps, extract_bboxes
from mrcnn.geometry.masks import expand_mask, minimize_mask
from mrcnn.visualize.comparison import pair_colors
from mrcnn.visualize.painting import random_colors, to_rgb
from mrcnn.visualize.rendering import Renderer

SIDE, MOST_ENLARGED = 640, 6  # of a panel: pixels of its longer side, and times
CELL = 150  # pixels of a mask's picture
MOST_ANCHORS = 60  # drawn


@dataclass
class Panel:
    """A picture with a line below it."""

    picture: np.ndarray
    caption: str


def annotated_panel(dataset, image_id, config):
    """The image as it lies in its file, with the objects as they were read."""
    image = dataset.load_image_as(image_id, config.IMAGE_CHANNEL_COUNT)
    masks, class_ids = dataset.load_mask(image_id)
    caption = f"as annotated: {image.shape[1]} x {image.shape[0]}, {_objects(class_ids)}"
    return Panel(_painted(image, masks, class_ids, dataset.class_names), caption)


def network_panel(dataset, image_id, config, rng, augmentation=None):
    """The image as a training gets it: resized, padded, its masks through the mini-masks."""
    image, _, class_ids, boxes, masks = load_image_gt(
        dataset, config, image_id, augmentation=augmentation,
        use_mini_mask=config.USE_MINI_MASK, rng=rng)
    if config.USE_MINI_MASK:
        masks = expand_mask(boxes, masks, image.shape)
    what = "as the network gets it" if augmentation is None else "augmented"
    caption = f"{what}: {image.shape[1]} x {image.shape[0]}, {_objects(class_ids)}"
    return Panel(_painted(image, masks, class_ids, dataset.class_names), caption)


def detected_panel(dataset, image_id, model):
    """The image with what a model finds in it, in the colours of the objects it meets."""
    image = dataset.load_image_as(image_id, model.config.IMAGE_CHANNEL_COUNT)
    found = model.detect([image])[0]
    masks, class_ids = dataset.load_mask(image_id)
    _, colors = pair_colors({"masks": masks, "class_ids": class_ids}, found)
    picture = _painted(image, np.asarray(found["masks"]), found["class_ids"], dataset.class_names,
                       found["scores"], colors)
    return Panel(picture, f"detected: {_objects(found['class_ids'])}")


def round_trip(dataset, image_id, config, rng):
    """What the mini-masks do to the objects of an image.

    Returns:
        A list of (IoU of the mask and what is left of it, Panel), one an object.
    """
    image, _, class_ids, boxes, masks = load_image_gt(dataset, config, image_id, rng=rng)
    mini = minimize_mask(boxes, masks, config.MINI_MASK_SHAPE)
    back = expand_mask(boxes, mini, image.shape)
    rows = []
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        before, after = masks[y1:y2, x1:x2, i], back[y1:y2, x1:x2, i]
        iou = (before & after).sum() / max((before | after).sum(), 1)
        cells = [_cell(part) for part in (before, mini[:, :, i], after)]
        name = dataset.class_names[abs(int(class_ids[i]))]
        rows.append((float(iou), Panel(np.concatenate(cells, axis=1),
                                       f"{name}, {x2 - x1} x {y2 - y1} px, IoU {iou:.2f}")))
    return rows


def anchor_panel(dataset, image_id, config, rng):
    """The anchors that stand for objects in an image, and the boxes they are to become.

    Returns:
        Panel, or None for an image that has no object but crowds.
    """
    image, _, class_ids, boxes, _ = load_image_gt(dataset, config, image_id, rng=rng)
    objects = boxes[class_ids > 0]
    if not len(objects):
        return None
    anchors = config_anchors(config, image.shape)
    match, deltas = build_rpn_targets(image.shape, anchors, class_ids, boxes, config, rng)
    chosen = anchors[match == 1]
    refined = apply_box_deltas(chosen, deltas[: len(chosen)] * np.asarray(config.RPN_BBOX_STD_DEV))
    overlaps = compute_overlaps(chosen, objects)
    best, owners = overlaps.max(axis=0), overlaps.argmax(axis=1)
    shown = np.unique(np.linspace(0, len(chosen) - 1, min(MOST_ANCHORS, len(chosen))).astype(int))
    caption = (f"{len(chosen)} positive anchors (dashed) and the boxes they are to become: "
               f"{int((best >= 0.7).sum())} of {counted(len(objects), 'object')} have one with "
               f"an IoU of 0.7, {int((best >= 0.5).sum())} of 0.5; one colour an object")
    palette = random_colors(len(objects))
    return Panel(_drawn_anchors(image, chosen[shown], refined[shown],
                                [palette[i] for i in owners[shown]]), caption)


def _drawn_anchors(image, anchors, refined, colors):
    """Anchors and boxes as pixels, by way of a figure that is shown nowhere."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mrcnn.visualize.proposals import draw_boxes

    height, width = image.shape[:2]
    scale = SIDE / 100 / max(height, width)
    figure = Figure(figsize=(max(width * scale, 1), max(height * scale, 1)), dpi=150)
    canvas = FigureCanvasAgg(figure)
    draw_boxes(image, anchors, refined, ax=figure.add_axes([0, 0, 1, 1]), colors=colors)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _painted(image, masks, class_ids, class_names, scores=None, colors=None):
    """The objects on the image, at the size of a panel."""
    import cv2

    canvas, class_ids = to_rgb(image), np.asarray(class_ids)
    scale = min(SIDE / max(canvas.shape[:2]), MOST_ENLARGED)
    height, width = (max(round(side * scale), 1) for side in canvas.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = cv2.resize(canvas, (width, height), interpolation=how)
    small = np.zeros((height, width, len(class_ids)), bool)
    for i in range(len(class_ids)):
        plane = np.ascontiguousarray(masks[:, :, i]).astype(np.float32)
        small[:, :, i] = cv2.resize(plane, (width, height), interpolation=how) >= 0.5
    result = {"rois": extract_bboxes(small), "masks": small, "class_ids": class_ids}
    result.update({} if scores is None else {"scores": scores})
    return Renderer(class_names, color_by="instance", text_size=13).draw(canvas, result, colors)


def _cell(mask):
    """A mask in white on dark grey, on a square of CELL pixels with a grey rim."""
    import cv2

    scale = (CELL - 8) / max(mask.shape)
    height, width = (max(round(side * scale), 1) for side in mask.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    plane = cv2.resize(mask.astype(np.uint8) * 215, (width, height), interpolation=how) + 40
    cell = np.full((CELL, CELL), 140, np.uint8)
    top, left = (CELL - height) // 2, (CELL - width) // 2
    cell[top : top + height, left : left + width] = plane
    return np.repeat(cell[..., None], 3, axis=2)


def _objects(class_ids):
    crowds = int((np.asarray(class_ids) < 0).sum())
    text = counted(len(class_ids) - crowds, "object")
    return f"{text}, {counted(crowds, 'crowd')}" if crowds else text
