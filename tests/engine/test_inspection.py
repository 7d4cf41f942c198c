"""run_graph and ancestor: the steps inside the proposal layer, recomputed from the RPN's output.

The oracle is numpy: `geometry.boxes` and a plain argsort, on the model's rpn_class and rpn_bbox.
"""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from tolerances import NETWORK, TWINS

from mrcnn import utils
from mrcnn.config import Config
from mrcnn.data.generator import DataGenerator
from mrcnn.data.shapes import ShapesDataset
from mrcnn.engine.mask_rcnn import MaskRCNN

NMS_NAMES = ("ROI/rpn_non_max_suppression:0",
             "ROI/rpn_non_max_suppression/NonMaxSuppressionV2:0",
             "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0",
             "ROI/post_nms_anchor_ix:0")
STEPS = ("pre_nms_anchors", "refined_anchors", "refined_anchors_clipped")


class SmallConfig(Config):
    NAME = "inspected"
    NUM_CLASSES = 1 + 3
    IMAGES_PER_GPU = 2
    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 16
    TOP_DOWN_PYRAMID_SIZE = RPN_CONV_CHANNELS = MASK_CONV_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    RPN_BBOX_STD_DEV = np.array([0.3, 0.2, 0.4, 0.5])  # not the default, and far enough to clip
    PRE_NMS_LIMIT = 120
    POST_NMS_ROIS_TRAINING = POST_NMS_ROIS_INFERENCE = 80
    RPN_NMS_THRESHOLD = 0.3  # few survive: padding behind them
    TRAIN_ROIS_PER_IMAGE = 12
    MAX_GT_INSTANCES = 4
    MINI_MASK_SHAPE = (16, 16)
    DETECTION_MIN_CONFIDENCE = 0.0
    SEED = 3


@pytest.fixture(scope="module")
def dataset():
    dataset = ShapesDataset()
    dataset.load_shapes(4, 64, 64, seed=2, min_size=16, max_size=40)
    dataset.prepare()
    return dataset


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Untrained, with the RPN's answers toned down: distinct scores and boxes of usual sizes."""
    model = MaskRCNN("inference", SmallConfig(), tmp_path_factory.mktemp("logs"))
    for layer in model.get_trainable_layers():
        if layer.name in ("rpn_class_raw", "rpn_bbox_pred"):
            layer.kernel.assign(layer.kernel * 0.02)
    return model


@pytest.fixture(scope="module")
def values(model, dataset):
    """Two images' values of the RPN, of every inner step and of the heads."""
    pillar = model.keras_model.get_layer("ROI").output
    names = ("rpn_class", "rpn_bbox", "input_anchors", "ROI", "mrcnn_class", "mrcnn_detection")
    wanted = [(name, model.keras_model.get_layer(name).output) for name in names]
    wanted += [(name, model.ancestor(pillar, f"ROI/{name}:0")) for name in STEPS]
    wanted += [(name, model.ancestor(pillar, name)) for name in NMS_NAMES]
    return model.run_graph([dataset.load_image(i) for i in (0, 1)], wanted)


def test_best_anchors_come_in_the_order_of_their_scores(values):
    for b in (0, 1):
        best = np.argsort(-values["rpn_class"][b, :, 1], kind="stable")[:120]
        expected = values["input_anchors"][b][best]
        np.testing.assert_array_equal(values["pre_nms_anchors"][b], expected)


def test_refined_and_clipped_anchors_follow_from_the_deltas(values):
    for b in (0, 1):
        best = np.argsort(-values["rpn_class"][b, :, 1], kind="stable")[:120]
        deltas = values["rpn_bbox"][b][best] * SmallConfig.RPN_BBOX_STD_DEV
        refined = utils.apply_box_deltas(values["pre_nms_anchors"][b], deltas)
        np.testing.assert_allclose(values["refined_anchors"][b], refined, atol=TWINS)
        clipped = np.clip(values["refined_anchors"][b], 0, 1)
        np.testing.assert_array_equal(values["refined_anchors_clipped"][b], clipped)
        assert (clipped != values["refined_anchors"][b]).any(), "nothing was clipped here"


@pytest.mark.parametrize("name", NMS_NAMES)
def test_rows_kept_by_nms_are_the_proposals_of_the_first_image(values, name):
    rows, boxes = values[name], values["refined_anchors_clipped"][0]
    assert rows.ndim == 1 and rows.dtype == np.int32
    expected = utils.non_max_suppression(boxes, -np.arange(len(boxes), dtype=float), 0.3)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(values["ROI"][0, : len(rows)], boxes[rows])
    assert 0 < len(rows) < 80
    np.testing.assert_array_equal(values["ROI"][0, len(rows) :], 0)


