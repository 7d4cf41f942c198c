"""torchvision with random weights, and detectron2's network rebuilt from its modules.

torchvision's compiled operators do not come with it on a machine without a GPU: the two that
Mask R-CNN needs are written in Python here.
"""

import sys

import numpy as np
import pytest

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


def scale_output(model, layer, run, spread):
    """Scale a layer's weights so that its outputs spread as wanted on what `run()` computes."""
    seen = []
    hook = layer.register_forward_hook(lambda _, __, output: seen.append(output.flatten()))
    run()
    hook.remove()
    with torch.no_grad():
        layer.weight *= spread / torch.cat(seen).std()
        layer.bias.uniform_(-0.3 * spread, 0.3 * spread)


def lively(model, image, seed=0):
    """Random weights whose answers vary: batch-norm from this image, scores of every height.

    Args:
        model: torchvision's MaskRCNN.
        image: [3, H, W] in 0..1.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
            norm.weight.uniform_(0.5, 1.2, generator=generator)
            norm.bias.normal_(0, 0.2, generator=generator)
        model.eval()
        for norm in norms:
            norm.train()

        def run():
            model([image])

        run()
        model.eval()
        heads = model.roi_heads
        for layer, spread in (
                (model.rpn.head.conv[0][0], 1.0), (model.rpn.head.cls_logits, 2.0),
                (model.rpn.head.bbox_pred, 0.3), (heads.box_head.fc6, 1.0),
                (heads.box_head.fc7, 1.0), (heads.box_predictor.cls_score, 2.0),
                (heads.box_predictor.bbox_pred, 1.0),
                *((block[0], 1.0) for block in heads.mask_head),
                (heads.mask_predictor.conv5_mask, 1.0),
                (heads.mask_predictor.mask_fcn_logits, 2.0)):
            scale_output(model, layer, run, spread)
    return model
