"""A network of a few hundred weights that has every structure of the real checkpoint."""

import keras
import numpy as np

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.time_distributed import TimeDistributed

L = keras.layers


def build_small(classes=4, channels=3, fpn=4, blocks=0, backbone="res"):
    """Backbone, pyramid, nested RPN, heads over rois; names as in the real checkpoint.

    Args:
        classes: with the background.
        channels: of the image.
        fpn: features of the pyramid.
        blocks: bottleneck blocks of stage 4 (6 looks like a ResNet-50, 23 like a 101).
        backbone: "res" or a prefix for the names of another kind of backbone.
    """
    image = L.Input((8, 8, channels), name="input_image")
    names = ["conv1", "bn_conv1", "res2a_branch2a", "bn2a_branch2a"]
    if backbone != "res":
        names = [f"{backbone}_{part}" for part in ("stem", "stem_bn", "block", "block_bn")]
    x = L.Conv2D(4, 3, padding="same", strides=2, name=names[0])(image)
    x = BatchNorm(train_bn=False, name=names[1])(x)
    x = L.Conv2D(4, 1, name=names[2])(x)
    x = BatchNorm(train_bn=False, name=names[3])(x)
    x = L.Activation("relu", name="res2a_out")(x)
    for index in range(blocks):
        letter = chr(ord("a") + index)
        x = L.Conv2D(2, 1, name=f"res4{letter}_branch2a")(x)
        x = L.Conv2D(4, 1, name=f"res4{letter}_branch2c")(x)
    x = L.Conv2D(fpn, 1, name="fpn_c5p5")(x)
    rpn_class, rpn_bbox = build_rpn(fpn)(x)
    rois = L.Reshape((4, 2, 2, fpn), name="ROI")(x)
    head = TimeDistributed(L.Conv2D(5, 2), name="mrcnn_class_conv1")(rois)
    head = TimeDistributed(BatchNorm(train_bn=False), name="mrcnn_class_bn1")(head)
    head = L.Reshape((4, 5), name="pool_squeeze")(head)
    logits = TimeDistributed(L.Dense(classes), name="mrcnn_class_logits")(head)
    bbox = TimeDistributed(L.Dense(classes * 4), name="mrcnn_bbox_fc")(head)
    bbox = L.Reshape((4, classes, 4), name="mrcnn_bbox")(bbox)
    mask = TimeDistributed(L.Conv2D(classes, 1), name="mrcnn_mask")(rois)
    return keras.Model(image, [logits, bbox, mask, rpn_class, rpn_bbox], name="mask_rcnn")


def build_rpn(depth):
    """The nested model; two of its layers have the same shapes, so a swap would not show."""
    features = L.Input((None, None, depth), name="input_rpn_feature_map")
    shared = L.Conv2D(6, 3, padding="same", name="rpn_conv_shared")(features)
    rpn_class = L.Conv2D(6, 1, name="rpn_class_raw")(shared)
    rpn_bbox = L.Conv2D(6, 1, name="rpn_bbox_pred")(shared)
    return keras.Model(features, [rpn_class, rpn_bbox], name="rpn_model")


def randomise(model, seed=0):
    """Give every weight its own random values and answer the model."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.uniform(0.1, 1.0, variable.shape).astype(np.float32))
    return model


def values_of(model):
    """[arrays] of all weights."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.weights]