def test_values_are_those_of_the_network_that_detects(model, dataset, values):
    molded, metas, _ = model.mold_inputs([dataset.load_image(i) for i in (0, 1)])
    anchors = values["input_anchors"]
    detections, classes, _, _, rois, _, rpn_bbox = model.forward(molded, metas, anchors)
    # `forward` has its batch-norm folded, the graph has not.
    np.testing.assert_allclose(values["ROI"], rois, atol=TWINS)
    np.testing.assert_allclose(values["rpn_bbox"], rpn_bbox, atol=TWINS)
    np.testing.assert_allclose(values["mrcnn_class"], classes, atol=NETWORK)
    np.testing.assert_allclose(values["mrcnn_detection"], detections, atol=NETWORK)


def test_the_input_itself_can_be_looked_at(model, dataset):
    image = dataset.load_image(2)
    found = model.run_graph([image], [("x", model.keras_model.get_layer("input_image").output)])
    expected = image.astype(np.float32) - SmallConfig().MEAN_PIXEL
    np.testing.assert_allclose(found["x"], expected[None], atol=TWINS)


def test_molded_images_with_their_metas(model, dataset, capsys):
    molded, metas, _ = model.mold_inputs([dataset.load_image(3)])
    pillar = model.keras_model.get_layer("ROI").output
    again = model.run_graph(molded, [("rois", pillar)], image_metas=metas)
    once = model.run_graph([dataset.load_image(3)], [("rois", pillar)])
    np.testing.assert_array_equal(again["rois"], once["rois"])
    assert again["rois"].shape == (1, 80, 4)
    assert capsys.readouterr().out.count("shape: (1, 80, 4)") == 2


def test_changed_confidence_is_followed(model, dataset):
    wanted = [("found", model.keras_model.get_layer("mrcnn_detection").output)]

    def scores():
        found = model.run_graph([dataset.load_image(0)], wanted)["found"][0, :, 5]
        return found[found > 0]

    before = scores()
    assert (before < 0.9).any() and (before > 0.9).any()
    model.config.DETECTION_MIN_CONFIDENCE = 0.9
    try:
        np.testing.assert_allclose(scores(), before[before > 0.9], atol=TWINS)
        assert len(model.detect([dataset.load_image(0)])[0]["scores"]) == (before > 0.9).sum()
    finally:
        model.config.DETECTION_MIN_CONFIDENCE = 0.0
    np.testing.assert_allclose(scores(), before, atol=TWINS)


def test_training_graph_takes_a_batch_of_the_generator(dataset, tmp_path):
    trained = MaskRCNN("training", SmallConfig(), tmp_path)
    inputs, _ = DataGenerator(dataset, trained.config, shuffle=False)[0]
    found = trained.run_graph(inputs, [
        ("targets", trained.keras_model.get_layer("proposal_targets").output),
        ("rois", trained.keras_model.get_layer("ROI").output),
        ("best", trained.ancestor(None, "ROI/pre_nms_anchors:0")),
        ("masks", trained.keras_model.get_layer("mrcnn_mask").output),
    ])
    rois, class_ids, deltas, masks = found["targets"]
    assert (rois.shape, class_ids.shape, deltas.shape) == ((2, 12, 4), (2, 12), (2, 12, 4))
    assert (masks.shape, found["best"].shape) == ((2, 12, 28, 28), (2, 120, 4))
    real = rois[0][rois[0].any(axis=1)]
    assert len(real)
    assert all((found["rois"][0] == roi).all(axis=1).any() for roi in real)
    with pytest.raises(ValueError, match=r"input_rpn_match.*received 2"):
        trained.run_graph(inputs[:2], [("rois", trained.keras_model.get_layer("ROI").output)])


def test_unknown_names_are_none_and_near_ones_are_named(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.ancestor(None, "something/else:0") is None
    with pytest.warns(UserWarning, match="'ROI/pre_nms_anchors:0'"):
        assert model.ancestor(None, "ROI/pre_nms_anchor:0") is None
    with pytest.warns(UserWarning, match="it has 'rpn_class'"):
        assert model.ancestor(None, "rpn_clas") is None


def test_what_is_no_tensor_is_named(model, dataset):
    image = [dataset.load_image(0)]
    with pytest.raises(ValueError, match=r"no tensor given for \['gone'\].*ancestor"):
        model.run_graph(image, [("gone", model.ancestor(None, "something/else:0"))])
    with pytest.raises(TypeError, match="'roi': expected a tensor of the graph.*received str"):
        model.run_graph(image, [("roi", "ROI")])
    roi = model.keras_model.get_layer("ROI").output
    with pytest.raises(TypeError, match=r"expected a list of images.*pass \[image\]"):
        model.run_graph(image[0], [("roi", roi)])


def test_tf_identity_says_why_it_cannot_work(model):
    """The one edit that the guide names; Keras' own message must stay understandable."""
    with pytest.raises(ValueError, match="KerasTensor cannot be used as input to a TensorFlow"):
        tf.identity(model.keras_model.get_layer("input_image").output)
