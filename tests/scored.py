"""Detections made out of a truth, with every kind of mistake; and a model that answers them."""

import numpy as np


def box_of(mask):
    """(y1, x1, y2, x2) of a mask that is not empty."""
    rows, columns = np.nonzero(mask)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def mistaken(masks, class_ids, class_count, rng):
    """A result as `detect` answers it: objects shifted, missed, doubled, misnamed or invented.

    Scores have two decimals, so that many of them are equal.

    Args:
        masks: [H, W, N] bool; class_ids: [N], negative for a crowd.
        class_count: with the background.
        rng: np.random.Generator.
    """
    found, ids = [], []
    for i in np.flatnonzero(rng.random(len(class_ids)) < 0.85):
        for _ in range(1 + (rng.random() < 0.2)):
            shift = rng.integers(-6, 7, 2) if rng.random() < 0.7 else (0, 0)
            mask = np.roll(masks[:, :, i], shift, axis=(0, 1))
            if class_ids[i] < 0:  # a part of the crowd
                mask = mask & (np.arange(mask.shape[1]) % 97 < 40)
            found.append(mask)
            ids.append(abs(class_ids[i]) if rng.random() < 0.8 else rng.integers(1, class_count))
    for _ in range(rng.integers(0, 3)):
        y, x = (rng.integers(0, side - 12) for side in masks.shape[:2])
        found.append(np.zeros(masks.shape[:2], bool))
        found[-1][y : y + 12, x : x + 10] = True
        ids.append(rng.integers(1, class_count))
    kept = [i for i, mask in enumerate(found) if mask.any()]
    scores = np.round(rng.random(len(kept)), 2).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    kept = [kept[i] for i in order]
    shape = (*masks.shape[:2], 0)
    return {"rois": np.array([box_of(found[i]) for i in kept], np.int32).reshape(-1, 4),
            "class_ids": np.array([ids[i] for i in kept], np.int32), "scores": scores[order],
            "masks": np.stack([found[i] for i in kept], -1) if kept else np.zeros(shape, bool)}


def scene(rng, class_count=4, most=6):
    """(truth, result) of a made-up image of any size, with crowds."""
    height, width = rng.integers(60, 160, 2)
    count = rng.integers(0, most + 1)
    masks = np.zeros((height, width, count), bool)
    for i in range(count):
        y, x, tall, wide = (*rng.integers(0, 40, 2), *rng.integers(8, 60, 2))
        masks[y : y + tall, x : x + wide, i] = True
    ids = rng.integers(1, class_count, count) * np.where(rng.random(count) < 0.15, -1, 1)
    rois = np.array([box_of(masks[:, :, i]) for i in range(count)], np.int32).reshape(-1, 4)
    truth = {"rois": rois, "class_ids": ids, "masks": masks}
    return truth, mistaken(masks, ids, class_count, rng)


class Answering:
    """A model that answers given results, one image after the other.

    Attributes:
        batches: number of images of each call of `detect`.
        options: keywords of the last call.
    """

    mode = "inference"

    class Config:
        """What `evaluate` reads of one."""

        BATCH_SIZE = 4
        DETECTION_MIN_CONFIDENCE = 0.5

    def __init__(self, results, class_names):
        self.results, self.class_names = list(results), list(class_names)
        self.config, self.batches, self.options = self.Config(), [], None
        self.config.NUM_CLASSES = len(self.class_names)

    def detect(self, images, **options):
        """The next results."""
        start = sum(self.batches)
        self.batches.append(len(images))
        self.options = options
        return self.results[start : start + len(images)]
