"""The anchors a Config asks for."""

from functools import lru_cache

import numpy as np

from mrcnn.geometry.anchors import compute_backbone_shapes_from_strides, generate_pyramid_anchors


def feature_shapes(config, image_shape):
    """(height, width) of each feature level for molded images of one shape, [L, 2] int.

    BACKBONE_SHAPES counts where a script assigned it and the image has IMAGE_SHAPE; after it
    COMPUTE_BACKBONE_SHAPE, then BACKBONE_STRIDES.
    """
    same_size = tuple(config.IMAGE_SHAPE[:2]) == tuple(image_shape[:2])
    if same_size and config.is_assigned("BACKBONE_SHAPES"):
        return np.asarray(config.BACKBONE_SHAPES)
    if config.COMPUTE_BACKBONE_SHAPE is not None:
        return np.asarray(config.COMPUTE_BACKBONE_SHAPE(image_shape))
    return compute_backbone_shapes_from_strides(image_shape, config.BACKBONE_STRIDES)


def config_anchors(config, image_shape):
    """All anchors for molded images of one shape, computed once a shape.

    Args:
        config: Config.
        image_shape: (height, width, ...) of the molded image.

    Returns:
        float64 [A, 4] pixels, read-only; the columns are contiguous in memory.
    """
    shapes = feature_shapes(config, image_shape)
    return _anchors(
        tuple(float(scale) for scale in config.RPN_ANCHOR_SCALES),
        tuple(float(ratio) for ratio in config.RPN_ANCHOR_RATIOS),
        tuple((int(height), int(width)) for height, width in shapes),
        tuple(config.BACKBONE_STRIDES),
        config.RPN_ANCHOR_STRIDE,
    )


@lru_cache(maxsize=16)
def _anchors(scales, ratios, shapes, strides, anchor_stride):
    anchors = generate_pyramid_anchors(scales, ratios, shapes, strides, anchor_stride)
    anchors = np.asfortranarray(anchors)
    anchors.setflags(write=False)
    return anchors
