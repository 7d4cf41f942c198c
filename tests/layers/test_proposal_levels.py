"""ProposalLayer's options against a slow loop: levels by themselves, size, stretch, window."""

import math

import numpy as np
import pytest
from keras import ops
from loop_oracles import greedy_nms, padded, random_boxes, ranked
from slow_boxes import moved, sides_px, slow_level_proposals
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.layers.proposal import ABSENT, ProposalLayer, best_of_levels

STD = (0.5, 0.4, 0.3, 0.6)
SIZES = (40, 16, 5, 1)  # anchors of each level
SHAPE = (80, 120)  # of the molded image, px


def slow_proposals(scores, deltas, anchors, window_px, options):
    return slow_level_proposals(scores, deltas, anchors, SIZES, window_px, SHAPE, STD, options)


def metas(*windows):
    rows = np.zeros((len(windows), 16), np.float32)
    rows[:, 4:6] = SHAPE
    rows[:, 7:11] = windows
    return rows


def split(rpn_class):
    ends = np.cumsum(SIZES)
    return [rpn_class[:, end - size : end] for end, size in zip(ends, SIZES, strict=True)]


def make(seed, windows):
    rng = np.random.default_rng(seed)
    batch, count = len(windows), sum(SIZES)
    scores = rng.permutation(np.linspace(0.01, 0.99, batch * count)).reshape(batch, count)
    deltas = rng.normal(0, 1, (batch, count, 4)).astype(np.float32)
    anchors = random_boxes(rng, batch, count) * 1.2 - 0.1
    return scores.astype(np.float32), deltas, anchors.astype(np.float32)


def run(options, scores, deltas, anchors, windows):
    layer = ProposalLayer(
        options["count"], options["threshold"], None, options["limit"], STD, per_level=True,
        min_size=options["min_size"], xform_clip=options["clip"], edges=options["edges"])
    rpn_class = np.stack([1 - scores, scores], axis=-1)
    return np.asarray(layer([rpn_class, deltas, anchors, metas(*windows), *split(rpn_class)]))


OPTIONS = {"count": 30, "limit": 12, "threshold": 0.5, "min_size": 0.0, "clip": None,
           "edges": True}
WHOLE, PART, PIXEL = (0, 0, *SHAPE), (0, 0, 50, 90), (3, 5, 4, 6)


@pytest.mark.parametrize("changed", [
    {}, {"edges": False}, {"limit": 3}, {"limit": 500}, {"count": 4}, {"count": 100},
    {"count": 1, "limit": 1}, {"min_size": 15.0}, {"min_size": 15.0, "edges": False},
    {"clip": 0.2}, {"clip": 0.2, "edges": False, "min_size": 1e-3}, {"min_size": 1000.0},
], ids=str)
def test_levels_equal_the_loop(changed):
    options, windows = {**OPTIONS, **changed}, [WHOLE, PART, PIXEL]
    scores, deltas, anchors = make(3, windows)
    answer = run(options, scores, deltas, anchors, windows)
    assert answer.shape == (3, options["count"], 4)
    for image, window in enumerate(windows):
        expected = slow_proposals(scores[image], deltas[image], anchors[image], window, options)
        np.testing.assert_allclose(answer[image], expected, atol=TWINS)
    assert answer[0].any() == (options["min_size"] < 1000)


@pytest.mark.parametrize("knob", ["limit", "min_size", "clip", "edges"])
def test_each_option_changes_the_answer(knob):
    options = {**OPTIONS, "min_size": 15.0, "clip": 0.2}
    windows = [PART]
    scores, deltas, anchors = make(4, windows)
    other = {**options, knob: {"limit": 4, "min_size": 0.0, "clip": None, "edges": False}[knob]}
    one, two = (run(o, scores, deltas, anchors, windows) for o in (options, other))
    assert np.abs(one - two).max() > 1e-3


def test_levels_do_not_suppress_one_another():
    """The same box in every level stays in every level."""
    count = sum(SIZES)
    anchors = np.tile(np.float32([0.2, 0.2, 0.6, 0.6]), (1, count, 1))
    scores = np.linspace(0.9, 0.1, count, dtype=np.float32)[None]
    zeros = np.zeros((1, count, 4), np.float32)
    answer = run(OPTIONS, scores, zeros, anchors, [WHOLE])
    assert (answer[0] != 0).any(axis=1).sum() == len(SIZES)


def test_boxes_are_cut_at_the_window_and_those_beyond_it_dropped():
    count = sum(SIZES)
    anchors = np.tile(np.float32([0.7, 0.1, 0.9, 0.3]), (1, count, 1))  # below row 50 of 80
    anchors[0, 0] = [0.5, 0.5, 0.9, 0.9]
    scores = np.linspace(0.9, 0.1, count, dtype=np.float32)[None]
    answer = run(OPTIONS, scores, np.zeros((1, count, 4), np.float32), anchors, [PART])
    expected = padded([np.float32([0.5, 0.5, 50 / 80, 90 / 120])], OPTIONS["count"], 4)
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)


