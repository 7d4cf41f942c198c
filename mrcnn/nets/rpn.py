"""Region proposal network (Ren et al. 2015): one small model run on every pyramid level.

Shapes: B images, A anchors, K anchors a cell.
"""

import keras
from keras import layers

from mrcnn.nets.initial import SCORES_STD, initial
from mrcnn.nets.precision import FLOAT32


def build_rpn_model(anchor_stride, anchors_per_location, depth, channels=512, small_init=False):
    """The model that scores and refines the anchors of one feature map.

    Args:
        anchor_stride: cells between anchors.
        anchors_per_location: K.
        depth: channels of the feature map.
        channels: of the shared convolution.
        small_init: all three convolutions begin with small weights, see `initial`.

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
        kernel_initializer=initial(small_init, SCORES_STD),
        name="rpn_conv_shared",
    )(feature_map)
    logits = _answer(2 * anchors_per_location, "rpn_class_raw", small_init)(shared)
    logits = layers.Reshape((-1, 2), dtype=FLOAT32)(logits)
    probabilities = layers.Activation("softmax", name="rpn_class_xxx", dtype=FLOAT32)(logits)
    deltas = _answer(4 * anchors_per_location, "rpn_bbox_pred", small_init)(shared)
    deltas = layers.Reshape((-1, 4), dtype=FLOAT32)(deltas)
    return keras.Model(feature_map, [logits, probabilities, deltas], name="rpn_model")


def _answer(channels, name, small_init):
    start = initial(small_init, SCORES_STD)
    return layers.Conv2D(channels, 1, kernel_initializer=start, name=name, dtype=FLOAT32)


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
