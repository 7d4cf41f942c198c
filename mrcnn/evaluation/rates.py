"""Tables and curves: per class, over recall, over confidence. -1 stands for what is undefined."""

import numpy as np

from mrcnn.evaluation.confusion import FALSE, outcome_of

CURVE_THRESHOLDS = (0.5, 0.75)
SCORE_BINS = 20
SAME = 1e-9  # two IoU thresholds closer than this are one


def mean_or_undefined(values):
    """Mean of what is not -1, as pycocotools takes it; -1 where that is nothing."""
    values = np.asarray(values)
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0


def row_of_threshold(judge, iou):
    """Place of an IoU threshold among those of a COCOeval, or None."""
    near = np.flatnonzero(np.abs(judge.params.iouThrs - iou) < SAME)
    return int(near[0]) if len(near) else None


def precision_of(judge, iou, column=None):
    """[T?, 101, classes?] precision over recall, all sizes, most detections; -1 undefined.

    Args:
        judge: COCOeval that has accumulated.
        iou: one threshold, or None for all.
        column: place of one class, or None for all.
    """
    precision = judge.eval["precision"][:, :, :, 0, -1]
    precision = precision if iou is None else precision[row_of_threshold(judge, iou)]
    return precision if column is None else precision[..., column]


def class_numbers(judge, class_count):
    """[{"AP", "AP50", "AP75", "AR"}] of the classes 1 upwards, from a COCOeval."""
    rows = []
    for column in range(class_count - 1):
        rows.append({
            "AP": mean_or_undefined(precision_of(judge, None, column)),
            "AP50": mean_or_undefined(precision_of(judge, 0.5, column)),
            "AP75": mean_or_undefined(precision_of(judge, 0.75, column)),
            "AR": mean_or_undefined(judge.eval["recall"][:, column, 0, -1]),
        })
    return rows


def recall_curves(judge, class_names):
    """Precision over recall: {"recall" [101], "overall" {IoU: [101]}, "classes" {id: [101]}}.

    "overall" is the mean over the classes that have objects, at IoU 0.5 and 0.75; "classes" are
    at IoU 0.5, and only those with objects.
    """
    overall, classes = {}, {}
    for iou in CURVE_THRESHOLDS:
        table = precision_of(judge, iou)
        known = table[:, (table > -1).all(axis=0)]
        if known.shape[1]:
            overall[iou] = known.mean(axis=1).tolist()
    for class_id in range(1, len(class_names)):
        curve = precision_of(judge, 0.5, class_id - 1)
        if (curve > -1).all():
            classes[class_id] = curve.tolist()
    return {"recall": judge.params.recThrs.tolist(), "overall": overall, "classes": classes}


def rates(right, false, missed):
    """{"precision", "recall", "f1"} of three counts."""
    return {"precision": right / (right + false) if right + false else -1.0,
            "recall": right / (right + missed) if right + missed else -1.0,
            "f1": 2 * right / (2 * right + false + missed) if right + false + missed else -1.0}


def class_rates(matrix, class_id):
    """`rates` of one class from a confusion matrix."""
    right = int(matrix[class_id, class_id])
    return rates(right, int(matrix[:, class_id].sum()) - right,
                 int(matrix[class_id].sum()) - right)


def confidence_curve(records, kind, iou):
    """How precision and recall of all classes together change with the confidence.

    A detection is right when it takes an object of its class by COCO's rule; those on crowds
    are left out.

    Returns:
        dict: "confidence" [101] from 0 to 1, and for each "precision", "recall" and "f1" (-1
        undefined); "best": the confidence with the highest f1, of several in a row the one in
        the middle, None where nothing was found;
        "right" and "false": numbers of detections in 20 bins of scores from 0 to 1.
    """
    scores, right, objects = [np.zeros(0)], [np.zeros(0, bool)], 0
    for record in records:
        outcome = outcome_of(record, kind, 0.0, iou, across_classes=False)
        counted = outcome.found >= FALSE
        scores.append(record.found.scores[counted])
        right.append(outcome.found[counted] >= 0)
        objects += int((~record.truth.crowd).sum())
    scores, right = np.concatenate(scores), np.concatenate(right)
    steps = np.arange(101) / 100
    rows = []
    for step in steps:
        kept = right[scores >= step]
        rows.append(rates(int(kept.sum()), int((~kept).sum()), objects - int(kept.sum())))
    curve = {name: [row[name] for row in rows] for name in ("precision", "recall", "f1")}
    first = last = int(np.argmax(curve["f1"]))
    while last + 1 < len(steps) and curve["f1"][last + 1] == curve["f1"][first]:
        last += 1
    best = float(steps[(first + last) // 2]) if curve["f1"][first] > 0 else None
    bins = [np.histogram(part, SCORE_BINS, (0, 1))[0].tolist()
            for part in (scores[right], scores[~right])]
    return {"confidence": steps.tolist(), **curve, "best": best, "right": bins[0],
            "false": bins[1]}