def test_equal_scores_keep_the_order_of_levels_and_anchors():
    windows = [WHOLE]
    _, deltas, anchors = make(6, windows)
    scores = np.full((1, sum(SIZES)), 0.5, np.float32)
    answer = run(OPTIONS, scores, deltas, anchors, windows)
    expected = slow_proposals(scores[0], deltas[0], anchors[0], WHOLE, OPTIONS)
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)


def test_what_rounds_to_one_is_still_ranked():
    """Log odds of 30, 20 and 25: all three probabilities are 1 in single precision."""
    odds = np.float64([30, 20, 25])
    level = np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], -1).astype(np.float32)
    assert (level[:, 1] == 1).all()
    levels = [ops.convert_to_tensor(one) for one in (level[None], level[None, :1])]
    scores, rows = best_of_levels(levels, 2)
    np.testing.assert_array_equal(np.asarray(rows), [[0, 2, 3, 0]])
    np.testing.assert_allclose(np.asarray(scores), [[30, 25, 30, ABSENT]], rtol=TWINS)


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("min_size", [4.0, 9.5, 40.0, 500.0])
def test_least_size_without_levels_equals_the_loop(min_size, edges):
    windows = [WHOLE, WHOLE]
    scores, deltas, anchors = make(8, windows)
    layer = ProposalLayer(25, 0.5, None, 50, STD, min_size=min_size, xform_clip=0.4, edges=edges)
    rpn_class = np.stack([1 - scores, scores], axis=-1)
    answer = np.asarray(layer([rpn_class, deltas, anchors, metas(*windows)]))
    for image in (0, 1):
        boxes, found = [], []
        for row in ranked(scores[image])[:50]:
            box = moved(anchors[image][row], deltas[image][row], STD, 0.4, (0, 0, 1, 1))
            if min(sides_px(box, SHAPE, edges)) >= min_size:
                boxes.append(box)
                found.append(scores[image][row])
        kept = greedy_nms(boxes, found, 0.5)
        np.testing.assert_allclose(answer[image], padded([boxes[i] for i in kept], 25, 4),
                                   atol=TWINS)


def test_stretch_without_bound_overflows_and_with_one_does_not():
    anchors = ops.convert_to_tensor([[[0.4, 0.4, 0.6, 0.6], [0.1, 0.1, 0.2, 0.2]]])
    deltas = ops.convert_to_tensor([[[0.0, 0, 500, 500], [0, 0, 0, 0]]])
    scores = ops.convert_to_tensor([[[0.1, 0.9], [0.2, 0.8]]])
    layer = ProposalLayer(2, 0.7, bbox_std_dev=[1] * 4, xform_clip=math.log(1000 / 16))
    np.testing.assert_allclose(np.asarray(layer([scores, deltas, anchors]))[0],
                               [[0, 0, 1, 1], [0.1, 0.1, 0.2, 0.2]], atol=TWINS)
    layer = ProposalLayer(2, 0.7, bbox_std_dev=[1] * 4)
    refined = np.asarray(layer.steps(scores, deltas, anchors)["refined_anchors"])
    assert not np.isfinite(refined).all()


def test_rows_of_the_steps_are_those_of_the_proposals():
    windows = [WHOLE, PART]
    scores, deltas, anchors = make(9, windows)
    rpn_class = np.stack([1 - scores, scores], axis=-1)
    layer = ProposalLayer(30, 0.5, None, 12, STD, per_level=True, edges=True)
    inputs = [rpn_class, deltas, anchors, metas(*windows), *split(rpn_class)]
    steps = layer.steps(*map(ops.convert_to_tensor, inputs))
    steps = {name: np.asarray(value) for name, value in steps.items()}
    for image in (0, 1):
        rows = steps["post_nms_anchor_ix"][image][steps["valid"][image]]
        np.testing.assert_array_equal(steps["refined_anchors_clipped"][image][rows],
                                      steps["proposals"][image][: len(rows)])


def test_config_gives_every_option_and_a_given_limit_counts_more():
    class Knobs(Config):
        RPN_NMS_PER_LEVEL, RPN_MIN_SIZE, BBOX_XFORM_CLIP = True, 2, 0.5
        BOX_NORMALIZATION = "edges"

    layer = ProposalLayer(9, 0.4, Knobs(), 77)
    assert (layer.per_level, layer.min_size, layer.xform_clip) == (True, 2.0, 0.5)
    assert (layer.edges, layer.pre_nms_limit) == (True, 77)
