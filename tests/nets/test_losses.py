"""The five losses against plain numpy."""

import keras
import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.nets import losses

RNG = np.random.default_rng(21)
B, A, R, C, P = 2, 40, 10, 4, 5


def cross_entropy(logits, label):
    shifted = logits - logits.max()
    return -(shifted[label] - np.log(np.exp(shifted).sum()))


def smooth_l1(difference):
    difference = abs(difference)
    return 0.5 * difference**2 if difference < 1 else difference - 0.5


def mean(values):
    return np.mean(values) if len(values) else 0.0


def normal(*shape, scale=2.0):
    return RNG.normal(0, scale, shape).astype(np.float32)


def check(loss, expected):
    assert loss.shape == ()
    np.testing.assert_allclose(float(loss), expected, rtol=TWINS)


MATCH = RNG.integers(-1, 2, (B, A, 1)).astype(np.int32)
CLASS_IDS = np.array([[1, 3, 2, 0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0, 0, 0]], np.int32)


def test_smooth_l1_of_both_branches():
    target, answer = normal(50), normal(50)
    expected = [smooth_l1(d) for d in target - answer]
    np.testing.assert_allclose(losses.smooth_l1_loss(target, answer), expected, rtol=TWINS)
    np.testing.assert_array_equal(losses.smooth_l1_loss(np.zeros(2), np.array([1.0, -3.0])),
                                  [0.5, 2.5])


def test_rpn_class_loss():
    logits = normal(B, A, 2)
    terms = [cross_entropy(logits[b, a], int(MATCH[b, a, 0] == 1))
             for b in range(B) for a in range(A) if MATCH[b, a, 0] != 0]
    check(losses.rpn_class_loss(MATCH, logits), mean(terms))


def test_rpn_bbox_loss_pairs_targets_with_positive_anchors_in_order():
    target, answer = normal(B, 30, 4), normal(B, A, 4)
    terms = []
    for b in range(B):
        for row, anchor in enumerate(np.flatnonzero(MATCH[b, :, 0] == 1)):
            terms += [smooth_l1(d) for d in target[b, row] - answer[b, anchor]]
    check(losses.rpn_bbox_loss(target, MATCH, answer), mean(terms))


def test_mrcnn_class_loss_all_active():
    logits = normal(B, R, C)
    terms = [cross_entropy(logits[b, r], CLASS_IDS[b, r]) for b in range(B) for r in range(R)]
    active = np.ones((B, C), np.float32)
    check(losses.mrcnn_class_loss(CLASS_IDS, logits, active), mean(terms))


def test_mrcnn_class_loss_honours_the_active_classes_of_each_image():
    """Two images of different data sets in one batch: each is judged by its own."""
    logits = normal(B, R, C)
    active = np.array([[1, 1, 0, 1], [1, 0, 1, 0]], np.float32)
    terms = [cross_entropy(logits[b, r], CLASS_IDS[b, r]) for b in range(B) for r in range(R)
             if active[b, np.argmax(logits[b, r])]]
    assert 0 < len(terms) < B * R
    loss = losses.mrcnn_class_loss(CLASS_IDS, logits, active)
    check(loss, mean(terms))
    first_only = losses.mrcnn_class_loss(CLASS_IDS, logits, active[[0, 0]])
    assert abs(float(loss) - float(first_only)) > 0.01


@pytest.mark.parametrize("weights", [[1.0, 2.0, 0.5, 10.0], [0.0, 1.0, 1.0, 3.0]])
def test_class_weights_count_a_roi_as_often_as_its_class_weighs(weights):
    logits = normal(B, R, C)
    active = np.array([[1, 1, 0, 1], [1, 0, 1, 1]], np.float32)
    top = bottom = 0.0
    for b in range(B):
        for r in range(R):
            if active[b, np.argmax(logits[b, r])]:
                label = CLASS_IDS[b, r]
                top += weights[label] * cross_entropy(logits[b, r], label)
                bottom += weights[label]
    check(losses.mrcnn_class_loss(CLASS_IDS, logits, active, weights), top / bottom)


