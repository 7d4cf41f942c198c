"""Whether a model is built to compute what a file of another zoo was trained for."""

import numpy as np

from mrcnn.presets import PaperConfig, TorchvisionConfig

PRESETS = {"torchvision": TorchvisionConfig, "detectron2": PaperConfig}

# Knobs that say what the weights mean, with a layer that they concern.
MEANING = {
    "RESNET_STYLE": "conv1",
    "FEATURES": "fpn_p2",
    "HEADS_BATCH_NORM": "mrcnn_class_conv1",
    "RPN_ANCHOR_RATIOS": "rpn_model",
    "RPN_BBOX_STD_DEV": "rpn_model",
    "BBOX_STD_DEV": "mrcnn_bbox_fc",
}
# Knobs without which the same weights answer a little differently.
PIXELS = ("IMAGE_MEAN", "IMAGE_STD")
ANSWERS = (
    *PIXELS, "BOX_NORMALIZATION", "RPN_ANCHOR_SCALES", "RPN_ANCHOR_ROUNDING", "RPN_NMS_PER_LEVEL",
    "RPN_MIN_SIZE", "BBOX_XFORM_CLIP", "ROI_ALIGN", "ROI_ALIGN_ALIGNED", "IMAGE_RESIZE_MODE",
    "DETECTION_MULTI_LABEL", "DETECTION_MIN_SIZE", "MASK_PASTE_FRAME",
)


def fit_to_model(file, model, config, exclude=()):
    """Adapt a file to the epsilon of a model's batch-norm, and compare the settings.

    Args:
        file: ZooWeights; its moving variances may change.
        model: keras.Model.
        config: Config that it was built with, or None.
        exclude: names of layers that are left alone.

    Returns:
        Sentences for the report.

    Raises:
        ValueError: the weights mean something else under these settings; names the preset.
    """
    notes = [f"{file.zoo}'s layout"]
    if config is not None:
        _refuse_other_meaning(file, config, exclude)
        notes += _other_answers(file, config)
    return notes + _adapted_variances(file, model)


def _refuse_other_meaning(file, config, exclude):
    preset = PRESETS[file.zoo]
    wrong = [knob for knob, layer in MEANING.items()
             if layer in file.layers and layer not in exclude
             and not same(getattr(config, knob), getattr(preset, knob))]
    if wrong:
        lines = "".join(f"\n  - {knob} = {getattr(config, knob)!r}; the file needs "
                        f"{getattr(preset, knob)!r}" for knob in wrong)
        raise ValueError(
            f"{file.path} holds a model of {file.zoo}, and this one is built otherwise:{lines}\n"
            f"Build the Config on mrcnn.presets.{preset.__name__}, or with "
            f"with_preset(YourConfig, {preset.PRESET!r}), with the file's NUM_CLASSES and BACKBONE."
        )


def _other_answers(file, config):
    preset = PRESETS[file.zoo]()
    known = PIXELS if file.is_backbone else ANSWERS
    other = [knob for knob in known if not same(getattr(config, knob), getattr(preset, knob))]
    notes = []
    if other:
        notes.append(f"{file.zoo} has other values of {', '.join(other)}: answers will differ from "
                     f"its own (preset {preset.PRESET!r})")
    if file.zoo == "detectron2" and config.ROI_ALIGN_SAMPLING_RATIO:
        notes.append("detectron2 samples each roi as finely as its features: "
                     "ROI_ALIGN_SAMPLING_RATIO = 0 does too")
    return notes


def same(one, other):
    """Whether two values of a knob are equal, arrays, lists and numbers alike."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    if one is None or other is None:
        return one is other
    one, other = np.asarray(one, float), np.asarray(other, float)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=0)


def _adapted_variances(file, model):
    """Move the variances so that variance + epsilon stays what it was."""
    norms = {layer.name: layer for layer in model.layers if hasattr(layer, "moving_variance")}
    differing = set()
    for key in file:
        layer = norms.get(key[0])
        if layer is None or key[2] != "moving_variance":
            continue
        if file.epsilon is not None and layer.epsilon != file.epsilon:
            file.arrays[key] = file.arrays[key] + np.float32(file.epsilon - layer.epsilon)
            differing.add(float(layer.epsilon))
    if differing:
        return [f"moving variances were moved by the file's batch-norm epsilon of {file.epsilon} "
                f"less BATCH_NORM_EPSILON = {max(differing)}, which gives the same answers"]
    if file.epsilon is None and norms:
        return ["the file does not tell its batch-norm epsilon: 0 in what began as torchvision's "
                "COCO_V1, 1e-5 in what began as its ImageNet weights; BATCH_NORM_EPSILON is "
                f"{next(iter(norms.values())).epsilon}"]
    return []
