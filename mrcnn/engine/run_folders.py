"""Log folders and checkpoint names: `<name><date>T<time>/mask_rcnn_<name>_<epoch>.h5`."""

import datetime
import errno
import os
import re

from mrcnn.engine.checkpoint_files import CHECKPOINT_NAME, find_checkpoints

FOLDER_SUFFIX = r"\d{8}T\d{4}(?:_\d+)?"


def new_run_folder(model_dir, name, now=None):
    """A folder name for a new run that no earlier run has used.

    Args:
        model_dir: parent of all runs.
        name: Config.NAME.
        now: datetime of the run's start.

    Returns:
        Path `<model_dir>/<name><yyyymmdd>T<hhmm>`, with `_2`, `_3` ... where it exists.
    """
    now = now or datetime.datetime.now()
    base = path = os.path.join(model_dir, f"{name.lower()}{now:%Y%m%dT%H%M}")
    number = 1
    while os.path.exists(path):
        number += 1
        path = f"{base}_{number}"
    return path


def run_of_checkpoint(path, name):
    """The run of a model that a checkpoint belongs to.

    Args:
        path: file path.
        name: Config.NAME; a checkpoint of another name starts a run, it does not go on with one.

    Returns:
        (name of the run folder, epoch in the file's name), or None where the path is not named
        as a checkpoint inside a run folder of this name.
    """
    folder, file_name = os.path.split(os.path.abspath(path))
    match = CHECKPOINT_NAME.match(file_name)
    run = os.path.basename(folder)
    if not match or not re.fullmatch(re.escape(name.lower()) + FOLDER_SUFFIX, run):
        return None
    return run, int(match["epoch"])


def checkpoint_pattern(folder, name):
    """Path of this run's checkpoints, with a place for `epoch`."""
    return os.path.join(folder, f"mask_rcnn_{name.lower()}_{{epoch:04d}}.h5")


def find_runs(model_dir, name=None):
    """Paths of the run folders in a folder, the newest first.

    Args:
        model_dir: parent of all runs; one that does not exist holds none.
        name: Config.NAME; None for runs of any name.
    """
    ours = re.compile((".+" if name is None else re.escape(name.lower())) + FOLDER_SUFFIX + "$")
    folders = os.listdir(model_dir) if os.path.isdir(model_dir) else []
    runs = sorted((f for f in folders if ours.match(f)), key=_run_order, reverse=True)
    return [os.path.join(model_dir, run) for run in runs]


def find_last_checkpoint(model_dir, name):
    """The newest checkpoint of the newest run that has one.

    Args:
        model_dir: parent of all runs.
        name: Config.NAME.

    Returns:
        Path.

    Raises:
        FileNotFoundError: no run of that name, or none with a checkpoint.
    """
    runs = find_runs(model_dir, name)
    for run in runs:
        found = find_checkpoints(run)
        if found:
            return str(found[-1])
    what = f"{len(runs)} run folder(s), none with a checkpoint" if runs else "no run folder"
    raise FileNotFoundError(
        errno.ENOENT, f"no checkpoint of {name!r} in {os.path.abspath(model_dir)}: {what}"
    )


def _run_order(folder):
    """Date first, then the number behind a collision: `..T1904` before `..T1904_2`."""
    match = re.search(r"(\d{8}T\d{4})(?:_(\d+))?$", folder)
    return match.group(1), int(match.group(2) or 1)
