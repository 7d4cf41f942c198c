"""Evaluating detections that are there already, beside the time pycocotools takes for its part."""

import numpy as np

from benchmarks.measuring import paired, row
from benchmarks.suite.pasting import scene
from mrcnn.evaluation.coco import coco_evaluate
from mrcnn.evaluation.evaluator import Evaluator
from mrcnn.geometry.lazy_masks import LazyMasks

PART = "evaluation"
CLASSES = 80


def images(count, objects, side):
    """List of (truth, result): detections are the truth, shifted a little, and some more."""
    made = []
    for number in range(count):
        boxes, masks = scene(objects, side - 8, seed=number)
        rng = np.random.default_rng([1, number])
        class_ids = rng.integers(1, CLASSES + 1, objects)
        shifted = boxes + rng.integers(0, 8, (objects, 1))
        truth = {"rois": boxes, "class_ids": class_ids,
                 "masks": LazyMasks(boxes, masks, (side, side))}
        result = {"rois": shifted, "class_ids": class_ids, "scores": rng.uniform(0, 1, objects),
                  "masks": LazyMasks(shifted, masks, (side, side))}
        made.append((truth, result))
    return made


def rows(options):
    """All numbers of `evaluate`, without the network."""
    count, objects, side = (2, 3, 128) if options.quick else (50, 20, 640)
    pairs = images(count, objects, side)
    truths, results = zip(*pairs, strict=True)
    names = ["BG", *(f"class {i}" for i in range(1, CLASSES + 1))]

    def whole():
        evaluator = Evaluator(names)
        for truth, result in pairs:
            evaluator.add(truth, result)
        evaluator.finish()

    def twelve():
        for kind in ("bbox", "segm"):
            coco_evaluate(truths, results, names, kind)

    times = paired({"whole": whole, "twelve": twelve}, options.rounds)
    return [row(PART, f"{count} images of {objects} objects, boxes and masks", times["whole"], "s",
                times["whole"] / times["twelve"], "COCO's twelve numbers alone")]
