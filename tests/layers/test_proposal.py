"""ProposalLayer against a slow loop."""

import numpy as np
import pytest
from loop_oracles import clip, greedy_nms, move, padded, random_boxes, ranked
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.layers.proposal import ProposalLayer

STD = np.array([0.1, 0.1, 0.2, 0.2], np.float32)


def slow_proposals(scores, deltas, anchors, count, threshold, limit, std=STD):
    """Proposals [count, 4] of one image."""
    best = ranked(scores)[:limit]
    boxes = [clip(move(anchors[i], deltas[i] * std), (0, 0, 1, 1)) for i in best]
    kept = greedy_nms(boxes, [scores[i] for i in best], threshold)
    return padded([boxes[i] for i in kept], count, 4)


def make(rng, batch=1, anchors=60):
    scores = rng.permutation(np.linspace(0.01, 0.99, batch * anchors)).reshape(batch, anchors)
    scores = scores.astype(np.float32)
    deltas = rng.normal(0, 1, (batch, anchors, 4)).astype(np.float32)
    return scores, deltas, random_boxes(rng, batch, anchors)


def run(layer, scores, deltas, anchors):
    return np.asarray(layer([np.stack([1 - scores, scores], axis=-1), deltas, anchors]))


@pytest.mark.parametrize(("count", "limit", "threshold"), [
    (20, 40, 0.5),
    (20, 60, 0.05),  # few survive: padding
    (5, 40, 0.7),  # more survive than are wanted
    (80, 6000, 0.7),  # fewer anchors than either limit
    (1, 1, 0.5),
])
def test_proposals_equal_the_loop(count, limit, threshold):
    scores, deltas, anchors = make(np.random.default_rng(count))
    layer = ProposalLayer(count, threshold, pre_nms_limit=limit)
    answer = run(layer, scores, deltas, anchors)
    expected = slow_proposals(scores[0], deltas[0], anchors[0], count, threshold, limit)
    assert answer.shape == (1, count, 4)
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)


def test_images_of_a_batch_do_not_mix():
    scores, deltas, anchors = make(np.random.default_rng(7), batch=2)
    anchors[1, :, 2:] = anchors[1, :, :2] + 0.05  # small: nearly all survive
    layer = ProposalLayer(50, 0.3, pre_nms_limit=50)
    answer = run(layer, scores, deltas, anchors)
    for b in (0, 1):
        expected = slow_proposals(scores[b], deltas[b], anchors[b], 50, 0.3, 50)
        np.testing.assert_allclose(answer[b], expected, atol=TWINS)
    found = (answer != 0).any(axis=-1).sum(axis=1)
    assert found[0] != found[1], "the two images should differ for this test to mean something"


def test_equal_scores_keep_the_order_of_the_anchors():
    _, deltas, anchors = make(np.random.default_rng(5))
    scores = np.full((1, 60), 0.5, np.float32)
    answer = run(ProposalLayer(25, 0.3, pre_nms_limit=30), scores, deltas, anchors)
    expected = slow_proposals(scores[0], deltas[0], anchors[0], 25, 0.3, 30)
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)


def test_boxes_are_clipped_to_the_image():
    anchors = np.array([[[-0.5, -0.2, 0.4, 0.3], [0.8, 0.7, 1.6, 1.2]]], np.float32)
    scores = np.array([[0.9, 0.8]], np.float32)
    answer = run(ProposalLayer(2, 0.7), scores, np.zeros((1, 2, 4), np.float32), anchors)
    np.testing.assert_allclose(answer[0], [[0, 0, 0.4, 0.3], [0.8, 0.7, 1, 1]], atol=TWINS)


def test_own_standard_deviation_is_used():
    scores, deltas, anchors = make(np.random.default_rng(9))
    std = (0.05, 0.2, 0.3, 0.1)
    answer = run(ProposalLayer(20, 0.6, bbox_std_dev=std), scores, deltas, anchors)
    expected = slow_proposals(scores[0], deltas[0], anchors[0], 20, 0.6, 6000, np.array(std))
    np.testing.assert_allclose(answer[0], expected, atol=TWINS)


def test_config_gives_limit_and_standard_deviation():
    class Knobs(Config):
        PRE_NMS_LIMIT = 7
        RPN_BBOX_STD_DEV = np.array([1, 2, 3, 4])

    layer = ProposalLayer(proposal_count=9, nms_threshold=0.4, config=Knobs())
    assert (layer.proposal_count, layer.nms_threshold) == (9, 0.4)
    assert (layer.pre_nms_limit, layer.bbox_std_dev) == (7, (1.0, 2.0, 3.0, 4.0))
