"""Warn when a knob that is built into the graph was changed after the model was built."""

import warnings

import numpy as np

BUILT_IN = (
    "BACKBONE",
    "BACKBONE_WIDTH",
    "NUM_CLASSES",
    "FPN_CLASSIF_FC_LAYERS_SIZE",
    "TOP_DOWN_PYRAMID_SIZE",
    "RPN_CONV_CHANNELS",
    "MASK_CONV_CHANNELS",
    "RPN_ANCHOR_SCALES",
    "RPN_ANCHOR_RATIOS",
    "RPN_ANCHOR_STRIDE",
    "BACKBONE_STRIDES",
    "RPN_BBOX_STD_DEV",
    "BBOX_STD_DEV",
    "RPN_NMS_THRESHOLD",
    "PRE_NMS_LIMIT",
    "POST_NMS_ROIS_TRAINING",
    "POST_NMS_ROIS_INFERENCE",
    "POOL_SIZE",
    "MASK_SHAPE",
    "IMAGE_CHANNEL_COUNT",
    "TRAIN_BN",
    "USE_RPN_ROIS",
    "USE_MINI_MASK",
    "MINI_MASK_SHAPE",
    "MAX_GT_INSTANCES",
    "TRAIN_ROIS_PER_IMAGE",
    "ROI_POSITIVE_RATIO",
    "CLASS_WEIGHTS",
    "PRECISION",
    "REMATERIALIZE",
    "RESNET_STYLE",
    "BATCH_NORM_EPSILON",
    "HEADS_BATCH_NORM",
    "HEADS_SMALL_INIT",
    "FEATURES",
    "BOX_NORMALIZATION",
    "RPN_ANCHOR_ROUNDING",
    "RPN_NMS_PER_LEVEL",
    "PRE_NMS_LIMIT_TRAINING",
    "RPN_MIN_SIZE",
    "DETECTION_MIN_SIZE",
    "BBOX_XFORM_CLIP",
    "ROI_ALIGN",
    "ROI_ALIGN_SAMPLING_RATIO",
    "ROI_ALIGN_ALIGNED",
    "PROPOSAL_APPEND_GT",
    "ROI_BALANCED_SAMPLER",
    "RPN_SMOOTH_L1_BETA",
    "ROI_SMOOTH_L1_BETA",
    "BBOX_LOSS_NORMALIZER",
    "DETECTION_MULTI_LABEL",
)


class ConfigSnapshot:
    """The built-in knobs as they were when the graph was made."""

    def __init__(self, config):
        self.values = {name: _comparable(getattr(config, name)) for name in BUILT_IN}

    def warn_of_changes(self, config):
        """One warning a knob whose value the graph no longer follows."""
        for name, value in self.values.items():
            now = _comparable(getattr(config, name))
            if now != value:
                self.values[name] = now
                warnings.warn(
                    f"{name} changed from {value!r} to {now!r} after the model was built and has "
                    "no effect on it; build a new MaskRCNN",
                    stacklevel=4,
                )


def _comparable(value):
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value
