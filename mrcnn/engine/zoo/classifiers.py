"""Networks for ImageNet: their weights under the names that a detector of the same zoo has."""

import re

TORCHVISION_MARKS = {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "fc.weight"}
DETECTRON2_MARKS = {"conv1_w", "res_conv1_bn_gamma", "res2_0_branch2a_bn_running_mean"}

# detectron2 keeps Caffe2's names there: res2_0_branch2a_w, res2_0_branch2a_bn_gamma, ...
_NAME = re.compile(r"(?:(?:res_)?conv1|res(\d+)_(\d+)_branch(1|2a|2b|2c))"
                   r"(_bn)?_(w|gamma|beta|running_mean|running_var)")
_PARTS = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}
_WEIGHTS = {"w": "weight", "gamma": "weight", "beta": "bias"}


def backbone_of(stored):
    """The backbone of a ResNet of torchvision's or detectron2's for ImageNet.

    Args:
        stored: {their name: weight}.

    Returns:
        {name in a detector: weight} without the last layer, which tells ImageNet's classes apart;
        None for any other file.
    """
    if TORCHVISION_MARKS <= stored.keys():
        return {f"backbone.body.{name}": one for name, one in stored.items()
                if not name.startswith("fc.")}
    if DETECTRON2_MARKS <= stored.keys():
        # The biases of its convolutions are left out, as detectron2 does.
        return {_detectron2_name(name): one for name, one in stored.items()
                if not name.endswith("_b") and not name.startswith("fc1000_")}
    return None


def _detectron2_name(name):
    """Their name in a detector; the name itself where it is none of Caffe2's."""
    found = _NAME.fullmatch(name)
    if not found:
        return name
    stage, block, branch, norm, weight = found.groups()
    module = f"res{stage}.{block}.{_PARTS[branch]}" if stage else "stem.conv1"
    return (f"backbone.bottom_up.{module}{'.norm' if norm else ''}."
            f"{_WEIGHTS.get(weight, weight)}")
