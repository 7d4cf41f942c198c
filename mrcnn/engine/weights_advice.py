"""What to say when a weights file does not fit a model: the reason and the way out."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mrcnn.config import KNOBS, Config
from mrcnn.engine.legacy_names import Key, strip_number
from mrcnn.engine.zoo.fitting import same

# The four layers whose shape follows the number of classes (and the reshape between them).
HEADS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")

# (knob, leaf layer, weight, axis, how many entries of that axis make one)
_KNOBS = (
    ("IMAGE_CHANNEL_COUNT", "conv1", "kernel", 2, 1),
    ("TOP_DOWN_PYRAMID_SIZE", "fpn_c5p5", "bias", 0, 1),
    ("TOP_DOWN_PYRAMID_SIZE", "features_c4", "bias", 0, 1),
    ("RPN_CONV_CHANNELS", "rpn_conv_shared", "bias", 0, 1),
    ("the number of RPN_ANCHOR_RATIOS", "rpn_class_raw", "bias", 0, 2),
    ("POOL_SIZE", "mrcnn_class_conv1", "kernel", 0, 1),
    ("FPN_CLASSIF_FC_LAYERS_SIZE", "mrcnn_class_conv1", "bias", 0, 1),
    ("MASK_CONV_CHANNELS", "mrcnn_mask_conv1", "bias", 0, 1),
)

# {(blocks in stage 4, bottleneck blocks): name}
_RESNETS = {
    (2, False): "resnet18",
    (6, False): "resnet34",
    (6, True): "resnet50",
    (23, True): "resnet101",
    (36, True): "resnet152",
}
_STAGE = re.compile(r"^(?:res|bn)(?P<stage>\d)[a-z]")
_NOT_BACKBONE = re.compile(r"^(fpn_|features_c4$|mrcnn_|rpn_|anchors$|top_level_model_weights$)")


# What a weight means follows from these, and no shape shows it.
_MEANING = (
    "RESNET_STYLE", "BATCH_NORM_EPSILON", "BOX_NORMALIZATION", "ROI_ALIGN", "ROI_ALIGN_ALIGNED",
    "RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "RPN_ANCHOR_ROUNDING", "RPN_BBOX_STD_DEV",
    "BBOX_STD_DEV", "IMAGE_MEAN", "IMAGE_STD",
)


def other_settings(path: str, stored: Mapping[str, Any] | None, config: Config) -> str | None:
    """A sentence on the settings that a checkpoint was trained with and a model has not.

    Args:
        path: the checkpoint.
        stored: its `Config.to_dict()`, of any version of this package; or None.
        config: of the model.

    Returns:
        The sentence; None where nothing differs that changes what the weights mean.
    """
    try:
        known = {knob: value for knob, value in (stored or {}).items() if knob in KNOBS}
        trained = Config.from_dict(known) if known else config
    except ValueError:  # of another version, and not to be compared
        return None
    other = [f"{knob} = {getattr(trained, knob)!r}, here {getattr(config, knob)!r}"
             for knob in _MEANING if not same(getattr(trained, knob), getattr(config, knob))]
    if not other:
        return None
    return (f"{path} was trained with {'; '.join(other)}. Its answers will be wrong until it is "
            "trained further under these settings: to use it as it is, build the Config on what "
            "it was trained with, or take MaskRCNN.from_checkpoint(path)")


def class_count(shapes: Mapping[Key, tuple]) -> int | None:
    """How many classes, background included, a set of weights is made for."""
    for leaf, per_class in (("mrcnn_class_logits", 1), ("mrcnn_mask", 1), ("mrcnn_bbox_fc", 4)):
        size = _size(shapes, leaf, "bias", 0)
        if size is not None:
            return size // per_class
    return None


def backbone_name(layers: Iterable[str]) -> str | None:
    """Which ResNet a set of layer names looks like, None for anything else."""
    names = set(layers)
    blocks = {m[1] for name in names if (m := re.match(r"^res4([a-z]+\d*)_branch2a$", name))}
    return _RESNETS.get((len(blocks), "res4a_branch2c" in names))


def backbone_stages(keys: Iterable[Key]) -> dict[str, list[Key]]:
    """{stage: its weights}: `conv1`, `res2`, ... of a ResNet, else one stage `backbone`.

    Args:
        keys: all weights of a model.

    Returns:
        For a model with ResNet names the stages; for another backbone each weight that is
        not of the pyramid, the RPN or a head is a stage of its own, as any one of them
        shows that the file knows this backbone.
    """
    stages: dict[str, list[Key]] = {}
    others: dict[str, list[Key]] = {}
    for key in keys:
        match = _STAGE.match(key[1])
        if match:
            stages.setdefault(f"res{match['stage']}", []).append(key)
        elif key[1] in ("conv1", "bn_conv1"):
            stages.setdefault("conv1", []).append(key)
        elif not _NOT_BACKBONE.match(key[0]):
            others["/".join(key)] = [key]
    return stages or others


def exclude_list(mismatched: Iterable[Key]) -> list[str]:
    """The layers to exclude so that nothing mismatched is left; the class heads as one."""
    names = list(dict.fromkeys(key[1] for key in mismatched))
    if any(name in HEADS for name in names):
        names = [name for name in names if name not in HEADS] + list(HEADS)
    return names


def differences(stored: Mapping[Key, tuple], model: Mapping[Key, tuple]) -> list[str]:
    """Sentences on what file and model were built with, where that differs.

    Args:
        stored: {key: shape} of the file.
        model: {key: shape} of the model.
    """
    lines = []
    counts = class_count(stored), class_count(model)
    if None not in counts and counts[0] != counts[1]:
        lines.append(
            f"the file has {counts[0]} classes, this model {counts[1]} "
            "(NUM_CLASSES, background included)"
        )
    names = backbone_name(k[1] for k in stored), backbone_name(k[1] for k in model)
    if None not in names and names[0] != names[1]:
        fix = f'(BACKBONE="{names[0]}")'
        lines.append(f"the file holds a {names[0]}, this model a {names[1]} {fix}")
    if stored and _heads_have_norms(stored) and not _heads_have_norms(model):
        lines.append("the file has batch-norm in its heads (HEADS_BATCH_NORM), this model has not")
    if _size(stored, "mrcnn_class_conv1", "bias", 0) and (
            _heads_have_norms(model) and not _heads_have_norms(stored)):
        lines.append("the file has no batch-norm in its heads (HEADS_BATCH_NORM = False), this "
                     "model has")
    if _size(stored, "conv1", "kernel", 0) and _size(model, "conv1", "bias", 0) and not _size(
            stored, "conv1", "bias", 0):
        lines.append("the file's convolutions have no biases (RESNET_STYLE \"caffe\" or "
                     "\"pytorch\", presets \"paper\" and \"torchvision\"), this model's have")
    c4 = [_size(shapes, "features_c4", "bias", 0) for shapes in (stored, model)]
    if any(c4) and _size(stored, "rpn_conv_shared", "bias", 0) and not all(c4):
        lines.append(f"FEATURES is {'c4' if c4[0] else 'fpn'!r} in the file, "
                     f"{'c4' if c4[1] else 'fpn'!r} in this model")
    for knob, leaf, weight, axis, each in _KNOBS:
        sizes = _size(stored, leaf, weight, axis), _size(model, leaf, weight, axis)
        if None not in sizes and sizes[0] != sizes[1]:
            stored_size, size = sizes[0] // each, sizes[1] // each
            lines.append(f"{knob} is {stored_size} in the file, {size} in this model")
    return lines


def _heads_have_norms(shapes: Mapping[Key, tuple]) -> bool:
    return any(leaf.startswith(("mrcnn_class_bn", "mrcnn_mask_bn")) for _, leaf, _ in shapes)


def _size(shapes: Mapping[Key, Any], leaf: str, weight: str, axis: int) -> int | None:
    for (_, name, what), shape in shapes.items():
        if what == weight and leaf in (name, strip_number(name)) and len(shape) > axis:
            return shape[axis]
    return None


def key_name(key: Key) -> str:
    """`layer/weight`, or `nested/layer/weight` inside a nested model."""
    layer, leaf, weight = key
    return f"{leaf}/{weight}" if leaf == layer else f"{layer}/{leaf}/{weight}"


def some(names: list[str], shown: int = 12) -> str:
    """The first names, and how many more there are."""
    more = f", ... and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
