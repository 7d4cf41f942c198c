"""Files in the formats of other zoos for a network of a few thousand weights, without torch."""

import pickle

import numpy as np

from mrcnn.config import Config
from mrcnn.presets import PaperConfig, TorchvisionConfig

WIDTH, FEATURES, DENSE, CLASSES = 16, 8, 12, 4


class Small(Config):
    BACKBONE = "resnet18"
    BACKBONE_WIDTH = WIDTH
    NUM_CLASSES = CLASSES
    TOP_DOWN_PYRAMID_SIZE = RPN_CONV_CHANNELS = MASK_CONV_CHANNELS = FEATURES
    FPN_CLASSIF_FC_LAYERS_SIZE = DENSE
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    POST_NMS_ROIS_INFERENCE = 20


class SmallTorchvision(Small, TorchvisionConfig):
    pass


class SmallPaper(Small, PaperConfig):
    pass


def torchvision_shapes(classes=CLASSES):
    """{name: shape} of torchvision's Mask R-CNN on a small ResNet-18."""
    shapes = {"backbone.body.conv1.weight": (WIDTH, 3, 7, 7), **_norm("backbone.body.bn1", WIDTH)}
    before = WIDTH
    for stage in (1, 2, 3, 4):
        width = WIDTH * 2 ** (stage - 1)
        for block in (0, 1):
            place = f"backbone.body.layer{stage}.{block}"
            first = before if block == 0 else width
            shapes[f"{place}.conv1.weight"] = (width, first, 3, 3)
            shapes[f"{place}.conv2.weight"] = (width, width, 3, 3)
            shapes |= _norm(f"{place}.bn1", width) | _norm(f"{place}.bn2", width)
            if block == 0 and stage > 1:
                shapes[f"{place}.downsample.0.weight"] = (width, before, 1, 1)
                shapes |= _norm(f"{place}.downsample.1", width)
        before = width
    for index in range(4):
        lateral = f"backbone.fpn.inner_blocks.{index}.0"
        shapes |= _layer(lateral, (FEATURES, WIDTH * 2 ** index, 1, 1))
        shapes |= _layer(f"backbone.fpn.layer_blocks.{index}.0", (FEATURES, FEATURES, 3, 3))
        shapes |= _layer(f"roi_heads.mask_head.{index}.0", (FEATURES, FEATURES, 3, 3))
    for name, shape in {
        "rpn.head.conv.0.0": (FEATURES, FEATURES, 3, 3),
        "rpn.head.cls_logits": (3, FEATURES, 1, 1),
        "rpn.head.bbox_pred": (12, FEATURES, 1, 1),
        "roi_heads.box_head.fc6": (DENSE, FEATURES * 49),
        "roi_heads.box_head.fc7": (DENSE, DENSE),
        "roi_heads.box_predictor.cls_score": (classes, DENSE),
        "roi_heads.box_predictor.bbox_pred": (4 * classes, DENSE),
        "roi_heads.mask_predictor.conv5_mask": (FEATURES, FEATURES, 2, 2),
        "roi_heads.mask_predictor.mask_fcn_logits": (classes, FEATURES, 1, 1),
    }.items():
        shapes |= _layer(name, shape)
    return shapes


def _norm(name, channels):
    return {f"{name}.{what}": (channels,)
            for what in ("weight", "bias", "running_mean", "running_var")}


def _layer(name, shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def torchvision_state(classes=CLASSES, seed=0):
    """{name: random array}; variances are above 0.5."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.5, 1, shape).astype(np.float32)
            for name, shape in torchvision_shapes(classes).items()}


def imagenet_state():
    """{name: random array} of torchvision's ResNet, with its last layer for seven classes."""
    body = "backbone.body."
    return {**{name.removeprefix(body): one for name, one in torchvision_state().items()
               if name.startswith(body)},
            "fc.weight": np.zeros((7, 8 * WIDTH), np.float32), "fc.bias": np.zeros(7, np.float32)}


DETECTRON2_NAMES = {
    "backbone.body.conv1": "backbone.bottom_up.stem.conv1",
    "backbone.body.bn1": "backbone.bottom_up.stem.conv1.norm",
    "rpn.head.conv.0.0": "proposal_generator.rpn_head.conv",
    "rpn.head.cls_logits": "proposal_generator.rpn_head.objectness_logits",
    "rpn.head.bbox_pred": "proposal_generator.rpn_head.anchor_deltas",
    "roi_heads.box_head.fc6": "roi_heads.box_head.fc1",
    "roi_heads.box_head.fc7": "roi_heads.box_head.fc2",
    "roi_heads.mask_predictor.conv5_mask": "roi_heads.mask_head.deconv",
    "roi_heads.mask_predictor.mask_fcn_logits": "roi_heads.mask_head.predictor",
}


def detectron2_state(seed=0):
    """{name: random array} of detectron2's Mask R-CNN on the same network."""
    state = {}
    for name, array in torchvision_state(seed=seed).items():
        module, _, weight = name.rpartition(".")
        parts = module.split(".")
        if module in DETECTRON2_NAMES:
            module = DETECTRON2_NAMES[module]
        elif "layer_blocks" in module or "inner_blocks" in module:
            kind = "fpn_lateral" if "inner" in module else "fpn_output"
            module = f"backbone.{kind}{int(parts[3]) + 2}"
        elif module.startswith("backbone.body.layer"):
            place = f"backbone.bottom_up.res{int(parts[2][-1]) + 1}.{parts[3]}"
            kinds = {"conv1": "conv1", "bn1": "conv1.norm", "conv2": "conv2", "bn2": "conv2.norm",
                     "downsample.0": "shortcut", "downsample.1": "shortcut.norm"}
            module = f"{place}.{kinds['.'.join(parts[4:])]}"
        elif module.startswith("roi_heads.mask_head."):
            module = f"roi_heads.mask_head.mask_fcn{int(parts[2]) + 1}"
        if weight in ("weight", "bias") and module.endswith(".bbox_pred"):
            array = array[4:]
        if module == "roi_heads.mask_head.predictor":
            array = array[1:]
        state[f"{module}.{weight}"] = array
    return state


def write_pickle(path, state, protocol=2):
    """A dict under "model", as detectron2's model zoo writes it."""
    with open(path, "wb") as file:
        pickle.dump({"model": state, "__author__": "somebody"}, file, protocol=protocol)
    return path
