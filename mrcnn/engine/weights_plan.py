"""Which array of a file goes to which variable of a model: decided before anything moves."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from mrcnn.engine.legacy_h5 import TOP_LEVEL, LegacyWeights
from mrcnn.engine.legacy_names import Key, match_leaves


@dataclass
class Assignment:
    """One array for one variable; `array` is already in its final shape."""

    key: Key
    variable: Any
    array: np.ndarray
    source: Key


@dataclass
class Plan:
    """The outcome of matching a file with a model.

    Attributes:
        assignments: what will be copied.
        mismatched: (key, file shape, model shape) where the names agree, the shapes not.
        excluded: the same triple for variables left out on request (file shape None when
            the file does not have them).
        missing: variables of the model that the file does not have.
        unused: entries of the file that the model does not have.
        notes: sentences for the report.
    """

    assignments: list[Assignment] = field(default_factory=list)
    mismatched: list[tuple[Key, tuple, tuple]] = field(default_factory=list)
    excluded: list[tuple[Key, tuple | None, tuple]] = field(default_factory=list)
    missing: list[Key] = field(default_factory=list)
    unused: list[Key] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def variable_table(model: keras.Model) -> Iterator[tuple[Key, Any]]:
    """Every weight of a model with its checkpoint name.

    Goes through nested models and wrappers. A wrapper counts as the layer it wraps, under
    the wrapper's own name, as Keras 2 wrote it. Each variable comes once, even when layers
    share it.

    Args:
        model: any Keras model.

    Yields:
        ((layer, leaf, weight), variable): top-level layer, owning layer (another one only
        inside a nested model), name of the variable. Layers in model order; inside a layer
        what is trained (by nature, frozen or not) before statistics.
    """
    seen: set[int] = set()
    for layer in model.layers:
        rows = list(_leaf_rows(layer, seen))
        if isinstance(layer, keras.Model):
            rows.sort(key=lambda row: row[1] in _STATISTICS)  # stable
        for leaf, weight, variable in rows:
            yield (layer.name, leaf, weight), variable
    for variable in model.weights:
        if id(variable) not in seen:
            seen.add(id(variable))
            yield (TOP_LEVEL, TOP_LEVEL, variable.name), variable


_STATISTICS = ("moving_mean", "moving_variance", "mean", "variance", "count")


def _leaf_rows(layer: keras.layers.Layer, seen: set[int]) -> Iterator[tuple[str, str, Any]]:
    """(leaf, weight, variable) of one layer, depth first."""
    if isinstance(layer, keras.Model):
        if id(layer) in seen:
            return
        seen.add(id(layer))
        for sub in layer.layers:
            yield from _leaf_rows(sub, seen)
    names = [variable.name for variable in layer.weights]
    composite = isinstance(layer, keras.Model) or len(set(names)) < len(names)
    for variable in layer.weights:
        if id(variable) in seen:
            continue
        seen.add(id(variable))
        parts = variable.path.split("/")
        yield parts[-2] if composite and len(parts) > 1 else layer.name, variable.name, variable


def plan_by_name(
    table: list[tuple[Key, Any]], file: LegacyWeights, exclude: Collection[str], channels: int
) -> Plan:
    """Match by (layer, leaf, weight).

    Args:
        table: `variable_table` of the model, as a list.
        file: what was read.
        exclude: names of top-level or leaf layers to leave alone.
        channels: channels of the model's input image; a first convolution stored for three
            channels is adapted to it.

    Returns:
        The plan; nothing is assigned.
    """
    plan, sources = Plan(), pair_keys([key for key, _ in table], file)
    for key, variable in table:
        source, shape = sources.get(key), tuple(variable.shape)
        array = None if source is None else file[source]
        if key[0] in exclude or key[1] in exclude:
            plan.excluded.append((key, None if array is None else array.shape, shape))
        elif array is None:
            plan.missing.append(key)
        elif array.shape == shape:
            plan.assignments.append(Assignment(key, variable, array, source))
        elif channels != 3 and _differs_in_channels(array.shape, shape, channels):
            adapted = adapt_channels(array, channels)
            plan.assignments.append(Assignment(key, variable, adapted, source))
            plan.notes.append(
                f"{'/'.join(key[1:])}: stored for 3 image channels, adapted to {channels}; "
                "train it too (FREEZE_AT = 0)"
            )
        else:
            plan.mismatched.append((key, array.shape, shape))
    used = set(sources.values())
    plan.unused = [key for key in file if key not in used]
    return plan


def pair_keys(model_keys: list[Key], file: LegacyWeights) -> dict[Key, Key]:
    """{key in the model: key in the file} by names alone."""
    pairs: dict[Key, Key] = {}
    wanted = set(model_keys)
    leaves: dict[str, list[str]] = {}
    for layer, leaf, _ in model_keys:
        leaves.setdefault(layer, []).append(leaf)
    for layer, keys in file.by_layer().items():
        if layer not in leaves:
            continue
        model_leaves = list(dict.fromkeys(leaves[layer]))
        names = match_leaves(layer, list(dict.fromkeys(k[1] for k in keys)), model_leaves)
        for key in keys:
            target = (layer, names.get(key[1], ""), key[2])
            if target in wanted:
                pairs.setdefault(target, key)
    return pairs


def _differs_in_channels(stored: tuple, shape: tuple, channels: int) -> bool:
    """Whether a convolution kernel [h, w, 3, n] meets a model that wants [h, w, channels, n]."""
    return (
        len(stored) == len(shape) == 4
        and (stored[2], shape[2]) == (3, channels)
        and stored[:2] + stored[3:] == shape[:2] + shape[3:]
    )


def adapt_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """An RGB convolution kernel for images with another number of channels.

    The first three channels keep their kernels, further ones get the mean of the three; one
    or two channels get the mean. All is scaled so that the sum over the input channels, the
    answer to a grey picture, stays what it was.

    Args:
        kernel: [h, w, 3, n].
        channels: wanted number of input channels.

    Returns:
        [h, w, channels, n] float32.
    """
    kernel = kernel.astype(np.float32)
    mean = kernel.mean(axis=2, keepdims=True)
    if channels < 3:
        wide = np.repeat(mean, channels, axis=2)
    else:
        wide = np.concatenate([kernel, np.repeat(mean, channels - 3, axis=2)], axis=2)
    return wide * np.float32(3 / channels)


def plan_by_order(table: list[tuple[Key, Any]], file: LegacyWeights) -> Plan:
    """Match layers by their order, as `by_name=False` always did; names may differ.

    Inside a layer weights go by name where the names agree, else by order.

    Raises:
        ValueError: number of layers with weights, of weights in a layer, or a shape differs.
    """
    stored = [keys for layer, keys in file.by_layer().items() if not _is_stray(keys)]
    layers: dict[str, list[tuple[Key, Any]]] = {}
    for row in table:
        layers.setdefault(row[0][0], []).append(row)
    if len(stored) != len(layers):
        raise ValueError(
            f"{file.path}: by_name=False needs the same layers in the same order, but the file "
            f"has {len(stored)} layers with weights and this model {len(layers)}. "
            "Use by_name=True."
        )
    plan = Plan()
    for keys, rows in zip(stored, layers.values(), strict=True):
        plan.assignments += _layer_by_order(keys, rows, file)
    used = {assignment.source for assignment in plan.assignments}
    plan.unused = [key for key in file if key not in used]
    return plan


def _is_stray(keys: list[Key]) -> bool:
    """Anchors that some ports kept as a variable: part of their file, not of the format."""
    return all(weight.startswith("Variable") for _, _, weight in keys)


def _layer_by_order(
    keys: list[Key], rows: list[tuple[Key, Any]], file: LegacyWeights
) -> list[Assignment]:
    named = {key[1:]: key for key in keys}
    weights = {key[2]: key for key in keys}
    if all(key[1:] in named for key, _ in rows):
        keys = [named[key[1:]] for key, _ in rows]
    elif len(weights) == len(keys) and all(key[2] in weights for key, _ in rows):
        keys = [weights[key[2]] for key, _ in rows]
    shapes = [tuple(variable.shape) for _, variable in rows]
    if [file[key].shape for key in keys] != shapes:
        raise ValueError(
            f"{file.path}: by_name=False pairs the file's layer {keys[0][0]!r} with this model's "
            f"{rows[0][0][0]!r}, but their shapes differ: file "
            f"{[file[key].shape for key in keys]}, model {shapes}. Use by_name=True."
        )
    return [
        Assignment(key, variable, file[source], source)
        for (key, variable), source in zip(rows, keys, strict=True)
    ]
