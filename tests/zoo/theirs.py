"""torchvision with random weights, and detectron2's network rebuilt from its modules.

torchvision's compiled operators do not come with it on a machine without a GPU: the two that
Mask R-CNN needs are written in Python here.
"""

import os
import sys

import numpy as np
import pytest

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # torchvision would compile its Python RoIAlign
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the cores alone
torch = pytest.importorskip("torch", reason="needs torch: make test-backends")

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
)


def imported():
    """The module torchvision; the test is skipped where there is none."""
    try:
        import torchvision
    except ModuleNotFoundError:
        pytest.skip("needs torchvision: make test-backends")
    except RuntimeError:  # it looks for its compiled operators by name
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        imported.library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in OPERATORS:
            imported.library.define(operator)
        import torchvision
    from torchvision.extension import _has_ops

    if not _has_ops():
        torchvision.ops.boxes.nms = nms
        torchvision.ops.boxes._assert_has_ops = lambda: None
    return torchvision


def nms(boxes, scores, iou_threshold):
    """Indices that greedy suppression keeps, best first; boxes [N, 4] as x0, y0, x1, y1."""
    boxes = boxes.detach().numpy()
    order = np.argsort(-scores.detach().numpy(), kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        both = np.prod(np.maximum(high - low, 0), axis=1)
        order = order[both / (areas[best] + areas[order] - both) <= iou_threshold]
    return torch.as_tensor(np.array(kept, np.int64))


def spread_out(layer, inputs, spread):
    """Centre each of a layer's outputs and scale it so that it spreads as wanted.

    Returns:
        What the next layer sees, one for each of the inputs.
    """
    with torch.no_grad():
        layer.bias.zero_()
        outputs = torch.cat([layer(x).transpose(0, 1).flatten(1) for x in inputs], dim=1)
        scale = spread / outputs.std(dim=1)
        by_output = 1 if isinstance(layer, torch.nn.ConvTranspose2d) else 0
        shape = [-1 if axis == by_output else 1 for axis in range(layer.weight.ndim)]
        layer.weight *= scale.reshape(shape)
        layer.bias.copy_(-scale * outputs.mean(dim=1))
        return [layer(x).relu() for x in inputs]


def lively(model, image, seed=0):
    """Random weights whose answers vary: batch-norm from this image, scores of every height.

    Args:
        model: torchvision's MaskRCNN, in its newer layout.
        image: [3, H, W] in 0..1.

    Returns:
        The model, in inference mode.
    """
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, norm in model.named_modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = 1.0
                low, high = (0.2, 0.5) if name.endswith("bn3") else (0.5, 1.2)
                norm.weight.uniform_(low, high)
                norm.bias.normal_(0, 0.1)
        pixels = model.transform([image])[0].tensors
        model.train().backbone(pixels)
        maps = list(model.eval().backbone(pixels).values())
    rpn, heads = model.rpn.head, model.roi_heads
    shared = spread_out(rpn.conv[0][0], maps, 1.0)
    spread_out(rpn.cls_logits, shared, 1.0)
    spread_out(rpn.bbox_pred, shared, 0.05)
    patches = [maps[0].unfold(2, 7, 7).unfold(3, 7, 7).permute(0, 2, 3, 1, 4, 5)
               .reshape(-1, 256, 7, 7)[:60]]
    x = spread_out(heads.box_head.fc6, [patches[0].flatten(1)], 1.0)
    x = spread_out(heads.box_head.fc7, x, 1.0)
    spread_out(heads.box_predictor.cls_score, x, 1.5)
    spread_out(heads.box_predictor.bbox_pred, x, 0.25)
    for block in heads.mask_head:
        patches = spread_out(block[0], patches, 1.0)
    patches = spread_out(heads.mask_predictor.conv5_mask, patches, 1.0)
    spread_out(heads.mask_predictor.mask_fcn_logits, patches, 2.0)
    return model


def torchvision_model(num_classes, image, min_size, max_size, proposals=1000, detections=100):
    """torchvision's maskrcnn_resnet50_fpn with lively random weights.

    Args:
        image: [H, W, 3] uint8, for `lively`.
    """
    imported()
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(0)
    model = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=num_classes, min_size=min_size,
        max_size=max_size, rpn_post_nms_top_n_test=proposals,
        box_detections_per_img=detections)
    return lively(model, tensor_of(image))


def tensor_of(image):
    """[H, W, 3] uint8 -> [3, H, W] in 0..1."""
    return torch.as_tensor(np.array(image)).permute(2, 0, 1).float() / 255


def answers(model, image):
    """Everything a model computes on the way, in our layouts; boxes are (y0, x0, y1, x1).

    Args:
        model: of `torchvision_model`.
        image: [H, W, 3] uint8.

    Returns:
        Dict of arrays: "molded" [1, H, W, 3]; "features", list; "rpn_logits" [A], "rpn_deltas"
        [A, 4]; "proposals" [N, 4] px of the molded image; "class_logits" [N, C], "deltas"
        [N, C, 4]; "molded_boxes" [D, 4] and "small_masks" [D, h, w]; "boxes" [D, 4] px of the
        image, "masks" [D, H, W] bool, "class_ids", "scores".
    """
    seen = {}
    hooks = [part.register_forward_hook(lambda _, __, output, name=name: seen.update(
                 {name: output})) for name, part in (
        ("transform", model.transform), ("backbone", model.backbone), ("rpn_head", model.rpn.head),
        ("rpn", model.rpn), ("predictor", model.roi_heads.box_predictor))]
    hooks.append(model.roi_heads.register_forward_hook(lambda _, __, output: seen.update(
        heads={name: value.clone() for name, value in output[0][0].items()})))
    with torch.no_grad():
        [found] = model([tensor_of(image)])
    for hook in hooks:
        hook.remove()
    logits, deltas = seen["rpn_head"]
    class_logits, box_deltas = seen["predictor"]
    classes = class_logits.shape[1]
    return {
        "molded": channels_last(seen["transform"][0].tensors),
        "features": [channels_last(one) for one in seen["backbone"].values()],
        "rpn_logits": np.concatenate([channels_last(one).ravel() for one in logits]),
        "rpn_deltas": swapped(np.concatenate([channels_last(one).reshape(-1, 4)
                                              for one in deltas])),
        "proposals": swapped(seen["rpn"][0][0].numpy()),
        "class_logits": class_logits.numpy(),
        "deltas": swapped(box_deltas.numpy().reshape(-1, classes, 4)),
        "molded_boxes": swapped(seen["heads"]["boxes"].numpy()),
        "small_masks": seen["heads"]["masks"][:, 0].numpy(),
        "boxes": swapped(found["boxes"].numpy()),
        "masks": found["masks"][:, 0].numpy() > 0.5,
        "class_ids": found["labels"].numpy(),
        "scores": found["scores"].numpy(),
    }


def channels_last(tensor):
    """[B, C, H, W] -> array [B, H, W, C]."""
    return tensor.permute(0, 2, 3, 1).numpy()


def swapped(boxes):
    """(x, y, ...) pairs to (y, x, ...), also of deltas (dx, dy, dw, dh)."""
    return boxes[..., [1, 0, 3, 2]]
