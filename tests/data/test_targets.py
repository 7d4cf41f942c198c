"""Targets of the proposal network and of the heads, against slow loops."""

import numpy as np
import pytest
from tolerances import GEOMETRY
from toy import ToyDataset, config_with, example, rectangles

from mrcnn.config import Config
from mrcnn.data.anchoring import config_anchors, feature_shapes
from mrcnn.data.detection_targets import build_detection_targets, generate_random_rois
from mrcnn.data.formats.loading import load_dataset
from mrcnn.data.generator import DataGenerator
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.targets import build_rpn_targets
from mrcnn.geometry.boxes import apply_box_deltas
from mrcnn.geometry.masks import minimize_mask

SHAPE = (64, 64, 3)


def iou(a, b):
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    if height <= 0 or width <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return height * width / (areas - height * width)


def slow_match(anchors, class_ids, boxes, best_too=True):
    """Every anchor's value before any thinning out, and its object."""
    objects = [box for box, i in zip(boxes, class_ids, strict=True) if i > 0]
    crowds = [box for box, i in zip(boxes, class_ids, strict=True) if i < 0]
    table = np.array([[iou(a, b) for b in objects] for a in anchors])
    table = table.reshape(len(anchors), len(objects))
    match = np.zeros(len(anchors), int)
    for i, anchor in enumerate(anchors):
        highest = table[i].max(initial=0)
        in_crowd = any(iou(anchor, crowd) >= 0.001 for crowd in crowds)
        if highest < 0.3 and not in_crowd:
            match[i] = -1
        if highest >= 0.7:
            match[i] = 1
    for k in range(len(objects) if best_too else 0):
        if table[:, k].max() > 0:
            match[table[:, k] == table[:, k].max()] = 1
    return match, table


def random_boxes(rng, count, size=64):
    corner = rng.integers(0, size - 12, (count, 2))
    return np.concatenate([corner, np.minimum(corner + rng.integers(6, 40, (count, 2)), size)], 1)


@pytest.mark.parametrize("seed", range(5))
def test_rpn_targets_against_loops(seed):
    rng = np.random.default_rng(seed)
    config = config_with(RPN_TRAIN_ANCHORS_PER_IMAGE=4000)
    anchors = config_anchors(config, SHAPE)
    boxes = random_boxes(rng, 4)
    class_ids = np.array([1, 3, -2, 2])
    match, bbox = build_rpn_targets(SHAPE, anchors, class_ids, boxes, config)
    expected, table = slow_match(anchors, class_ids, boxes)
    np.testing.assert_array_equal(match, expected)
    positive = np.flatnonzero(match == 1)
    back = apply_box_deltas(anchors[positive],
                            bbox[: len(positive)] * config.RPN_BBOX_STD_DEV)
    objects = boxes[class_ids > 0][table[positive].argmax(axis=1)]
    np.testing.assert_allclose(back, objects, atol=1e-4)
    assert not bbox[len(positive):].any()


# Anchors other than the pyramid's own.
OTHER_ANCHORS = {
    "rounded": {"RPN_ANCHOR_ROUNDING": True},
    "c4": {"FEATURES": "c4", "BACKBONE_STRIDES": [16], "RPN_ANCHOR_SCALES": (8, 16, 32)},
    "c4, rounded": {"FEATURES": "c4", "BACKBONE_STRIDES": [16], "RPN_ANCHOR_ROUNDING": True,
                    "RPN_ANCHOR_SCALES": (8, 16, 32), "RPN_ANCHOR_STRIDE": 2},
}


