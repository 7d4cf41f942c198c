"""One direction of imports: a folder uses smaller tiers, a file only siblings listed above it.

Imports inside functions count too. `ROOT` and `ORDER` are the house's floor plan: a new file gets
its place here, and the test says so when it has none.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mrcnn"

# Tiers, lowest first. Neighbours in one tier do not know each other, except plain files, where
# a later one may import an earlier one.
ROOT = [
    ["_versions", "_text", "_ctrl_c", "_atomic", "_config_json", "_config_checks", "config",
     "presets"],
    ["geometry"],
    ["data", "evaluation", "kernels"],
    ["visualize", "layers"],
    ["results", "reports", "nets"],
    ["engine"],
    ["utils", "parallel_model", "model"],
    ["media"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
# Matterport's import paths: for scripts only, nothing inside uses them.
SHIMS = {"utils", "parallel_model", "model"}

ORDER = {
    "geometry": ["boxes", "anchors", "bilinear", "shortest_edge", "resize", "masks", "lazy_masks",
                 "polygons", "molding"],
    "evaluation": ["matching", "records", "coco", "voc", "confusion", "rates", "text",
                   "evaluation", "evaluator"],
    "data": ["image_files", "image_checks", "dataset", "findings", "shapes", "formats",
             "image_cache", "augmenters", "augmentation", "ground_truth",
             "anchoring", "targets", "detection_targets", "check", "grouping", "batches",
             "generator", "training_feed", "imgaug_standin"],
    "data/formats": ["paths", "coco_regions", "outline_regions", "file_regions", "annotated",
                     "json_stream", "shape_checks", "coco_checks", "coco_files", "coco_survey",
                     "coco", "coco_writer", "via_shapes",
                     "via", "labelme_shapes", "labelme", "yolo_folders", "yolo",
                     "voc_folders", "voc_xml", "voc", "mask_folders", "detect", "loading"],
    "data/check": ["images", "objects", "frames", "anchor_advice", "statistics", "report",
                   "cache", "progress", "checking"],
    "cli": ["doors", "options", "pages", "demo", "check", "inspect", "train", "evaluate", "detect",
            "export", "info", "frames", "assemble"],
    "results": ["outlines", "labelme", "result", "merging", "exported"],
    "reports": ["charts", "pictures", "page"],
    "media": ["frame", "names", "video_reader", "sound", "video_writer", "pipeline", "sources",
              "outputs", "coco_file", "stills", "plan", "running"],
    "data/augmenters": ["sample", "warp", "geometric", "colour", "copy_paste", "compose"],
    "data/imgaug_standin": ["core", "geometric", "colour", "meta", "augmenters"],
    "kernels": ["keras_modules", "portable_crops", "portable_align", "portable", "functional",
                "whole_batch", "tensorflow_backend", "jax_backend", "torch_backend"],
    "kernels/tensorflow_backend": ["operations", "forward", "devices", "workers", "gradients",
                                   "replicas", "exporting"],
    "kernels/jax_backend": ["operations", "forward", "devices", "replicas"],
    "kernels/torch_backend": ["operations", "forward", "devices", "replicas"],
    "visualize": ["painting", "selection", "lettering", "placement", "rendering", "splash",
                  "figure", "instances", "comparison", "proposals", "charts"],
    "layers": ["tensor_boxes", "slices", "batch_norm", "time_distributed", "foldable_norms",
               "anchors", "proposal", "roi_align", "mask_targets", "detection_target",
               "suppression", "detection"],
    "nets": ["precision", "initial",
             "resnet", "backbones", "fpn", "rpn", "heads", "losses", "frozen_norms",
             "rematerialized", "training_model", "assembly"],
    "commands": ["coco_names", "quiet", "machine", "schools", "config_classes", "settings",
                 "opening", "reading", "pace", "samples", "training", "inspection", "evaluating",
                 "detecting", "exporting", "demo", "info"],
    "commands/samples": ["archives", "pictures", "scoring", "options", "sample"],
    "commands/training": ["run_files", "data_defaults", "starting_weights", "sets", "options",
                          "defaults", "plan", "epoch_table", "callbacks", "loss_curves",
                          "running"],
    "commands/inspection": ["panels", "page", "files", "drawing"],
    "engine/export": ["request", "metadata", "network", "tensor_resize", "tensor_masks",
                      "pipeline", "fixed", "exporting"],
    "engine/zoo": ["safe_pickle", "torch_file", "pickle_file", "names", "layouts", "others",
                   "classifiers", "reading", "fitting"],
    "engine": ["legacy_names", "legacy_h5", "zoo", "weights_advice", "weights_bias", "weights_plan",
               "weights_check", "weights", "checkpoint_files", "checkpoints", "downloads",
               "published", "imagenet",
               "console", "run_folders", "stale_config", "layer_selection", "optimizers",
               "keras_models", "folding", "inference", "workers", "distribution", "export",
               "tiling", "evaluation_truth", "evaluating", "validation", "interruption", "monitors",
               "callbacks", "worker_callbacks", "faulty_images", "training", "inspection",
               "mask_rcnn"],
}

NUMPY_ONLY = ("_versions", "_config_json", "_config_checks", "config", "presets", "geometry",
              "data",
              "evaluation", "visualize", "results", "media", "utils")
TENSOR_FILES = {"data/training_feed"}
HEAVY = {"tensorflow", "keras", "tf_keras"}


def modules_of(package):
    """Every module below `package`: its path without .py mapped to the file."""
    return {path.relative_to(package).with_suffix("").as_posix(): path
            for path in package.rglob("*.py")}


def imports_of(path, module):
    """Yields (line, dotted module, name or None) for every import statement of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            here = ["mrcnn", *module.split("/")]
            start = here[: -node.level] if node.level else []
            dotted = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, dotted, alias.name
        elif isinstance(node, ast.Call) and "import_module" in ast.dump(node.func):
            if node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value), None