def test_class_weights_that_are_equal_change_nothing():
    logits, active = normal(B, R, C), np.ones((B, C), np.float32)
    plain = losses.mrcnn_class_loss(CLASS_IDS, logits, active)
    check(losses.mrcnn_class_loss(CLASS_IDS, logits, active, [3.0] * C), float(plain))


def test_class_weights_of_zero_leave_no_loss():
    background = np.zeros((B, R), np.int32)
    logits, active = normal(B, R, C), np.ones((B, C), np.float32)
    assert float(losses.mrcnn_class_loss(background, logits, active, [0.0, 1.0, 1.0, 1.0])) == 0


def test_mrcnn_bbox_loss():
    target, answer = normal(B, R, 4), normal(B, R, C, 4)
    terms = [smooth_l1(d) for b in range(B) for r in range(R) if CLASS_IDS[b, r]
             for d in target[b, r] - answer[b, r, CLASS_IDS[b, r]]]
    check(losses.mrcnn_bbox_loss(target, CLASS_IDS, answer), mean(terms))


def test_mrcnn_mask_loss():
    target = RNG.integers(0, 2, (B, R, 4, 6)).astype(np.float32)
    answer = RNG.uniform(0.01, 0.99, (B, P, 4, 6, C)).astype(np.float32)
    terms = []
    for b in range(B):
        for r in range(P):
            if CLASS_IDS[b, r]:
                p, t = answer[b, r, :, :, CLASS_IDS[b, r]].astype(float), target[b, r]
                terms += list(-(t * np.log(p) + (1 - t) * np.log(1 - p)).ravel())
    check(losses.mrcnn_mask_loss(target, CLASS_IDS, answer), mean(terms))


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_mask_loss_of_a_certain_wrong_answer_is_finite(probability):
    target = np.full((1, 1, 2, 2), 1 - probability, np.float32)
    answer = np.full((1, 1, 2, 2, 2), probability, np.float32)
    loss = float(losses.mrcnn_mask_loss(target, np.ones((1, 1), np.int32), answer))
    assert 10 < loss < 20


def test_no_object_gives_exactly_zero_box_and_mask_loss():
    nothing = np.zeros((B, R), np.int32)
    assert float(losses.mrcnn_bbox_loss(normal(B, R, 4), nothing, normal(B, R, C, 4))) == 0
    masks = RNG.uniform(0, 1, (B, P, 4, 6, C)).astype(np.float32)
    assert float(losses.mrcnn_mask_loss(np.zeros((B, R, 4, 6)), nothing, masks)) == 0
    negatives = -np.ones((B, A, 1), np.int32)
    assert float(losses.rpn_bbox_loss(normal(B, 30, 4), negatives, normal(B, A, 4))) == 0
    neutral = np.zeros((B, A, 1), np.int32)
    assert float(losses.rpn_class_loss(neutral, normal(B, A, 2))) == 0
    none_active = np.zeros((B, C), np.float32)
    assert float(losses.mrcnn_class_loss(nothing, normal(B, R, C), none_active)) == 0


def test_more_targets_than_anchors():
    """A tiny image has fewer anchors than RPN_TRAIN_ANCHORS_PER_IMAGE."""
    target, answer, match = normal(1, 30, 4), normal(1, 6, 4), np.ones((1, 6, 1), np.int32)
    expected = mean([smooth_l1(d) for d in (target[0, :6] - answer[0]).ravel()])
    check(losses.rpn_bbox_loss(target, match, answer), expected)


# --- the other school -----------------------------------------------------------------------


def smooth(difference, beta):
    """Smooth L1 as Girshick's code has it."""
    difference = abs(float(difference))
    if difference < beta:
        return 0.5 * difference**2 / beta
    return difference - 0.5 * beta


BETAS = [0.0, 1 / 9, 0.5, 1.0, 3.0]


