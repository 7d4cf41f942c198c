"""detectron2's Mask R-CNN rebuilt from torchvision's modules, and its file format.

What differs from torchvision's: the stride of a bottleneck stands in its first 1x1 convolution,
anchors are not rounded, RoIAlign is aligned and samples as finely as the features are, small
boxes are not dropped, and in the files the background is the last class.
"""

import math
import pickle

import numpy as np
import theirs
from theirs import torch

RENAMED = (  # (torchvision's name, detectron2's)
    ("backbone.body.conv1.", "backbone.bottom_up.stem.conv1."),
    ("backbone.body.bn1.", "backbone.bottom_up.stem.conv1.norm."),
    ("rpn.head.conv.0.0.", "proposal_generator.rpn_head.conv."),
    ("rpn.head.cls_logits.", "proposal_generator.rpn_head.objectness_logits."),
    ("rpn.head.bbox_pred.", "proposal_generator.rpn_head.anchor_deltas."),
    ("roi_heads.box_head.fc6.", "roi_heads.box_head.fc1."),
    ("roi_heads.box_head.fc7.", "roi_heads.box_head.fc2."),
    ("roi_heads.mask_predictor.conv5_mask.", "roi_heads.mask_head.deconv."),
    ("roi_heads.mask_predictor.mask_fcn_logits.", "roi_heads.mask_head.predictor."),
)


class Anchors(torch.nn.Module):
    """One scale a level, centred on multiples of the stride, in fractions of a pixel."""

    sizes, ratios, strides = (32, 64, 128, 256, 512), (0.5, 1.0, 2.0), (4, 8, 16, 32, 64)

    def num_anchors_per_location(self):
        """Of each level."""
        return [len(self.ratios)] * len(self.sizes)

    def forward(self, _, maps):
        """[anchors [A, 4] as x0, y0, x1, y1] of one image."""
        levels = []
        for size, stride, features in zip(self.sizes, self.strides, maps, strict=True):
            for y in range(features.shape[2]):
                for x in range(features.shape[3]):
                    for ratio in self.ratios:  # height / width
                        half_w = size / ratio ** 0.5 / 2
                        half_h = half_w * ratio
                        levels.append((x * stride - half_w, y * stride - half_h,
                                       x * stride + half_w, y * stride + half_h))
        return [torch.tensor(levels, dtype=torch.float32)]


class Pooler(torch.nn.Module):
    """Aligned RoIAlign with as many points as cells, from the level of the FPN paper."""

    def __init__(self, side):
        super().__init__()
        self.side = side

    def forward(self, features, boxes, _):
        """[R, C, side, side]."""
        [boxes] = boxes
        sides = boxes[:, 2:] - boxes[:, :2]
        level = 4 + torch.log2(torch.sqrt(sides.prod(dim=1)) / 224 + 1e-8)
        level = level.floor().clamp(2, 5).long()
        maps = list(features.values())
        pooled = []
        for box, chosen in zip(boxes.numpy(), level.tolist(), strict=True):
            features = maps[chosen - 2][0].numpy()
            x0, y0, x1, y1 = box / np.float32(2 ** chosen) - np.float32(0.5)
            rows = bins(y0, y1, self.side, features.shape[1])
            columns = bins(x0, x1, self.side, features.shape[2])
            pooled.append(rows @ (features @ columns.T))
        return torch.as_tensor(np.stack(pooled))


