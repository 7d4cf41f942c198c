"""The confusion matrix: adds up, and is what a slow loop over pairs of masks counts."""

import numpy as np
import pytest
from scored import scene

from mrcnn.evaluation import confusion
from mrcnn.evaluation.evaluator import Evaluator

NAMES = ["BG", "circle", "square", "triangle"]


def added(pairs, names=NAMES, **options):
    evaluator = Evaluator(names, **options)
    for truth, result in pairs:
        evaluator.add(truth, result)
    return evaluator


def slow_matrix(pairs, class_count, confidence, iou):
    """(matrix, ignored) by the rule as it is written, on whole masks."""
    matrix, ignored = np.zeros((class_count, class_count), int), 0
    for truth, result in pairs:
        order = [i for i in np.argsort(-result["scores"], kind="stable")
                 if result["scores"][i] >= confidence]
        free = [j for j, class_id in enumerate(truth["class_ids"]) if class_id > 0]
        left = []

        def shared(i, j, crowd=False, truth=truth, result=result):
            one, other = result["masks"][:, :, i], truth["masks"][:, :, j]
            whole = one.sum() if crowd else (one | other).sum()
            return (one & other).sum() / whole

        def take(i, candidates, free=free, shared=shared):
            good = [(shared(i, j), j) for j in candidates if shared(i, j) >= iou]
            if not good:
                return None
            free.remove(max(good)[1])
            return max(good)[1]

        for i in order:
            class_id = result["class_ids"][i]
            j = take(i, [j for j in free if truth["class_ids"][j] == class_id])
            if j is not None:
                matrix[class_id, class_id] += 1
            elif any(shared(i, j, True) >= iou for j, other in enumerate(truth["class_ids"])
                     if other == -class_id):
                ignored += 1
            else:
                left.append(i)
        for i in left:
            j = take(i, [j for j in free if truth["class_ids"][j] != result["class_ids"][i]])
            matrix[truth["class_ids"][j] if j is not None else 0, result["class_ids"][i]] += 1
        for j in free:
            matrix[truth["class_ids"][j], 0] += 1
    return matrix, ignored


@pytest.mark.parametrize(("confidence", "iou"), [(0.0, 0.5), (0.5, 0.5), (0.3, 0.8), (1.0, 0.5)])
def test_equals_the_slow_loop_and_adds_up(confidence, iou):
    rng = np.random.default_rng(7)
    pairs = [scene(rng) for _ in range(40)]
    evaluation = added(pairs, confidence=confidence, iou=iou).finish()
    expected, ignored = slow_matrix(pairs, 4, np.float32(confidence), iou)
    np.testing.assert_array_equal(evaluation.confusion, expected)
    assert sum(row["ignored"] for row in evaluation.images) == ignored
    assert confidence == 1.0 or ignored > 0
    objects = np.concatenate([truth["class_ids"] for truth, _ in pairs])
    found = np.concatenate([r["class_ids"][r["scores"] >= np.float32(confidence)]
                            for _, r in pairs])
    for class_id in range(1, 4):
        assert evaluation.confusion[class_id].sum() == (objects == class_id).sum()
    assert evaluation.confusion[:, 1:].sum() + ignored == len(found)
    assert evaluation.confusion[0, 0] == 0


def test_by_boxes_and_at_other_thresholds():
    rng = np.random.default_rng(3)
    pairs = [scene(rng) for _ in range(10)]
    evaluation = added(pairs, iou_types=("segm", "bbox"), confidence=0.6).finish()
    other = added(pairs, iou_types=("bbox",), confidence=0.2, iou=0.7).finish()
    np.testing.assert_array_equal(evaluation.confusion_at(0.2, 0.7, "bbox"), other.confusion)
    np.testing.assert_array_equal(evaluation.confusion_at(0.6), evaluation.confusion)


def square(*corners, size=(50, 60)):
    masks = np.zeros((*size, len(corners)), bool)
    for i, (y, x) in enumerate(corners):
        masks[y : y + 20, x : x + 20, i] = True
    return {"masks": masks, "rois": np.array([[y, x, y + 20, x + 20] for y, x in corners])
            .reshape(-1, 4)}


def test_a_right_name_goes_before_a_larger_overlap():
    """The better placed one of a wrong name, and of a higher score, must not take the object."""
    truth = {**square((0, 0)), "class_ids": [1]}
    result = {**square((0, 0), (0, 4)), "class_ids": [2, 1], "scores": [0.9, 0.6]}
    matrix = added([(truth, result)]).finish().confusion
    assert matrix[1, 1] == 1 and matrix[0, 2] == 1 and matrix.sum() == 2


def test_ranking_of_images():
    truth = {**square((0, 0), (25, 25)), "class_ids": [1, 2]}
    good = {**truth, "scores": [0.9, 0.8]}
    shifted = {**square((1, 0), (25, 25)), "class_ids": [1, 2], "scores": [0.9, 0.8]}
    named = {**truth, "class_ids": [1, 3], "scores": [0.9, 0.8]}
    half = {**square((1, 0)), "class_ids": [1], "scores": [0.9]}
    blind = {**square(), "class_ids": [], "scores": []}
    evaluation = added([(truth, r) for r in (good, named, half, blind, shifted)]).finish()
    assert evaluation.worst == [3, 2, 1]  # of one mistake each, the worse outline first
    assert evaluation.best == [0, 4]
    assert [row["errors"] for row in evaluation.images] == [0, 1, 1, 2, 0]
    assert evaluation.images[1]["wrong_class"] == evaluation.images[2]["missed"] == 1


def test_detections_on_a_crowd_are_nobodys():
    truth = {**square((0, 0)), "class_ids": [-1]}
    result = {**square((2, 2), (0, 0)), "class_ids": [1, 2], "scores": [0.9, 0.8]}
    evaluation = added([(truth, result)]).finish()
    outcome = evaluation.outcome(evaluation.records[0])
    assert outcome.truth.tolist() == [confusion.CROWD]
    assert outcome.found.tolist() == [confusion.IGNORED, confusion.FALSE]
    assert evaluation.confusion.sum() == 1 and evaluation.per_class[0]["crowds"] == 1
