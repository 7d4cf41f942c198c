"""A file of another zoo as the weights it holds for the model here."""

import os
from dataclasses import dataclass

import numpy as np

from mrcnn.engine.legacy_h5 import LegacyWeights
from mrcnn.engine.zoo.classifiers import backbone_of
from mrcnn.engine.zoo.layouts import to_ours
from mrcnn.engine.zoo.names import DETECTRON2, NO_WEIGHTS, TORCHVISION, place_of
from mrcnn.engine.zoo.others import READ, other_model
from mrcnn.engine.zoo.pickle_file import read_pickle
from mrcnn.engine.zoo.safe_pickle import PickledArray
from mrcnn.engine.zoo.torch_file import LEGACY_START, StoredTensor, is_torch_zip, read_torch

WRAPPINGS = ("model", "state_dict", "model_state_dict", "blobs")  # where weights may lie
TABLES = {"torchvision": TORCHVISION, "detectron2": DETECTRON2}
LARGEST = 4  # a file's weights may take so many times its own size
KNOWN_EPSILON = 1e-5  # detectron2's, and of torchvision's models that train their batch-norm


@dataclass(eq=False)
class ZooWeights(LegacyWeights):
    """Weights of another zoo, under our names and in our layouts.

    Attributes:
        zoo: "torchvision" or "detectron2".
        epsilon: what its batch-norm adds to the variance; None where the file does not tell.
        is_backbone: an ImageNet network, of which the backbone is taken.
    """

    zoo: str = ""
    epsilon: float | None = None
    is_backbone: bool = False


def is_zoo_file(path):
    """Whether a file is one of PyTorch's or a pickle, by its first bytes."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(len(LEGACY_START))
    if head.startswith(b"PK"):
        return is_torch_zip(path)
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read_zoo(path):
    """Read torchvision's or detectron2's Mask R-CNN, or ResNet for ImageNet.

    By what it holds, whatever the file is called.

    Args:
        path: `.pth` or `.pkl`.

    Returns:
        ZooWeights; arrays float32.

    Raises:
        ValueError: another model, or a file that holds more than weights; says what was
            expected.
    """
    path = os.fspath(path)
    try:
        return _read(path)
    except (MemoryError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # damaged data may raise any kind
        if isinstance(error, ValueError) and str(error).startswith(path):
            raise
        raise ValueError(f"{path}: damaged, or no weights file: {error}") from error


def _read(path):
    stored = _state_dict(_opened(path), path)
    _check_sizes(stored, path)
    backbone = backbone_of(stored)
    stored = backbone or stored
    names = [name for name in stored if not NO_WEIGHTS.search(name)]
    zoo = _zoo_of(stored, names, path)
    arrays, origin = _mapped(stored, names, TABLES[zoo], path)
    counted = any(name.endswith("num_batches_tracked") for name in stored)
    epsilon = KNOWN_EPSILON if zoo == "detectron2" or counted or backbone else None
    layers = list(dict.fromkeys(key[0] for key in arrays))
    return ZooWeights(path, layers, arrays, origin, zoo=zoo, epsilon=epsilon,
                      is_backbone=backbone is not None)


def _opened(path):
    with open(path, "rb") as file:
        head = file.read(len(LEGACY_START))
    return read_torch(path) if head[:2] == b"PK" or head == LEGACY_START else read_pickle(path)


def _state_dict(content, path):
    """{name: tensor or array not yet made} of what a file holds."""
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path}: expected the weights by name (a state_dict), "
                         f"received {type(content).__name__}")
    kinds = (StoredTensor, PickledArray)
    names = {name: one for name, one in content.items() if isinstance(one, kinds)}
    strange = [str(name) for name in content if name not in names and not str(name).startswith("_")]
    if strange or not all(isinstance(name, str) for name in names):
        known = ", ".join(map(str, list(content)[:6]))
        raise ValueError(f"{path}: expected the weights by name, alone or under one of "
                         f"{', '.join(WRAPPINGS)}; received a dict with {known}")
    if all(name.startswith("module.") for name in names):  # of DistributedDataParallel
        names = {name.removeprefix("module."): one for name, one in names.items()}
    return names


def _check_sizes(stored, path):
    """Views may share numbers, so that a small file could ask for any amount of memory."""
    size = sum(one.nbytes for one in stored.values())
    limit = LARGEST * os.path.getsize(path)
    if size > limit:
        raise ValueError(f"{path}: it asks for {size} bytes of weights, more than {LARGEST} times "
                         "its size; expected each weight to have numbers of its own")


def _zoo_of(stored, names, path):
    other = other_model(names, {name: stored[name].shape for name in names})
    zoo = next((zoo for zoo, mark in (("torchvision", "backbone.body."),
                                      ("detectron2", "backbone.bottom_up."))
                if any(name.startswith(mark) for name in names)), None)
    if other or zoo is None:
        what = other or f"weights such as {', '.join(names[:4])}"
        raise ValueError(f"{path} is not a model that can be read: it holds {what}. "
                         f"Expected {READ}")
    return zoo


def _mapped(stored, names, rows, path):
    """({our key: array}, {our key: their name})."""
    places = {name: place_of(name.rpartition(".")[0], rows) for name in names}
    strange = [name for name, place in places.items() if place is None]
    if strange:
        raise ValueError(f"{path} is not a model that can be read: {len(strange)} of its weights "
                         f"have no place here: {', '.join(strange[:6])}. Expected {READ}")
    channels = None
    arrays, origin = {}, {}
    for name, (layer, leaf, layout) in sorted(places.items(), key=lambda row: row[1][2] ==
                                              "dense on a patch"):
        try:
            array = np.asarray(stored[name].resolved(), np.float32)
            weight, array = to_ours(array, layout, name.rpartition(".")[2], channels)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from error
        channels = array.shape[-1] if leaf == "fpn_p2" else channels
        arrays[layer, leaf, weight] = np.ascontiguousarray(array)
        origin[layer, leaf, weight] = name
    return arrays, origin
