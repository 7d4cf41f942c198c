"""DetectionTargetLayer's options against loops: added boxes, full samples, RoIAlign of masks."""

import keras
import numpy as np
import pytest
from layers.align_oracle import align
from layers.loop_oracles import delta_between, iou, random_boxes
from tolerances import TWINS

from mrcnn import kernels
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.geometry.masks import minimize_mask
from mrcnn.layers.detection_target import DetectionTargetLayer
from mrcnn.layers.mask_targets import align_masks

HEIGHT, WIDTH, G, MINI = 48, 64, 5, (16, 20)
ROIS, RATIO = 24, 0.25
STD = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
RATIOS = [1, 2, 3, 0] if kernels.ADAPTIVE_ROI_ALIGN else [1, 2, 3]

OBJECTS = ([(5, 5, 25, 30), (20, 20, 47, 50), (10, 35, 40, 60)], [2, 1, 3])
CROWDED = ([(5, 5, 25, 30), (20, 20, 47, 50), (10, 35, 40, 60)], [2, -1, 3])
TINY = ([(0, 0, 1, 1), (47, 63, 48, 64), (0, 30, 48, 64)], [1, 2, 3])  # one pixel, on the border
NOTHING = ([], [])


def scene(boxes_px, class_ids, edges):
    """(boxes in pixels, boxes normalised, class ids, full masks, mini-masks), padded to G."""
    boxes, ids = np.zeros((G, 4), np.float32), np.zeros(G, np.int32)
    masks, mini = np.zeros((HEIGHT, WIDTH, G), bool), np.zeros((*MINI, G), bool)
    count = len(boxes_px)
    ids[:count] = class_ids
    for i, (y1, x1, y2, x2) in enumerate(boxes_px):
        boxes[i] = y1, x1, y2, x2
        y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        distance = ((2 * y - y1 - y2) / (y2 - y1)) ** 2 + ((2 * x - x1 - x2) / (x2 - x1)) ** 2
        masks[:, :, i] = distance <= 1
    if count:
        mini[:, :, :count] = minimize_mask(boxes[:count].astype(int), masks[:, :, :count], MINI)
    norm = norm_boxes(boxes, (HEIGHT, WIDTH), edges)
    norm[count:] = 0
    return boxes, norm, ids, masks, mini


def run(given, proposals, mini=False, edges=True, seed=3, **options):
    """Outputs for one image as numpy, without the batch axis."""
    _, boxes, ids, masks, minis = scene(*given, edges)
    layer = DetectionTargetLayer(rois_per_image=ROIS, positive_ratio=RATIO, mask_shape=(7, 6),
                                 use_mini_mask=mini, edges=edges, seed=seed, **options)
    meta = np.zeros((1, 16), np.float32)
    meta[:, 4:6] = HEIGHT, WIDTH
    inputs = [proposals[None], ids[None], boxes[None],
              (minis if mini else masks)[None].astype(np.uint8)]
    inputs += [meta] if options.get("align") and not edges else []
    outputs = layer([keras.ops.convert_to_tensor(array) for array in inputs])
    return [keras.ops.convert_to_numpy(t)[0] for t in outputs]


def kind_of(roi, boxes, ids):
    """("positive", object), ("negative", None) or (None, None)."""
    overlap = [iou(roi, box) for box in boxes]
    objects = [i for i in range(G) if ids[i] > 0]
    best = max(objects, key=lambda i: overlap[i], default=None)
    if best is not None and overlap[best] >= 0.5:
        return "positive", best
    crowd = max([overlap[i] for i in range(G) if ids[i] < 0], default=0)
    return ("negative", None) if crowd < 0.001 else (None, None)


def far_from(given, count, edges=True, seed=0):
    """Random proposals that are negative."""
    _, boxes, ids, _, _ = scene(*given, edges)
    drawn = random_boxes(np.random.default_rng(seed), 8 * count, low=0.1)
    return np.array([p for p in drawn if kind_of(p, boxes, ids)[0] == "negative"][:count])


