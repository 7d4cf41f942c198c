"""Run by test_weights.py in a process of its own: the small network as old ports build it.

Usage: python tf_keras_twin.py FOLDER. Reads FOLDER/ours.h5 and FOLDER/ours_checkpoint.h5 with
tf_keras's own by-name loader and writes what it got to loaded.npz and loaded_checkpoint.npz;
writes weights of its own to theirs.h5, theirs_model.h5 and theirs.npz.
"""

import sys
from pathlib import Path

import numpy as np
import tf_keras

L = tf_keras.layers


def build():
    """The counterpart of small_network.build_small()."""
    image = L.Input((8, 8, 3), name="input_image")
    x = L.Conv2D(4, 3, padding="same", strides=2, name="conv1")(image)
    x = L.BatchNormalization(name="bn_conv1")(x)
    x = L.Conv2D(4, 1, name="res2a_branch2a")(x)
    x = L.BatchNormalization(name="bn2a_branch2a")(x)
    x = L.Activation("relu", name="res2a_out")(x)
    x = L.Conv2D(4, 1, name="fpn_c5p5")(x)
    features = L.Input((None, None, 4), name="input_rpn_feature_map")
    shared = L.Conv2D(6, 3, padding="same", name="rpn_conv_shared")(features)
    raw = L.Conv2D(6, 1, name="rpn_class_raw")(shared)
    pred = L.Conv2D(6, 1, name="rpn_bbox_pred")(shared)
    rpn = tf_keras.Model(features, [raw, pred], name="rpn_model")(x)
    rois = L.Reshape((4, 2, 2, 4), name="ROI")(x)
    head = L.TimeDistributed(L.Conv2D(5, 2), name="mrcnn_class_conv1")(rois)
    head = L.TimeDistributed(L.BatchNormalization(), name="mrcnn_class_bn1")(head)
    head = L.Reshape((4, 5), name="pool_squeeze")(head)
    logits = L.TimeDistributed(L.Dense(4), name="mrcnn_class_logits")(head)
    bbox = L.TimeDistributed(L.Dense(16), name="mrcnn_bbox_fc")(head)
    bbox = L.Reshape((4, 4, 4), name="mrcnn_bbox")(bbox)
    mask = L.TimeDistributed(L.Conv2D(4, 1), name="mrcnn_mask")(rois)
    return tf_keras.Model(image, [logits, bbox, mask, *rpn])


def dump(model, path):
    """{name as Keras 2 has it: array} into an npz."""
    np.savez(path, **{weight.name.replace("/", "|"): weight.numpy() for weight in model.weights})


def main(folder):
    """Both directions."""
    for ours, loaded in (("ours", "loaded"), ("ours_checkpoint", "loaded_checkpoint")):
        tf_keras.backend.clear_session()
        model = build()
        model.load_weights(str(folder / f"{ours}.h5"), by_name=True)
        dump(model, folder / f"{loaded}.npz")
    model = build()  # a second one in this session: names may get numbers
    rng = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 1.0, weight.shape))
    model.get_layer("rpn_model").get_layer("rpn_conv_shared").trainable = False  # changes order
    model.save_weights(str(folder / "theirs.h5"))
    model.save(str(folder / "theirs_model.h5"))
    dump(model, folder / "theirs.npz")


main(Path(sys.argv[1]))
