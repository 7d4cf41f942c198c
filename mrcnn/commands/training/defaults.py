"""Network, rate and length of a training where nobody says: for what starts, on what machine.

Everything here can be set otherwise, by --config, --set or an option of its own.
"""

import math

import numpy as np

from mrcnn.commands.opening import coco_school
from mrcnn.commands.samples.sample import SmallNetwork
from mrcnn.commands.schools import NOTHING_FROZEN, run_knobs, school_of
from mrcnn.commands.training import data_defaults
from mrcnn.commands.training.starting_weights import COCO, IMAGENET, NONE
from mrcnn.config import KNOBS, Config
from mrcnn.presets import epochs_of

SMALL = {name: value for name, value in vars(SmallNetwork).items()
         if name in KNOBS and name not in ("IMAGE_MIN_DIM", "IMAGE_MAX_DIM",
                                           "RPN_ANCHOR_SCALES")}
SIDE_SMALL, SIDE_CPU, SIDE_GPU = 256, 512, 1024  # largest network side, pixels
# From random weights batch-norm has to learn, and AdamW with a cosine gets far in few steps.
FROM_SCRATCH = {"TRAIN_BN": None, "OPTIMIZER": "adamw", "LR_SCHEDULE": "cosine",
                "WARMUP_STEPS": 100}
# (steps a run aims at, fewest steps of an epoch) by kind of start and whether there is a GPU.
AIMS = {("small", False): (2000, 20), ("small", True): (2000, 20),
        ("trained", False): (1500, 20), ("trained", True): (6000, 50),
        ("scratch", False): (4000, 20), ("scratch", True): (20000, 100)}
EPOCHS = (10, 100)  # at least, at most
HEADS_SHARE, FINE_RATE = 0.4, 0.1  # of the epochs; of the learning rate after them
CHECKPOINTS_KEPT = 3


def is_small(asked, weights, said, gpu):
    """Whether the light network is to be trained.

    Args:
        asked: True or False where `--small` or `--no-small` was given, else None.
        weights: text of `--weights`, None where it was not given.
        said: knobs that were set.
        gpu: whether there is a GPU.

    Returns:
        (bool, text that says why, "" where it was asked for).
    """
    if asked is not None:
        return asked, ""
    if weights == NONE and not gpu and "BACKBONE" not in said:
        return True, "no GPU and no trained weights; --no-small for the full network"
    return False, ""


def weights_name(weights, small, preset=Config.PRESET):
    """What `--weights` means where it is not given.

    Nothing fits the light network, and Matterport's weights for COCO fit no other school, which
    starts from ImageNet; "coco" means the school's own.
    """
    school = school_of(preset)
    if weights == COCO and school:
        return f"{COCO}+{school}"
    return weights or (NONE if small else COCO if school is None else IMAGENET)


def published_backbone(said):
    """BACKBONE of the weights to download: what was said, where it is a name, or a ResNet-50.

    Args:
        said: dict of the knobs that were set.
    """
    backbone = said.get("BACKBONE")
    return backbone if isinstance(backbone, str) else "resnet50"


