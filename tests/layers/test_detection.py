"""DetectionLayer against a slow loop."""

import numpy as np
import pytest
from loop_oracles import clip, greedy_nms, move, padded, random_boxes
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.layers.detection import DetectionLayer, settings_at_call
from mrcnn.layers.suppression import NEVER, suppress

STD = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
CLASSES = 4


def slow_detections(rois, probabilities, deltas, window, limit, confidence, threshold):
    """Detections [limit, 6] of one image."""
    rows = []
    for roi, row, delta in zip(rois, probabilities, deltas, strict=True):
        class_id = int(np.argmax(row))
        box = clip(move(roi, delta[class_id] * STD), window)
        if class_id > 0 and row[class_id] >= confidence:
            rows.append((*box, class_id, row[class_id]))
    kept = []
    for class_id in range(1, CLASSES):
        places = [i for i, row in enumerate(rows) if row[4] == class_id]
        nms = greedy_nms([rows[i][:4] for i in places], [rows[i][5] for i in places], threshold)
        kept += [places[i] for i in nms]
    kept.sort(key=lambda i: (-rows[i][5], i))
    return padded([rows[i] for i in kept], limit, 6)


def make(rng, batch=1, rois=40, classes=CLASSES):
    probabilities = rng.dirichlet(np.full(classes, 0.5), (batch, rois)).astype(np.float32)
    deltas = rng.normal(0, 0.5, (batch, rois, classes, 4)).astype(np.float32)
    return random_boxes(rng, batch, rois, low=0.2, high=0.6), probabilities, deltas


def meta_rows(*windows, shape=(101, 101)):
    """Rows whose windows are given normalised over the image."""
    rows = np.zeros((len(windows), 12 + CLASSES), np.float32)
    rows[:, 4:6] = shape
    for row, (y1, x1, y2, x2) in zip(rows, windows, strict=True):
        row[7:11] = y1 * 100, x1 * 100, y2 * 100 + 1, x2 * 100 + 1
    return rows


WHOLE = (0, 0, 1, 1)


@pytest.mark.parametrize(("limit", "confidence", "threshold"), [
    (100, 0.5, 0.3),  # more places than rois
    (5, 0.0, 0.5),  # more found than places
    (40, 0.0, 0.0),
    (40, 0.3, 1.0),
    (10, 0.999, 0.3),
    (20, None, 0.3),
])
def test_detections_equal_the_loop(limit, confidence, threshold):
    rois, probabilities, deltas = make(np.random.default_rng(11))
    layer = DetectionLayer(None, limit, confidence, threshold)
    answer = np.asarray(layer([rois, probabilities, deltas, meta_rows(WHOLE)]))
    expected = slow_detections(rois[0], probabilities[0], deltas[0], WHOLE, limit,
                               confidence or 0, threshold)
    assert answer.shape == (1, limit, 6)
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)


def test_batch_with_windows_of_its_own():
    rois, probabilities, deltas = make(np.random.default_rng(12), batch=3)
    probabilities[2] = [0.9, 0.05, 0.03, 0.02]  # all background: nothing found
    windows = [(0.1, 0, 0.9, 1), (0, 0.25, 1, 0.7), WHOLE]
    layer = DetectionLayer(None, 30, 0.4, 0.3)
    answer = np.asarray(layer([rois, probabilities, deltas, meta_rows(*windows)]))
    for b in range(3):
        expected = slow_detections(rois[b], probabilities[b], deltas[b], windows[b], 30, 0.4, 0.3)
        np.testing.assert_allclose(answer[b], expected, atol=TWINS)
    np.testing.assert_array_equal(answer[2], 0)
    assert (answer[:2, 0, 4] > 0).all()


def certain(boxes, classes, scores):
    """Inputs in which each roi is surely of one class; deltas are zero."""
    count = len(boxes)
    probabilities = np.zeros((1, count, CLASSES), np.float32)
    probabilities[0, np.arange(count), classes] = scores
    deltas = np.zeros((1, count, CLASSES, 4), np.float32)
    return [np.asarray(boxes, np.float32)[None], probabilities, deltas, meta_rows(WHOLE)]


