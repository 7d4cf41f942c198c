"""What `mrcnn info` tells: of this installation, or of a checkpoint."""

import math
import platform
import shutil
from pathlib import Path

from mrcnn import __version__, _versions
from mrcnn import _config_json as as_json
from mrcnn.commands import machine
from mrcnn.commands.opening import describe
from mrcnn.commands.quiet import quiet_start
from mrcnn.commands.training import run_files
from mrcnn.engine.checkpoint_files import find_checkpoints, read_checkpoint_meta

# Package -> (what is needed, what the tests ran with); the table of the README.
MATRIX = {
    "python": ("3.10 to 3.13", "3.11"),
    "tensorflow": ("2.20 or newer", "2.21"),
    "keras": ("3.12 or newer, below 4", "3.15"),
    "numpy": ("2 or newer", "2.4"),
    "scipy": ("any that NumPy 2 allows", "1.17"),
    "scikit-image": ("any that NumPy 2 allows", "0.26"),
    "h5py": ("any that NumPy 2 allows", "3.14"),
    "opencv-python-headless": ("any that NumPy 2 allows", "5.0"),
    "pycocotools": ("any that NumPy 2 allows", "2.0.11"),
    "matplotlib": ("any that NumPy 2 allows", "3.11"),
    "av": ("any", "18.1"),
    "jinja2": ("any", "3.1"),
}
# Package -> (its module, what it is for).
EXTRAS = {
    "jax": ("jax", "KERAS_BACKEND=jax, in place of TensorFlow"),
    "torch": ("torch", "KERAS_BACKEND=torch, in place of TensorFlow"),
    "albumentations": ("albumentations", "its transforms as augmentation"),
    "imgaug": ("imgaug", "its augmenters; without it a stand-in has the usual ones"),
    "tensorboard": ("tensorboard", "curves of a training in a browser"),
    "imagecodecs": ("imagecodecs", "TIFF files of rare compressions"),
}
GROUPS = {"rpn_": "proposals", "fpn_": "pyramid", "mrcnn_": "heads"}


# --- a checkpoint ---------------------------------------------------------------------------


def model_facts(path):
    """What is known of a checkpoint, without TensorFlow.

    Args:
        path: weights file, run folder, or folder of runs.

    Returns:
        dict of plain types; "config" has the knobs that differ from the default, None where the
        file holds none.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no weights of a Mask R-CNN or its backbone, or a damaged file.
    """
    found = describe(path)
    groups = _parameters(found.shapes)
    if found.backbone is None and set(groups) <= {"backbone"}:
        layers = ", ".join(sorted({key[0] for key in found.shapes})[:6])
        raise ValueError(f"{found.path}: these are weights of something else than a Mask R-CNN "
                         f"(layers {layers})")
    meta = None if found.zoo else read_checkpoint_meta(found.path)
    optimizer = meta.optimizer if meta else None
    config = found.config
    return {
        "path": found.path, "megabytes": round(Path(found.path).stat().st_size / 1e6, 1),
        "kind": "checkpoint of this library" if meta else
                f"weights of {found.zoo}, with the settings of the preset that reads them"
                if found.zoo else "weights alone, no configuration",
        "name": config.NAME if config else None,
        "epoch": found.epoch if meta else None, "stage": found.layers, "logs": found.logs,
        "classes": found.class_names, "num_classes": found.num_classes,
        "backbone": found.backbone, "preset": config.PRESET if config else None,
        "image_shape": [int(n) for n in config.IMAGE_SHAPE] if config else None,
        "resize_mode": config.IMAGE_RESIZE_MODE if config else None,
        "optimizer": optimizer and {key: optimizer[key] for key in
                                    ("class", "learning_rate", "iterations")},
        "parameters": {**groups, "total": sum(groups.values())},
        "layers": len({key[:2] for key in found.shapes}),
        "versions": found.versions, "config": _differences(config), "run": _run_facts(found.path),
    }


def _parameters(shapes):
    """Group -> number of weights; a layer belongs to the backbone where no name says more."""
    groups = {}
    for (_, leaf, _), shape in shapes.items():
        group = next((name for start, name in GROUPS.items() if leaf.startswith(start)),
                     "backbone")
        groups[group] = groups.get(group, 0) + math.prod(shape)
    return groups


def _differences(config):
    """Knob -> value where a configuration is not the default; derived values left out."""
    if config is None:
        return None
    return {knob: as_json.encode(mine) for knob, (mine, _) in config.differences().items()}


def _run_facts(path):
    """What `mrcnn train` wrote beside a checkpoint, None where it did not."""
    folder = Path(path).parent
    try:
        run = run_files.read_run(folder)
    except (OSError, ValueError):
        return None
    return {"folder": str(folder), "command": run.get("command"), "started": run.get("started"),
            "seed": run.get("seed"), "data": run.get("data"),
            "checkpoints": [file.name for file in find_checkpoints(folder)]}


