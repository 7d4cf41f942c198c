"""From a checkpoint, or the folder of a run, to a model: what commands share."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mrcnn._config_checks import nearest_name
from mrcnn._versions import keras_backend
from mrcnn.commands.coco_names import COCO_NAMES, COCO_NAMES_91
from mrcnn.commands.quiet import quiet_start
from mrcnn.commands.settings import read_settings
from mrcnn.config import Config
from mrcnn.engine.checkpoint_files import find_checkpoints, read_checkpoint_meta
from mrcnn.engine.downloads import download_trained_weights, models_folder
from mrcnn.engine.legacy_h5 import weight_shapes
from mrcnn.engine.published import SCHOOLS, coco_weights_path
from mrcnn.engine.run_folders import find_runs
from mrcnn.engine.weights_advice import backbone_name, class_count
from mrcnn.engine.zoo.fitting import PRESETS as ZOO_PRESETS
from mrcnn.engine.zoo.reading import is_zoo_file, read_zoo
from mrcnn.presets import with_preset

COCO = "coco"  # stands for Matterport's published weights, with "+" and a school for its own
COCO_FILE = "mask_rcnn_coco.h5"


@dataclass
class Description:
    """What a weights file says of itself, read without TensorFlow.

    Attributes:
        path: the file.
        config: the Config it was trained with, or that of the preset for torchvision's and
            detectron2's files; None for weights alone, such as Matterport's.
        class_names: by class id, the background first; None where the file has none.
        num_classes: the background included; None where no head tells.
        backbone: name of a ResNet; None for another one.
        epoch: epochs done.
        logs: losses and metrics of that epoch.
        layers: the layers that the last stage trained, None if unknown.
        versions: package -> version that wrote it.
        shapes: (layer, leaf, weight) -> shape of every array.
        zoo: "torchvision" or "detectron2" for a file of theirs.
    """

    path: str
    config: Config | None
    class_names: list | None
    num_classes: int | None
    backbone: str | None
    epoch: int = 0
    logs: dict = field(default_factory=dict)
    layers: str | None = None
    versions: dict = field(default_factory=dict)
    shapes: dict = field(default_factory=dict)
    zoo: str | None = None

    @property
    def is_coco(self):
        """True for weights of COCO's classes that hold no configuration."""
        return self.config is None and self.num_classes == len(COCO_NAMES)


