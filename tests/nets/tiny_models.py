"""A model small enough to build and run in a second, and batches for it without a data set."""

import numpy as np

from mrcnn.config import Config
from mrcnn.geometry.anchors import compute_backbone_shapes_from_strides, generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps, norm_boxes
from mrcnn.geometry.molding import compose_image_meta


class TinyConfig(Config):
    """Everything Matterport's model has, with few channels, at 64 pixels."""

    NAME = "tiny"
    BACKBONE = "resnet18"
    NUM_CLASSES = 3
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TOP_DOWN_PYRAMID_SIZE = RPN_CONV_CHANNELS = MASK_CONV_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    POST_NMS_ROIS_TRAINING = 1500  # all that survive, so that each object is hit by one
    POST_NMS_ROIS_INFERENCE = 30
    TRAIN_ROIS_PER_IMAGE = 12
    MAX_GT_INSTANCES = 4
    MINI_MASK_SHAPE = (16, 16)
    DETECTION_MAX_INSTANCES = 10
    DETECTION_MIN_CONFIDENCE = 0.0
    SEED = 1


def tiny_config(**knobs):
    """TinyConfig with some knobs of its own."""
    config = TinyConfig()
    for name, value in knobs.items():
        setattr(config, name, value)
    return config


def pixel_anchors(config, shape):
    """All anchors [A, 4] of an image shape."""
    shapes = compute_backbone_shapes_from_strides(shape, config.BACKBONE_STRIDES)
    return generate_pyramid_anchors(config.level_scales, config.RPN_ANCHOR_RATIOS, shapes,
                                    config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE)


def image_metas(config, batch, shape):
    """Meta rows [B, M] for images that fill their molded shape; every class is active."""
    shape = (*shape[:2], config.IMAGE_CHANNEL_COUNT)
    row = compose_image_meta(0, shape, shape, (0, 0, *shape[:2]), 1.0, [1] * config.NUM_CLASSES)
    return np.tile(row, (batch, 1)).astype(np.float32)


def inference_batch(config, batch=2, shape=(64, 64), seed=0):
    """[images, metas, anchors]; faint noise keeps the answers of random weights tame."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1, (batch, *shape, config.IMAGE_CHANNEL_COUNT)).astype(np.float32)
    anchors = norm_boxes(pixel_anchors(config, shape), shape)
    return [images, image_metas(config, batch, shape), np.stack([anchors] * batch)]


def training_batch(config, batch=2, shape=(64, 64), seed=0, objects=3):
    """The inputs of the training graph; the objects are anchors, so that proposals hit them."""
    rng = np.random.default_rng(seed)
    anchors = pixel_anchors(config, shape)
    inside = (anchors[:, :2] >= 0).all(axis=1) & (anchors[:, 2:] <= shape).all(axis=1)
    large = np.flatnonzero(inside & (anchors[:, 2] - anchors[:, 0] >= 20))
    images, metas, _ = inference_batch(config, batch, shape, seed)
    count = config.MAX_GT_INSTANCES
    match = np.zeros((batch, len(anchors), 1), np.int32)
    deltas = np.zeros((batch, config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4), np.float32)
    class_ids = np.zeros((batch, count), np.int32)
    boxes = np.zeros((batch, count, 4), np.float32)
    mask_shape = config.MINI_MASK_SHAPE if config.USE_MINI_MASK else shape
    masks = np.zeros((batch, *mask_shape, count), np.uint8)
    for b in range(batch):
        far = np.arange(len(anchors))
        if objects:
            chosen = rng.choice(large, objects, replace=False)
            boxes[b, :objects] = np.round(anchors[chosen])
            class_ids[b, :objects] = rng.integers(1, config.NUM_CLASSES, objects)
            masks[b, ..., :objects] = rng.integers(0, 2, (*mask_shape, objects))
            match[b, chosen] = 1
            deltas[b, :objects] = rng.normal(0, 1, (objects, 4))
            far = np.flatnonzero(compute_overlaps(anchors, boxes[b, :objects]).max(axis=1) < 0.3)
        match[b, far] = -1
    return [images, metas, match, deltas, class_ids, boxes, masks]


def output_names(model):
    """The layer behind each output."""
    return [tensor._keras_history.operation.name for tensor in model.outputs]


def values(model, inputs, training=False):
    """Outputs of one call as numpy arrays, by the name of their layer."""
    outputs = model(list(inputs), training=training)
    return {name: np.asarray(t) for name, t in zip(output_names(model), outputs, strict=True)}
