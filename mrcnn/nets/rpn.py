"""Region proposal network (Ren et al. 2015): one small model run on every pyramid level.

Shapes: B images, A anchors, K anchors a cell.
"""

import keras
from keras import layers

from mrcnn.nets.precision import FLOAT32


def build_rpn_model(anchor_stride, anchors_per_location, depth, channels=512):
    """The model that scores and refines the anchors of one feature map.

    Args:
        anchor_stride: cells between anchors.
        anchors_per_location: K.
        depth: channels of the feature map.
        channels: of the shared convolution.

    Returns:
        keras.Model "rpn_model": [B, h, w, depth] -> logits [B, A, 2] (background,
        foreground), probabilities [B, A, 2] and deltas [B, A, 4].
    """
    feature_map = keras.Input((None, None, depth), name="input_rpn_feature_map")
    shared = layers.Conv2D(
        channels,
        3,
        strides=anchor_stride,
        padding="same",
        activation="relu",
        name="rpn_conv_shared",
    )(feature_map)
    logits = layers.Conv2D(2 * anchors_per_location, 1, name="rpn_class_raw", dtype=FLOAT32)(shared)
    logits = layers.Reshape((-1, 2), dtype=FLOAT32)(logits)
    probabilities = layers.Activation("softmax", name="rpn_class_xxx", dtype=FLOAT32)(logits)
    deltas = layers.Conv2D(4 * anchors_per_location, 1, name="rpn_bbox_pred", dtype=FLOAT32)(shared)
    deltas = layers.Reshape((-1, 4), dtype=FLOAT32)(deltas)
    return keras.Model(feature_map, [logits, probabilities, deltas], name="rpn_model")


def run_rpn(rpn_model, feature_maps):
    """Run the model on every level and join the answers in the order of the anchors.

    Returns:
        rpn_class_logits [B, A, 2], rpn_class [B, A, 2], rpn_bbox [B, A, 4], and the list of
        rpn_class of each level.
    """
    answers = [rpn_model(feature_map) for feature_map in feature_maps]
    names = ("rpn_class_logits", "rpn_class", "rpn_bbox")
    joined = [
        layers.Concatenate(axis=1, name=name, dtype=FLOAT32)(list(levels))
        for name, levels in zip(names, zip(*answers, strict=True), strict=True)
    ]
    return *joined, [answer[1] for answer in answers]
