"""Matching and average precision against slow loops and by hand."""

import numpy as np
import pytest
from tolerances import GEOMETRY

from mrcnn.evaluation import matching
from mrcnn.geometry import boxes as box_geometry


def squares(boxes, shape=(40, 40)):
    masks = np.zeros((*shape, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return masks


def scene(rng, gt_count, pred_count, classes=2):
    """Random boxes in a small image, so that many overlap."""
    def side(count):
        corner = rng.integers(0, 24, (count, 2))
        boxes = np.concatenate([corner, corner + rng.integers(4, 16, (count, 2))], axis=1)
        return boxes, rng.integers(1, classes + 1, count), squares(boxes)

    pred_boxes, pred_ids, pred_masks = side(pred_count)
    scores = rng.permutation(pred_count) / max(pred_count, 1)
    return (*side(gt_count), pred_boxes, pred_ids, scores, pred_masks)


def slow_matches(gt_boxes, gt_ids, gt_masks, pred_boxes, pred_ids, scores, pred_masks, threshold):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    gt_match, pred_match = [-1] * len(gt_ids), [-1] * len(order)
    for rank, i in enumerate(order):
        best, best_iou = None, threshold
        for j in range(len(gt_ids)):
            a, b = pred_masks[:, :, i], gt_masks[:, :, j]
            iou = (a & b).sum() / (a | b).sum()
            if gt_match[j] < 0 and gt_ids[j] == pred_ids[i] and iou >= best_iou:
                best, best_iou = j, iou
        if best is not None:
            gt_match[best], pred_match[rank] = rank, best
    return gt_match, pred_match


def slow_ap(gt_match, pred_match):
    """Mean over the instances of the best precision at that recall or later."""
    precisions, found = [], 0
    for rank, match in enumerate(pred_match, start=1):
        found += match > -1
        precisions.append((found, found / rank))
    total = 0.0
    for wanted in range(1, len(gt_match) + 1):
        total += max((p for f, p in precisions if f >= wanted), default=0.0)
    return total / len(gt_match)


@pytest.mark.parametrize("threshold", [0.1, 0.31, 0.6])
@pytest.mark.parametrize("seed", range(8))
def test_matches_and_ap_equal_loop(seed, threshold):
    rng = np.random.default_rng(seed)
    arrays = scene(rng, 6, 9)
    gt_match, pred_match, overlaps = matching.compute_matches(*arrays, iou_threshold=threshold)
    slow_gt, slow_pred = slow_matches(*arrays, threshold)
    np.testing.assert_array_equal(gt_match, slow_gt)
    np.testing.assert_array_equal(pred_match, slow_pred)
    assert overlaps.shape == (9, 6)
    ap, _, _, _ = matching.compute_ap(*arrays, iou_threshold=threshold)
    np.testing.assert_allclose(ap, slow_ap(slow_gt, slow_pred), rtol=0, atol=GEOMETRY)


TRUTH = np.array([[0, 0, 10, 10], [20, 20, 30, 30]])
IDS = np.array([1, 2])


def perfect(scores=(0.9, 0.8), ids=(1, 2)):
    masks = squares(TRUTH)
    return TRUTH, IDS, masks, TRUTH, np.array(ids), np.array(scores), masks


def test_perfect_detections():
    ap, precisions, recalls, overlaps = matching.compute_ap(*perfect())
    assert ap == 1
    np.testing.assert_array_equal(precisions, [1, 1, 1, 0])
    np.testing.assert_array_equal(recalls, [0, 0.5, 1, 1])
    np.testing.assert_array_equal(overlaps, np.eye(2))


def test_predictions_are_counted_by_falling_score():
    gt_match, pred_match, _ = matching.compute_matches(*perfect(scores=(0.1, 0.8)))
    np.testing.assert_array_equal(gt_match, [1, 0])
    np.testing.assert_array_equal(pred_match, [1, 0])


def test_class_must_agree():
    gt_match, pred_match, _ = matching.compute_matches(*perfect(ids=(1, 1)))
    np.testing.assert_array_equal(gt_match, [0, -1])
    np.testing.assert_array_equal(pred_match, [0, -1])


def test_an_instance_is_found_once():
    twice = TRUTH[[0, 0]]
    gt_match, pred_match, _ = matching.compute_matches(
        TRUTH, IDS, squares(TRUTH), twice, np.array([1, 1]), np.array([0.5, 0.6]), squares(twice)
    )
    np.testing.assert_array_equal(gt_match, [0, -1])
    np.testing.assert_array_equal(pred_match, [0, -1])


def test_iou_at_the_threshold_counts():
    half = np.array([[0, 0, 5, 10]])
    arrays = (TRUTH[:1], IDS[:1], squares(TRUTH[:1]), half, [1], [0.9], squares(half))
    np.testing.assert_array_equal(matching.compute_matches(*arrays, iou_threshold=0.5)[0], [0])
    np.testing.assert_array_equal(matching.compute_matches(*arrays, iou_threshold=0.51)[0], [-1])
    np.testing.assert_array_equal(matching.compute_matches(*arrays, 0.5, 0.6)[0], [-1])


def test_padding_rows_do_not_count():
    gt_boxes, gt_ids, gt_masks, boxes, ids, scores, masks = perfect()
    padded = [np.concatenate([gt_boxes, np.zeros((3, 4), int)]),
              np.concatenate([gt_ids, np.zeros(3, int)]),
              np.concatenate([gt_masks, np.zeros((40, 40, 3), bool)], axis=2),
              np.concatenate([boxes, np.zeros((2, 4), int)]),
              np.concatenate([ids, np.zeros(2, int)]),
              np.concatenate([scores, np.ones(2)]),
              np.concatenate([masks, np.zeros((40, 40, 2), bool)], axis=2)]
    for value, expected in zip(matching.compute_ap(*padded), matching.compute_ap(*perfect()),
                               strict=True):
        np.testing.assert_array_equal(value, expected)


def pad(array, count, axis=0):
    """`count` zeros more at the end."""
    widths = [(0, 0)] * np.ndim(array)
    widths[axis] = (0, count)
    return np.pad(array, widths)


@pytest.mark.parametrize("padded", [
    {0: 3, 1: 3}, {0: 3}, {1: 3}, {2: 3}, {0: 3, 1: 2}, {0: 1, 2: 4}, {3: 2, 4: 2, 5: 2}, {3: 2},
    {5: 1, 6: 4}, {0: 98, 1: 98, 3: 98, 4: 98},
])
def test_any_part_may_be_padded(padded):
    arrays = scene(np.random.default_rng(5), 2, 4)
    given = [pad(array, padded.get(i, 0), axis=2 if i in (2, 6) else 0)
             for i, array in enumerate(arrays)]
    for function in (matching.compute_ap, matching.compute_matches):
        for value, expected in zip(function(*given), function(*arrays), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_zero_boxes_anywhere_go_before_unpadded_masks_are_counted():
    boxes = np.array([[0, 0, 0, 0], *TRUTH])
    found = matching.compute_matches(boxes, [1, 2], squares(TRUTH), *perfect()[3:])
    np.testing.assert_array_equal(found[0], [0, 1])


def test_a_surplus_that_is_no_padding_is_refused():
    gt_boxes, gt_ids, gt_masks, *predictions = perfect()
    more = np.ones((40, 40, 3), bool)
    with pytest.raises(ValueError, match="ground_truth: .*'masks': 3}, 2 of the boxes not zero"):
        matching.compute_ap(gt_boxes, gt_ids, more, *predictions)


@pytest.mark.parametrize(("gt_count", "pred_count"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_on_one_side_is_zero_without_a_warning(gt_count, pred_count, recwarn):
    arrays = scene(np.random.default_rng(0), gt_count, pred_count)
    ap, precisions, recalls, overlaps = matching.compute_ap(*arrays)
    assert ap == 0
    assert len(precisions) == len(recalls) == pred_count + 2
    assert overlaps.shape == (pred_count, gt_count)
    assert matching.compute_ap_range(*arrays, verbose=0) == 0
    assert not recwarn.list


def test_recalls_have_float32_steps():
    recalls = matching.compute_ap(*scene(np.random.default_rng(1), 3, 6))[2]
    np.testing.assert_array_equal(recalls, recalls.astype(np.float32))


def test_ap_range_is_the_mean_of_ap():
    arrays = scene(np.random.default_rng(3), 6, 12)
    values = [matching.compute_ap(*arrays, iou_threshold=t)[0] for t in np.arange(0.5, 1, 0.05)]
    assert len(values) == 10
    found = matching.compute_ap_range(*arrays, verbose=0)
    np.testing.assert_allclose(found, np.mean(values), rtol=0, atol=GEOMETRY)
    one = matching.compute_ap_range(*arrays, iou_thresholds=[0.3], verbose=0)
    expected = matching.compute_ap(*arrays, iou_threshold=0.3)[0]
    np.testing.assert_allclose(one, expected, rtol=0, atol=GEOMETRY)


def test_ap_range_speaks_only_when_asked(capsys):
    matching.compute_ap_range(*perfect(), verbose=0)
    assert capsys.readouterr().out == ""
    matching.compute_ap_range(*perfect(), iou_thresholds=[0.5, 0.75])
    printed = capsys.readouterr().out
    assert printed.count("\n") == 3
    assert "0.75: 1.000" in printed


def test_ap_range_needs_a_threshold():
    with pytest.raises(ValueError, match="at least one threshold"):
        matching.compute_ap_range(*perfect(), iou_thresholds=[])


@pytest.mark.parametrize("seed", range(4))
def test_recall_equals_loop(seed):
    gt_boxes, _, _, pred_boxes, _, _, _ = scene(np.random.default_rng(seed), 5, 8)
    recall, positive = matching.compute_recall(pred_boxes, gt_boxes, 0.3)
    found, expected = set(), []
    for i, box in enumerate(pred_boxes):
        overlaps = box_geometry.compute_overlaps(box[None], gt_boxes)[0]
        if max(overlaps) >= 0.3:
            expected.append(i)
            found.add(list(overlaps).index(max(overlaps)))
    np.testing.assert_array_equal(positive, expected)
    assert recall == len(found) / 5


@pytest.mark.parametrize(("n_pred", "n_gt"), [(0, 0), (0, 2), (2, 0)])
def test_recall_of_nothing(n_pred, n_gt):
    recall, positive = matching.compute_recall(np.ones((n_pred, 4)), np.ones((n_gt, 4)), 0.5)
    assert recall == 0
    assert len(positive) == 0


def test_lengths_must_agree():
    gt_boxes, gt_ids, gt_masks, boxes, ids, scores, masks = perfect()
    with pytest.raises(ValueError, match="ground_truth: .*'class_ids': 1"):
        matching.compute_matches(gt_boxes, gt_ids[:1], gt_masks, boxes, ids, scores, masks)
    with pytest.raises(ValueError, match="predictions: .*'scores': 1"):
        matching.compute_matches(gt_boxes, gt_ids, gt_masks, boxes, ids, scores[:1], masks)
    with pytest.raises(ValueError, match="one image size"):
        matching.compute_matches(gt_boxes, gt_ids, gt_masks[:20], boxes, ids, scores, masks)