def checkpoint_of(path):
    """The weights file that a path stands for.

    Args:
        path: a file; the folder of a run, whose newest checkpoint is taken; a folder of runs,
            of which the newest one that has a checkpoint is; or "coco", "coco+paper" or
            "coco+torchvision", see `coco_weights`.

    Returns:
        Path as text.

    Raises:
        FileNotFoundError: there is none; says what was looked for.
        ConnectionError: COCO's weights are not here and cannot be downloaded.
        ValueError: "coco+" and no school.
    """
    path = Path(path)
    school = None if path.exists() else coco_school(str(path))
    if school:
        return coco_weights(school)
    if path.is_file():
        return str(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder (looked in {Path.cwd()})")
    for folder in (path, *find_runs(path)):
        found = find_checkpoints(folder)
        if found:
            return str(found[-1])
    raise FileNotFoundError(
        f"{path}: no checkpoint in this folder; looked for mask_rcnn_<name>_<epoch>.h5 in it and "
        f"in folders of runs such as <name>20260131T0930/ ({len(find_runs(path))} there)")


def coco_school(name):
    """The school of the COCO weights that a name stands for; None where it stands for none.

    Raises:
        ValueError: "coco+" and no school.
    """
    data, plus, school = name.partition("+")
    if data != COCO:
        return None
    if plus and school not in SCHOOLS:
        known = [f"{COCO}+{one}" for one in SCHOOLS]
        raise ValueError(f"{name}: expected {COCO} or one of {', '.join(known)}; nearest valid: "
                         f"{nearest_name(name, known)}")
    return school if plus else Config.PRESET


def coco_weights(school=Config.PRESET, backbone="resnet50"):
    """Path of the weights that a school published for COCO, downloaded on first use.

    They are taken from this folder, or from where Keras (or PyTorch) keeps its downloads.

    Args:
        school: "matterport", "paper" (detectron2's) or "torchvision".
        backbone: of the other schools; Matterport's is a resnet101.

    Raises:
        ConnectionError: they are in neither and cannot be downloaded.
        ValueError: none are published for this backbone.
    """
    if school != Config.PRESET:
        return coco_weights_path(school, backbone)
    if Path(COCO_FILE).is_file():
        return COCO_FILE
    return download_trained_weights(str(models_folder() / COCO_FILE))


def describe(path):
    """What a weights file says of itself.

    Args:
        path: as `checkpoint_of`.

    Returns:
        Description.

    Raises:
        FileNotFoundError: no file there.
        ValueError: a file that holds no weights, or is damaged.
    """
    path = checkpoint_of(path)
    if is_zoo_file(path):
        return _of_a_zoo(path)
    meta, shapes = read_checkpoint_meta(path), weight_shapes(path)
    if not shapes:
        raise ValueError(f"{path}: the file holds no weights")
    stored = meta.config if meta else None
    found = Description(path, Config.from_dict(stored) if stored else None,
                        meta.class_names if meta else None, class_count(shapes),
                        backbone_name(key[1] for key in shapes), shapes=shapes)
    if meta:
        found.epoch, found.logs, found.layers = meta.epoch, meta.logs, meta.layers
        found.versions = meta.versions
    if found.is_coco and found.class_names is None:
        found.class_names = list(COCO_NAMES)
    return found


def _of_a_zoo(path):
    """The Description of torchvision's or detectron2's file: it asks for the preset that fits."""
    file = read_zoo(path)
    if file.is_backbone:
        raise ValueError(f"{path} holds a network for ImageNet and no detector: `load_weights` of "
                         "a MaskRCNN in training mode takes its backbone, and mrcnn train "
                         "--weights imagenet --preset paper or torchvision downloads the one that "
                         "fits")
    shapes = {key: array.shape for key, array in file.arrays.items()}
    found = Description(path, with_preset(Config, ZOO_PRESETS[file.zoo].PRESET)(), None,
                        class_count(shapes), backbone_name(key[1] for key in shapes),
                        zoo=file.zoo, shapes=shapes)
    known = {len(names): names for names in (COCO_NAMES, COCO_NAMES_91)}
    found.class_names = list(known.get(found.num_classes, ())) or None
    guess = {"NUM_CLASSES": found.num_classes, "BACKBONE": found.backbone,
             "BATCH_NORM_EPSILON": file.epsilon, "IMAGES_PER_GPU": 1}
    if file.zoo == "detectron2" and keras_backend() != "jax":
        guess["ROI_ALIGN_SAMPLING_RATIO"] = 0  # as many points as cells, which it was trained with
    for knob, value in guess.items():
        if value is not None:
            setattr(found.config, knob, value)
    return found


def inference_config(description, config=None, assignments=()):
    """The configuration to run a weights file with.

    Args:
        description: Description.
        config: SOURCE as `settings.load_config` takes it; it wins over the file's own.
        assignments: texts "KEY=VALUE".

    Returns:
        Config.

    Raises:
        ValueError: the file has no configuration and none is given, or it was trained under
            another preset than the one that is.
    """
    said = read_settings(config, assignments)
    if description.config is not None:
        said.check_preset(description.config, description.path)
        return Config.from_dict(description.config.to_dict(), **said.said(of_preset=False))
    guess = {"NUM_CLASSES": description.num_classes, "BACKBONE": description.backbone}
    guess = {name: value for name, value in guess.items() if value is not None}
    if config is None and not description.is_coco and "NUM_CLASSES" not in said.values:
        looks = f"{description.num_classes} classes with the background"
        looks += f" on a {description.backbone}" if description.backbone else ""
        raise ValueError(
            f"{description.path} holds weights but no configuration (they look like {looks}): "
            "say what they were trained with by --config, a YAML file or file.py:Class, or by "
            f"--set NUM_CLASSES={description.num_classes} and --set for whatever else was not "
            "the default")
    return said.config({"IMAGES_PER_GPU": 1}, over_preset=guess)


def open_detector(path, config=None, assignments=(), classes=None):
    """A model in inference mode, with its weights and class names; loads TensorFlow.

    Args:
        path: as `checkpoint_of`.
        config: SOURCE of a configuration; needed for weights alone, unless they are COCO's.
        assignments: texts "KEY=VALUE", over everything else.
        classes: names by class id, the background first, for weights that hold none.

    Returns:
        MaskRCNN.

    Raises:
        FileNotFoundError: no weights there.
        ValueError: no configuration, or weights that do not fit it.
    """
    description = describe(path)
    config = inference_config(description, config, assignments)
    with quiet_start():
        from mrcnn._versions import check_versions

        check_versions()
        from mrcnn.engine.mask_rcnn import MaskRCNN

        model = MaskRCNN("inference", config, str(Path(description.path).parent))
    model.load_weights(description.path, by_name=True)
    model.class_names = description.class_names or (list(classes) if classes else None)
    return model


def check_classes(model, dataset):
    """Refuses a data set that has other classes than a model.

    Args:
        model: MaskRCNN or Description.
        dataset: prepared Dataset.

    Raises:
        ValueError: naming the classes of both; also where they are in another order.
    """
    theirs = [str(name) for name in dataset.class_names][1:]
    names, config = model.class_names, model.config
    if names is None:
        count = config.NUM_CLASSES if config is not None else model.num_classes
        if count != len(theirs) + 1:
            raise ValueError(f"the model has {count} classes with the background, the data set "
                             f"{len(theirs) + 1}: {', '.join(theirs)}")
        return
    ours = [str(name) for name in names][1:]
    _check_left_out(ours, dataset)
    if np.array_equal(ours, theirs):
        return
    hint = ""
    if sorted(ours) == sorted(theirs):
        hint = "; they are the same in another order: load the data set with the model's names"
    raise ValueError(f"the model's classes are {_listed(ours)}; the data set's are "
                     f"{_listed(theirs)}{hint}")


def _check_left_out(ours, dataset):
    """A set read with `classes=` of the model has their names in any case: did it use one?"""
    left_out = getattr(dataset, "left_out", None)
    if left_out and all(info["source"] == "classes" for info in dataset.class_info[1:]):
        raise ValueError(f"the model's classes are {_listed(ours)}; the data set has none of "
                         f"them, only {_listed(left_out)}")


def _listed(names, shown=12):
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(repr, names[:shown])) + more if names else "none"