@pytest.mark.parametrize("best_too", [True, False])
@pytest.mark.parametrize("kind", ["pyramid", *OTHER_ANCHORS])
def test_kinds_of_anchors_and_low_quality_matches_against_loops(kind, best_too):
    config = config_with(RPN_TRAIN_ANCHORS_PER_IMAGE=4000, RPN_LOW_QUALITY_MATCHES=best_too,
                         **OTHER_ANCHORS.get(kind, {}))
    anchors = config_anchors(config, SHAPE)
    whole = np.rint(anchors).astype(int)
    good = whole[[len(anchors) // 2, len(anchors) // 3]]  # there is a close anchor for these
    edge = np.array([[0, 0, 1, 1], [63, 63, 64, 64], [0, 0, 64, 64]])
    boxes = np.concatenate([random_boxes(np.random.default_rng(2), 3), good, edge])
    class_ids = np.array([1, 3, -2, 2, 1, 1, 1, 1])
    match, bbox = build_rpn_targets(SHAPE, anchors, class_ids, boxes, config)
    expected, table = slow_match(anchors, class_ids, boxes, best_too)
    np.testing.assert_array_equal(match, expected)
    positive = np.flatnonzero(match == 1)
    back = apply_box_deltas(anchors[positive], bbox[: len(positive)] * config.RPN_BBOX_STD_DEV)
    objects = boxes[class_ids > 0][table[positive].argmax(axis=1)]
    np.testing.assert_allclose(back, objects, atol=1e-4)
    assert len(positive)
    assert (table[positive].max(axis=1) >= 0.7).all() != best_too


def test_without_low_quality_matches_there_may_be_no_positive_anchor():
    config = config_with(RPN_LOW_QUALITY_MATCHES=False)
    match, bbox = build_rpn_targets(SHAPE, config_anchors(config, SHAPE), np.array([1]),
                                    np.array([[3, 3, 6, 6]]), config)
    assert ((match == 1).sum(), (match == -1).sum()) == (0, 32)
    assert not bbox.any()
    for class_ids, boxes in (([], np.zeros((0, 4))), ([-1], [[0, 0, 9, 9]])):
        match, _ = build_rpn_targets(
            SHAPE, config_anchors(config, SHAPE), np.array(class_ids, int), boxes, config)
        assert not (match == 1).any()


def test_thinning_out():
    config = config_with(RPN_TRAIN_ANCHORS_PER_IMAGE=8)
    anchors = config_anchors(config, SHAPE)
    boxes = random_boxes(np.random.default_rng(0), 20)
    whole = slow_match(anchors, np.ones(20, int), boxes)[0]
    assert (whole == 1).sum() > 4
    got = [build_rpn_targets(SHAPE, anchors, np.ones(20, int), boxes, config,
                             np.random.default_rng(s)) for s in (1, 1, 2)]
    for match, bbox in got:
        assert ((match == 1).sum(), (match == -1).sum()) == (4, 4)
        np.testing.assert_array_equal(whole[match != 0], match[match != 0])
        assert bbox.shape == (8, 4)
    np.testing.assert_array_equal(got[0][0], got[1][0])
    assert (got[0][0] != got[2][0]).any()


@pytest.mark.parametrize("knobs", [
    {}, {"RPN_ANCHOR_STRIDE": 2}, {"RPN_ANCHOR_RATIOS": [0.2, 3]}, {"RPN_ANCHOR_ROUNDING": True},
    {"FEATURES": "c4", "BACKBONE_STRIDES": [16]},
    {"FEATURES": "c4", "BACKBONE_STRIDES": [16], "RPN_ANCHOR_ROUNDING": True,
     "RPN_ANCHOR_STRIDE": 2},
    {"COMPUTE_BACKBONE_SHAPE": lambda shape: [[9, 30], [8, 8], [4, 5], [2, 2], [1, 1]]},
])
def test_anchors_found_on_the_grid_are_those_found_by_looking_at_all(knobs):
    """A copy of the anchors is an array like any other."""
    config = config_with(RPN_TRAIN_ANCHORS_PER_IMAGE=40_000, IMAGE_MAX_DIM=256, IMAGE_MIN_DIM=256,
                         RPN_ANCHOR_SCALES=(16, 32, 64, 128, 256), **knobs)
    anchors = config_anchors(config, (256, 192))
    rng = np.random.default_rng(2)
    for turn in range(30):
        corner = rng.integers(-20, 240, (5, 2))
        side = np.exp(rng.uniform(0, 6, (5, 2))).astype(int) + 1
        boxes = np.concatenate([corner, corner + side], axis=1)
        class_ids = np.array([1, 2, 1, 1 if turn % 2 else -1, 3])
        known = build_rpn_targets(None, anchors, class_ids, boxes, config)
        given = build_rpn_targets(None, anchors.copy(), class_ids, boxes, config)
        for a, b in zip(known, given, strict=True):
            np.testing.assert_array_equal(a, b)
        assert turn % 10 or (known[0] == 1).any()


def test_positions_of_many_near_anchors_are_drawn_evenly():
    config = config_with(RPN_TRAIN_ANCHORS_PER_IMAGE=64)
    anchors = config_anchors(config, SHAPE)
    none = np.zeros((0, 4), int)
    drawn = sum((build_rpn_targets(SHAPE, anchors, none[:, 0], none, config,
                                   np.random.default_rng(seed))[0] == -1).astype(int)
                for seed in range(300))
    expected = 300 * 64 / len(anchors)
    assert abs(drawn[: len(anchors) // 2].mean() / expected - 1) < 0.05
    assert drawn.max() < 5 * expected


def test_global_seed_repeats():
    config = config_with()
    anchors = config_anchors(config, SHAPE)
    runs = []
    for _ in range(2):
        np.random.seed(4)
        runs.append(build_rpn_targets(SHAPE, anchors, np.array([1]), [[3, 3, 30, 30]], config)[0])
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize(("class_ids", "boxes"), [
    (np.zeros(0, int), np.zeros((0, 4), int)), (np.zeros(3, int), np.zeros((3, 4), int)), ([], []),
])
def test_no_objects_give_background_only(class_ids, boxes):
    config = config_with()
    match, bbox = build_rpn_targets(SHAPE, config_anchors(config, SHAPE), class_ids, boxes, config)
    assert ((match == 1).sum(), (match == -1).sum()) == (0, 32)
    assert not bbox.any()


def test_crowd_only_image():
    config = config_with(RPN_TRAIN_ANCHORS_PER_IMAGE=4000)
    anchors = config_anchors(config, SHAPE)
    crowd = np.array([[0, 0, 64, 32]])
    match, _ = build_rpn_targets(SHAPE, anchors, np.array([-1]), crowd, config)
    np.testing.assert_array_equal(match, slow_match(anchors, [-1], crowd)[0])
    assert set(match) == {0, -1}


def test_object_that_no_anchor_touches_makes_nothing_positive():
    config = config_with()
    match, _ = build_rpn_targets(SHAPE, config_anchors(config, SHAPE), np.array([1]),
                                 [[500, 500, 520, 520]], config)
    assert not (match == 1).any()


def test_first_object_wins_a_tie():
    anchor, boxes = np.array([[10.0, 10, 20, 20]]), np.array([[10, 5, 20, 15], [10, 15, 20, 25]])
    match, bbox = build_rpn_targets(SHAPE, anchor, np.array([1, 2]), boxes, config_with())
    np.testing.assert_array_equal(match, [1])
    np.testing.assert_allclose(bbox[0], [0, -0.5 / 0.1, 0, 0], atol=1e-5)


def test_bad_boxes():
    config = config_with()
    anchors = config_anchors(config, SHAPE)
    with pytest.raises(ValueError, match=r"positive area, received \[5, 5, 5, 9\]"):
        build_rpn_targets(SHAPE, anchors, np.array([1]), np.array([[5, 5, 5, 9]]), config)
    with pytest.raises(ValueError, match=r"received shapes \(1,\) and \(2, 4\)"):
        build_rpn_targets(SHAPE, anchors, np.array([1]), np.zeros((2, 4)), config)


# --- anchors of a config -----------------------------------------------------------------------
def test_full_size_has_261888_anchors_and_is_cached():
    anchors = config_anchors(Config(), (1024, 1024, 3))
    assert anchors.shape == (261888, 4)
    assert config_anchors(Config(), (1024, 1024)) is anchors
    with pytest.raises(ValueError, match="read-only"):
        anchors[0] = 0


def test_c4_has_nine_anchors_a_cell():
    config = config_with(FEATURES="c4", BACKBONE_STRIDES=[16], RPN_ANCHOR_SCALES=(32, 64, 128))
    anchors = config_anchors(config, (64, 100))
    assert anchors.shape == (4 * 7 * 9, 4)
    centres = (anchors[:9, :2] + anchors[:9, 2:]) / 2
    np.testing.assert_allclose(centres, 0, atol=GEOMETRY)
    sides = np.sqrt(np.prod(anchors[:9, 2:] - anchors[:9, :2], axis=1))
    np.testing.assert_allclose(sides, [32, 64, 128] * 3, atol=GEOMETRY)


@pytest.mark.parametrize("kind", OTHER_ANCHORS)
def test_batches_have_a_match_for_every_anchor(kind):
    config = config_with(**OTHER_ANCHORS[kind])
    dataset = ToyDataset(example(boxes=((8, 8, 40, 30),)), example(seed=1, boxes=()))
    inputs, _ = DataGenerator(dataset, config, shuffle=False)[0]
    anchors = config_anchors(config, SHAPE)
    assert inputs[2].shape == (2, len(anchors), 1)
    expected = slow_match(anchors, [1], [[8, 8, 40, 30]])[0]
    positive = np.flatnonzero(inputs[2][0, :, 0] == 1)
    assert len(positive)
    assert (expected[positive] == 1).all()
    assert not (inputs[2][1] == 1).any()


def test_rounded_anchors_have_their_own_place_in_the_cache():
    plain, rounded = config_with(), config_with(RPN_ANCHOR_ROUNDING=True)
    exact, whole = config_anchors(plain, SHAPE), config_anchors(rounded, SHAPE)
    assert (exact != np.rint(exact)).any()
    np.testing.assert_array_equal(whole, np.rint(whole))
    assert config_anchors(plain, SHAPE) is exact


def test_feature_shapes_by_precedence():
    config = config_with()
    np.testing.assert_array_equal(feature_shapes(config, (64, 100))[0], [16, 25])
    config.COMPUTE_BACKBONE_SHAPE = lambda shape: [[shape[0] // 4, 7]] * 5
    np.testing.assert_array_equal(feature_shapes(config, (64, 64, 3))[0], [16, 7])
    config.BACKBONE_SHAPES = np.full((5, 2), 3)
    np.testing.assert_array_equal(feature_shapes(config, (64, 64, 3))[0], [3, 3])
    np.testing.assert_array_equal(feature_shapes(config, (128, 64, 3))[0], [32, 7])
    assert config_anchors(config, (64, 64, 3)).shape == (5 * 9 * 3, 4)


# --- random rois -------------------------------------------------------------------------------
@pytest.mark.parametrize("boxes", [
    np.zeros((0, 4), int), random_boxes(np.random.default_rng(0), 3)])
@pytest.mark.parametrize("count", [1, 7, 200])
def test_random_rois_lie_inside(boxes, count):
    rois = generate_random_rois(SHAPE, count, np.ones(len(boxes)), boxes, np.random.default_rng(1))
    assert (rois.shape, rois.dtype) == ((count, 4), np.int32)
    assert rois.min() >= 0
    assert rois.max() <= 64
    assert (rois[:, 2] > rois[:, 0]).all()
    assert (rois[:, 3] > rois[:, 1]).all()


def test_nine_of_ten_random_rois_lie_near_an_object():
    box = np.array([[400, 600, 440, 660]])
    rois = generate_random_rois((1000, 1000), 300, np.array([1]), box, np.random.default_rng(0))
    near = ((rois[:, 0] >= 360) & (rois[:, 2] <= 480) & (rois[:, 1] >= 540) & (rois[:, 3] <= 720))
    assert near[:270].all()
    assert near[270:].sum() < 5
    np.testing.assert_array_equal(rois.max(axis=0) > 900, [False, False, True, True])
    np.random.seed(2)
    first = generate_random_rois((1000, 1000), 9, [1], box)
    np.random.seed(2)
    np.testing.assert_array_equal(first, generate_random_rois((1000, 1000), 9, [1], box))


def test_random_rois_of_the_smallest_image():
    rois = generate_random_rois((1, 1), 5, [], [])
    np.testing.assert_array_equal(rois, [[0, 0, 1, 1]] * 5)
    with pytest.raises(ValueError, match="positive sides"):
        generate_random_rois((0, 5), 5, [], [])


# --- targets of the heads ----------------------------------------------------------------------
BOXES = np.array([[4, 4, 40, 30], [20, 30, 60, 62], [0, 0, 64, 64]])
IDS = np.array([2, 3, -1])  # the last one is a crowd


def heads(config, rois, boxes=BOXES, class_ids=IDS, **kwargs):
    masks = rectangles((64, 64), boxes)
    masks[::3] = False  # stripes
    if config.USE_MINI_MASK:
        masks = minimize_mask(boxes, masks, config.MINI_MASK_SHAPE)
    return build_detection_targets(rois, class_ids, boxes, masks, config, **kwargs)


def test_heads_against_loops():
    config = config_with(USE_MINI_MASK=False)
    rng = np.random.default_rng(0)
    rois = generate_random_rois(SHAPE, 200, IDS, BOXES[:2], rng)
    got, class_ids, bboxes, masks = heads(config, rois, rng=rng)
    assert (got.shape, got.dtype) == ((20, 4), np.int32)
    assert (class_ids.shape, class_ids.dtype) == ((20,), np.int32)
    assert (bboxes.shape, bboxes.dtype) == ((20, 4, 4), np.float32)
    assert (masks.shape, masks.dtype) == ((20, 28, 28, 4), np.float32)
    assert 0 < (class_ids > 0).sum() <= int(20 * 0.33)
    assert (np.diff((class_ids > 0).astype(int)) <= 0).all()
    known = {tuple(roi) for roi in rois}
    for i, roi in enumerate(got):
        assert tuple(roi) in known
        overlaps = [iou(roi, box) for box in BOXES[:2]]
        best = int(np.argmax(overlaps))
        if overlaps[best] < 0.5:
            assert class_ids[i] == 0
            assert not bboxes[i].any()
            assert not masks[i].any()
            continue
        assert class_ids[i] == IDS[best]
        others = np.delete(np.arange(4), class_ids[i])
        assert not bboxes[i, others].any()
        assert not masks[i][:, :, others].any()
        back = apply_box_deltas(roi[None], bboxes[i, class_ids[i]][None] * config.BBOX_STD_DEV)
        np.testing.assert_allclose(back[0], BOXES[best], atol=1e-4)


def test_mask_of_a_roi_that_is_the_object():
    config = config_with(USE_MINI_MASK=False, MASK_SHAPE=[36, 26])
    masks = heads(config, np.array([BOXES[0], [0, 40, 9, 60]]))[3]
    expected = np.ones((36, 26))
    expected[2::3] = 0  # rows 6, 9, ... of the image
    np.testing.assert_allclose(masks[0, :, :, 2], expected, atol=GEOMETRY)


def test_mini_masks_give_the_same_classes_and_boxes_and_nearly_the_same_masks():
    rois = generate_random_rois(SHAPE, 200, IDS, BOXES[:2], np.random.default_rng(0))
    full = heads(config_with(USE_MINI_MASK=False), rois, rng=np.random.default_rng(1))
    mini = heads(config_with(USE_MINI_MASK=True, MINI_MASK_SHAPE=(112, 112)), rois,
                 rng=np.random.default_rng(1))
    for i in range(3):
        np.testing.assert_array_equal(mini[i], full[i])
    np.testing.assert_allclose(mini[3], full[3], atol=GEOMETRY)


def test_mini_masks_on_and_off_agree_on_real_objects(balloon_dir):
    """What training reads, with USE_MINI_MASK and without: the same rois, nearly the same masks."""
    dataset = load_dataset(balloon_dir / "val", format="via")
    answers, overlaps = {}, []
    for image_id in dataset.image_ids[:6]:
        for mini in (False, True):
            config = Config()
            config.NUM_CLASSES, config.USE_MINI_MASK = 2, mini
            image, _, ids, boxes, masks = load_image_gt(dataset, config, image_id,
                                                           use_mini_mask=mini)
            rng = np.random.default_rng(int(image_id))
            rois = generate_random_rois(image.shape, 3000, ids, boxes, rng)
            anchors = config_anchors(config, image.shape)
            answers[mini] = (*build_rpn_targets(image.shape, anchors, ids, boxes, config, rng),
                             *build_detection_targets(rois, ids, boxes, masks, config, rng))
        for full, small in zip(answers[False][:-1], answers[True][:-1], strict=True):
            np.testing.assert_array_equal(small, full)
        class_ids, full, small = answers[True][3], answers[False][-1], answers[True][-1]
        for row in np.flatnonzero(class_ids):
            a, b = full[row, :, :, 1] > 0.5, small[row, :, :, 1] > 0.5
            overlaps.append((a & b).sum() / max((a | b).sum(), 1))
    assert len(overlaps) > 100
    assert np.mean(overlaps) > 0.97
    assert np.min(overlaps) > 0.9


def test_too_little_background_is_repeated():
    config = config_with(USE_MINI_MASK=False)
    rois, class_ids, _, _ = heads(config, np.array([BOXES[0], [50, 2, 60, 9]]))
    np.testing.assert_array_equal(class_ids, [2] + [0] * 19)
    np.testing.assert_array_equal(rois[1:], [[50, 2, 60, 9]] * 19)


def test_no_background_at_all():
    class_ids = heads(config_with(), BOXES[:1])[1]
    np.testing.assert_array_equal(class_ids, [2] * 20)


def test_heads_without_objects():
    none = np.zeros((0, 4), int)
    rois, class_ids, bboxes, masks = heads(config_with(), BOXES, none, np.zeros(0, int))
    assert rois.shape == (20, 4)
    assert not class_ids.any()
    assert not bboxes.any()
    assert not masks.any()


def test_padding_of_the_ground_truth_is_ignored():
    config = config_with(USE_MINI_MASK=True)
    rois = generate_random_rois(SHAPE, 50, IDS, BOXES[:2], np.random.default_rng(0))
    masks = minimize_mask(BOXES, rectangles((64, 64), BOXES), (28, 28))
    plain = build_detection_targets(rois, IDS, BOXES, masks, config, np.random.default_rng(1))
    padded = build_detection_targets(
        rois, np.append(IDS, [0, 0]), np.vstack([BOXES, np.zeros((2, 4), int)]),
        np.dstack([masks, np.zeros((28, 28, 2), bool)]), config, np.random.default_rng(1))
    for a, b in zip(plain, padded, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("rois", "ids", "message"), [
    (np.zeros((0, 4)), IDS, "rpn_rois: expected shape"),
    (np.zeros((3, 5)), IDS, "rpn_rois: expected shape"),
    (BOXES, IDS[:2], r"gt_class_ids \[G\], gt_boxes"),
    (BOXES, np.array([1, 9, 2]), "below NUM_CLASSES = 4, received 9"),
])
def test_heads_refuse(rois, ids, message):
    with pytest.raises(ValueError, match=message):
        build_detection_targets(rois, ids, BOXES, rectangles((64, 64), BOXES), config_with())
