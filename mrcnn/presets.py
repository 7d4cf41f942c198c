"""Presets: the settings of one school together, as classes to build a configuration on.

    class FruitConfig(PaperConfig):
        NAME = "fruit"
        NUM_CLASSES = 1 + 5

    BalloonConfig = with_preset(BalloonConfig, "torchvision")

What a class sets itself counts more than the preset it is built on. Two kinds: a school
("matterport", "paper", "torchvision") says how the network is built and trained, a data set
("voc") says its sizes and schedule. "voc+paper" is the data set on top of the school.
"""

import functools
import math

import numpy as np

from mrcnn._config_checks import nearest_name
from mrcnn.config import Config, Linked


class _TwoStageConfig(Config):
    """What the paper's code and torchvision have in common."""

    BACKBONE = "resnet50"
    HEADS_BATCH_NORM = False
    HEADS_SMALL_INIT = True
    FREEZE_BN = True
    FREEZE_AT = 2
    BOX_NORMALIZATION = "edges"

    RPN_CONV_CHANNELS = 256
    RPN_ANCHOR_RATIOS = [2, 1, 0.5]  # wide first: the order of the channels in their files
    RPN_BBOX_STD_DEV = [1.0, 1.0, 1.0, 1.0]
    RPN_NMS_PER_LEVEL = True
    PRE_NMS_LIMIT = Linked(1000, 6)  # of each of five levels
    PRE_NMS_LIMIT_TRAINING = Linked(2000, 6)
    POST_NMS_ROIS_INFERENCE = Linked(1000, 5)
    BBOX_XFORM_CLIP = math.log(1000 / 16)

    ROI_ALIGN = "roi_align"
    PROPOSAL_APPEND_GT = True
    ROI_BALANCED_SAMPLER = True
    TRAIN_ROIS_PER_IMAGE = Linked(512, 1)
    ROI_POSITIVE_RATIO = 0.25  # one to three
    USE_MINI_MASK = False
    BBOX_LOSS_NORMALIZER = "sample"

    DETECTION_MULTI_LABEL = True
    DETECTION_MIN_CONFIDENCE = 0.05
    DETECTION_NMS_THRESHOLD = 0.5
    MASK_PASTE_FRAME = True

    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1333
    MEAN_PIXEL = np.array([123.675, 116.28, 103.53])

    # 0.02 for 16 images a step; this is for IMAGES_PER_GPU = 2. The rate goes with the batch.
    LEARNING_RATE = 0.0025
    LR_SCHEDULE = "steps"
    WARMUP_STEPS = 1000
    WEIGHT_DECAY_MODE = "l2"
    GRADIENT_CLIP_NORM = None


class PaperConfig(_TwoStageConfig):
    """Mask R-CNN (He et al. 2017) with FPN as detectron2's baselines have it, for 12 epochs.

    `STEPS_PER_EPOCH = images // BATCH_SIZE` and `train(..., epochs=12)` make its "1x" schedule.
    BACKBONE may be "resnet101". Loads detectron2's R50-FPN and R101-FPN files.
    """

    PRESET = "paper"
    RESNET_STYLE = "caffe"
    BATCH_NORM_EPSILON = 1e-5
    ROI_ALIGN_ALIGNED = True
    POST_NMS_ROIS_TRAINING = Linked(1000, 10)
    RPN_SMOOTH_L1_BETA = 0.0
    IMAGE_RESIZE_MODE = "shortest_edge"
    LR_STEPS = (60 / 90, 80 / 90)


class TorchvisionConfig(_TwoStageConfig):
    """torchvision's `maskrcnn_resnet50_fpn`, whose files it loads; its recipe has 26 epochs."""

    PRESET = "torchvision"
    RESNET_STYLE = "pytorch"
    BATCH_NORM_EPSILON = 0.0
    RPN_ANCHOR_ROUNDING = True
    RPN_MIN_SIZE = 1e-3
    DETECTION_MIN_SIZE = 1e-2
    POST_NMS_ROIS_TRAINING = Linked(2000, 10)
    RPN_SMOOTH_L1_BETA = 1 / 9
    ROI_SMOOTH_L1_BETA = 1 / 9
    IMAGE_RESIZE_MODE = "shortest_edge_floor"
    IMAGE_STD = [58.395, 57.12, 57.375]
    LR_STEPS = (16 / 26, 22 / 26)


