"""One step of training of a network here and in torchvision, on the same samples."""

import types

import keras
import numpy as np
import pytest
from theirs import swapped, torch

from mrcnn.engine.layer_selection import named_layers
from mrcnn.engine.zoo.names import TORCHVISION, place_of
from mrcnn.geometry.boxes import pixel_boxes
from mrcnn.nets.losses import LOSSES


def our_step(model, batch, looked_at):
    """What one step of ours computes.

    Args:
        model: MaskRCNN in training mode.
        batch: arrays of `data.batches.assemble` as attributes.
        looked_at: their names of weights.

    Returns:
        Attributes: "proposals", "rois", an array in pixels for each image; "class_ids", "deltas"
        of these rois; "masks" [B, R, m, n]; "losses" by name; "gradients" of the sum of the
        losses by (layer, weight).
    """
    graph = model.keras_model
    layers = [graph.get_layer(name).output for name in ("ROI", "proposal_targets")]
    step = keras.Model(graph.inputs, [layers[0], *layers[1],
                                      *(graph.get_layer(name).output for name in LOSSES)])
    inputs = [batch.images, batch.image_meta, batch.rpn_match, batch.rpn_bbox, batch.gt_class_ids,
              batch.gt_boxes, batch.gt_masks]
    inputs = [keras.ops.convert_to_tensor(array, one.dtype)
              for array, one in zip(inputs, graph.inputs, strict=True)]
    wanted = {our_place(name) for name in looked_at}
    weights = {place: weight for place, weight in trained(graph).items() if place in wanted}
    assert set(weights) == wanted
    outputs, gradients = one_step(step, inputs, list(weights.values()))
    proposals, rois, ids, deltas, masks, *losses = map(keras.ops.convert_to_numpy, outputs)
    size = batch.images.shape[1:3]
    used = rois.any(axis=-1)
    return types.SimpleNamespace(
        proposals=[pixel_boxes(one[one.any(axis=1)], size, edges=True) for one in proposals],
        rois=[pixel_boxes(one[real], size, edges=True)
              for one, real in zip(rois, used, strict=True)],
        class_ids=[one[real] for one, real in zip(ids, used, strict=True)],
        deltas=[one[real] for one, real in zip(deltas, used, strict=True)],
        masks=masks, losses=dict(zip(LOSSES, losses, strict=True)),
        gradients=dict(zip(weights, gradients, strict=True)))


