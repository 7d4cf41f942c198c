"""Detections over a whole data set, and the COCO numbers of them, in bounded memory."""

import time

import numpy as np

from mrcnn.data.dataset import DataError, image_label
from mrcnn.evaluation.coco import METRICS, coco_evaluate
from mrcnn.geometry.boxes import extract_bboxes


class PackedMasks:
    """Masks [H, W, N] bool kept as run lengths; numpy gets the array when it reads them."""

    def __init__(self, masks):
        from pycocotools import mask as rle

        self.shape = masks.shape
        self.codes = rle.encode(np.asfortranarray(masks.astype(np.uint8)))

    def __array__(self, dtype=None, copy=None):
        from pycocotools import mask as rle

        masks = rle.decode(self.codes) if self.codes else np.zeros(self.shape, np.uint8)
        return masks.astype(dtype or bool)


def detections(model, dataset, limit=None, image_ids=None):
    """Detects in the images of a dataset, a batch at a time, with a progress line.

    Args:
        model: MaskRCNN in inference mode.
        dataset: prepared Dataset.
        limit: number of images, the first ones; None or 0 for all.
        image_ids: these images in place of all.

    Yields:
        (image id, image, dict of `detect`).
    """
    ids = dataset.image_ids if image_ids is None else image_ids
    ids = [int(image_id) for image_id in ids[: limit or None]]
    size = model.config.BATCH_SIZE
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        images = [dataset.load_image(image_id) for image_id in part]
        yield from zip(part, images, model.detect(images), strict=True)
        print(f"\r{start + len(part)} of {len(ids)} images", end="", flush=True)
    print()


def truth_of(dataset, image_id, image):
    """Boxes, class ids and packed masks of an image, under the keys that `detect` uses.

    Raises:
        DataError: its masks cannot be read; the message names the image.
    """
    try:
        masks, class_ids = dataset.load_mask(image_id)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"image {image_label(dataset, image_id)}: {error}") from error
    if not len(class_ids):
        masks = np.zeros((*image.shape[:2], 0), bool)
    return {"rois": extract_bboxes(masks), "class_ids": class_ids, "masks": PackedMasks(masks)}


def evaluate(model, dataset, limit=None, iou_types=("bbox", "segm"), more=None):
    """Measures a model on a dataset, and prints the COCO numbers.

    Args:
        model: MaskRCNN in inference mode.
        dataset: prepared Dataset with the model's classes.
        limit: number of images, the first ones; None or 0 for all.
        iou_types: what to compare, "bbox" and "segm".
        more: function of (truths, results), dicts a image with "rois", "class_ids", "masks" and
            "scores", that prints and answers further numbers as a dict.

    Returns:
        dict: "bbox" and "segm" -> dict of the twelve numbers; "images"; and what `more` answers.
    """
    truths, results, started = [], [], time.perf_counter()
    for image_id, image, result in detections(model, dataset, limit):
        truths.append(truth_of(dataset, image_id, image))
        results.append({**result, "masks": PackedMasks(result["masks"])})
    seconds = time.perf_counter() - started
    print(f"{len(results)} images in {seconds:.1f} s")
    numbers = {kind: coco_evaluate(truths, results, dataset.class_names, kind)
               for kind in iou_types}
    print_numbers(numbers)
    numbers["images"] = len(results)
    return {**numbers, **(more(truths, results) if more else {})}


def print_numbers(numbers):
    """Prints one row of the twelve COCO numbers for each kind; -1 where there is no truth."""
    print("      " + "".join(f"{name:>7}" for name in METRICS))
    for kind, row in numbers.items():
        print(f"{kind:6}" + "".join(f"{row[name]:7.3f}" for name in METRICS))
