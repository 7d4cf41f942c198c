"""Layer and weight names are the checkpoint format: they must never change.

The whole list is compared with the recorded one where that is present; the short list below
holds without it.
"""

import json
import re

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.engine.weights_plan import variable_table
from mrcnn.nets.assembly import build_model

CLASSES = 81
MODELS = [(backbone, mode) for backbone in ("resnet50", "resnet101")
          for mode in ("inference", "training")]

WEIGHTS = {  # one of each kind
    ("conv1", "conv1/kernel"): (7, 7, 3, 64),
    ("conv1", "conv1/bias"): (64,),
    ("bn_conv1", "bn_conv1/moving_variance"): (64,),
    ("res2a_branch1", "res2a_branch1/kernel"): (1, 1, 64, 256),
    ("bn2a_branch1", "bn2a_branch1/gamma"): (256,),
    ("res3d_branch2b", "res3d_branch2b/kernel"): (3, 3, 128, 128),
    ("bn4f_branch2c", "bn4f_branch2c/beta"): (1024,),
    ("res5c_branch2c", "res5c_branch2c/bias"): (2048,),
    ("fpn_c5p5", "fpn_c5p5/kernel"): (1, 1, 2048, 256),
    ("fpn_c2p2", "fpn_c2p2/kernel"): (1, 1, 256, 256),
    ("fpn_p2", "fpn_p2/kernel"): (3, 3, 256, 256),
    ("rpn_model", "rpn_conv_shared/kernel"): (3, 3, 256, 512),
    ("rpn_model", "rpn_class_raw/kernel"): (1, 1, 512, 6),
    ("rpn_model", "rpn_bbox_pred/bias"): (12,),
    ("mrcnn_class_conv1", "mrcnn_class_conv1/kernel"): (7, 7, 256, 1024),
    ("mrcnn_class_bn2", "mrcnn_class_bn2/moving_mean"): (1024,),
    ("mrcnn_class_logits", "mrcnn_class_logits/kernel"): (1024, CLASSES),
    ("mrcnn_bbox_fc", "mrcnn_bbox_fc/bias"): (4 * CLASSES,),
    ("mrcnn_mask_conv4", "mrcnn_mask_conv4/kernel"): (3, 3, 256, 256),
    ("mrcnn_mask_bn4", "mrcnn_mask_bn4/beta"): (256,),
    ("mrcnn_mask_deconv", "mrcnn_mask_deconv/kernel"): (2, 2, 256, 256),
    ("mrcnn_mask", "mrcnn_mask/kernel"): (1, 1, 256, CLASSES),
}
WEIGHT_COUNTS = {"resnet50": 384, "resnet101": 690}
# Layers without weights that people ask the model for by name.
NAMED = ("ROI", "res2c_out", "res3d_out", "res4f_out", "res5c_out", "fpn_p5upsampled", "fpn_p4add",
         "fpn_p6", "rpn_class", "rpn_bbox", "roi_align_classifier", "roi_align_mask",
         "mrcnn_class", "mrcnn_bbox", "pool_squeeze")
NAMED_BY_MODE = {
    "inference": ("input_image", "input_image_meta", "input_anchors", "mrcnn_detection"),
    "training": ("input_image", "input_image_meta", "input_rpn_match", "input_rpn_bbox",
                 "input_gt_class_ids", "input_gt_boxes", "input_gt_masks", "rpn_class_logits",
                 "proposal_targets", "output_rois", "rpn_class_loss", "rpn_bbox_loss",
                 "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"),
}


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def built(request):
    """(backbone, mode, model) at Matterport's own sizes."""
    backbone, mode = request.param
    config = Config()
    config.BACKBONE, config.NUM_CLASSES, config.IMAGES_PER_GPU = backbone, CLASSES, 1
    return backbone, mode, build_model(mode, config)


def weight_table(model):
    """{(layer, leaf/weight): shape} as a checkpoint holds it."""
    return {(layer, f"{leaf}/{weight}"): tuple(variable.shape)
            for (layer, leaf, weight), variable in variable_table(model)}


def test_the_short_list(built):
    backbone, mode, model = built
    table = weight_table(model)
    for key, shape in WEIGHTS.items():
        assert table.get(key) == shape, key
    assert len(table) == WEIGHT_COUNTS[backbone]
    if backbone == "resnet101":
        assert table["res4w_branch2c", "res4w_branch2c/kernel"] == (1, 1, 256, 1024)
    names = {layer.name for layer in model.layers}
    extra = {"resnet101": ("res4w_out",), "resnet50": ()}[backbone]
    missing = {*NAMED, *NAMED_BY_MODE[mode], *extra} - names
    assert not missing


def without_number(layer, stored):
    """`conv1_1/kernel:0` of layer conv1 -> `conv1/kernel`: the `_1` only made it unique."""
    leaf, weight = re.sub(r":0$", "", stored).split("/")
    base = re.sub(r"_\d+$", "", leaf)
    return f"{base if layer in (base, 'rpn_model') else leaf}/{weight}"


def recorded(golden_dir, backbone, mode):
    with open(golden_dir / "matterport_layers.json", encoding="utf-8") as file:
        return json.load(file)[f"{backbone}_{mode}"]


def test_every_weight_equals_the_recorded_layout(built, golden_dir):
    backbone, mode, model = built
    layers = recorded(golden_dir, backbone, mode)["layers"]
    layers.pop("anchors", None)  # that port's own accident
    expected = {(layer, without_number(layer, name)): tuple(shape)
                for layer, weights in layers.items() for name, shape in weights.items()}
    assert weight_table(model) == expected


def test_weights_are_in_the_recorded_order_within_each_layer(built, golden_dir):
    backbone, mode, model = built
    layers = recorded(golden_dir, backbone, mode)["layers"]
    layers.pop("anchors", None)
    ours = {}
    for layer, name in weight_table(model):
        ours.setdefault(layer, []).append(name)
    for layer, weights in layers.items():
        assert ours[layer] == [without_number(layer, name) for name in weights], layer


def layer_name(tensor_name):
    """`mrcnn_class_2/Reshape_1:0` -> `mrcnn_class`."""
    return re.sub(r"(_\d+)?(/.*)?:0$", "", tensor_name)


def test_inputs_and_outputs_equal_the_recorded_ones(built, golden_dir):
    backbone, mode, model = built
    golden = recorded(golden_dir, backbone, mode)
    assert [x.name for x in model.inputs] == [layer_name(name) for name in golden["inputs"]]
    ours = [t._keras_history.operation.name for t in model.outputs]
    assert ours == [layer_name(name) for name in golden["outputs"]]
    for tensor, text in zip(model.outputs, golden["output_shapes"], strict=True):
        shape = [None if n == "None" else int(n) for n in re.findall(r"\d+|None", text)]
        assert len(tensor.shape) == len(shape), tensor.name
        for mine, theirs in zip(tensor.shape[1:], shape[1:], strict=True):
            assert theirs is None or mine == theirs, (tensor.name, tensor.shape, text)


def test_anchors_are_no_weight(built):
    _, _, model = built
    assert not [v.path for v in model.variables if np.prod(v.shape) == 261888 * 4]