def check(given, outputs, edges=True):
    """Every row against the loop but the masks; answers (positives, negatives)."""
    _, boxes, ids, _, _ = scene(*given, edges)
    rois, class_ids, deltas, masks = outputs
    positives, used = int((class_ids > 0).sum()), int(rois.any(axis=1).sum())
    for i in range(used):
        kind, which = kind_of(rois[i], boxes, ids)
        assert kind == ("positive" if i < positives else "negative")
        assert class_ids[i] == (ids[which] if i < positives else 0)
        if i < positives:
            expected = delta_between(rois[i], boxes[which]) / STD
            np.testing.assert_allclose(deltas[i], expected, atol=TWINS / STD.min())
    for values in (class_ids, deltas, masks):
        np.testing.assert_array_equal(values[positives:], 0)
    np.testing.assert_array_equal(rois[used:], 0)
    return positives, used - positives


# --- ground truth among the proposals -------------------------------------------------------


@pytest.mark.parametrize("edges", [False, True], ids=["centers", "edges"])
@pytest.mark.parametrize("given", [OBJECTS, TINY, CROWDED], ids=["objects", "tiny", "crowd"])
def test_objects_are_proposals_too(given, edges):
    """A proposal far from all objects: without the option none is positive."""
    if not edges and given is TINY:
        given = (given[0][2:], given[1][2:])  # one pixel has no area between centres
    proposals = far_from(given, 3, edges)
    assert check(given, run(given, proposals, edges=edges), edges)[0] == 0
    outputs = run(given, proposals, edges=edges, append_gt=True)
    real = [i for i, class_id in enumerate(given[1]) if class_id > 0]
    assert check(given, outputs, edges)[0] == len(real)
    boxes = scene(*given, edges)[1]
    found = {tuple(roi) for roi in outputs[0][: len(real)]}
    assert found == {tuple(boxes[i]) for i in real}, "objects, but neither crowds nor padding"
    np.testing.assert_allclose(outputs[2][: len(real)], 0, atol=TWINS / STD.min())


def test_nothing_is_added_where_there_is_nothing():
    proposals = far_from(NOTHING, 30)
    given = [run(NOTHING, proposals, append_gt=on) for on in (False, True)]
    assert check(NOTHING, given[1]) == check(NOTHING, given[0]) == (0, ROIS - int(ROIS * RATIO))


# --- the full sample ------------------------------------------------------------------------


@pytest.mark.parametrize(("positives", "negatives"), [
    (0, 60), (1, 60), (3, 60), (40, 60),  # the last: more than may be positive
    (3, 5), (0, 5), (0, 0), (3, 0),  # too little to fill it
])
def test_negatives_fill_the_sample(positives, negatives):
    boxes = scene(*OBJECTS, True)[1]
    near = boxes[0] + np.random.default_rng(1).uniform(0, 0.01, (positives, 4))
    proposals = np.concatenate([near, far_from(OBJECTS, negatives).reshape(-1, 4),
                                np.zeros((1, 4))]).astype(np.float32)
    outputs = run(OBJECTS, proposals, fill=True)
    found = min(positives, int(ROIS * RATIO))
    assert check(OBJECTS, outputs) == (found, min(negatives, ROIS - found))


@pytest.mark.parametrize("given", [NOTHING, CROWDED], ids=["nothing", "crowd"])
def test_an_image_without_positives_gives_a_full_sample(given):
    outputs = run(given, far_from(given, 60), fill=True)
    assert check(given, outputs) == (0, ROIS)


# --- mask targets ---------------------------------------------------------------------------


def place_in_mask(roi_px, box_px, mini):
    """A roi in pixels, normalised to the edges of the mask that it is cut from."""
    y1, x1, y2, x2 = (float(n) for n in roi_px)
    if not mini:
        return np.array([y1 / HEIGHT, x1 / WIDTH, y2 / HEIGHT, x2 / WIDTH])
    top, left, bottom, right = (float(n) for n in box_px)
    height, width = bottom - top, right - left
    return np.array([(y1 - top) / height, (x1 - left) / width,
                     (y2 - top) / height, (x2 - left) / width])


