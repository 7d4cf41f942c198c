"""DetectionLayer's options against a slow loop: several classes a roi, least size, stretch."""

import numpy as np
import pytest
from loop_oracles import random_boxes
from slow_boxes import slow_across, slow_candidates, slow_detections
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.layers import suppression
from mrcnn.layers.detection import DetectionLayer, settings_at_call
from mrcnn.layers.suppression import NEVER, suppress, suppress_in_blocks

STD = np.array([0.1, 0.1, 0.2, 0.2])
SHAPE = (60, 100)
WHOLE, PART, PIXEL = (0, 0, *SHAPE), (0, 0, 40, 70), (7, 9, 8, 10)


def candidates(rois, probabilities, deltas, window_px, options):
    return slow_candidates(rois, probabilities, deltas, window_px, SHAPE, STD, options)


def expected_of(rois, probabilities, deltas, window_px, options):
    rows = candidates(rois, probabilities, deltas, window_px, options)
    return slow_detections(rows, options["limit"], options["threshold"])


def metas(*windows):
    rows = np.zeros((len(windows), 16), np.float32)
    rows[:, 4:6] = SHAPE
    rows[:, 7:11] = windows
    return rows


def make(seed, batch=1, rois=40, classes=5):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.5), (batch, rois)).astype(np.float32)
    deltas = rng.normal(0, 1, (batch, rois, classes, 4)).astype(np.float32)
    return random_boxes(rng, batch, rois, low=0.1, high=0.6), probabilities, deltas


OPTIONS = {"limit": 30, "confidence": 0.2, "threshold": 0.4, "min_size": 0.0, "clip": None,
           "edges": True}


def layer_of(options, **more):
    return DetectionLayer(None, options["limit"], options["confidence"], options["threshold"],
                          STD, multi_label=True, min_size=options["min_size"],
                          xform_clip=options["clip"], edges=options["edges"], **more)


@pytest.mark.parametrize("changed", [
    {}, {"edges": False}, {"confidence": 0.0, "limit": 200}, {"confidence": 0.0, "limit": 5},
    {"confidence": 1.0}, {"threshold": 0.0}, {"threshold": 1.0}, {"min_size": 12.0},
    {"min_size": 12.0, "edges": False}, {"min_size": 500.0}, {"clip": 0.05},
    {"limit": 1, "clip": 0.05},
], ids=str)
def test_several_classes_equal_the_loop(changed):
    check_several_classes(changed)


def test_several_classes_of_one_block_after_the_other_equal_the_loop(monkeypatch):
    monkeypatch.setattr(suppression, "BLOCK", 16)
    check_several_classes({"confidence": 0.0, "limit": 200})
    check_several_classes({"limit": 25, "threshold": 0.1})


def check_several_classes(changed):
    options, windows = {**OPTIONS, **changed}, [WHOLE, PART, PIXEL]
    inputs = make(2, batch=3)
    answer = np.asarray(layer_of(options)([*inputs, metas(*windows)]))
    assert answer.shape == (3, options["limit"], 6)
    for image, window in enumerate(windows):
        expected = expected_of(*(x[image] for x in inputs), window, options)
        np.testing.assert_allclose(answer[image], expected, atol=TWINS)
    found = (answer[0, :, 4] > 0).any()
    assert found == (options["confidence"] < 1 and options["min_size"] < 500)


def test_one_roi_is_found_as_two_classes():
    rois = np.float32([[[0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]]])
    probabilities = np.float32([[[0.1, 0.5, 0.4], [0.2, 0.1, 0.7]]])
    inputs = [rois, probabilities, np.zeros((1, 2, 3, 4), np.float32), metas(WHOLE)]
    options = {**OPTIONS, "confidence": 0.3}
    rows = np.asarray(layer_of(options)(inputs))[0]
    np.testing.assert_allclose(rows[:4, 4:], [[2, 0.7], [1, 0.5], [2, 0.4], [0, 0]], atol=TWINS)
    single = DetectionLayer(None, 30, 0.3, 0.4, edges=True)
    assert (np.asarray(single(inputs))[0, :, 4] > 0).sum() == 2


@pytest.mark.parametrize(("wanted", "across"), [
    ({1, 2, 3, 4}, NEVER), ({2}, NEVER), ({2}, 0.6), ({1, 4}, 0.1), ({1, 2, 3, 4}, 0.3)])
def test_runtime_settings_equal_the_loop(wanted, across, monkeypatch):
    """Thresholds and classes of one call; small blocks, so that several are looked at."""
    monkeypatch.setattr(suppression, "BLOCK", 16)
    rois, probabilities, deltas = make(5, rois=60)
    at_call = {**OPTIONS, "confidence": 0.1, "threshold": 0.3, "limit": 12}
    rows = candidates(rois[0], probabilities[0], deltas[0], WHOLE, at_call)
    expected = slow_across(rows, 12, 0.3, across, wanted)
    layer = layer_of({**OPTIONS, "limit": 12})
    flags = np.array([class_id in wanted for class_id in range(5)])
    with settings_at_call(np.float32([0.1, 0.3, across]), flags):
        answer = np.asarray(layer([rois, probabilities, deltas, metas(WHOLE)]))
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)
    assert expected[:, 4].any()


