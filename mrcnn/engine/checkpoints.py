"""Save and restore training: weights, configuration, epoch and optimizer in one file."""

import os
from importlib import metadata
from typing import Any

import h5py
import keras
import numpy as np

from mrcnn import __version__
from mrcnn.engine.checkpoint_files import (
    GROUP,
    CheckpointMeta,
    check_writable,
    find_checkpoints,
    meta_of,
    prune_checkpoints,
    read_checkpoint_meta,
    write_meta,
)
from mrcnn.engine.legacy_h5 import open_h5, write_legacy_h5
from mrcnn.engine.weights import layer_weights
from mrcnn.engine.weights_plan import variable_table

__all__ = [
    "CheckpointMeta",
    "check_writable",
    "find_checkpoints",
    "prune_checkpoints",
    "read_checkpoint_meta",
    "restore_optimizer",
    "save_checkpoint",
]
_LEARNING_RATE = "learning_rate"
_PACKAGES = ("tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "h5py")


def save_checkpoint(
    path: str | os.PathLike,
    model: keras.Model,
    *,
    config: Any = None,
    class_names: list[str] | None = None,
    epoch: int = 0,
    optimizer: keras.optimizers.Optimizer | None = None,
    logs: dict[str, float] | None = None,
    layers: str | None = None,
) -> None:
    """Write a checkpoint; the path holds the whole new file or what it held before.

    The weights are in the legacy layout: old ports load the file by name.

    Args:
        path: usually `<run>/mask_rcnn_<name>_<epoch>.h5`.
        model: its weights are written.
        config: Config (anything with `to_dict()`) or a JSON-able dict.
        class_names: names by class id, background first.
        epoch: epochs finished.
        optimizer: its state is written when it has been built.
        logs: {name: number} of the epoch.
        layers: the `layers` argument of the training stage.

    Raises:
        OSError: the file cannot be written.
        TypeError: the configuration holds what JSON does not.
    """
    state = _optimizer_arrays(optimizer, model) if optimizer is not None else {}
    meta = CheckpointMeta(
        path=str(path),
        epoch=int(epoch),
        config=config.to_dict() if hasattr(config, "to_dict") else config,
        class_names=None if class_names is None else [str(name) for name in class_names],
        layers=layers,
        logs={name: float(np.asarray(value)) for name, value in (logs or {}).items()},
        versions=_versions(),
        optimizer=_optimizer_meta(optimizer, state) if state else None,
    )

    def add_block(file: h5py.File) -> None:
        group = write_meta(file, meta).create_group("optimizer")
        for number, array in enumerate(state.values()):
            group.create_dataset(f"{number:05d}", data=array)

    write_legacy_h5(path, layer_weights(model), extra=add_block)


def restore_optimizer(
    path: str | os.PathLike,
    optimizer: keras.optimizers.Optimizer,
    model: keras.Model,
    *,
    learning_rate: bool = False,
) -> bool | str:
    """Take up the optimizer state of a checkpoint: all of it or nothing.

    Variables are matched by the weight they belong to, so names that Keras numbers anew in
    every process do not matter.

    Args:
        path: a checkpoint.
        optimizer: built on the model's trainable variables if it was not.
        model: the model that is to be trained, its layers frozen and free as in the stage
            to resume.
        learning_rate: also restore the rate itself. Off, because the caller of `train`
            names a rate and means it; schedules follow the iteration count either way.

    Returns:
        True, or the reason why nothing was restored. Ask `is True`: a reason is truthy too.

    Raises:
        FileNotFoundError, ValueError: as `read_checkpoint_meta`.
    """
    with open_h5(path) as file:
        meta = meta_of(file, path)
        if meta is None or meta.optimizer is None:
            return f"{path} holds no optimizer state"
        saved = {
            name: np.asarray(file[GROUP]["optimizer"][f"{number:05d}"])
            for number, name in enumerate(meta.optimizer["variables"])
        }
    if meta.optimizer["class"] != _class_name(optimizer):
        return f"{path} was trained with {meta.optimizer['class']}, not {_class_name(optimizer)}"
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    table = optimizer_table(optimizer, model)
    wanted = table if learning_rate else _without_rate(table)
    saved = saved if learning_rate else _without_rate(saved)
    reason = _state_mismatch(saved, wanted)
    if reason:
        return f"{path}: {reason}"
    for name, variable in wanted.items():
        variable.assign(saved[name])
    return True


def optimizer_table(
    optimizer: keras.optimizers.Optimizer, model: keras.Model
) -> dict[str, keras.Variable]:
    """The variables of a built optimizer under names that are the same in every process.

    Returns:
        {name: variable}: `layer/leaf/weight|slot` for a slot of a model's weight (slot such
        as `momentum`), the variable's own name for the rest.
    """
    # Keras names a slot "<path of the weight, / as _>_<slot>"; paths hold automatic numbers
    paths = [(v.path.replace("/", "_") + "_", "/".join(key)) for key, v in variable_table(model)]
    paths.sort(key=lambda pair: -len(pair[0]))  # the longest that fits is the right one
    table: dict[str, keras.Variable] = {}
    for variable in optimizer.variables:
        own = variable.path.split("/")[-1]
        owner = next((pair for pair in paths if own.startswith(pair[0])), None)
        name = f"{owner[1]}|{own[len(owner[0]) :]}" if owner else own
        while name in table:  # an optimizer inside another one has the same counters again
            name += "#"
        table[name] = variable
    return table


def _optimizer_arrays(
    optimizer: keras.optimizers.Optimizer, model: keras.Model
) -> dict[str, np.ndarray]:
    if not optimizer.built:
        return {}
    table = optimizer_table(optimizer, model)
    return {name: np.asarray(keras.ops.convert_to_numpy(v)) for name, v in table.items()}


def _optimizer_meta(
    optimizer: keras.optimizers.Optimizer, state: dict[str, np.ndarray]
) -> dict[str, Any]:
    try:
        config = _jsonable(optimizer.get_config())
    except NotImplementedError:  # a user's own schedule; only readers of the file miss it
        config = None
    return {
        "class": _class_name(optimizer),
        "config": config,
        "learning_rate": float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
        "iterations": int(keras.ops.convert_to_numpy(optimizer.iterations)),
        "variables": list(state),
    }


def _class_name(optimizer: keras.optimizers.Optimizer) -> str:
    """Such as `SGD`, or `LossScaleOptimizer(SGD)` under mixed precision."""
    inner = getattr(optimizer, "inner_optimizer", None)
    own = type(optimizer).__name__
    return own if inner is None else f"{own}({_class_name(inner)})"


def _jsonable(value: Any) -> Any:
    """What JSON holds; anything else as text, for a reader's eyes only."""
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)


def _without_rate(table: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in table.items() if n.rstrip("#") != _LEARNING_RATE}


def _state_mismatch(saved: dict[str, np.ndarray], table: dict[str, keras.Variable]) -> str | None:
    """Why the arrays do not fit the variables, None when they do."""
    absent, extra = sorted(table.keys() - saved.keys()), sorted(saved.keys() - table.keys())
    if absent or extra:
        first = (absent or extra)[0]
        return (
            f"the optimizer state covers other weights or has other slots ({len(absent)} absent, "
            f"{len(extra)} too many, first {first!r}); it resumes only the same `layers`"
        )
    for name, variable in table.items():
        if saved[name].shape != tuple(variable.shape):
            return f"{name} has shape {saved[name].shape}, now {tuple(variable.shape)}"
    return None


def _versions() -> dict[str, str]:
    versions = {"mrcnn": __version__, "keras": keras.__version__}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
