"""The recorded checkpoint and batch give the recorded losses.

One accident of the recorded run has to be known to read this file. Mask targets are cut by
`crop_and_resize`, which writes a row of zeros where float rounding pushes the last sample of a
box past the border. Here a roi and its object both end at the image's border, and the last
bits of the proposals decide whether that row is lost: the mask loss moves by up to 0.6 %. So
the losses are compared twice: with the recorded proposals in place of our own, to the fourth
digit, and end to end, where the mask loss alone gets room for that one row.
"""

import keras
import numpy as np
import pytest
from tolerances import NETWORK, PARITY_INTERMEDIATE

from mrcnn.config import Config
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.nets.losses import LOSSES

ONE_MASK_ROW = 1e-2  # relative; see above
RANDOM = "mrcnn_class_loss"  # its negatives are drawn
DETERMINISTIC = [name for name in LOSSES if name != RANDOM]
FEATURES = ("fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5", "rpn_class_logits", "rpn_bbox")
DRAWS = 6


class GoldenConfig(Config):
    NAME = "golden"
    BACKBONE = "resnet50"
    NUM_CLASSES = 4
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    TOP_DOWN_PYRAMID_SIZE = 64
    SEED = 0


@pytest.fixture(scope="module")
def golden(golden_dir):
    with np.load(golden_dir / "matterport_golden_training.npz") as file:
        golden = dict(file)
    shape = tuple(golden["input_gt_masks_shape"])
    bits = np.unpackbits(golden["input_gt_masks"])[: np.prod(shape)]
    golden["input_gt_masks"] = bits.reshape(shape).astype(np.uint8)
    return golden


@pytest.fixture(scope="module")
def model(golden_dir, tmp_path_factory):
    model = MaskRCNN("training", GoldenConfig(), tmp_path_factory.mktemp("logs"))
    model.load_weights(golden_dir / "matterport_layout_shapes_r50.h5", by_name=True)
    return model


@pytest.fixture(scope="module")
def batch(model, golden):
    return {x.name: golden[x.name] for x in model.keras_model.inputs}


@pytest.fixture(scope="module")
def end_to_end(model, batch):
    """Every output of one forward pass in training mode, by name."""
    outputs = model.keras_model(list(batch.values()), training=True)
    names = [t._keras_history.operation.name for t in model.keras_model.outputs]
    return dict(zip(names, map(np.asarray, outputs), strict=True))


@pytest.fixture(scope="module")
def from_recorded_proposals(model, batch, golden):
    """The losses of several draws, {name: [DRAWS]}, heads fed with the recorded proposals."""
    graph = model.keras_model
    cut = [graph.get_layer(name).output for name in FEATURES]
    features = keras.Model(graph.inputs, cut)(list(batch.values()), training=True)
    proposals = graph.get_layer("ROI").output
    losses = [graph.get_layer(name).output for name in LOSSES]
    heads = keras.Model([*graph.inputs, *cut, proposals], losses)
    feed = [*batch.values(), *map(np.asarray, features), golden["proposals"]]
    draws = [[float(v) for v in heads(feed, training=True)] for _ in range(DRAWS)]
    return dict(zip(LOSSES, np.array(draws).T, strict=True))


def recorded(golden, name):
    """[3 runs] of one loss."""
    return golden["losses"][:, list(golden["loss_names"]).index(name)]


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_losses_from_the_recorded_proposals(from_recorded_proposals, golden, name):
    losses = from_recorded_proposals[name]
    np.testing.assert_allclose(losses, recorded(golden, name).mean(), rtol=NETWORK)


def test_class_loss_lies_where_the_recorded_draws_lie(from_recorded_proposals, golden):
    """It varies with the negatives drawn: single draws were seen from 0.165 to 0.191."""
    losses, theirs = from_recorded_proposals[RANDOM], recorded(golden, RANDOM)
    assert losses.std() > 0, "draws should differ"
    np.testing.assert_allclose(losses.mean(), theirs.mean(), atol=0.008)
    assert losses.min() > 0.16 and losses.max() < 0.20


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_losses_end_to_end(end_to_end, golden, name):
    tolerance = ONE_MASK_ROW if name == "mrcnn_mask_loss" else NETWORK
    np.testing.assert_allclose(end_to_end[name], recorded(golden, name).mean(), rtol=tolerance)


@pytest.mark.parametrize(("ours", "theirs"), [
    ("ROI", "proposals"), ("rpn_class_logits", "rpn_class_logits"), ("rpn_bbox", "rpn_bbox")])
def test_intermediates(end_to_end, golden, ours, theirs):
    np.testing.assert_allclose(end_to_end[ours], golden[theirs], rtol=0, atol=PARITY_INTERMEDIATE)


def test_compiled_model_reports_the_same_losses_by_name(model, batch, end_to_end):
    model.compile(0.001, 0.9)
    logs = model.keras_model.test_on_batch(batch, return_dict=True)
    assert set(LOSSES) <= set(logs)
    for name in DETERMINISTIC:
        tolerance = ONE_MASK_ROW if name == "mrcnn_mask_loss" else NETWORK
        np.testing.assert_allclose(logs[name], end_to_end[name], rtol=tolerance, err_msg=name)
    decay = float(model.keras_model.decay_loss())
    assert decay > 0
    total = sum(float(logs[name]) for name in LOSSES) + decay
    np.testing.assert_allclose(logs["loss"], total, rtol=NETWORK)
