"""Colour splash: instances in their colours, all else in grey."""

import numpy as np

from mrcnn.visualize import painting
from mrcnn.visualize.selection import of_classes


def draw_segmentation(image, masks, class_ids=None, class_names=None, classes=None):
    """The image in grey, with its own colours where an instance is.

    Args:
        image: [H, W, C]; see `painting.to_rgb`. It is not changed.
        masks: [H, W, N] bool or 0/1, lazily or as run-length codes of COCO; or the dict that
            `detect` answers for the image, which holds the class ids as well.
        class_ids: [N], wanted for `classes` where `masks` is no such dict.
        class_names: name of every class, background first; wanted for names in `classes` where
            the dict does not know them.
        classes: names or ids of the only classes that keep their colours; None for all.

    Returns:
        [H, W, 3] uint8, a new array.

    Raises:
        ValueError: masks and image differ in size, or a class is not known.
    """
    boxes = None
    if isinstance(masks, dict):
        result, boxes = masks, np.asarray(masks["rois"], dtype=np.float32).reshape(-1, 4)
        masks, class_ids = result["masks"], result["class_ids"]
        class_names = getattr(result, "class_names", None) if class_names is None else class_names
    canvas = painting.to_rgb(image)
    count = len(masks) if isinstance(masks, (list, tuple)) else np.shape(masks)[-1]
    masks = painting.readable_masks(masks, canvas.shape, count)
    if classes is not None and class_ids is None:
        raise ValueError("classes: expected class_ids beside it, received none")
    keep = np.ones(count, bool) if classes is None else of_classes(class_ids, class_names, classes)
    inside = np.zeros(canvas.shape[:2], bool)
    for i in np.flatnonzero(keep):
        whole = (slice(None), slice(None))
        window = whole if boxes is None else painting.window_of(boxes[i], canvas.shape)
        inside[window] |= np.asarray(masks[window[0], window[1], i]) == 1
    return painting.grey_outside(canvas, inside)