def bins(start, end, count, size):
    """[count, size]: what each cell of an axis counts in the average of each bin.

    The grid of points in a bin is a product of two axes, and so is bilinear interpolation.
    """
    points = math.ceil((end - start) / count)
    weights = np.zeros((count, size), np.float32)
    for index in range(count * points):
        place = start + (index + 0.5) * (end - start) / (count * points)
        if -1 <= place <= size:
            place = min(max(place, 0), size - 1)
            low = min(int(place), size - 1)
            weights[index // points, low] += (1 - (place - low)) / points
            weights[index // points, min(low + 1, size - 1)] += (place - low) / points
    return weights


def detectron2_model(num_classes, image, proposals, detections, depth=50):
    """The network with lively random weights; it takes molded images, see `answers`."""
    theirs.imported()
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    torch.manual_seed(1)
    backbone = resnet_fpn_backbone(backbone_name=f"resnet{depth}", weights=None,
                                   trainable_layers=5, norm_layer=torch.nn.BatchNorm2d)
    model = MaskRCNN(backbone, num_classes, min_size=192, max_size=400, image_std=[1 / 255] * 3,
                     rpn_post_nms_top_n_test=proposals, box_detections_per_img=detections)
    for stage in (model.backbone.body.layer2, model.backbone.body.layer3,
                  model.backbone.body.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    theirs.lively(model, theirs.tensor_of(image))
    model.rpn.anchor_generator = Anchors()
    model.rpn.min_size = 1e-9
    model.roi_heads.box_roi_pool, model.roi_heads.mask_roi_pool = Pooler(7), Pooler(14)
    return model


class Molded(torch.nn.Module):
    """In place of the resizing: images come molded, and answers stay in molded pixels."""

    def __init__(self, pixels, size):
        super().__init__()
        self.pixels, self.size = pixels, size

    def forward(self, images, targets=None):
        """The molded image in place of whatever was given."""
        from torchvision.models.detection.image_list import ImageList

        return ImageList(self.pixels, [self.size]), targets

    def postprocess(self, result, *_):
        """Unchanged."""
        return result


def answers(model, molded, size):
    """`theirs.answers` on an image that is molded already.

    Args:
        molded: [1, H, W, 3].
        size: (height, width) of the image without padding.
    """
    pixels = torch.as_tensor(molded).permute(0, 3, 1, 2)
    before, model.transform = model.transform, Molded(pixels, size)
    found = theirs.answers(model, np.zeros((*size, 3), np.uint8))
    model.transform = before
    return found


def renamed(name):
    """detectron2's name for a weight of torchvision's."""
    for theirs_, new in RENAMED:
        if name.startswith(theirs_):
            return new + name.removeprefix(theirs_)
    parts = name.split(".")
    if name.startswith("backbone.body.layer"):
        stage, block, module, *rest = parts[2:]
        place = f"backbone.bottom_up.res{int(stage[-1]) + 1}.{block}."
        if module == "downsample":
            return place + ("shortcut." if rest[0] == "0" else "shortcut.norm.") + rest[1]
        norm = module.startswith("bn")
        return place + f"conv{module[-1]}." + ("norm." if norm else "") + rest[0]
    if name.startswith("backbone.fpn."):
        kind = "fpn_lateral" if parts[2] == "inner_blocks" else "fpn_output"
        return f"backbone.{kind}{int(parts[3]) + 2}.{parts[-1]}"
    if name.startswith("roi_heads.mask_head."):
        return f"roi_heads.mask_head.mask_fcn{int(parts[2]) + 1}.{parts[-1]}"
    return name


def detectron2_state(model):
    """{detectron2's name: array} of a model, for images in BGR."""
    state = {renamed(name): tensor.numpy() for name, tensor in model.state_dict().items()
             if "num_batches" not in name}
    state["backbone.bottom_up.stem.conv1.weight"] = np.ascontiguousarray(
        state["backbone.bottom_up.stem.conv1.weight"][:, ::-1])
    for weight in ("weight", "bias"):
        scores = f"roi_heads.box_predictor.cls_score.{weight}"
        state[scores] = np.concatenate([state[scores][1:], state[scores][:1]])
        deltas = f"roi_heads.box_predictor.bbox_pred.{weight}"
        state[deltas] = state[deltas][4:]
        masks = f"roi_heads.mask_head.predictor.{weight}"
        state[masks] = state[masks][1:]
    state["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    return state


def write_pkl(model, path):
    """Save in the format of detectron2's model zoo."""
    content = {"model": detectron2_state(model), "__author__": "Detectron2 Model Zoo"}
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol=2)
