"""The names of weights in legacy HDF5 files, brought to one form.

A weight is known by its key `(layer, leaf, weight)`: the top-level layer whose group it
lies in, the layer that owns it (another one only inside a nested model), and what it is
(`kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`, ...).
"""

import re

Key = tuple[str, str, str]

_KERAS_1 = {
    "W": "kernel",
    "b": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # the file holds the variance, whatever it is called
}
_KERAS_1_NAME = re.compile(rf"^(?P<layer>.+)_(?P<what>{'|'.join(_KERAS_1)})(_\d+)?$")
_KNOWN = "kernel|bias|gamma|beta|moving_mean|moving_variance|embeddings|mean|variance|count"
_NUMBERED = re.compile(rf"^(?P<what>(\w+_)?({_KNOWN}))_\d+$")


def weight_key(layer: str, stored_name: str) -> Key:
    """The key of one weight.

    Args:
        layer: name of the group the weight was found in.
        stored_name: the entry of `weight_names`, such as `conv1_1/kernel:0`,
            `a/b/conv1/kernel:0`, `conv1/conv1_W:0` or `conv1_W_1:0`.

    Returns:
        (layer, leaf, weight). A leaf that is the layer's name with a number that made it
        unique becomes the layer's name; other leaves stay as they are.
    """
    parts = re.sub(r":\d+$", "", stored_name).split("/")
    weight, leaf = parts[-1], parts[-2] if len(parts) > 1 else layer
    old = _KERAS_1_NAME.match(weight)
    if old and (len(parts) == 1 or strip_number(old["layer"]) == strip_number(leaf)):
        leaf = old["layer"] if len(parts) == 1 else leaf
        weight = _KERAS_1[old["what"]]
    numbered = _NUMBERED.match(weight)
    if numbered:
        weight = numbered["what"]
    if leaf != layer and re.fullmatch(rf"{re.escape(layer)}_\d+", leaf):
        leaf = layer
    return layer, leaf, weight


def strip_number(name: str) -> str:
    """Drop a trailing `_<digits>`."""
    return re.sub(r"_\d+$", "", name)


def match_leaves(layer: str, file_leaves: list[str], model_leaves: list[str]) -> dict[str, str]:
    """Which leaf of the file is which leaf of the model, inside one top-level layer.

    Only names decide, never the order: two equal-shaped layers must not be swapped.

    Args:
        layer: the top-level layer.
        file_leaves: distinct leaves of the file's group.
        model_leaves: distinct leaves of the model's layer.

    Returns:
        {leaf in the file: leaf in the model}; leaves without a partner are left out.
    """
    if len(file_leaves) == 1 and model_leaves == [layer]:
        return {file_leaves[0]: layer}  # a wrapper: its inner layer's name does not matter
    wanted = set(model_leaves)
    if wanted.issuperset(file_leaves):
        return {leaf: leaf for leaf in file_leaves}
    stripped = [strip_number(leaf) for leaf in file_leaves]
    numbers = {leaf[len(base) :] for leaf, base in zip(file_leaves, stripped, strict=True)}
    if len(numbers) == 1 and wanted.issuperset(stripped):  # all numbered alike
        return dict(zip(file_leaves, stripped, strict=True))
    found = {leaf: leaf for leaf in file_leaves if leaf in wanted}
    for leaf, base in zip(file_leaves, stripped, strict=True):
        alone = stripped.count(base) == 1
        if leaf not in found and alone and base in wanted and base not in found.values():
            found[leaf] = base
    return found