@pytest.mark.parametrize("beta", BETAS)
def test_beta_is_where_the_square_turns_into_a_line(beta):
    target, answer = normal(60), normal(60)
    expected = [smooth(d, beta) for d in target - answer]
    np.testing.assert_allclose(losses.smooth_l1_loss(target, answer, beta), expected, rtol=TWINS)
    at = losses.smooth_l1_loss(np.zeros(2), np.array([beta, 0.0]), beta)
    np.testing.assert_allclose(at, [beta / 2, 0], atol=TWINS)


@pytest.mark.parametrize("per_sample", [False, True], ids=["positives", "sample"])
@pytest.mark.parametrize("beta", BETAS[:3])
def test_rpn_box_loss_with_its_options(beta, per_sample):
    target, answer = normal(B, 30, 4), normal(B, A, 4)
    terms = []
    for b in range(B):
        for row, anchor in enumerate(np.flatnonzero(MATCH[b, :, 0] == 1)):
            terms += [smooth(d, beta) for d in target[b, row] - answer[b, anchor]]
    sampled = sum(MATCH[b, a, 0] != 0 for b in range(B) for a in range(A))
    assert len(terms) > sampled > 0
    loss = losses.rpn_bbox_loss(target, MATCH, answer, beta, per_sample)
    check(loss, sum(terms) / sampled if per_sample else mean(terms))


@pytest.mark.parametrize("beta", BETAS[:3])
def test_roi_box_loss_over_the_sample_counts_rois_and_no_zero_rows(beta):
    target, answer = normal(B, R, 4), normal(B, R, C, 4)
    rois = RNG.uniform(0.1, 1, (B, R, 4)).astype(np.float32)
    rois[0, 7:], rois[1, 4:] = 0, 0
    rois[1, 0] = [0, 0, 0, 1e-3]  # a corner at 0 is no padding
    terms = [smooth(d, beta) for b in range(B) for r in range(R) if CLASS_IDS[b, r]
             for d in target[b, r] - answer[b, r, CLASS_IDS[b, r]]]
    check(losses.mrcnn_bbox_loss(target, CLASS_IDS, answer, rois, beta), sum(terms) / (7 + 4))
    check(losses.mrcnn_bbox_loss(target, CLASS_IDS, answer, beta=beta), mean(terms))


def test_no_object_and_no_roi_give_zero_over_the_sample():
    nothing, rois = np.zeros((B, R), np.int32), np.ones((B, R, 4), np.float32)
    target, answer = normal(B, R, 4), normal(B, R, C, 4)
    assert float(losses.mrcnn_bbox_loss(target, nothing, answer, rois)) == 0
    assert float(losses.mrcnn_bbox_loss(target, nothing, answer, 0 * rois)) == 0
    for match in (0, -1):
        matches = np.full((B, A, 1), match, np.int32)
        loss = losses.rpn_bbox_loss(normal(B, 30, 4), matches, normal(B, A, 4), 0.0, True)
        assert float(loss) == 0


def test_a_gradient_of_l1_is_a_sign():
    import tensorflow as tf

    answer = tf.Variable(normal(20))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(losses.smooth_l1_loss(np.zeros(20, np.float32), answer, 0.0))
    np.testing.assert_array_equal(tape.gradient(loss, answer), np.sign(answer.numpy()))


def test_fewer_anchors_than_rows_in_a_graph_that_does_not_know_their_number():
    rows, anchors = keras.Input((8, 4)), keras.Input((None, 1), dtype="int32")
    deltas = keras.Input((None, 4))
    loss = keras.layers.Lambda(lambda inputs: losses.rpn_bbox_loss(*inputs)[None],
                               output_shape=())([rows, anchors, deltas])
    model = keras.Model([rows, anchors, deltas], loss)
    target = np.zeros((1, 8, 4), np.float32)
    match = np.array([[[0], [1], [-1]]], np.int32)
    found = np.asarray(model.predict_on_batch([target, match, np.full((1, 3, 4), 3, np.float32)]))
    np.testing.assert_allclose(found, [2.5], rtol=1e-6)
