"""Biases of convolutions for a model that has none: batch-norm takes them up."""

import dataclasses

import numpy as np

from mrcnn.engine.legacy_h5 import LegacyWeights
from mrcnn.engine.legacy_names import Key


def without_biases(file: LegacyWeights, keys: set[Key]) -> tuple[LegacyWeights, list[str]]:
    """Put biases that the model has no place for into the moving means behind them.

    Batch-norm subtracts the moving mean, so a mean less the bias gives the same answer.

    Args:
        file: what was read.
        keys: of the model's weights.

    Returns:
        (the file, or a changed copy; sentences for the report).

    Raises:
        ValueError: such a bias, and no batch-norm in the file that could take it.
    """
    arrays, folded = dict(file.arrays), 0
    for key in file.arrays:
        layer, leaf, weight = key
        kernel = (layer, leaf, "kernel")
        if weight != "bias" or key in keys or kernel not in keys or kernel not in file.arrays:
            continue
        bias = arrays.pop(key)
        norm = "bn" + leaf.removeprefix("res") if leaf.startswith("res") else f"bn_{leaf}"
        mean = next((k for k in arrays if k[1] == norm and k[2] == "moving_mean"), None)
        if mean is not None and arrays[mean].shape == bias.shape:
            arrays[mean] = arrays[mean] - bias.astype(np.float32)
            folded += 1
        elif bias.any():
            raise ValueError(
                f"{file.path}: {leaf} has a bias, and this model has none there (RESNET_STYLE), "
                f"nor has the file a batch-norm {norm!r} to take it up"
            )
    if len(arrays) == len(file.arrays):
        return file, []
    note = (f"{folded} biases went into the moving means of the batch-norm behind them: "
            "RESNET_STYLE has no biases")
    return dataclasses.replace(file, arrays=arrays), [note]
