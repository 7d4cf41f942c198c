"""Matterport's `mrcnn.model`: the same names, gathered from where they live here.

The names that end in `_graph` exist only in this module and in `mrcnn.utils`, for scripts
that call them. Nothing inside the package imports from here.
"""

# ruff: noqa: E402 (the versions are checked before Keras is imported)
from mrcnn._versions import check_versions

check_versions()

from keras import ops

from mrcnn.data.anchoring import feature_shapes as compute_backbone_shapes
from mrcnn.data.detection_targets import build_detection_targets, generate_random_rois
from mrcnn.data.generator import DataGenerator, data_generator
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.targets import build_rpn_targets
from mrcnn.engine.console import log
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.geometry import molding
from mrcnn.geometry.molding import compose_image_meta, parse_image_meta
from mrcnn.layers import tensor_boxes
from mrcnn.layers.anchors import AnchorLayer
from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.detection import DetectionLayer
from mrcnn.layers.detection_target import DetectionTargetLayer
from mrcnn.layers.proposal import ProposalLayer
from mrcnn.layers.roi_align import PyramidROIAlign
from mrcnn.layers.slices import META_SIZE
from mrcnn.layers.time_distributed import TimeDistributed
from mrcnn.nets.heads import build_classifier_head as fpn_classifier_graph
from mrcnn.nets.heads import build_mask_head as build_fpn_mask_graph
from mrcnn.nets.losses import smooth_l1_loss
from mrcnn.nets.resnet import build_resnet as resnet_graph
from mrcnn.nets.rpn import build_rpn_model

__all__ = [
    "AnchorLayer",
    "BatchNorm",
    "DataGenerator",
    "DetectionLayer",
    "DetectionTargetLayer",
    "MaskRCNN",
    "ProposalLayer",
    "PyramidROIAlign",
    "TimeDistributed",
    "apply_box_deltas_graph",
    "build_detection_targets",
    "build_fpn_mask_graph",
    "build_rpn_model",
    "build_rpn_targets",
    "clip_boxes_graph",
    "compose_image_meta",
    "compute_backbone_shapes",
    "data_generator",
    "denorm_boxes_graph",
    "fpn_classifier_graph",
    "generate_random_rois",
    "load_image_gt",
    "log",
    "mold_image",
    "norm_boxes_graph",
    "overlaps_graph",
    "parse_image_meta",
    "parse_image_meta_graph",
    "resnet_graph",
    "smooth_l1_loss",
    "unmold_image",
]


def mold_image(images, config):
    """Image or images [..., C] minus the mean pixel of the config, float32."""
    return molding.mold_image(images, config.mean_pixel, image_std=config.image_std)


def unmold_image(normalized_images, config):
    """The inverse of `mold_image`, uint8."""
    return molding.unmold_image(normalized_images, config.mean_pixel, config.image_std)


def parse_image_meta_graph(meta):
    """`parse_image_meta` for tensors: meta [B, 12 + classes] -> dict of tensors."""
    return {
        "image_id": meta[:, 0],
        "original_image_shape": meta[:, 1:4],
        "image_shape": meta[:, 4:7],
        "window": meta[:, 7:11],
        "scale": meta[:, 11],
        "active_class_ids": meta[:, META_SIZE:],
    }


def apply_box_deltas_graph(boxes, deltas):
    """`utils.apply_box_deltas` for tensors [N, 4]."""
    return tensor_boxes.apply_box_deltas(boxes, deltas)


def clip_boxes_graph(boxes, window):
    """Boxes [N, 4] clipped to one window [4], as tensors."""
    return tensor_boxes.clip_boxes(boxes, window)


def overlaps_graph(boxes1, boxes2):
    """IoU of every pair: tensors [N, 4] and [G, 4] -> [N, G]."""
    return tensor_boxes.overlaps(boxes1, boxes2)


def norm_boxes_graph(boxes, shape):
    """`utils.norm_boxes` for tensors; shape is (height, width)."""
    return tensor_boxes.norm_boxes(boxes, ops.convert_to_tensor(shape))


def denorm_boxes_graph(boxes, shape):
    """`utils.denorm_boxes` for tensors; shape is (height, width)."""
    return tensor_boxes.denorm_boxes(boxes, ops.convert_to_tensor(shape))