def target_of(dotted, name, modules):
    """The module of this package that an import reaches, or None for any other."""
    parts = dotted.split(".")
    if parts[0] != "mrcnn" or (dotted == "mrcnn" and name == "__version__"):
        return None
    inside = parts[1:]
    for candidate in ([*inside, name] if name else inside, inside):
        joined = "/".join(candidate)
        if joined in modules:
            return joined
        package = "/".join([*candidate, "__init__"])
        if package in modules:
            return package
    return "/".join(inside) or "__init__"


def place(folder, name, root, order):
    """(tier, position) of an entry of a folder; None where the plan does not name it."""
    rows = root if folder == "" else [[*order.get(folder, []), "__init__"]]
    for tier, row in enumerate(rows):
        if name in row:
            return tier, row.index(name)
    return None


def verdict(source, target, root, order):
    """None when `source` may import `target`, else why not."""
    if target in SHIMS or target == "__init__":
        return "the public names are for scripts only"
    mine, theirs = source.split("/"), target.split("/")
    depth = next((i for i, pair in enumerate(zip(mine, theirs, strict=False))
                  if pair[0] != pair[1]), None)
    if depth is None:
        return "a module imports itself"
    folder = "/".join(mine[:depth])
    here, there = (place(folder, parts[depth], root, order) for parts in (mine, theirs))
    if here is None or there is None:
        return None  # reported once, as a file without a place
    plain_files = folder != "" or len(mine) == len(theirs) == 1
    if there[0] < here[0] or (there[0] == here[0] and plain_files and there[1] < here[1]):
        return None
    return "it stands above or beside"


def violations(package, root=ROOT, order=ORDER):
    """One line for each import that goes the wrong way, and each file without a place."""
    modules = modules_of(package)
    lines = []
    for source, path in sorted(modules.items()):
        if source == "__init__":
            continue  # the lazy public face
        folder, _, name = source.rpartition("/")
        if place(folder, name, root, order) is None:
            lines.append(f"{source}.py has no place in the plan of {folder or 'mrcnn'!r}")
        for line, dotted, imported in imports_of(path, source):
            target = target_of(dotted, imported, modules)
            why = target and verdict(source, target, root, order)
            if why:
                lines.append(f"{source}.py:{line} imports {target}: {why}")
    return list(dict.fromkeys(lines))


