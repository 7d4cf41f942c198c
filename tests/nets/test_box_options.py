"""The options on boxes in whole graphs: what each part hands to the next, against slow loops."""

import numpy as np
import pytest
from slow_boxes import normalised, slow_candidates, slow_detections, slow_level_proposals
from tiny_models import TinyConfig, image_metas, training_batch, values
from tolerances import TWINS

from mrcnn.data.anchoring import config_anchors, feature_shapes
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.nets.assembly import build_model

SHAPE, WINDOW = (64, 96), (0, 0, 50, 90)


class BoxConfig(TinyConfig):
    """Every option on boxes, none with Matterport's value."""

    IMAGE_RESIZE_MODE, IMAGE_MIN_DIM, IMAGE_MAX_DIM = "pad64", 64, 64
    BOX_NORMALIZATION = "edges"
    RPN_ANCHOR_ROUNDING = RPN_NMS_PER_LEVEL = DETECTION_MULTI_LABEL = True
    PRE_NMS_LIMIT, PRE_NMS_LIMIT_TRAINING = 40, 60
    POST_NMS_ROIS_INFERENCE, POST_NMS_ROIS_TRAINING = 30, 50
    RPN_MIN_SIZE, DETECTION_MIN_SIZE = 3.0, 6.0
    BBOX_XFORM_CLIP = 0.1
    DETECTION_MIN_CONFIDENCE, DETECTION_NMS_THRESHOLD = 0.33, 0.5


class C4Config(BoxConfig):
    """The same on one map of stride 16, three scales a cell."""

    FEATURES, BACKBONE_STRIDES, RPN_ANCHOR_SCALES = "c4", [16], (8, 16, 32)


CONFIGS = {"pyramid": BoxConfig, "c4": C4Config}


@pytest.fixture(scope="module", params=CONFIGS)
def config(request):
    return CONFIGS[request.param]()


def anchors_of(config):
    """Anchors [A, 4] normalised by a loop, and how many each level has."""
    px, ratios = config_anchors(config, SHAPE), len(config.RPN_ANCHOR_RATIOS)
    each = ratios * (3 if config.FEATURES == "c4" else 1)
    sizes = [int(height * width) * each for height, width in feature_shapes(config, SHAPE)]
    assert sum(sizes) == len(px)
    return np.array([normalised(box, SHAPE, True) for box in px], np.float32), sizes


def metas_of(config, batch):
    rows = image_metas(config, batch, SHAPE)
    rows[:, 7:11] = WINDOW
    return rows


def stir(model):
    """Weights that make scores and boxes differ from place to place."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name == "rpn_model":
            layer.set_weights([w + rng.normal(0, 0.2, w.shape) for w in layer.get_weights()])


def expected_proposals(config, rpn_class, rpn_bbox, count, limit):
    anchors, sizes = anchors_of(config)
    options = {"count": count, "limit": limit, "threshold": config.RPN_NMS_THRESHOLD,
               "min_size": 3.0, "clip": 0.1, "edges": True}
    odds = np.log(rpn_class[:, 1].astype(float)) - np.log(rpn_class[:, 0].astype(float))
    return slow_level_proposals(odds, rpn_bbox, anchors, sizes, WINDOW, SHAPE,
                                config.RPN_BBOX_STD_DEV, options)


def test_inference_equals_the_loops_from_anchors_to_detections(config):
    model = build_model("inference", config)
    stir(model)
    anchors, _ = anchors_of(config)
    images = np.random.default_rng(1).normal(0, 1, (2, *SHAPE, 3)).astype(np.float32)
    found = values(model, [images, metas_of(config, 2), np.stack([anchors] * 2)])
    for image in (0, 1):
        proposals = expected_proposals(config, found["rpn_class"][image],
                                       found["rpn_bbox"][image], 30, 40)
        np.testing.assert_allclose(found["ROI"][image], proposals, atol=TWINS)
        options = {"confidence": 0.33, "min_size": 6.0, "clip": 0.1, "edges": True}
        rows = slow_candidates(proposals, found["mrcnn_class"][image],
                               found["mrcnn_bbox"][image], WINDOW, SHAPE, config.BBOX_STD_DEV,
                               options)
        expected = slow_detections(rows, config.DETECTION_MAX_INSTANCES, 0.5)
        np.testing.assert_allclose(found["mrcnn_detection"][image], expected, atol=TWINS)
        assert expected[:, 4].any()


def test_training_takes_the_same_boxes_and_its_own_limits(config):
    model = build_model("training", config)
    stir(model)
    inputs = training_batch(config, shape=SHAPE)
    anchors, _ = anchors_of(config)
    inputs[1][:, 7:11] = WINDOW
    inputs[2] = np.zeros((2, len(anchors), 1), np.int32)
    found = values(model, inputs)
    for image in (0, 1):
        proposals = expected_proposals(config, found["rpn_class"][image],
                                       found["rpn_bbox"][image], 50, 60)
        np.testing.assert_allclose(found["ROI"][image], proposals, atol=TWINS)
    gt = model.get_layer("gt_boxes_normalized")([inputs[5], inputs[0]])
    expected = [[normalised(box, SHAPE, True) if any(box) else [0] * 4 for box in boxes]
                for boxes in inputs[5]]
    np.testing.assert_allclose(np.asarray(gt), expected, atol=TWINS)


def test_c4_has_its_nine_anchors_in_the_proposal_network():
    model = build_model("inference", C4Config())
    assert model.get_layer("rpn_model").get_layer("rpn_bbox_pred").filters == 4 * 9
    found = values(model, [np.zeros((1, *SHAPE, 3), np.float32), metas_of(C4Config(), 1),
                           anchors_of(C4Config())[0][None]])
    assert found["rpn_class"].shape == (1, 4 * 6 * 9, 2)


def test_detect_answers_in_pixels_of_the_image(config):
    """The boxes of `detect` are those of the graph, from edge to edge."""
    model = MaskRCNN("inference", config)
    stir(model.keras_model)
    image = np.random.default_rng(2).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    molded, metas, windows = model.mold_inputs([image])
    anchors = model.get_anchors(molded.shape[1:])[None]
    detections = model.forward(molded, metas, anchors, min_confidence=0.0)[0][0]
    found = model.detect([image], min_confidence=0.0)[0]
    y1, x1, y2, x2 = windows[0]
    rows = detections[detections[:, 4] > 0]
    px = rows[:, :4] * np.tile(molded.shape[1:3], 2)
    expected = (px - [y1, x1, y1, x1]) / np.tile([(y2 - y1) / 50, (x2 - x1) / 90], 2)
    assert len(found["rois"])
    for roi in found["rois"]:
        assert np.abs(expected - roi).max(axis=1).min() <= 0.5 + 1e-3
    steps = model.run_graph([image], [("kept", model.ancestor(None, "ROI/post_nms_anchor_ix:0")),
                                      ("boxes", model.ancestor(
                                          None, "ROI/refined_anchors_clipped:0")),
                                      ("rois", model.keras_model.get_layer("ROI").output)])
    kept = steps["kept"]
    np.testing.assert_allclose(steps["boxes"][0][kept], steps["rois"][0][: len(kept)], atol=TWINS)
