"""What a value of each Config knob must be, and how to say so when it is not.

Every check answers None when the value is fine, otherwise one line
`KNOB = value: must be ...; nearest valid: ...`. `problems(config)` collects them all, so that
a reader fixes a configuration once instead of once per run.
(Longer than other files here: it is the table of the knobs again, one check for each.)
"""

import difflib
import numbers

import numpy as np

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101")
SHORTEST_EDGE = ("shortest_edge", "shortest_edge_floor")
RESIZE_MODES = ("square", "pad64", "crop", "none", *SHORTEST_EDGE)
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("cosine", "steps")
FAULTY_IMAGES = ("refuse", "skip", "use")
PRECISIONS = ("float32", "bfloat16", "float16")
LOSS_NAMES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)
# Image pixels per cell at each level of the network: P2 to P6 (nets/fpn.py), or C4 alone.
STRIDES = [4, 8, 16, 32, 64]
STRIDES_C4 = [16]
# The pyramid halves the image six times (P6), so each side has to divide by 2**6.
SIDE_MULTIPLE = 64


def is_int(value):
    """True for Python and numpy integers; a bool is not a number here."""
    return isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))


def is_number(value):
    """True for finite Python and numpy real numbers; a bool is not a number here."""
    real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    return real and bool(np.isfinite(value))


def as_list(value):
    """A list, tuple or array as a list; anything else as None."""
    return list(value) if isinstance(value, (list, tuple)) or np.ndim(value) == 1 else None


def nearest_name(value, names):
    """The entry of `names` that reads most like `value`."""
    text = str(value).lower()
    return max(names, key=lambda name: difflib.SequenceMatcher(None, text, name).ratio())


def complaint(knob, value, must, nearest=None):
    """The one form every message about a knob has."""
    hint = "" if nearest is None else f"; nearest valid: {nearest}"
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return f"{knob} = {value!r}: must be {must}{hint}"


def integer(low, optional=False):
    """A check for whole numbers of at least `low` (or None, where that has a meaning)."""

    def check(knob, value):
        if (optional and value is None) or (is_int(value) and value >= low):
            return None
        nearest = max(low, round(float(value))) if is_number(value) else None
        return complaint(knob, value, f"a whole number of at least {low}", nearest)

    return check


def real(low, high=None, above=False, optional=False):
    """A check for numbers in [low, high], or in (low, high] with `above`."""
    start = f"above {low}" if above else f"at least {low}"
    must = f"a number {start}" + ("" if high is None else f" and at most {high}")

    def check(knob, value):
        if optional and value is None:
            return None
        if not is_number(value):
            return complaint(knob, value, must)
        if value > low or (value == low and not above):
            return None if high is None or value <= high else complaint(knob, value, must, high)
        return complaint(knob, value, must, None if above else low)

    return check


def flag(*allowed):
    """A check for a switch; 0 and 1 count as False and True."""

    def check(knob, value):
        known = value is None or (np.ndim(value) == 0 and not isinstance(value, str))
        if known and any(value is one or (one is not None and value == one) for one in allowed):
            return None
        return complaint(knob, value, " or ".join(str(one) for one in allowed))

    return check


def choice(names, function=False, optional=False):
    """A check for one of `names`, where wanted also None or something callable."""
    must = "one of " + ", ".join(names) + (" or a callable" if function else "")

    def check(knob, value):
        if (optional and value is None) or (function and callable(value)):
            return None
        if isinstance(value, str):
            return None if value in names else complaint(
                knob, value, must, nearest_name(value, names))
        return complaint(knob, value, must)

    return check


def function_or_none(knob, value):
    """A check for an optional callable."""
    fine = value is None or callable(value)
    return None if fine else complaint(knob, value, "a callable or None")


def text_or_none(knob, value):
    """A check for an optional name."""
    fine = value is None or isinstance(value, str)
    return None if fine else complaint(knob, value, "text or None")


def file_name_or_none(knob, value):
    """A check for an optional name that files and folders are called by."""
    if isinstance(value, str) and ("/" in value or "\\" in value or "\0" in value):
        return complaint(knob, value, "a part of a file name", value.replace("\\", "/")
                         .rpartition("/")[2].replace("\0", "") or None)
    return text_or_none(knob, value)


def sequence(item, must, length=None):
    """A check for a list, tuple or array whose entries all pass `item`."""

    def check(knob, value):
        entries = as_list(value)
        if entries and length in (None, len(entries)) and all(item(entry) for entry in entries):
            return None
        return complaint(knob, value, must)

    return check


def _positive(value):
    return is_number(value) and value > 0


def _positive_int(value):
    return is_int(value) and value > 0


def whole_numbers(knob, value):
    """A list of positive whole numbers."""
    entries = as_list(value)
    if entries and all(map(_positive_int, entries)):
        return None
    return complaint(knob, value, "a list of positive whole numbers")