def network_knobs(data, start, small, said, gpu):
    """Knobs of the network and of its optimisation.

    Args:
        data: TrainingData.
        start: Start.
        small: the light network.
        said: dict of the knobs that were set; images and anchors follow those of them.
        gpu: whether there is a GPU.

    Returns:
        dict knob -> value.
    """
    most = SIDE_SMALL if small else SIDE_GPU if gpu else SIDE_CPU
    side = said.get("IMAGE_MAX_DIM") or data_defaults.image_side(data.train, most)
    knobs = {"IMAGE_MAX_DIM": side, "IMAGE_MIN_DIM": min(side, 800) if side > 800 else side,
             "CHECKPOINT_KEEP": CHECKPOINTS_KEPT}
    if small:
        knobs.update(SMALL, RPN_ANCHOR_SCALES=_scales(side // 16))
    else:
        knobs["IMAGES_PER_GPU"] = 2 if gpu else 1
    if not small and start.kind == NONE:
        knobs.update(FROM_SCRATCH, RPN_ANCHOR_SCALES=_scales(max(8, side // 32)))
    knobs.update(start.knobs())
    if "IMAGE_MAX_DIM" in said:
        knobs["IMAGE_MIN_DIM"] = side
    knobs.update(NUM_CLASSES=data.train.num_classes,
                 IMAGE_CHANNEL_COUNT=data_defaults.channel_count(data.train))
    return knobs


def knobs_over_preset(data, start, small, settings):
    """Knobs that are stronger than a preset: {} where none was said.

    They are what the preset cannot know: the classes, the network of the weights to start from,
    a light network, weights that have to learn from nothing.

    Args:
        data: TrainingData.
        start: Start.
        small: the light network.
        settings: Settings with a preset.

    Returns:
        dict knob -> value.
    """
    if settings.preset in (None, Config.PRESET):
        return {}
    knobs = {"NUM_CLASSES": data.train.num_classes}
    if start.description is not None and start.description.config is not None:
        knobs.update(start.knobs())
    elif small:
        sides = ("IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "RPN_ANCHOR_SCALES")
        side = data_defaults.image_side(data.train, SIDE_SMALL)
        knobs.update(SMALL, **dict(zip(sides, (side, side, _scales(side // 16)), strict=True)))
    if start.kind == NONE:
        knobs.update(NOTHING_FROZEN, TRAIN_BN=None)
    if not small and school_of(settings.preset):  # what belongs to its rate and its sizes
        for knob in ("OPTIMIZER", "RPN_ANCHOR_SCALES"):
            knobs.setdefault(knob, getattr(Config, knob))
    return knobs


def school_knobs(data, config, settings, small, epochs):
    """Length and rate of a run under a school: every image once an epoch, as its recipe has it.

    Args:
        data: TrainingData.
        config: Config as far as it is known.
        settings: Settings.
        small: the light network.
        epochs: of the whole run.

    Returns:
        dict knob -> value, stronger than the preset; {} without a school.
    """
    if school_of(config.PRESET) is None:
        return {}
    steps = config.STEPS_PER_EPOCH
    if not small and "STEPS_PER_EPOCH" not in settings.said(of_preset=False):
        steps = max(1, len(data.train.image_ids) // config.BATCH_SIZE)
    return {"STEPS_PER_EPOCH": steps, **run_knobs(config, steps * epochs)}


def _scales(first):
    return tuple(first * 2**level for level in range(5))


def length_knobs(data, config, small, start, gpu):
    """STEPS_PER_EPOCH, VALIDATION_STEPS and IMAGE_CACHE_MB from the numbers of images."""
    least = AIMS[_kind(small, start), gpu][1]
    batch = config.BATCH_SIZE
    val = 0 if data.val is None else len(data.val.image_ids)
    train = len(data.train.image_ids)
    return {"STEPS_PER_EPOCH": data_defaults.steps_of(train, batch, least),
            "VALIDATION_STEPS": data_defaults.validation_steps(val, batch),
            "IMAGE_CACHE_MB": data_defaults.cache_size(train + val, config.IMAGE_SHAPE)}


def stages(epochs, config, small, start, class_names, gpu):
    """Rows (layers, epochs, factor of the rate): heads, then all, from trained weights.

    A school trains all layers at once, for the epochs of its recipe.

    Args:
        epochs: of the whole run; None for as many as it likely needs.
        config: Config with its STEPS_PER_EPOCH.
        small: the light network.
        start: Start.
        class_names: of the data; where the weights know them the heads need no start of their
            own.
        gpu: whether there is a GPU.
    """
    if not small:
        epochs = epochs or epochs_of(config.PRESET)
    if school_of(config.PRESET) and not small:
        return [["all", epochs, 1.0]]
    if epochs is None:
        wanted = math.ceil(AIMS[_kind(small, start), gpu][0] / config.STEPS_PER_EPOCH)
        epochs = min(max(wanted, EPOCHS[0]), EPOCHS[1])
    if start.kind == NONE or start.knows(class_names):
        return [["all", epochs, 1.0]]
    heads = max(1, round(HEADS_SHARE * epochs))
    rows = [["heads", heads, 1.0], ["all", epochs, FINE_RATE]]
    return rows[:1] if heads >= epochs else rows


def follow_preset(settings, weights, start=None):
    """Weights that were trained under a school are trained on under it.

    Args:
        settings: Settings; put on the school where nobody said one.
        weights: text of `--weights`.
        start: Start, None for published weights, whose name tells the school.

    Raises:
        ValueError: another school was said.
    """
    trained = start.description and start.description.config if start else None
    preset, place = (trained.PRESET, start.path) if trained else (coco_school(weights), weights)
    if preset is None:
        return
    theirs = school_of(preset)
    if settings.preset is None and theirs:
        settings.put_on(preset, place)
    if school_of(settings.cls.PRESET) != theirs:
        raise ValueError(f"preset {settings.cls.PRESET!r}: {place} was trained under "
                         f"{preset!r}, and its weights mean something else; leave the "
                         "preset as it was, or start from other weights")


def preset_lines(config, settings):
    """Rows (name, text) on the preset and which of its knobs were moved; none without one."""
    if config.PRESET == Config.PRESET:
        return []
    others = [knob for knob in settings.of_preset if knob not in settings.values
              and not np.array_equal(getattr(config, knob), getattr(settings.cls, knob))]
    more = f"; but for {', '.join(sorted(others))}" if others else ""
    return [("preset", f"{config.PRESET}{more}")]


def _kind(small, start):
    if small:
        return "small"
    return "scratch" if start.kind == NONE else "trained"
