"""Detections over a whole data set, and the COCO numbers of them, in bounded memory."""

import time

import numpy as np

from mrcnn.engine import evaluating, evaluation_truth
from mrcnn.evaluation.coco import METRICS
from mrcnn.evaluation.evaluator import Evaluator
from mrcnn.geometry.lazy_masks import PackedMasks


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
    def line(done, total):
        print(f"\r{done} of {total} images", end="", flush=True)

    ids = evaluating.chosen_images(dataset, limit, image_ids)
    yield from evaluating.results_of(model, dataset, ids, line)
    print()


def truth_of(dataset, image_id, image):
    """Boxes, class ids and packed masks of an image, under the keys that `detect` uses.

    "void" are run lengths of the pixels that count for nothing, None where nothing marks them.

    Raises:
        DataError: its masks cannot be read; the message names the image.
    """
    truth = evaluation_truth.truth_of(dataset, image_id, image.shape)
    return {"rois": np.array(truth["rois"], np.int32).reshape(-1, 4),
            "class_ids": np.array(truth["class_ids"], np.int32),
            "masks": PackedMasks.of_rles(truth["rles"], image.shape[:2]),
            "void": evaluation_truth.void_of(dataset, image_id)}


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
        dict: "bbox" and "segm" -> dict of the twelve numbers; "images"; "voc_ap50" and "voc_ap70"
        for a Pascal VOC set with label images; and what `more` answers.
    """
    truths, results, started = [], [], time.perf_counter()
    evaluator = Evaluator(dataset.class_names, iou_types)
    for image_id, image, result in detections(model, dataset, limit):
        truths.append(truth_of(dataset, image_id, image))
        results.append({**result, "masks": PackedMasks.of(result["masks"])})
        evaluator.add(truths[-1], results[-1], image_id)
    print(f"{len(results)} images in {time.perf_counter() - started:.1f} s")
    evaluation = evaluator.finish()
    numbers = {kind: evaluation[kind] for kind in iou_types}
    print_numbers(numbers)
    numbers["images"] = len(results)
    numbers.update(print_voc(evaluation))
    return {**numbers, **(more(truths, results) if more else {})}


def print_voc(evaluation):
    """Prints and returns Pascal VOC's mean AP of masks, {} for other data sets."""
    numbers = {}
    for iou, row in (evaluation.voc or {}).items():
        there = [value for value in row["classes"].values() if value >= 0]
        numbers[f"voc_ap{round(100 * iou)}"] = row["mAP"]
        print(f"VOC: mean AP at mask IoU {iou:g}: {row['mAP']:.3f} ({len(there)} classes)")
    return numbers


def print_numbers(numbers):
    """Prints one row of the twelve COCO numbers for each kind; -1 where there is no truth."""
    print("      " + "".join(f"{name:>7}" for name in METRICS))
    for kind, row in numbers.items():
        print(f"{kind:6}" + "".join(f"{row[name]:7.3f}" for name in METRICS))
