"""What became of every object and every detection, and the confusion matrix of it.

The rule, for one image: detections below the confidence do not count. The others choose by
falling score, in two rounds:

1. among objects of their own class: each takes the free one that it overlaps most, if the IoU
   reaches the threshold. This is COCO's rule. Who finds none, but lies on a crowd of its class
   (that much of it is covered), is ignored.
2. those left over choose likewise among the objects left over, whatever their class: the object
   was seen and given a wrong name.

What is left of the objects is missed, what is left of the detections is false.
"""

from dataclasses import dataclass

import numpy as np

MISSED, FALSE, CROWD, IGNORED, DOUBTFUL = -1, -1, -2, -2, -3
CERTAIN = 1 - 1e-10  # an IoU of 1 computed in floats may come out below 1; as pycocotools


@dataclass
class Outcome:
    """What became of the objects of one image.

    Attributes:
        truth: [G] int, the detection of each object; MISSED, or CROWD for what cannot be.
        found: [D] int, the object of each detection; FALSE, IGNORED on a crowd, or DOUBTFUL
            below the confidence.
    """

    truth: np.ndarray
    found: np.ndarray


def outcome_of(record, kind, confidence=0.0, iou=0.5, across_classes=True):
    """Applies the rule above to one image.

    Args:
        record: ImageRecord.
        kind: "segm" or "bbox", what overlaps.
        confidence: least score of a detection that counts.
        iou: least IoU.
        across_classes: False leaves out the second round.

    Returns:
        Outcome.
    """
    truth, found, overlaps = record.truth, record.found, record.overlaps[kind]
    outcome = Outcome(np.where(truth.crowd, CROWD, MISSED), np.full(len(found), DOUBTFUL))
    counted = [i for i in np.argsort(-found.scores, kind="stable")
               if found.scores[i] >= confidence]
    least = min(iou, CERTAIN)
    same = found.class_ids[:, None] == truth.class_ids[None, :]
    outcome.found[counted] = FALSE
    for i in counted:
        on_crowd = same[i] & truth.crowd & (overlaps[i] >= least)
        if not _take(outcome, i, same[i], overlaps[i], least) and on_crowd.any():
            outcome.found[i] = IGNORED
    for i in counted if across_classes else ():
        if outcome.found[i] == FALSE:
            _take(outcome, i, ~same[i], overlaps[i], least)
    return outcome


def _take(outcome, i, allowed, overlaps, least):
    """Gives detection i the free object it overlaps most; False where there is none."""
    candidates = np.flatnonzero(allowed & (outcome.truth == MISSED) & (overlaps >= least))
    if not len(candidates):
        return False
    best = candidates[overlaps[candidates] == overlaps[candidates].max()][-1]
    outcome.truth[best], outcome.found[i] = i, best
    return True


def add_to_matrix(matrix, record, outcome):
    """Counts one image in a [C, C] matrix: rows are the truth, columns what was detected.

    Row 0 are false detections, column 0 missed objects. Each object that is no crowd counts in
    one cell of its row, each detection that is neither ignored nor doubtful in one of its column.
    """
    for class_id, partner in zip(record.truth.class_ids, outcome.truth, strict=True):
        if partner != CROWD:
            matrix[class_id, 0 if partner == MISSED else record.found.class_ids[partner]] += 1
    for class_id, partner in zip(record.found.class_ids, outcome.found, strict=True):
        if partner == FALSE:
            matrix[0, class_id] += 1


def image_row(record, outcome, kind):
    """Numbers of one image: dict of plain types.

    "found" objects have their class right; "iou" is the mean IoU of those, -1 without any;
    "errors" is missed + false + wrong_class.
    """
    right = [(i, j) for j, i in enumerate(outcome.truth)
             if i >= 0 and record.found.class_ids[i] == record.truth.class_ids[j]]
    wrong = int((outcome.truth >= 0).sum()) - len(right)
    missed, false = int((outcome.truth == MISSED).sum()), int((outcome.found == FALSE).sum())
    mean = float(np.mean([record.overlaps[kind][pair] for pair in right])) if right else -1.0
    return {"image_id": record.image_id, "coco_id": record.coco_id, "name": record.name,
            "objects": int((~record.truth.crowd).sum()), "found": len(right),
            "wrong_class": wrong, "missed": missed, "false": false,
            "ignored": int((outcome.found == IGNORED).sum()),
            "errors": missed + false + wrong, "iou": mean}


def worst_first(rows):
    """Rows of `image_row` with an error, most errors first; of equals, the lower mean IoU."""
    return sorted((row for row in rows if row["errors"]),
                  key=lambda row: (-row["errors"], row["iou"]))


def best_first(rows):
    """Rows without an error and with objects, most objects first; of equals, the higher IoU."""
    return sorted((row for row in rows if row["objects"] and not row["errors"]),
                  key=lambda row: (-row["objects"], -row["iou"]))
