"""HEADS_SMALL_INIT: how the layers that answer begin."""

import numpy as np
import pytest
from tiny_models import tiny_config

from mrcnn.engine.layer_selection import named_layers
from mrcnn.nets.assembly import build_model

# Standard deviations of detectron2's: the proposal network and the class scores at 0.01, boxes
# and masks of the heads at 0.001.
SMALL = {"rpn_conv_shared": 0.01, "rpn_class_raw": 0.01, "rpn_bbox_pred": 0.01,
         "mrcnn_class_logits": 0.01, "mrcnn_bbox_fc": 0.001, "mrcnn_mask": 0.001}


def spreads(**knobs):
    """{layer: standard deviation of its kernel} of a new training graph with wide layers."""
    config = tiny_config(TOP_DOWN_PYRAMID_SIZE=64, RPN_CONV_CHANNELS=64, NUM_CLASSES=41,
                         FPN_CLASSIF_FC_LAYERS_SIZE=64, MASK_CONV_CHANNELS=64, **knobs)
    layers = dict(named_layers(build_model("training", config)))
    return {name: float(np.std(layers[name].get_weights()[0])) for name in
            [*SMALL, "mrcnn_class_conv1"]}


def test_layers_that_answer_begin_small():
    found, usual = spreads(HEADS_SMALL_INIT=True), spreads()
    for name, std in SMALL.items():
        assert found[name] == pytest.approx(std, rel=0.1), name
        assert usual[name] > 2 * std, name
    assert found["mrcnn_class_conv1"] == pytest.approx(usual["mrcnn_class_conv1"], rel=0.1)