def shares(knob, value):
    """Rising shares of a run."""
    entries = as_list(value)
    if entries and all(is_number(entry) and 0 < entry < 1 for entry in entries):
        if sorted(set(entries)) == list(entries):
            return None
    return complaint(knob, value, "rising numbers between 0 and 1")


def feature_sizes(knob, value):
    """Height and width of the feature map at each level, nested lists or an array."""
    rows = list(value) if isinstance(value, (list, tuple)) or np.ndim(value) == 2 else []
    sizes = [as_list(row) or [] for row in rows]
    pairs = sizes and all(len(size) == 2 and all(map(_positive_int, size)) for size in sizes)
    if pairs:
        return None
    must = "pairs [height, width] of positive whole numbers, one for each level"
    return complaint(knob, value, must)


def mask_shape(knob, value):
    """The mask head ends in a factor-two upsampling, so its output sides are even."""
    sides = as_list(value)
    must = "two even numbers [height, width], as the mask head doubles its input"
    if not sides or len(sides) != 2 or not all(_positive_int(side) for side in sides):
        return complaint(knob, value, must)
    if all(side % 2 == 0 for side in sides):
        return None
    return complaint(knob, value, must, [int(side + side % 2) for side in sides])


def loss_weights(knob, value):
    """A dict from known loss names to weights; a loss left out weighs 1."""
    if not isinstance(value, dict):
        return complaint(knob, value, "a dict of loss name to weight")
    for name, weight in value.items():
        if name not in LOSS_NAMES:
            near = nearest_name(name, LOSS_NAMES)
            return f"{knob}: unknown loss {name!r}; nearest valid: {near}"
        if not is_number(weight) or weight < 0:
            return complaint(f"{knob}[{name!r}]", weight, "a number of at least 0", 0)
    return None


def class_weights(knob, value):
    """A weight for each class, the background's first; or None."""
    entries = as_list(value) if value is not None else [1]
    if entries and all(is_number(weight) and weight >= 0 for weight in entries) and any(entries):
        return None
    return complaint(knob, value, "None or a list of numbers of at least 0, not all 0")


def nearest_side(side):
    """The multiple of SIDE_MULTIPLE closest to `side`, never zero; halves go up."""
    return max(1, int(side / SIDE_MULTIPLE + 0.5)) * SIDE_MULTIPLE


