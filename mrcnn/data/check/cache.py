"""The results of earlier checks, kept in the user's cache folder.

A result is found again under a fingerprint of everything it follows from: images, annotations and
classes as they were read, the size and time of each image and mask file, and the knobs that
matter. A change of any of these is another fingerprint, so nothing here is ever out of date.
"""

import hashlib
import json
import os
import sys
import tempfile
import zlib
from pathlib import Path

from mrcnn.data.formats.annotated import AnnotatedDataset, unpacked

VERSION = 3  # of what a check looks at: a new one makes all earlier results unknown
KEPT = 64  # results kept; beyond, the oldest go
KNOBS = ("IMAGE_RESIZE_MODE", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "IMAGE_MIN_SCALE",
         "RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "RPN_ANCHOR_STRIDE", "BACKBONE_STRIDES",
         "MAX_GT_INSTANCES", "BACKBONE_SHAPES", "FEATURES")


def cache_folder():
    """Where results lie: MRCNN_CACHE, or below the folder the system has for caches."""
    own = os.environ.get("MRCNN_CACHE")
    if own:
        return Path(own, "check")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "mrcnn", "check")


def can_be_cached(dataset, config):
    """False where code of a script's own decides what images, masks or anchors are."""
    same = all(getattr(type(dataset), name, None) is getattr(AnnotatedDataset, name)
               for name in ("load_image", "load_mask", "instances"))
    return same and config.COMPUTE_BACKBONE_SHAPE is None


def fingerprint(dataset, config, channels):
    """A text that is equal only where a check would answer the same.

    Args:
        dataset: AnnotatedDataset.
        config: Config of the statistics.
        channels: what the images must have, None for anything.
    """
    digest = hashlib.blake2b(digest_size=20)
    knobs = {knob: str(getattr(config, knob)) for knob in KNOBS}
    classes = [str(info["name"]) for info in dataset.class_info]
    found = [finding.as_dict() for finding in dataset.findings]
    _feed(digest, VERSION, knobs, channels, classes, found, dataset.left_out)
    for info in dataset.image_info:
        annotations = info.get("annotations") or b""
        _feed(digest, info["source"], str(info["id"]), str(info["path"]), info.get("height"),
              info.get("width"), info.get("label_image"),
              info.get("annotation_file"), len(annotations))
        digest.update(annotations)
        for path in (info["path"], *_other_files(info.get("label_image"), annotations)):
            _feed(digest, str(path), _state(path))
    return digest.hexdigest()


def _feed(digest, *values):
    digest.update(json.dumps(values, sort_keys=True, default=str).encode())


def _state(path):
    """Size and time of a file, None where there is none."""
    try:
        state = os.stat(path)
    except (OSError, TypeError, ValueError):
        return None
    return state.st_size, state.st_mtime_ns


def _other_files(label_image, annotations):
    """The image files that the objects of an image are in."""
    files = set(label_image[:1]) if label_image else set()
    if annotations and b'-file"' in zlib.decompress(annotations):  # most sets have none
        files |= {one.region.path for one in unpacked(annotations) if hasattr(one.region, "path")}
    return sorted(files)


def stored(key):
    """What `store` kept under `key`, None where there is nothing that can be read."""
    try:
        return json.loads((cache_folder() / f"{key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, RuntimeError):  # RuntimeError: no home folder
        return None


def store(key, result):
    """Keeps a dict under `key`, whole or not at all; does nothing where that cannot be."""
    temporary = None
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(result, file)
        os.replace(temporary, folder / f"{key}.json")
        temporary = None
        _prune(folder)
    except (OSError, RuntimeError):
        pass
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _prune(folder):
    """Removes the oldest results beyond KEPT."""
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
