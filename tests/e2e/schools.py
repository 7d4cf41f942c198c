"""Tiny models on the presets of the other school, whose answers differ from roi to roi."""

import numpy as np
from e2e.tiny import TinyConfig

from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.presets import preset

# What makes the tiny network tiny; the rest is the preset's.
SMALL = ("NAME", "NUM_CLASSES", "IMAGES_PER_GPU", "BACKBONE", "BACKBONE_WIDTH",
         "TOP_DOWN_PYRAMID_SIZE", "RPN_CONV_CHANNELS", "MASK_CONV_CHANNELS",
         "FPN_CLASSIF_FC_LAYERS_SIZE", "RPN_ANCHOR_SCALES", "POST_NMS_ROIS_INFERENCE",
         "STEPS_PER_EPOCH", "VALIDATION_STEPS", "MAX_GT_INSTANCES", "SEED")


def small_config(name, **knobs):
    """A Config on a preset with few channels, images of 64 to 107 pixels."""
    values = {**{knob: getattr(TinyConfig, knob) for knob in SMALL}, "IMAGE_MIN_DIM": 64,
              "IMAGE_MAX_DIM": 107, "PRE_NMS_LIMIT": 60,
              "HEADS_SMALL_INIT": False, **knobs}  # untrained, it would answer all rois alike
    return type("Small", (preset(name),), values)()


def small_model(name, folder, **knobs):
    """A MaskRCNN in inference mode, its weights spread so that scores and boxes differ."""
    model = MaskRCNN("inference", small_config(name, **knobs), folder)
    rng = np.random.default_rng(1)
    for variable in model.keras_model.trainable_variables:
        variable.assign(variable + rng.normal(0, 0.015, variable.shape).astype(np.float32))
    first = model.keras_model.get_layer("conv1").kernel
    first.assign(first * float(model.config.image_std.mean() / 57))  # nets of theirs have it inside
    return model


def noisy_images(sizes=((83, 120), (130, 70), (64, 64))):
    """Yields uint8 images of these sizes."""
    rng = np.random.default_rng(3)
    for size in sizes:
        yield np.clip(rng.normal(120, 60, (*size, 3)), 0, 255).astype(np.uint8)