CHECKS = {
    **dict.fromkeys(
        ("GPU_COUNT", "IMAGES_PER_GPU", "STEPS_PER_EPOCH", "FPN_CLASSIF_FC_LAYERS_SIZE",
         "TOP_DOWN_PYRAMID_SIZE", "RPN_CONV_CHANNELS", "MASK_CONV_CHANNELS", "NUM_CLASSES",
         "RPN_ANCHOR_STRIDE", "RPN_TRAIN_ANCHORS_PER_IMAGE", "PRE_NMS_LIMIT",
         "POST_NMS_ROIS_TRAINING", "POST_NMS_ROIS_INFERENCE", "IMAGE_CHANNEL_COUNT",
         "IMAGE_MAX_DIM", "TRAIN_ROIS_PER_IMAGE", "POOL_SIZE", "MASK_POOL_SIZE",
         "MAX_GT_INSTANCES", "DETECTION_MAX_INSTANCES", "BATCH_SIZE", "IMAGE_META_SIZE",
         "GRADIENT_ACCUMULATION"),
        integer(1),
    ),
    "BACKBONE_WIDTH": integer(16),
    "PRE_NMS_LIMIT_TRAINING": integer(1, optional=True),
    "ROI_ALIGN_SAMPLING_RATIO": integer(0),
    "FREEZE_AT": integer(0),
    **dict.fromkeys(("RPN_MIN_SIZE", "DETECTION_MIN_SIZE", "BATCH_NORM_EPSILON",
                     "RPN_SMOOTH_L1_BETA", "ROI_SMOOTH_L1_BETA"), real(0)),
    "BBOX_XFORM_CLIP": real(0, above=True, optional=True),
    **dict.fromkeys(("VALIDATION_STEPS", "WARMUP_STEPS", "CHECKPOINT_KEEP",
                     "IMAGE_CACHE_MB"), integer(0)),
    **dict.fromkeys(("SEED", "LOADER_WORKERS", "IMAGE_MIN_DIM"), integer(0, optional=True)),
    "MAX_OBJECTS_PER_IMAGE": integer(1, optional=True),
    **dict.fromkeys(
        ("RPN_NMS_THRESHOLD", "DETECTION_MIN_CONFIDENCE", "DETECTION_NMS_THRESHOLD",
         "LEARNING_MOMENTUM"),
        real(0, 1),
    ),
    "ROI_POSITIVE_RATIO": real(0, 1, above=True),
    **dict.fromkeys(("LEARNING_RATE", "WEIGHT_DECAY"), real(0)),
    "IMAGE_MIN_SCALE": real(0, optional=True),
    "DETECTION_NMS_ACROSS_CLASSES": real(0, 1, optional=True),
    "GRADIENT_CLIP_NORM": real(0, above=True, optional=True),
    **dict.fromkeys(("USE_MINI_MASK", "USE_RPN_ROIS", "TRAIN_ON_EMPTY", "GROUP_BY_ASPECT",
                     "REMATERIALIZE", "HEADS_BATCH_NORM", "HEADS_SMALL_INIT", "FREEZE_BN",
                     "RPN_ANCHOR_ROUNDING",
                     "RPN_LOW_QUALITY_MATCHES", "RPN_NMS_PER_LEVEL", "ROI_ALIGN_ALIGNED",
                     "PROPOSAL_APPEND_GT", "ROI_BALANCED_SAMPLER", "DETECTION_MULTI_LABEL",
                     "MASK_PASTE_FRAME"),
                    flag(True, False)),
    "RESNET_STYLE": choice(("matterport", "caffe", "pytorch")),
    "FEATURES": choice(("fpn", "c4")),
    "BOX_NORMALIZATION": choice(("centers", "edges")),
    "ROI_ALIGN": choice(("crop_and_resize", "roi_align")),
    "BBOX_LOSS_NORMALIZER": choice(("positives", "sample")),
    "WEIGHT_DECAY_MODE": choice(("mean", "l2")),
    "LR_STEPS": shares,
    "PRESET": text_or_none,
    "TRAIN_BN": flag(True, False, None),
    "BACKBONE": choice(BACKBONES, function=True),
    "IMAGE_RESIZE_MODE": choice(RESIZE_MODES),
    "OPTIMIZER": choice(OPTIMIZERS, function=True),
    "FAULTY_IMAGES": choice(FAULTY_IMAGES),
    "PRECISION": choice(PRECISIONS),
    "LR_SCHEDULE": choice(SCHEDULES, function=True, optional=True),
    "COMPUTE_BACKBONE_SHAPE": function_or_none,
    "BACKBONE_PREPROCESSING": function_or_none,
    "NAME": file_name_or_none,
    "IMAGE_CACHE_DIR": text_or_none,
    "BACKBONE_STRIDES": whole_numbers,
    "BACKBONE_SHAPES": feature_sizes,
    **dict.fromkeys(
        ("RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS"),
        sequence(_positive, "a list of positive numbers"),
    ),
    "MINI_MASK_SHAPE": sequence(_positive_int, "two positive whole numbers (height, width)", 2),
    "MASK_SHAPE": mask_shape,
    **dict.fromkeys(
        ("RPN_BBOX_STD_DEV", "BBOX_STD_DEV"),
        sequence(_positive, "four positive numbers (dy, dx, log dh, log dw)", 4),
    ),
    "LOSS_WEIGHTS": loss_weights,
    "CLASS_WEIGHTS": class_weights,
    "IMAGE_SHAPE": sequence(_positive_int, "three positive whole numbers [H, W, C]", 3),
}


def _image_side(config):
    """Which of the two sides has to divide by 64 depends on the resize mode."""
    mode = config.IMAGE_RESIZE_MODE
    if mode in SHORTEST_EDGE:
        short, long = config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM
        must = f"at least 1 and at most IMAGE_MAX_DIM = {long} with IMAGE_RESIZE_MODE {mode!r}"
        return None if short and short <= long else complaint("IMAGE_MIN_DIM", short, must, long)
    knob = {"square": "IMAGE_MAX_DIM", "crop": "IMAGE_MIN_DIM", "pad64": "IMAGE_MIN_DIM"}.get(mode)
    if knob is None:
        return None
    side = getattr(config, knob)
    only_padded = mode == "pad64" and not side
    if only_padded or (side and side % SIDE_MULTIPLE == 0):
        return None
    must = f"a multiple of {SIDE_MULTIPLE} with IMAGE_RESIZE_MODE {mode!r}"
    must += " (the image is halved six times)"
    return complaint(knob, side, must, nearest_side(side or 0))


def _mask_sides(config):
    """MASK_SHAPE decides, unless a script moved MASK_POOL_SIZE and the two disagree."""
    pool, shape = config.MASK_POOL_SIZE, [int(side) for side in config.MASK_SHAPE]
    if pool == 14 or shape == [2 * pool, 2 * pool]:
        return None
    must = f"half of MASK_SHAPE = {shape}, or left at 14 so that MASK_SHAPE decides"
    nearest = f"MASK_POOL_SIZE = {shape[0] // 2}, or MASK_SHAPE = {[2 * int(pool)] * 2}"
    return complaint("MASK_POOL_SIZE", pool, must, nearest)


