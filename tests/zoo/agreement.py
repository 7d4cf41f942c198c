"""Compares a model of ours with the answers of theirs."""

import keras
import numpy as np

from mrcnn.geometry.boxes import pixel_boxes

CLOSE = 1e-3  # of every number of both: pixels, scores, deltas, mask probabilities
PYRAMID = ("fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5", "fpn_p6")


def our_answers(model, molded, metas):
    """What MaskRCNN computes on molded images, as `theirs.answers` names it."""
    layers = [model.keras_model.get_layer(name) for name in (*PYRAMID, "rpn_class", "rpn_bbox")]
    trunk = keras.Model(model.keras_model.inputs[0], [layer.output for layer in layers])
    *features, rpn_class, rpn_deltas = map(keras.ops.convert_to_numpy, trunk(molded))
    anchors = model.get_anchors(molded.shape[1:])[None]
    outputs = [np.asarray(x)[0] for x in model.forward(molded, metas, anchors)]
    detections, classes, deltas, masks, rois = outputs[:5]
    found = detections[detections[:, 4] > 0]
    ids = found[:, 4].astype(int)
    shape = molded.shape[1:3]
    return {
        "features": features,
        "rpn_logits": np.log(rpn_class[0, :, 1] / rpn_class[0, :, 0]),
        "rpn_deltas": rpn_deltas[0],
        "proposals": pixel_boxes(rois[rois.any(axis=1)], shape, edges=True),
        "class_scores": classes[rois.any(axis=1)],
        "deltas": deltas[rois.any(axis=1)],
        "molded_boxes": pixel_boxes(found[:, :4], shape, edges=True),
        "small_masks": masks[np.arange(len(ids)), :, :, ids],
        "class_ids": ids,
        "scores": found[:, 5],
    }


def check_trunk(ours, theirs):
    """Features and the RPN's raw answers."""
    for mine, yours in zip(ours["features"], theirs["features"], strict=True):
        np.testing.assert_allclose(mine, yours, atol=CLOSE, rtol=0)
    for name in ("rpn_logits", "rpn_deltas"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=CLOSE, rtol=0)


def check_heads(ours, theirs, close=CLOSE):
    """Proposals, class scores, boxes in molded pixels and small masks.

    Rows whose scores differ in the last bits may change places (near 1 many are equal), so each of
    theirs is compared with ours that lies nearest. An overlap within rounding of NMS's threshold
    may also put another row in the place of the last one.
    """
    assert len(ours["proposals"]) == len(theirs["proposals"])
    rows = nearest(ours["proposals"], theirs["proposals"])
    apart = np.abs(ours["proposals"][rows] - theirs["proposals"]).max(axis=1)
    same = apart < close
    assert same.mean() > 0.98, np.sort(apart)  # two may swap places where the list ends
    rows = rows[same]
    assert len(set(rows)) == len(rows)
    scores = np.exp(theirs["class_logits"][same])
    scores /= scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours["class_scores"][rows], scores, atol=close, rtol=0)
    np.testing.assert_allclose(ours["deltas"][rows][:, 1:], theirs["deltas"][same][:, 1:],
                               atol=close, rtol=0)  # nobody reads the background's

    assert len(ours["scores"]) == len(theirs["scores"]) > 0
    mine, yours = by_class(ours, "molded_boxes"), by_class(theirs, "molded_boxes")
    rows = nearest(mine, yours)
    apart = np.abs(mine[rows] - yours).max(axis=1)
    same = apart < close
    assert (~same).sum() <= 1, (apart, ours["scores"], theirs["scores"])  # at the list's end
    rows = rows[same]
    assert len(set(rows)) == len(rows)
    for name in ("class_ids", "molded_boxes", "scores", "small_masks"):
        np.testing.assert_allclose(ours[name][rows], theirs[name][same], atol=close, rtol=0)


def check_detections(result, theirs, close=CLOSE):
    """What `detect` answers: scores, boxes rounded to pixels, masks of the image's size.

    Args:
        result: of `MaskRCNN.detect`.
        close: of scores, and of boxes before they are rounded.
    """
    assert len(result["scores"]) == len(theirs["scores"]) > 0
    mine = {"boxes": np.asarray(result["rois"], float), "class_ids": result["class_ids"]}
    rows = nearest(by_class(mine, "boxes"), by_class(theirs, "boxes"))
    same = np.abs(result["rois"][rows] - theirs["boxes"]).max(axis=1) < 0.5 + close
    same &= result["class_ids"][rows] == theirs["class_ids"]
    assert (~same).sum() <= 1  # at the list's end
    rows = rows[same]
    assert len(set(rows)) == len(rows)
    np.testing.assert_allclose(result["scores"][rows], theirs["scores"][same], atol=close, rtol=0)
    apart = [np.mean(result["masks"][..., mine] != yours)
             for mine, yours in zip(rows, theirs["masks"][same], strict=True)]
    # A box that two roundings put on either side of a whole pixel moves its mask by that pixel.
    assert np.median(apart) < 1e-4 and np.max(apart) < 0.01, apart


def by_class(answers, name):
    """Boxes moved apart by their class, so that the nearest is of the same class."""
    return answers[name] + 1e4 * np.asarray(answers["class_ids"])[:, None]


def nearest(ours, theirs):
    """For each of their boxes the row of ours that lies nearest."""
    apart = np.abs(ours[:, None] - theirs[None]).max(axis=-1)
    return apart.argmin(axis=0)
