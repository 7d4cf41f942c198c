"""Checkpoint files as seen without Keras: their metadata, finding, pruning.

A checkpoint is a weights file in the legacy layout, so old ports load it by name, with one
more group, `mrcnn_checkpoint`, which they ignore. That group holds a JSON text, `meta`, and
the arrays of the optimizer, `optimizer/<number>`.
"""

import errno
import json
import math
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from mrcnn._atomic import remove_leftovers
from mrcnn.engine.legacy_h5 import open_h5

GROUP = "mrcnn_checkpoint"
FORMAT = 1
CHECKPOINT_NAME = re.compile(r"^mask_rcnn_(?P<name>.+)_(?P<epoch>\d{4,})\.h5$")
MONITORS = ("val_mAP", "val_loss", "loss")  # what decides which is the best: the first there is


@dataclass
class CheckpointMeta:
    """What a checkpoint knows beside its weights.

    Attributes:
        path: the file.
        epoch: epochs finished when it was written.
        config: `Config.to_dict()`, or None.
        class_names: index is the class id, background first; or None.
        layers: the `layers` argument of the training stage, or None.
        logs: {name: value} of the epoch's losses and metrics.
        versions: {"mrcnn", "keras", "tensorflow", ...: version}.
        optimizer: None, or {"class", "config", "learning_rate", "iterations", "variables"}.
    """

    path: str
    epoch: int = 0
    config: dict[str, Any] | None = None
    class_names: list[str] | None = None
    layers: str | None = None
    logs: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    optimizer: dict[str, Any] | None = None


def write_meta(file: h5py.File, meta: CheckpointMeta) -> h5py.Group:
    """Put the metadata into an open file; the answer is the group, for the arrays."""
    values = {name: value for name, value in vars(meta).items() if name != "path"}
    text = json.dumps({"format": FORMAT, **values})
    group = file.create_group(GROUP)
    group.create_dataset("meta", data=text, dtype=h5py.string_dtype("utf-8"))
    return group


def read_checkpoint_meta(path: str | os.PathLike) -> CheckpointMeta | None:
    """Read the metadata of a checkpoint.

    Args:
        path: a checkpoint or any other HDF5 weights file.

    Returns:
        CheckpointMeta; None for a file without the block, such as Matterport's.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not HDF5, damaged, or written by a newer version of this package.
    """
    with open_h5(path) as file:
        return meta_of(file, path)


def meta_of(file: h5py.File, path: str | os.PathLike) -> CheckpointMeta | None:
    """`read_checkpoint_meta` of a file that is open already."""
    if GROUP not in file:
        return None
    try:
        values = json.loads(file[GROUP]["meta"].asstr()[()])
        written_as = int(values.pop("format"))
    except (KeyError, ValueError, OSError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: the checkpoint's metadata cannot be read ({error})") from error
    if written_as > FORMAT:
        raise ValueError(
            f"{path}: checkpoint format {written_as}, but this version of mrcnn reads up to "
            f"{FORMAT}; upgrade mrcnn"
        )
    known = CheckpointMeta.__dataclass_fields__
    return CheckpointMeta(str(path), **{k: v for k, v in values.items() if k in known})


def find_checkpoints(folder: str | os.PathLike) -> list[Path]:
    """All files named `mask_rcnn_<name>_<epoch>.h5` in a folder, lowest epoch first.

    Args:
        folder: a run's folder; one that does not exist holds none.
    """
    paths = Path(folder).glob("mask_rcnn_*.h5")
    named = [(path, match) for path in paths if (match := CHECKPOINT_NAME.match(path.name))]
    return [path for path, match in sorted(named, key=lambda p: (int(p[1]["epoch"]), p[0].name))]


def prune_checkpoints(
    folder: str | os.PathLike, keep_last: int, monitor: str | None = None
) -> list[Path]:
    """Delete old checkpoints; the best one and the last ones stay.

    Only files go that have a checkpoint's name and this package's metadata; every `<name>`
    is counted for itself. What is best says `best_of`.

    Args:
        folder: a run's folder.
        keep_last: how many of the last epochs stay; 0 or less deletes nothing.
        monitor: see `best_of`.

    Returns:
        The deleted paths.
    """
    groups: dict[str, list[CheckpointMeta]] = {}
    for path in find_checkpoints(folder) if keep_last > 0 else ():
        meta = _own_meta(path)
        if meta is not None:
            groups.setdefault(CHECKPOINT_NAME.match(path.name)["name"], []).append(meta)
    removed = []
    for metas in groups.values():
        best = best_of(metas, monitor)
        removed += [m.path for m in metas[:-keep_last] if m is not best and _remove(m.path)]
    return [Path(path) for path in removed]


def _own_meta(path: Path) -> CheckpointMeta | None:
    try:
        return read_checkpoint_meta(path)
    except (ValueError, OSError):  # not ours to judge, so not ours to delete
        return None


def best_of(
    metas: list[CheckpointMeta], monitor: str | None = None, mode: str | None = None
) -> CheckpointMeta | None:
    """The best of some checkpoints; the earlier one of equals.

    Args:
        metas: of the checkpoints.
        monitor: the logged value to judge by; None for the first of MONITORS that any of them
            knows.
        mode: "max" or "min"; None for "max" with `val_mAP...`, "min" with all else.

    Returns:
        One of `metas`, or None where none holds a finite value.
    """
    for name in MONITORS if monitor is None else (monitor,):
        rated = [m for m in metas if math.isfinite(m.logs.get(name, math.nan))]
        if rated:
            higher = name.startswith(MONITORS[0]) if mode is None else mode == "max"
            return (max if higher else min)(rated, key=lambda m: m.logs[name])  # noqa: B023
    return None


def _remove(path: str) -> bool:
    try:
        os.remove(path)
    except OSError as error:
        warnings.warn(f"could not delete the old checkpoint {path}: {error}", stacklevel=3)
        return False
    return True


def check_writable(folder: str | os.PathLike) -> None:
    """Make sure checkpoints can be written, before hours of training; clear leftovers.

    Creates the folder when missing, writes and deletes a small file, and removes temporary
    files of earlier, killed runs.

    Args:
        folder: where checkpoints will go.

    Raises:
        PermissionError: the folder may not be created or written to.
        OSError: it cannot be for another reason (a file in the way, a full disk).
    """
    folder = Path(folder)
    probe = folder / f".write_test.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"checkpoints go here")
        probe.unlink()
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        raise (PermissionError if denied else OSError)(
            error.errno,
            f"cannot write checkpoints to {folder.absolute()} ({error.strerror}); "
            "choose another model_dir",
        ) from error
    remove_leftovers(folder)