def _feature_levels(config):
    """The strides are those of the network, or the anchors would miss its cells."""
    levels = STRIDES_C4 if config.FEATURES == "c4" else STRIDES
    if list(config.BACKBONE_STRIDES) == levels:
        return None
    must = f"{levels}, the levels the network builds with FEATURES = {config.FEATURES!r}"
    if config.FEATURES != "c4":
        must += "; RPN_ANCHOR_SCALES has one scale for each"
    return complaint("BACKBONE_STRIDES", config.BACKBONE_STRIDES, must)


def _feature_sizes(config):
    if not config.is_assigned("BACKBONE_SHAPES"):
        return None
    sizes, levels = config.BACKBONE_SHAPES, len(config.BACKBONE_STRIDES)
    must = f"{levels} pairs [height, width], one for each level"
    return None if len(sizes) == levels else complaint("BACKBONE_SHAPES", sizes, must)


def _anchor_levels(config):
    if config.FEATURES == "c4" or _feature_levels(config):  # c4 has all scales in every cell
        return None
    scales, levels = len(config.RPN_ANCHOR_SCALES), len(config.BACKBONE_STRIDES)
    if scales == levels:
        return None
    must = f"one scale per entry of BACKBONE_STRIDES, {levels} in all; received {scales}"
    return complaint("RPN_ANCHOR_SCALES", config.RPN_ANCHOR_SCALES, must)


def _frozen_stages(config):
    if config.FREEZE_AT <= 5:
        return None
    return complaint("FREEZE_AT", config.FREEZE_AT, "at most 5, the stages of a ResNet", 5)


def _meta_size(config):
    """Twelve numbers on the image and one for each class: fixed, also where it is assigned."""
    size = 12 + config.NUM_CLASSES
    if config.IMAGE_META_SIZE == size:
        return None
    must = f"12 + NUM_CLASSES = {size}, which it is when left alone"
    return complaint("IMAGE_META_SIZE", config.IMAGE_META_SIZE, must)


def _class_weight_count(config):
    weights = config.CLASS_WEIGHTS
    if weights is None or len(weights) == config.NUM_CLASSES:
        return None
    must = f"one weight a class, the background's first: {config.NUM_CLASSES} (NUM_CLASSES) in all"
    return complaint("CLASS_WEIGHTS", weights, f"{must}; received {len(weights)}")


def _mean_pixel(config):
    assigned = config.is_assigned("IMAGE_MEAN")
    return _a_number_a_channel(config, "IMAGE_MEAN" if assigned else "MEAN_PIXEL", "")


def _image_std(config):
    return _a_number_a_channel(config, "IMAGE_STD", ", above 0")


def _a_number_a_channel(config, knob, more):
    value, channels = getattr(config, knob), config.IMAGE_CHANNEL_COUNT
    entries = as_list(np.atleast_1d(value))
    known = entries is not None and all(is_number(entry) and (entry > 0 or not more)
                                        for entry in entries)
    if known and len(entries) in (1, 3, channels):
        return None
    must = f"one number, three, or one per channel (IMAGE_CHANNEL_COUNT = {channels}){more}"
    return complaint(knob, value, must)


# Checks that look at several knobs, with the knobs that have to be sound by themselves first.
RELATIONS = (
    (_image_side, ("IMAGE_RESIZE_MODE", "IMAGE_MAX_DIM", "IMAGE_MIN_DIM")),
    (_mask_sides, ("MASK_SHAPE", "MASK_POOL_SIZE")),
    (_feature_levels, ("FEATURES", "BACKBONE_STRIDES")),
    (_feature_sizes, ("BACKBONE_SHAPES", "BACKBONE_STRIDES")),
    (_anchor_levels, ("RPN_ANCHOR_SCALES", "BACKBONE_STRIDES")),
    (_frozen_stages, ("FREEZE_AT",)),
    (_meta_size, ("IMAGE_META_SIZE", "NUM_CLASSES")),
    (_class_weight_count, ("CLASS_WEIGHTS", "NUM_CLASSES")),
    (_mean_pixel, ("IMAGE_CHANNEL_COUNT",)),
    (_image_std, ("IMAGE_CHANNEL_COUNT",)),
)


def problems(config):
    """Every complaint about `config`, as a list of lines; empty when all is well.

    Derived values (BATCH_SIZE, IMAGE_SHAPE, ...) are looked at only where a script assigned
    them, since the computed ones follow from knobs that are checked themselves.
    """
    found = {}
    for knob, check in CHECKS.items():
        if config.is_assigned(knob):
            found[knob] = check(knob, getattr(config, knob))
    lines = [line for line in found.values() if line]
    for relation, needed in RELATIONS:
        if not any(found.get(knob) for knob in needed):
            lines.append(relation(config))
    return [line for line in lines if line]