def heavy_imports(package):
    """Imports of TensorFlow or Keras in the tiers that live without them."""
    lines = []
    for source, path in sorted(modules_of(package).items()):
        if source.split("/")[0] in NUMPY_ONLY and source not in TENSOR_FILES:
            for line, dotted, _ in imports_of(path, source):
                if dotted.split(".")[0] in HEAVY and source != "utils":
                    lines.append(f"{source}.py:{line} imports {dotted}")
    return lines


def test_imports_go_one_way():
    found = violations(PACKAGE)
    assert not found, "\n".join(found)


def test_numpy_tiers_know_no_tensorflow():
    found = heavy_imports(PACKAGE)
    assert not found, "\n".join(found)


# --- the rule itself, on made-up houses -----------------------------------------------------

PLAN = {"root": [["config"], ["geometry"], ["data", "kernels"], ["engine"], ["utils"]],
        "order": {"geometry": ["boxes", "masks"], "data": ["dataset"], "kernels": ["ops"],
                  "engine": ["weights", "train"]}}


def made_up(tmp_path, files):
    """Writes a package whose files are empty but for `files` (path to source text)."""
    package = tmp_path / "mrcnn"
    usual = ["__init__", "config", "utils", "geometry/__init__", "geometry/boxes",
             "geometry/masks", "data/__init__", "data/dataset", "kernels/__init__",
             "kernels/ops", "engine/__init__", "engine/weights", "engine/train"]
    for module in {*usual, *files}:
        path = package / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(module, ""), encoding="utf-8")
    return package


@pytest.mark.parametrize(("module", "text", "expected"), [
    ("geometry/boxes", "from mrcnn.engine import train", "imports engine/train"),
    ("geometry/boxes", "import mrcnn.config\nimport mrcnn.data", "boxes.py:2 imports data/__init"),
    ("geometry/boxes", "def f():\n    from mrcnn.data.dataset import Dataset", ":2 imports data/"),
    ("geometry/boxes", "from . import masks", "imports geometry/masks"),
    ("geometry/boxes", "from .masks import x", "imports geometry/masks"),
    ("geometry/boxes", "from ..engine.train import x", "imports engine/train"),
    ("geometry/masks", "from mrcnn.geometry import something", "imports geometry/__init__"),
    ("data/dataset", "from mrcnn.kernels import ops", "imports kernels/ops"),
    ("config", "from mrcnn import geometry", "imports geometry/__init__"),
    ("engine/train", "from mrcnn import utils", "scripts only"),
    ("engine/train", "import_module('mrcnn.utils')", "train.py:1 imports utils"),
    ("engine/train", "from mrcnn import Config", "imports __init__"),
    ("engine/extra", "", "extra.py has no place in the plan of 'engine'"),
    ("helpers", "", "helpers.py has no place in the plan of 'mrcnn'"),
])
def test_a_wrong_way_import_is_caught(tmp_path, module, text, expected):
    found = violations(made_up(tmp_path, {module: text}), **PLAN)
    assert len(found) == 1, found
    assert expected in found[0]


def test_right_way_imports_pass(tmp_path):
    package = made_up(tmp_path, {
        "geometry/masks": "from mrcnn.geometry import boxes\nfrom . import boxes\nimport numpy",
        "geometry/__init__": "from mrcnn.geometry.boxes import x\nfrom .masks import y",
        "engine/train": "import os\nfrom mrcnn import __version__\n"
                        "from mrcnn.config import Config\n"
                        "from mrcnn.engine.weights import load\nfrom ..data.dataset import D",
        "utils": "from mrcnn.engine import train",
        "__init__": "from mrcnn.engine import train",
    })
    assert violations(package, **PLAN) == []


def test_tensorflow_in_a_numpy_tier_is_caught(tmp_path):
    package = made_up(tmp_path, {
        "geometry/boxes": "def f():\n    import tensorflow as tf",
        "data/dataset": "from keras import ops",
        "data/training_feed": "import keras",
        "kernels/ops": "import tensorflow",
    })
    assert heavy_imports(package) == ["data/dataset.py:1 imports keras",
                                      "geometry/boxes.py:2 imports tensorflow"]
