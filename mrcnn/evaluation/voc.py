"""Pascal VOC's average precision, at one IoU: of masks AP^r (Hariharan et al., 2014), or of boxes.

How a detection is judged (development kit of VOC 2012, section 4.4, with masks for boxes): all
detections of a class over all images are taken by falling score. One is right where the object of
its class that it overlaps most, in its image, has at least that IoU and no better detection has
taken it; otherwise it is false, a second detection of one object too. The AP is the area under
precision over recall, precision made falling first (VOC 2010 and later; no 11 or 101 points).

Pixels that are void, value 255 in VOC's label images, belong to nothing: they are taken out of a
detected mask before it is compared, as VOC's segmentation task leaves them out of its counts. A
detection of which nothing is left is not judged, nor is one that lies in a crowd by half.
VOC hides objects it calls difficult under void; one that has pixels of its own is an object.
"""

import numpy as np

THRESHOLDS = (0.5, 0.7)
IN_CROWD = 0.5  # share of a detection


def mean_and_classes(records, class_names, iou, kind="segm"):
    """AP of all classes, and their mean.

    Args:
        records: ImageRecord of every image.
        class_names: by class id, the background first.
        iou: least IoU of a right detection, above 0.
        kind: "segm" or "bbox".

    Returns:
        dict: "mAP" over the classes that have objects, "classes" name -> AP; -1 without objects.
    """
    values = average_precision(records, len(class_names), iou, kind)[1:]
    known = values[~np.isnan(values)]
    return {"mAP": float(known.mean()) if len(known) else -1.0,
            "classes": {name: -1.0 if np.isnan(value) else float(value)
                        for name, value in zip(class_names[1:], values, strict=True)}}


def average_precision(records, class_count, iou, kind="segm"):
    """AP of every class at one IoU, over all images.

    Args:
        records: ImageRecord of every image.
        class_count: with the background.
        iou: least IoU of a right detection.
        kind: "segm" or "bbox".

    Returns:
        [class_count] float64; NaN for the background and for classes without an object.
    """
    scores, right = ([[] for _ in range(class_count)] for _ in range(2))
    objects = np.zeros(class_count, np.int64)
    for record in records:
        truth, found = record.truth, record.found
        objects += np.bincount(truth.class_ids[~truth.crowd], minlength=class_count)
        for i, is_right in judged(record, iou, kind):
            scores[found.class_ids[i]].append(found.scores[i])
            right[found.class_ids[i]].append(is_right)
    return np.array([area_under(*row) for row in zip(scores, right, objects, strict=True)])


def judged(record, iou, kind="segm"):
    """Yields (place of a detection, whether it is right) for those of an image that count.

    By falling score; of equal ones the first counts as the better.
    """
    truth, found = record.truth, record.found
    overlaps, in_crowd, is_void = _compared(record, kind)
    taken = np.zeros(len(truth), bool)
    for i in np.argsort(-found.scores, kind="stable"):
        mine = np.flatnonzero((truth.class_ids == found.class_ids[i]) & ~truth.crowd)
        best = mine[np.argmax(overlaps[i, mine])] if len(mine) else None
        if best is not None and overlaps[i, best] >= iou:
            yield i, not taken[best]
            taken[best] = True
        elif not is_void[i] and not in_crowd[i]:
            yield i, False


def area_under(scores, right, count):
    """Area under precision over recall of one class; NaN where there is no object.

    Args:
        scores: [N] of the detections.
        right: [N] bool.
        count: number of objects.
    """
    if not count:
        return np.nan
    order = np.argsort(-np.array(scores, float), kind="stable")
    hits = np.cumsum(np.array(right, float)[order])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(best * np.diff(hits, prepend=0.0)) / count)


def _compared(record, kind):
    """(IoU [D, G] without void pixels, whether a crowd of its class has half of it [D], whether
    nothing is left of it [D])."""
    truth, found = record.truth, record.found
    overlaps, count = record.overlaps[kind], len(found)
    if kind == "segm" and record.void is not None and count:
        overlaps, left = _without_void(record)
    else:
        left = np.ones(count)
    same = (truth.class_ids[None, :] == found.class_ids[:, None]) & truth.crowd[None, :]
    in_crowd = np.where(same, overlaps, 0).max(axis=1, initial=0) >= IN_CROWD
    return overlaps, in_crowd, left == 0


def _without_void(record):
    """(overlaps [D, G], pixels left [D]) of the detected masks less the void."""
    from pycocotools import mask as rle

    found, truth = record.found, record.truth
    size = rle.area(found.codes).astype(float)
    others = [*truth.codes, record.void]
    # as a crowd: the share of the detection that each covers, so a whole number of pixels of it
    shares = np.asarray(rle.iou(found.codes, others, [1] * len(others)))
    common = np.rint(shares * size[:, None])
    left, common = size - common[:, -1], common[:, :-1]
    total = rle.area(truth.codes).astype(float) if truth.codes else np.zeros(0)
    union = np.where(truth.crowd, left[:, None], left[:, None] + total - common)
    return common / np.maximum(union, 1), left