def found_rows(layer, inputs):
    answer = np.asarray(layer(inputs))[0]
    return answer[answer[:, 4] > 0]


@pytest.mark.parametrize("length", [2, 3, 4, 9, 16])
def test_chain_of_suppressions_keeps_every_second_box(length):
    """Each box overlaps its neighbours only; a suppressed box suppresses nothing."""
    boxes = [[0.05 * i, 0.2, 0.05 * i + 0.12, 0.4] for i in range(length)]
    scores = np.linspace(0.99, 0.7, length)
    inputs = certain(boxes, np.ones(length, int), scores)
    rows = found_rows(DetectionLayer(None, 50, 0.5, 0.3), inputs)
    np.testing.assert_allclose(rows[:, 5], scores[::2], atol=TWINS)


def test_chain_is_the_same_whatever_the_order_of_the_rois():
    rng = np.random.default_rng(3)
    length = 12
    order = rng.permutation(length)
    boxes = np.array([[0.05 * i, 0.2, 0.05 * i + 0.12, 0.4] for i in range(length)])
    scores = np.linspace(0.99, 0.7, length)
    inputs = certain(boxes[order], np.ones(length, int), scores[order])
    rows = found_rows(DetectionLayer(None, 50, 0.5, 0.3), inputs)
    np.testing.assert_allclose(rows[:, 5], scores[::2], atol=TWINS)


def test_classes_do_not_suppress_each_other():
    box = [0.1, 0.1, 0.5, 0.5]
    inputs = certain([box] * 4, [1, 2, 1, 3], [0.9, 0.8, 0.85, 0.95])
    rows = found_rows(DetectionLayer(None, 10, 0.5, 0.3), inputs)
    np.testing.assert_array_equal(rows[:, 4], [3, 1, 2])


def test_classes_suppress_each_other_where_asked():
    """The box shrinks by a tenth of its height from class to class: IoU 0.9, then 0.8."""
    boxes = [[0.1, 0.1, 0.6, 0.5], [0.1, 0.1, 0.55, 0.5], [0.1, 0.1, 0.5, 0.5]]
    inputs = certain(boxes, [1, 2, 3], [0.9, 0.8, 0.7])
    for across, expected in [(None, [1, 2, 3]), (0.95, [1, 2, 3]), (0.85, [1, 3]), (0.7, [1])]:
        rows = found_rows(DetectionLayer(None, 10, 0.5, 0.3, across_classes=across), inputs)
        np.testing.assert_array_equal(rows[:, 4], expected)


def test_across_classes_equals_the_greedy_loop():
    rng = np.random.default_rng(8)
    boxes = random_boxes(rng, 1, 120, low=0.1, high=0.4)
    classes = rng.integers(1, 4, (1, 120))
    keep = np.asarray(suppress(boxes, classes, np.ones((1, 120), bool), 0.2, 0.5))[0]
    expected = np.zeros(120, bool)
    for i in range(120):
        limits = np.where(classes[0] == classes[0, i], 0.2, 0.5)
        overlaps = compute_overlaps(boxes[0, i : i + 1], boxes[0])[0]
        expected[i] = not (expected[:i] & (overlaps > limits)[:i]).any()
    assert 0 < expected.sum() < 120
    np.testing.assert_array_equal(keep, expected)


def test_settings_at_call_come_before_those_of_the_layer():
    boxes = [[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6], [0.5, 0.5, 0.6, 0.59]]
    inputs = certain(boxes, [1, 2, 3], [0.9, 0.8, 0.4])
    layer = DetectionLayer(None, 10, 0.5, 0.3)
    every, two = np.ones(CLASSES, bool), np.arange(CLASSES) == 2
    with settings_at_call(np.float32([0.3, 0.3, NEVER]), every):
        np.testing.assert_array_equal(found_rows(layer, inputs)[:, 4], [1, 2, 3])
    with settings_at_call(np.float32([0.3, 0.3, 0.5]), every):
        np.testing.assert_array_equal(found_rows(layer, inputs)[:, 4], [1, 2])
    with settings_at_call(np.float32([0.3, 0.3, NEVER]), two):
        np.testing.assert_array_equal(found_rows(layer, inputs)[:, 4], [2])
    np.testing.assert_array_equal(found_rows(layer, inputs)[:, 4], [1, 2])