@pytest.mark.parametrize("aligned", [False, True], ids=["shifted", "aligned"])
@pytest.mark.parametrize("mini", [False, True], ids=["full", "mini"])
@pytest.mark.parametrize("edges", [False, True], ids=["centers", "edges"])
@pytest.mark.parametrize("given", [OBJECTS, TINY], ids=["objects", "tiny"])
def test_mask_targets_are_the_roi_align_of_the_mask(given, edges, mini, aligned):
    if not edges and given is TINY:
        given = (given[0][2:], given[1][2:])
    boxes_px, boxes, ids, masks, minis = scene(*given, edges)
    rng = np.random.default_rng(2)
    near = np.concatenate([boxes_px[:3] + rng.uniform(-2, 2, (3, 4)), boxes_px[:3]])
    proposals = norm_boxes(near[near.any(axis=1)], (HEIGHT, WIDTH), edges)
    for ratio in RATIOS[-1:] if mini else RATIOS[1::2]:
        options = {"align": True, "aligned": aligned, "sampling_ratio": ratio}
        rois, class_ids, _, answer = run(given, proposals, mini, edges, **options)
        assert (class_ids > 0).sum() >= len(given[0]), "each object should have a roi"
        for row in np.flatnonzero(class_ids):
            which = kind_of(rois[row], boxes, ids)[1]
            height, width = HEIGHT - (not edges), WIDTH - (not edges)
            roi_px = rois[row] * [height, width, height, width] + (0 if edges else [0, 0, 1, 1])
            place = place_in_mask(roi_px, boxes_px[which], mini)
            source = (minis if mini else masks)[:, :, which, None].astype(float)
            share = align(source, place, (7, 6), ratio, aligned)[:, :, 0]
            clear = abs(share - 0.5) > 1e-3  # rounding decides nothing there
            assert clear.mean() > 0.5
            np.testing.assert_array_equal(answer[row][clear], (share >= 0.5)[clear])
        assert answer.max() == 1


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", RATIOS)
def test_shares_of_masks_equal_the_loop(ratio, aligned):
    rng = np.random.default_rng(5)
    masks = rng.integers(0, 2, (2, 18, 23, 4)).astype(np.uint8)
    edge = [[0, 0, 1, 1], [0, 0, 0, 0], [0.95, 0.96, 1, 1], [-0.3, -0.2, 1.4, 0.6]]
    boxes = np.concatenate([random_boxes(rng, 2, 5, high=0.9), np.array([edge] * 2)], axis=1)
    boxes, rows = boxes.astype(np.float32), rng.integers(0, 4, (2, 9)).astype(np.int32)
    given = [keras.ops.convert_to_tensor(array) for array in (masks, boxes, rows)]
    answer = keras.ops.convert_to_numpy(align_masks(*given, (5, 4), ratio, aligned))
    assert answer.shape == (2, 9, 5, 4)
    for b, r in np.ndindex(2, 9):
        mask = masks[b, :, :, rows[b, r], None].astype(float)
        expected = align(mask, boxes[b, r], (5, 4), ratio, aligned)[:, :, 0]
        np.testing.assert_allclose(answer[b, r], expected, atol=TWINS, err_msg=str((b, r)))


def test_a_share_of_half_is_mask():
    """A roi whose bins lie half on a mask with a straight side."""
    layer = DetectionTargetLayer(rois_per_image=1, positive_ratio=1.0, mask_shape=(2, 1),
                                 use_mini_mask=False, align=True, edges=True)
    masks = np.zeros((1, 8, 8, 1), np.uint8)
    masks[:, :, 4:] = 1  # points at x = 3 and 5: one of two lies on it
    box = np.array([[[0, 0.25, 1, 0.75]]], np.float32)
    rois = [keras.ops.convert_to_tensor(a) for a in (box, np.ones((1, 1), np.int32), box, masks)]
    target = keras.ops.convert_to_numpy(layer(rois)[3])
    np.testing.assert_array_equal(target, np.ones((1, 1, 2, 1)))


def test_configuration_comes_back():
    options = {"append_gt": True, "fill": True, "align": True, "sampling_ratio": 3,
               "aligned": True, "edges": True}
    layer = DetectionTargetLayer(**options)
    config = DetectionTargetLayer.from_config(layer.get_config()).get_config()
    assert {key: config[key] for key in options} == options
    default = DetectionTargetLayer().get_config()
    assert not any(default[key] for key in options if key != "sampling_ratio")
