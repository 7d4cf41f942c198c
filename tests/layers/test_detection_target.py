"""DetectionTargetLayer: the counts, the rows, and every target against a slow loop."""

import numpy as np
import pytest
import tensorflow as tf
from loop_oracles import delta_between, iou, random_boxes
from tolerances import TWINS

from mrcnn.config import Config
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.geometry.masks import minimize_mask
from mrcnn.layers.detection_target import DetectionTargetLayer

STD = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
SIZE, G, MINI = 64, 6, (16, 20)
ROIS, RATIO = 30, 0.33
POSITIVES = int(ROIS * RATIO)


class Scene:
    """Ellipses in pixel boxes with their masks, padded to G objects."""

    def __init__(self, boxes_px, class_ids):
        self.boxes_px = np.zeros((G, 4), np.float32)
        self.class_ids = np.zeros(G, np.int32)
        self.masks = np.zeros((SIZE, SIZE, G), bool)
        self.count = len(boxes_px)
        self.class_ids[: self.count] = class_ids
        for i, (y1, x1, y2, x2) in enumerate(boxes_px):
            self.boxes_px[i] = y1, x1, y2, x2
            y, x = np.mgrid[:SIZE, :SIZE] + 0.5
            distance = ((2 * y - y1 - y2) / (y2 - y1)) ** 2 + ((2 * x - x1 - x2) / (x2 - x1)) ** 2
            self.masks[:, :, i] = distance <= 1

    @property
    def boxes(self):
        boxes = norm_boxes(self.boxes_px, (SIZE, SIZE))
        boxes[self.count :] = 0
        return boxes

    @property
    def mini_masks(self):
        mini = np.zeros((*MINI, G), bool)
        boxes, masks = self.boxes_px[: self.count].astype(int), self.masks[:, :, : self.count]
        mini[:, :, : self.count] = minimize_mask(boxes, masks, MINI)
        return mini


OBJECTS = Scene([(5, 5, 25, 30), (30, 20, 60, 50), (10, 35, 40, 60)], [2, 1, 3])
CROWDED = Scene([(5, 5, 25, 30), (30, 20, 60, 50), (10, 35, 40, 60)], [2, -1, 3])
NOTHING = Scene([], [])
DISTANT = Scene([(60, 60, 64, 64)], [1])


def near(scene, rng, each, noise=1.5):
    """Proposals around each object, normalised."""
    boxes = np.repeat(scene.boxes_px[: scene.count], each, axis=0)
    return norm_boxes(boxes + rng.normal(0, noise, boxes.shape), (SIZE, SIZE)).clip(0, 1)


def proposals_for(scene, seed=0, each=20, far=60, padding=10):
    rng = np.random.default_rng(seed)
    parts = [near(scene, rng, each), random_boxes(rng, far), np.zeros((padding, 4), np.float32)]
    return np.concatenate(parts).astype(np.float32)


def run(scenes, proposals, mini=True, seed=1, **arguments):
    """Outputs as numpy, with a batch axis."""
    arguments = {"rois_per_image": ROIS, "positive_ratio": RATIO, "mask_shape": (12, 10),
                 **arguments}
    layer = DetectionTargetLayer(use_mini_mask=mini, seed=seed, **arguments)
    masks = np.stack([s.mini_masks if mini else s.masks for s in scenes]).astype(np.uint8)
    inputs = [np.stack(proposals), np.stack([s.class_ids for s in scenes]),
              np.stack([s.boxes for s in scenes]), masks]
    return [np.asarray(t) for t in layer(inputs)]


def judge(proposal, scene):
    """("positive", object) or ("negative", None) or (None, None) for one proposal."""
    if not proposal.any():
        return None, None
    overlap = [iou(proposal, box) for box in scene.boxes]
    objects = [i for i in range(G) if scene.class_ids[i] > 0]
    crowd = max([overlap[i] for i in range(G) if scene.class_ids[i] < 0], default=0)
    best = max(objects, key=lambda i: overlap[i], default=None)
    if best is not None and overlap[best] >= 0.5:
        return "positive", best
    return ("negative", None) if crowd < 0.001 else (None, None)


def expected_mask(roi, scene, which, mini, shape):
    """The object's mask inside the roi, by TensorFlow's own crop of a single mask."""
    mask = (scene.mini_masks if mini else scene.masks)[:, :, which].astype(np.float32)
    if mini:
        y1, x1, y2, x2 = scene.boxes[which]
        size = np.array([y2 - y1, x2 - x1, y2 - y1, x2 - x1], np.float32)
        roi = (roi - np.array([y1, x1, y1, x1], np.float32)) / size
    crop = tf.image.crop_and_resize(mask[None, :, :, None], roi[None], [0], shape)
    return np.round(crop.numpy()[0, :, :, 0])