def model_lines(facts):
    """`model_facts` as rows (name, text) for people."""
    shape, mode = facts["image_shape"], facts["resize_mode"]
    lines = [("file", f"{facts['path']}, {facts['megabytes']} MB; {facts['kind']}"),
             ("name", facts["name"]),
             ("classes", _classes(facts)),
             ("network", facts["backbone"] or "a backbone of another kind"),
             ("preset", facts["preset"]),
             ("images", shape and f"{shape[1]} x {shape[0]} px, {shape[2]} channels, {mode}"),
             ("parameters", ", ".join(f"{name} {count:,}"
                                      for name, count in facts["parameters"].items())
              + f" in {facts['layers']} layers")]
    if facts["epoch"] is not None:
        stage = f", last trained: {facts['stage']}" if facts["stage"] else ""
        lines.append(("epoch", f"{facts['epoch']}{stage}"))
    lines += [("losses", _logs(facts["logs"], "loss", False)),
              ("", _logs(facts["logs"], "loss", True)),
              ("measured", _logs(facts["logs"], "mAP", True))]
    if facts["optimizer"]:
        lines.append(("optimizer", "{class}, rate {learning_rate:g}, {iterations} steps"
                      .format(**facts["optimizer"])))
    lines.append(("written by", ", ".join(f"{k} {v}" for k, v in facts["versions"].items())))
    run = facts["run"]
    if run:
        lines.append(("trained by", " ".join(run["command"] or ())))
        lines.append(("", f"{run['started']}, seed {run['seed']}"))
    lines = [(name, text) for name, text in lines if text]
    if facts["config"] is None:
        return [*lines, ("config", "none in the file: other commands need --config or --set "
                         "with it" + ("" if facts["num_classes"] != 81 else
                                      "; COCO's 81 classes are recognised"))]
    rows = [(knob, str(value)) for knob, value in facts["config"].items()]
    return [*lines, ("config", "what differs from the default:"),
            *(("", f"{knob} = {value}") for knob, value in rows)]


def _classes(facts):
    if facts["classes"]:
        return f"{len(facts['classes']) - 1}: " + ", ".join(map(str, facts["classes"][1:]))
    count = facts["num_classes"]
    return f"{count} with the background, names unknown" if count else "no heads in the file"


def _logs(logs, word, is_val):
    """The values whose name holds `word`, of training or of validation."""
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items()
                     if word in name and name.startswith("val_") == is_val)


# --- this installation ----------------------------------------------------------------------


def installation_facts():
    """Versions, devices and extras of this machine; loads the backend to ask it for GPUs.

    Returns:
        dict of plain types; "problem" is None where everything needed is there.
    """
    versions = run_files.versions()
    problem, gpus = None, []
    try:
        _versions.check_versions()
        with quiet_start():
            gpus = _gpus()
    except ImportError as error:
        problem = str(error)
    matrix = {name: {"installed": _installed(versions, name), "needed": needed, "tested": tested}
              for name, (needed, tested) in MATRIX.items()}
    return {
        "mrcnn": __version__, "backend": _versions.keras_backend(), "problem": problem,
        "platform": platform.platform(),
        "cores": machine.cores(), "memory_gib": machine.memory_gib(), "gpus": gpus,
        "versions": matrix,
        "extras": {name: {"installed": machine.installed(name, module), "for": use}
                   for name, (module, use) in EXTRAS.items()},
        "ffmpeg": shutil.which("ffmpeg"),
    }


def _installed(versions, name):
    """A version, under whichever name the package is published."""
    others = {"tensorflow": ("tensorflow-cpu",), "opencv-python-headless": ("opencv-python",)}
    return next((versions[one] for one in (name, *others.get(name, ())) if one in versions), None)


def _gpus():
    """Names of the accelerators that the backend of Keras can use."""
    from mrcnn import kernels

    return kernels.device_names()


def installation_lines(facts):
    """`installation_facts` as rows (name, text) for people."""
    gpus = ", ".join(facts["gpus"]) or f"none that {facts['backend']} can use"
    memory = f", {facts['memory_gib']} GiB of memory" if facts["memory_gib"] else ""
    lines = [("mrcnn", f"{facts['mrcnn']} on {facts['platform']}"),
             ("devices", f"{facts['cores']} processor cores{memory}; GPU: {gpus}"),
             *([("problem", facts["problem"])] if facts["problem"] else []),
             ("versions", f"{'':24}{'here':12}{'tested':10}needed")]
    for name, row in facts["versions"].items():
        lines.append(("", f"{name:24}{row['installed'] or 'missing':12}{row['tested']:10}"
                      f"{row['needed']}"))
    lines.append(("extras", ""))
    for name, row in facts["extras"].items():
        here = row["installed"]
        text = "missing" if here is None else here or "installed"
        lines.append(("", f"{name:24}{text:12}{row['for']}"))
    return [*lines, ("", f"{'ffmpeg':24}{'found' if facts['ffmpeg'] else 'missing':12}"
                     f"{facts['ffmpeg'] or 'only for tools of your own'}")]