class VocConfig(Config):
    """Pascal VOC 2012, instance segmentation: the 1,464 images of its list `train`, 20 classes.

    The images are at most 500 px. WARMUP_STEPS and LR_STEPS are those of detectron2's recipe for
    VOC; LR_STEPS acts on a school with LR_SCHEDULE "steps".
    """

    PRESET = "voc"
    NUM_CLASSES = 1 + 20
    STEPS_PER_EPOCH = 732  # 1,464 images, IMAGES_PER_GPU = 2
    VALIDATION_STEPS = 50
    FAULTY_IMAGES = "skip"  # published as it is: a few bad entries should not stop it
    IMAGE_MIN_DIM = 600  # enlarged, as most of the published results have it
    IMAGE_MAX_DIM = 832  # room for 600 x 800, a multiple of 64
    WARMUP_STEPS = 100
    LR_STEPS = (2 / 3, 8 / 9)


PRESETS = {"matterport": Config, "paper": PaperConfig, "torchvision": TorchvisionConfig,
           "voc": VocConfig}
DATA_PRESETS = ("voc",)  # they name a data set, and go on top of a school
# Epochs of the recipes, where nobody says: detectron2's "1x", torchvision's references, and for
# VOC so many that 1,464 images make a run of 17,568 steps.
EPOCHS = {"paper": 12, "torchvision": 26, "voc": 24}


def parts(name):
    """(data set or "", school) of a preset's name: "voc+paper" is ("voc", "paper").

    Raises:
        ValueError: unknown name.
    """
    schools = [one for one in PRESETS if one not in DATA_PRESETS]
    data, plus, school = str(name).partition("+")
    if not plus:
        data, school = (data, "matterport") if data in DATA_PRESETS else ("", data)
    if (plus and data not in DATA_PRESETS) or school not in schools:
        known = [*PRESETS, *(f"{one}+{two}" for one in DATA_PRESETS for two in schools[1:])]
        raise ValueError(f"preset = {name!r}: expected one of {', '.join(known)}; nearest valid: "
                         f"{nearest_name(name, known)}")
    return data, school


def preset(name):
    """The Config class of a preset, such as "paper", "voc" or "voc+paper".

    Raises:
        ValueError: unknown name.
    """
    data, school = parts(name)
    return _on_school(PRESETS[data], school) if data else PRESETS[school]


def epochs_of(name):
    """Epochs of a preset's recipe; None for "matterport", which has none.

    Raises:
        ValueError: unknown name.
    """
    data, school = parts(name)
    return EPOCHS.get(data or school)


@functools.cache
def with_preset(config_class, name):
    """A subclass of a Config class on top of a preset: what the class itself sets stays.

    Args:
        config_class: subclass of Config.
        name: key of PRESETS, or a data set and a school, "voc+paper".

    Returns:
        `config_class` itself where it is built on that preset already.

    Raises:
        ValueError: unknown name, or the class is built on another preset already.
    """
    data, school = parts(name)
    my_data, my_school = parts(config_class.PRESET)
    wanted = (data or my_data, my_school if school == "matterport" and data else school)
    if wanted == (my_data, my_school):
        return config_class
    if my_school not in ("matterport", school) or (data and data != my_data
                                                   and my_school != "matterport"):
        raise ValueError(f"{config_class.__name__} is built on the preset {config_class.PRESET!r}; "
                         f"it cannot be put on {name!r} too")
    if my_data:
        return _on_school(config_class, school)
    return _built(config_class, preset(name))


@functools.cache
def _on_school(config_class, school):
    """A class that is built on a data set's preset, on top of a school too."""
    if school == "matterport":
        return config_class
    joined = f"{parts(config_class.PRESET)[0]}+{school}"
    return _built(config_class, PRESETS[school], PRESET=joined)


def _built(config_class, base, **values):
    if issubclass(base, config_class):
        return base
    made = type(config_class.__name__, (config_class, base), values)
    made.__module__, made.__doc__ = config_class.__module__, config_class.__doc__
    return made