def check_image(scene, proposals, rois, class_ids, deltas, masks, mini=True, std=STD):
    """Every row against the loop; answers (positives, negatives) found."""
    judged = {tuple(p): judge(p, scene) for p in proposals}
    positives = int((class_ids > 0).sum())
    used = int(rois.any(axis=1).sum())
    assert (class_ids[:positives] > 0).all(), "positives come first"
    assert rois[:used].any(axis=1).all(), "zero rows come last"
    assert len({tuple(r) for r in rois[:used]}) == used, "no proposal is drawn twice"
    for i in range(positives):
        kind, which = judged[tuple(rois[i])]
        assert kind == "positive"
        assert class_ids[i] == scene.class_ids[which]
        expected = delta_between(rois[i], scene.boxes[which]) / std
        np.testing.assert_allclose(deltas[i], expected, atol=TWINS / std.min())
        target = expected_mask(rois[i], scene, which, mini, masks.shape[1:])
        np.testing.assert_array_equal(masks[i], target)
    for i in range(positives, used):
        assert judged[tuple(rois[i])][0] == "negative"
    for values in (class_ids, deltas, masks):
        np.testing.assert_array_equal(values[positives:], 0)
    return positives, used - positives


@pytest.mark.parametrize("mini", [True, False], ids=["mini masks", "full masks"])
def test_full_quota_keeps_the_ratio(mini):
    """More positives than fit: P of them, and as many negatives as the ratio says."""
    proposals = proposals_for(OBJECTS)
    outputs = run([OBJECTS], [proposals], mini)
    assert [t.shape for t in outputs] == [(1, 30, 4), (1, 30), (1, 30, 4), (1, 30, 12, 10)]
    assert outputs[1].dtype == np.int32
    assert outputs[3].max() == 1, "some mask should be there"
    counts = check_image(OBJECTS, proposals, *(t[0] for t in outputs), mini=mini)
    assert counts == (POSITIVES, int(POSITIVES / RATIO) - POSITIVES)


@pytest.mark.parametrize("positives", [1, 2, 5, 8])
def test_few_positives_take_few_negatives(positives):
    rng = np.random.default_rng(positives)
    exact = norm_boxes(OBJECTS.boxes_px[:1] + rng.uniform(0, 0.9, (positives, 4)), (SIZE, SIZE))
    far = [p for p in random_boxes(rng, 80) if judge(p, OBJECTS)[0] == "negative"]
    proposals = np.concatenate([exact, far]).astype(np.float32)
    outputs = run([OBJECTS], [proposals])
    counts = check_image(OBJECTS, proposals, *(t[0] for t in outputs))
    assert counts == (positives, int(positives / RATIO) - positives)


def test_fewer_negatives_than_wanted_leave_zero_rows():
    rng = np.random.default_rng(0)
    far = [p for p in random_boxes(rng, 80) if judge(p, OBJECTS)[0] == "negative"][:4]
    proposals = np.concatenate([OBJECTS.boxes[:3], far]).astype(np.float32)
    outputs = run([OBJECTS], [proposals])
    assert check_image(OBJECTS, proposals, *(t[0] for t in outputs)) == (3, 4)


@pytest.mark.parametrize("scene", [NOTHING, DISTANT], ids=["no object", "none hit"])
def test_without_positives_negatives_are_drawn(scene):
    proposals = random_boxes(np.random.default_rng(2), 60, high=0.3).clip(0, 0.8)
    outputs = run([scene], [proposals])
    counts = check_image(scene, proposals, *(t[0] for t in outputs))
    assert counts == (0, ROIS - POSITIVES)


def test_negatives_keep_away_from_crowds():
    """A proposal on a crowd is no negative; one on an object beside it is still positive."""
    proposals = proposals_for(CROWDED, each=2, far=200)
    proposals = proposals[[judge(p, CROWDED)[0] != "positive" or i < 6
                           for i, p in enumerate(proposals)]]
    kinds = [judge(p, CROWDED)[0] for p in proposals]
    assert sum(kind is None for kind in kinds) > 20, "many proposals should touch the crowd"
    outputs = run([CROWDED], [proposals])
    positives, negatives = check_image(CROWDED, proposals, *(t[0] for t in outputs))
    assert positives == kinds.count("positive") > 0
    assert negatives == int(positives / RATIO) - positives


def test_only_a_crowd():
    scene = Scene([(0, 0, 40, 64)], [-2])
    proposals = random_boxes(np.random.default_rng(3), 100, high=0.3)
    outputs = run([scene], [proposals])
    positives, negatives = check_image(scene, proposals, *(t[0] for t in outputs))
    assert positives == 0
    assert negatives == min(20 + 1, sum(judge(p, scene)[0] == "negative" for p in proposals))