def test_wanted_classes_are_chosen_after_suppression_and_before_the_limit():
    box, other, third = [0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6], [0.7, 0.7, 0.8, 0.8]
    inputs = certain([box, other, box, third], [1, 1, 2, 2], [0.9, 0.85, 0.8, 0.7])
    with settings_at_call(np.float32([0.3, 0.3, 0.5]), np.arange(CLASSES) == 2):
        rows = found_rows(DetectionLayer(None, 1), inputs)
    np.testing.assert_allclose(rows[:, 5], [0.7], atol=TWINS)


def test_equal_scores_keep_the_order_of_the_rois():
    boxes = [[0.1, 0.1, 0.2, 0.2], [0.1, 0.1, 0.2, 0.21], [0.5, 0.5, 0.6, 0.6]]
    rows = found_rows(DetectionLayer(None, 10, 0.5, 0.3), certain(boxes, [1, 1, 1], [0.9] * 3))
    np.testing.assert_allclose(rows[:, :4], [boxes[0], boxes[2]], atol=TWINS)


def test_box_without_area_neither_suppresses_nor_is_suppressed():
    boxes = [[0.3, 0.3, 0.3, 0.3], [0.1, 0.1, 0.5, 0.5], [0.3, 0.3, 0.3, 0.3]]
    rows = found_rows(DetectionLayer(None, 10, 0.5, 0.3), certain(boxes, [1, 1, 1], [0.9] * 3))
    assert len(rows) == 3


def test_confidence_is_a_lower_bound_that_counts():
    boxes = [[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6]]
    rows = found_rows(DetectionLayer(None, 10, 0.5, 0.3), certain(boxes, [1, 1], [0.5, 0.4999]))
    np.testing.assert_array_equal(rows[:, 5], [np.float32(0.5)])


def test_suppression_of_many_random_boxes_equals_the_greedy_loop():
    rng = np.random.default_rng(6)
    boxes = random_boxes(rng, 1, 150, low=0.1, high=0.4)
    classes = rng.integers(1, 3, (1, 150))
    candidate = rng.uniform(size=(1, 150)) < 0.8
    keep = np.asarray(suppress(boxes, classes, candidate, 0.3))[0]
    expected = np.zeros(150, bool)
    for class_id in (1, 2):
        places = np.flatnonzero(candidate[0] & (classes[0] == class_id))
        kept = greedy_nms(boxes[0][places], -np.arange(len(places)), 0.3)
        expected[places[kept]] = True
    np.testing.assert_array_equal(keep, expected)


def test_adopt_takes_the_knobs_and_says_whether_they_changed():
    class Knobs(Config):
        BBOX_STD_DEV = STD
        DETECTION_MAX_INSTANCES, DETECTION_MIN_CONFIDENCE, DETECTION_NMS_THRESHOLD = 7, 0.6, 0.4
        DETECTION_NMS_ACROSS_CLASSES = None

    knobs = Knobs()
    layer = DetectionLayer(knobs)
    assert (layer.max_instances, layer.min_confidence, layer.nms_threshold) == (7, 0.6, 0.4)
    assert layer.adopt(knobs) is False
    knobs.DETECTION_MIN_CONFIDENCE = 0.1
    assert layer.adopt(knobs) is True
    assert layer.min_confidence == 0.1
    knobs.DETECTION_NMS_ACROSS_CLASSES = 0.8
    assert layer.adopt(knobs) is True
    assert layer.across_classes == 0.8
