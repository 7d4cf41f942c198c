"""What lies beside the checkpoints of a run: config.yaml, run.json, history.csv."""

import csv
import datetime
import json
import os
import platform
from pathlib import Path

import yaml

from mrcnn import __version__
from mrcnn._atomic import atomic_path
from mrcnn.commands.machine import installed
from mrcnn.commands.settings import plain_values

CONFIG, RUN, HISTORY = "config.yaml", "run.json", "history.csv"
HELD_OUT = "held_out.json"  # the images that were held out for validation, in COCO's form
PACKAGES = ("tensorflow", "tensorflow-cpu", "jax", "torch", "keras", "numpy", "scipy",
            "scikit-image", "opencv-python-headless", "opencv-python", "pycocotools", "h5py",
            "matplotlib", "pillow", "av", "jinja2")


def versions():
    """Package -> version of what is installed, Python and this library first."""
    found = {name: installed(name) for name in PACKAGES}
    return {"mrcnn": __version__, "python": platform.python_version(),
            **{name: version for name, version in found.items() if version}}


def save_run_files(folder, config, data, argv, **more):
    """Writes config.yaml and run.json, each whole or not at all.

    Args:
        folder: of the run; made where it is missing.
        config: the Config as it is resolved; `--config config.yaml` reads it back.
        data: dict of the data sets: paths, class names, counts. JSON only.
        argv: list of texts, the command line.
        **more: further entries of run.json.

    Raises:
        OSError: the folder cannot be written.
    """
    words = " ".join(argv)
    text = yaml.safe_dump(plain_values(config), sort_keys=False, default_flow_style=None,
                          allow_unicode=True, width=100)
    head = f"# Every setting of this run; `--config {CONFIG}` uses them again.\n# {words}\n"
    _write(Path(folder, CONFIG), head + text)
    entries = {
        "command": list(argv), "started": now(), "folder": os.getcwd(), "seed": config.SEED,
        "versions": versions(), "platform": platform.platform(), "data": data, **more,
    }
    _write(Path(folder, RUN), json.dumps(entries, indent=2, ensure_ascii=False) + "\n")


def note_resumption(folder, argv, epoch):
    """Adds to run.json that the run goes on from an epoch."""
    run = read_run(folder)
    run.setdefault("resumed", []).append(
        {"command": list(argv), "started": now(), "epoch": epoch, "versions": versions()})
    _write(Path(folder, RUN), json.dumps(run, indent=2, ensure_ascii=False) + "\n")


def read_run(folder):
    """The entries of run.json.

    Raises:
        FileNotFoundError: `mrcnn train` did not write this folder.
        ValueError: the file cannot be read.
    """
    path = Path(folder, RUN)
    if not path.is_file() or not Path(folder, CONFIG).is_file():
        raise FileNotFoundError(
            f"{folder}: no {RUN} and {CONFIG} in it, so `mrcnn train` did not begin this run; "
            "begin one of your own from its weights with --weights")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error


def read_history(folder):
    """Rows of history.csv as dicts of texts; none where it is not there."""
    path = Path(folder, HISTORY)
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add_to_history(folder, row):
    """Writes history.csv with one row more; rows of this epoch and later ones go.

    Args:
        folder: of the run.
        row: dict with "epoch", an int from 1, and numbers.
    """
    rows = [old for old in read_history(folder) if int(old["epoch"]) < row["epoch"]] + [row]
    names = list(dict.fromkeys(name for one in rows for name in one))
    with atomic_path(Path(folder, HISTORY)) as path:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(rows)


def now():
    """The time, to the second, with its zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _write(path, text):
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