def test_threshold_between_classes_of_the_layer():
    box = [0.1, 0.1, 0.5, 0.5]
    probabilities = np.float32([[[0.1, 0.5, 0.4]]])
    inputs = [np.float32([[box]]), probabilities, np.zeros((1, 1, 3, 4), np.float32), metas(WHOLE)]
    options = {**OPTIONS, "confidence": 0.3}
    for across, found in [(None, 2), (0.9, 1)]:
        answer = np.asarray(layer_of(options, across_classes=across)(inputs))
        assert (answer[0, :, 4] > 0).sum() == found


def test_images_need_different_numbers_of_blocks(monkeypatch):
    """One image is done with its first block, another one has no candidate at all."""
    monkeypatch.setattr(suppression, "BLOCK", 8)
    rois, probabilities, deltas = make(7, batch=3)
    rois[0] = random_boxes(np.random.default_rng(1), 40, low=0.01, high=0.02)  # none overlaps
    probabilities[2] = [1, 0, 0, 0, 0]
    options = {**OPTIONS, "limit": 6, "threshold": 0.05}
    answer = np.asarray(layer_of(options)([rois, probabilities, deltas, metas(*[WHOLE] * 3)]))
    for image in range(3):
        expected = expected_of(rois[image], probabilities[image], deltas[image], WHOLE, options)
        np.testing.assert_allclose(answer[image], expected, atol=TWINS)
    assert not answer[2].any()


def test_blocks_answer_what_all_at_once_does(monkeypatch):
    monkeypatch.setattr(suppression, "BLOCK", 32)
    rng = np.random.default_rng(3)
    boxes, class_ids = random_boxes(rng, 2, 150, low=0.1, high=0.4), rng.integers(1, 4, (2, 150))
    candidate = np.arange(150) < np.array([[140], [31]])
    everything = [boxes, class_ids.astype(np.int32), candidate]
    expected = np.asarray(suppress(*everything, 0.2, 0.5))
    answer = np.asarray(suppress_in_blocks(*everything, candidate, 150, 0.2, 0.5))
    np.testing.assert_array_equal(answer, expected)
    few = np.asarray(suppress_in_blocks(*everything, candidate, 5, 0.2, 0.5))
    for image in (0, 1):
        np.testing.assert_array_equal(np.flatnonzero(few[image])[:5],
                                      np.flatnonzero(expected[image])[:5])
    assert few[0].sum() < expected[0].sum(), "it should have stopped"


def test_equal_scores_keep_the_order_of_rois_and_classes():
    boxes = random_boxes(np.random.default_rng(2), 1, 6, low=0.01, high=0.02)
    probabilities = np.full((1, 6, 5), 0.2, np.float32)
    inputs = [boxes, probabilities, np.zeros((1, 6, 5, 4), np.float32), metas(WHOLE)]
    rows = np.asarray(layer_of({**OPTIONS, "confidence": 0.1})(inputs))[0]
    np.testing.assert_array_equal(rows[:24, 4], np.tile([1, 2, 3, 4], 6))


@pytest.mark.parametrize("edges", [False, True])
def test_least_size_and_stretch_of_the_best_class_alone(edges):
    rois, probabilities, deltas = make(9)
    options = {**OPTIONS, "min_size": 20.0, "clip": 0.1, "edges": edges}
    only_best = np.where(probabilities == probabilities.max(-1, keepdims=True), probabilities, 0)
    expected = expected_of(rois[0], only_best[0], deltas[0], PART, options)
    layer = DetectionLayer(None, 30, 0.2, 0.4, STD, min_size=20, xform_clip=0.1, edges=edges)
    answer = np.asarray(layer([rois, probabilities, deltas, metas(PART)]))
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)
    loose = DetectionLayer(None, 30, 0.2, 0.4, STD, edges=edges)
    other = np.asarray(loose([rois, probabilities, deltas, metas(PART)]))
    assert np.abs(other - answer).max() > 0.1


def test_background_alone_finds_nothing():
    rois, probabilities, deltas = make(1, classes=1)
    answer = layer_of(OPTIONS)([rois, probabilities, deltas, metas(WHOLE)])
    assert not np.asarray(answer).any()


def test_config_gives_every_option():
    class Knobs(Config):
        DETECTION_MULTI_LABEL, DETECTION_MIN_SIZE, BBOX_XFORM_CLIP = True, 3, 0.5
        BOX_NORMALIZATION = "edges"

    layer = DetectionLayer(Knobs())
    assert (layer.multi_label, layer.min_size) == (True, 3.0)
    assert (layer.xform_clip, layer.edges) == (0.5, True)