def their_step(net, batch, ours):
    """What one step of theirs computes on our samples; gradients stay in `net`.

    Args:
        net: torchvision's MaskRCNN in training mode.
        batch: as of `our_step`.
        ours: what `our_step` answered.

    Returns:
        Attributes: "anchors", "targets", "proposals" and "deltas", one for each image; "losses"
        by their names, that of the masks with our targets; "soft_masks" and "soft_loss", their
        targets and the loss with those.
    """
    from torchvision.models.detection import roi_heads
    from torchvision.models.detection.image_list import ImageList

    sizes = [tuple(int(n) for n in meta[9:11]) for meta in batch.image_meta]
    images = ImageList(torch.tensor(batch.images).permute(0, 3, 1, 2), sizes)
    targets = their_targets(batch)
    features = net.backbone(images.tensors)
    anchors = net.rpn.anchor_generator(images, list(features.values()))
    matches = torch.tensor(batch.rpn_match[..., 0])
    net.rpn.fg_bg_sampler = lambda _: [[one == sign for one in matches] for sign in (1, -1)]
    proposals, losses = net.rpn(images, features, targets)

    rois = [torch.tensor(swapped(one), dtype=torch.float32) for one in ours.rois]
    from torchvision.ops.boxes import box_iou
    best = [box_iou(target["boxes"], roi).argmax(dim=0)
            for target, roi in zip(targets, rois, strict=True)]
    deltas = net.roi_heads.box_coder.encode(
        [target["boxes"][row] for target, row in zip(targets, best, strict=True)], rois)
    labels = [torch.tensor(one, dtype=torch.int64) for one in ours.class_ids]
    net.roi_heads.select_training_samples = lambda *_: (rois, best, labels, deltas)
    soft, logits, given = [], [], iter(ours.masks)

    def their_masks(masks, boxes, rows, side):
        soft.append(shares(masks.numpy(), boxes.numpy(), rows.numpy(), side))
        return torch.tensor(soft[-1])

    net.roi_heads.mask_predictor.register_forward_hook(lambda *args: logits.append(args[2]))
    own = roi_heads.project_masks_on_boxes  # needs a compiled RoIAlign to be quick
    roi_heads.project_masks_on_boxes = (
        lambda _, boxes, *__: torch.tensor(next(given)[: len(boxes)]))
    try:
        losses = {**losses, **net.roi_heads(features, proposals, sizes, targets)[1]}
        roi_heads.project_masks_on_boxes = their_masks
        with_soft = roi_heads.maskrcnn_loss(
            logits[0].detach(), [roi[ids > 0] for roi, ids in zip(rois, labels, strict=True)],
            [one["masks"] for one in targets], [one["labels"] for one in targets],
            [rows[ids > 0] for rows, ids in zip(best, labels, strict=True)])
    finally:
        roi_heads.project_masks_on_boxes = own
    sum(losses.values()).backward()
    return types.SimpleNamespace(
        anchors=anchors, targets=targets, proposals=[one.numpy() for one in proposals],
        deltas=[one.numpy() for one in deltas], soft_masks=soft, soft_loss=float(with_soft),
        losses={name: float(loss.detach()) for name, loss in losses.items()})


def their_targets(batch):
    found = []
    for ids, boxes, masks in zip(batch.gt_class_ids, batch.gt_boxes, batch.gt_masks, strict=True):
        real = ids > 0
        found.append({
            "boxes": torch.tensor(swapped(boxes[real]), dtype=torch.float32),
            "labels": torch.tensor(ids[real], dtype=torch.int64),
            "masks": torch.tensor(masks[..., real].transpose(2, 0, 1).astype(np.uint8))})
    return found


def shares(masks, boxes, rows, side):
    """RoIAlign with as many points as a bin has pixels: [N, H, W], [K, 4] -> [K, side, side]."""
    def weights(low, high, size):
        length = max(high - low, np.float32(1))
        points = int(np.ceil(length / side))
        places = low + (np.arange(side * points) + 0.5) * length / (side * points)
        found = np.zeros((side, size))
        for i, place in enumerate(places):
            if -1 <= place <= size:
                place = min(max(place, 0), size - 1)
                below = int(place)
                found[i // points, below] += 1 - (place - below)
                found[i // points, min(below + 1, size - 1)] += place - below
        return found / points

    return np.stack([
        weights(y0, y1, masks.shape[1]) @ masks[row] @ weights(x0, x1, masks.shape[2]).T
        for (x0, y0, x1, y1), row in zip(boxes, rows, strict=True)]).astype(np.float32)


def our_place(name):
    """(layer, weight) here of one of their weights."""
    module, _, weight = name.rpartition(".")
    layer, leaf, _ = place_of(module, TORCHVISION)
    return leaf or layer, {"weight": "kernel", "bias": "bias"}[weight]


def trained(graph):
    """{(layer, weight): variable} of all that is trained."""
    return {(name, weight.name): weight for name, layer in named_layers(graph)
            for weight in layer.trainable_weights}


def one_step(graph, inputs, weights):
    """Outputs, and gradients of the sum of the last five."""
    if keras.backend.backend() == "torch":
        outputs = graph(inputs, training=True)
        sum(outputs[-5:]).backward()
        return [x.detach() for x in outputs], [weight.value.grad for weight in weights]
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken on TensorFlow and torch")
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = graph(inputs, training=True)
        total = sum(outputs[-5:])
    return outputs, tape.gradient(total, [weight.value for weight in weights])