def test_fewer_proposals_than_rois():
    proposals = np.concatenate([OBJECTS.boxes[:2], [[0.9, 0.9, 1, 1]]]).astype(np.float32)
    outputs = run([OBJECTS], [proposals])
    assert outputs[0].shape == (1, ROIS, 4)
    assert check_image(OBJECTS, proposals, *(t[0] for t in outputs)) == (2, 1)


def test_only_padding_gives_only_zeros():
    for output in run([OBJECTS], [np.zeros((40, 4), np.float32)]):
        np.testing.assert_array_equal(output, 0)


def test_images_of_a_batch_do_not_mix():
    scenes = [OBJECTS, NOTHING, CROWDED]
    proposals = [proposals_for(OBJECTS, 4), proposals_for(OBJECTS, 5), proposals_for(CROWDED, 6)]
    outputs = run(scenes, proposals)
    counts = [check_image(scene, given, *(t[b] for t in outputs))
              for b, (scene, given) in enumerate(zip(scenes, proposals, strict=True))]
    assert counts[0] == (POSITIVES, int(POSITIVES / RATIO) - POSITIVES)
    assert counts[1] == (0, ROIS - POSITIVES)
    assert counts[2][0] == POSITIVES


def test_full_and_mini_masks_nearly_agree():
    proposals = OBJECTS.boxes[:3]
    by_class = {}
    for mini in (True, False):
        _, class_ids, _, masks = run([OBJECTS], [proposals], mini, mask_shape=(28, 28))
        by_class[mini] = {c: m for c, m in zip(class_ids[0], masks[0], strict=True) if c}
    assert by_class[True].keys() == by_class[False].keys() == {1, 2, 3}
    for class_id, mask in by_class[True].items():
        other = by_class[False][class_id]
        overlap = np.minimum(mask, other).sum() / np.maximum(mask, other).sum()
        assert overlap > 0.93, (class_id, overlap)


def test_roi_outside_its_object_has_zeros_in_the_mask_there():
    """The roi sticks out of the object's box by a fifth on the left: no mask there."""
    scene = Scene([(20, 20, 44, 44)], [1])
    scene.masks[20:44, 20:44, 0] = True
    roi = norm_boxes(np.array([[20, 14, 44, 44]]), (SIZE, SIZE))
    _, _, _, masks = run([scene], [roi], mask_shape=(20, 20))
    np.testing.assert_array_equal(masks[0, 0, :, :4], 0)
    np.testing.assert_array_equal(masks[0, 0, 1:-1, 5:-1], 1)


def test_seed_repeats_and_another_seed_draws_others():
    proposals = proposals_for(OBJECTS)
    first, again, other = (run([OBJECTS], [proposals], seed=s)[0] for s in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_draws_differ_from_call_to_call_and_reach_every_proposal():
    layer = DetectionTargetLayer(rois_per_image=ROIS, use_mini_mask=True, seed=0)
    proposals = proposals_for(OBJECTS, padding=0)
    inputs = [proposals[None], OBJECTS.class_ids[None], OBJECTS.boxes[None],
              OBJECTS.mini_masks[None].astype(np.uint8)]
    seen = set()
    for _ in range(40):
        rois = np.asarray(layer(inputs)[0])[0]
        seen |= {tuple(r) for r in rois if r.any()}
    eligible = {tuple(p) for p in proposals if judge(p, OBJECTS)[0]}
    assert seen == eligible


@pytest.mark.parametrize(("rois", "ratio"), [(2, 0.33), (1, 1.0), (10, 1.0), (10, 0.05)])
def test_extreme_counts(rois, ratio):
    """A ratio that leaves room for no positive draws negatives only; 1.0 draws positives."""
    proposals = proposals_for(OBJECTS)
    outputs = run([OBJECTS], [proposals], rois_per_image=rois, positive_ratio=ratio)
    positives, negatives = check_image(OBJECTS, proposals, *(t[0] for t in outputs))
    assert positives == int(rois * ratio)
    assert positives + negatives <= rois


def test_own_standard_deviation_and_config():
    class Knobs(Config):
        TRAIN_ROIS_PER_IMAGE, ROI_POSITIVE_RATIO, SEED = 12, 0.5, 3
        BBOX_STD_DEV, MASK_SHAPE = np.array([0.2, 0.3, 0.4, 0.5]), [8, 6]
        USE_MINI_MASK = False

    proposals = proposals_for(OBJECTS)
    layer = DetectionTargetLayer(Knobs())
    outputs = layer([proposals[None], OBJECTS.class_ids[None], OBJECTS.boxes[None],
                     OBJECTS.masks[None].astype(np.uint8)])
    outputs = [np.asarray(t)[0] for t in outputs]
    assert outputs[3].shape == (12, 8, 6)
    std = Knobs.BBOX_STD_DEV.astype(np.float32)
    assert check_image(OBJECTS, proposals, *outputs, mini=False, std=std) == (6, 6)
