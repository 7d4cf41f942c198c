"""The two graphs, wired in the order of the data flow: read this file to see the model.

Shapes: B images, H/W pixels, C channels or classes, A anchors, N proposals, R rois,
D detections, G ground truth, h/w the masks' size.

Trunk and heads compute in Config.PRECISION; layers with dtype=FLOAT32 handle boxes, scores and
losses, which low precision would spoil.
"""

import keras
from keras import layers

from mrcnn.layers.anchors import AnchorLayer
from mrcnn.layers.detection import DetectionLayer
from mrcnn.layers.detection_target import DetectionTargetLayer
from mrcnn.layers.proposal import ProposalLayer
from mrcnn.layers.slices import ActiveClasses, BoxesOfDetections, FirstRows, NormalizeBoxes
from mrcnn.nets.backbones import build_backbone
from mrcnn.nets.fpn import build_fpn, build_single_level
from mrcnn.nets.heads import build_classifier_head, build_mask_head
from mrcnn.nets.losses import LossLayer
from mrcnn.nets.precision import FLOAT32, policy_of
from mrcnn.nets.rpn import build_rpn_model, run_rpn
from mrcnn.nets.training_model import TrainingModel


def build_model(mode, config):
    """The functional model of one mode.

    Args:
        mode: "training" or "inference".
        config: a validated Config; its PRECISION is that of the graph.

    Returns:
        keras.Model "mask_rcnn" with Matterport's named inputs and output order.
    """
    build = {"training": build_training_model, "inference": build_inference_model}[mode]
    with policy_of(config):
        return build(config)


def build_inference_model(config):
    """Images, metas and anchors in; detections, classes, boxes, masks, proposals, RPN out."""
    images, image_meta = _image_inputs(config)
    anchors = keras.Input((None, 4), name="input_anchors")
    feature_maps = _feature_maps(images, config)
    _, rpn_class, rpn_bbox, levels = _rpn(feature_maps, config)
    rois = _proposals([rpn_class, rpn_bbox, anchors, image_meta, *levels],
                      config.POST_NMS_ROIS_INFERENCE, config.PRE_NMS_LIMIT, config)
    _, mrcnn_class, mrcnn_bbox = _classify(rois, feature_maps, image_meta, config)
    detections = DetectionLayer(config, name="mrcnn_detection", dtype=FLOAT32)(
        [rois, mrcnn_class, mrcnn_bbox, image_meta]
    )
    boxes = BoxesOfDetections(name="detection_boxes", dtype=FLOAT32)(detections)
    mrcnn_mask = _masks(boxes, feature_maps, image_meta, config)
    return keras.Model(
        [images, image_meta, anchors],
        [detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rois, rpn_class, rpn_bbox],
        name="mask_rcnn",
    )


def build_training_model(config):
    """Images, metas and targets in; the RPN's and the heads' answers and five losses out."""
    _check_frozen_stages(config)
    images, image_meta = _image_inputs(config)
    rpn_match, rpn_target, gt_class_ids, gt_boxes_px, gt_masks = _target_inputs(config)
    inputs = [images, image_meta, rpn_match, rpn_target, gt_class_ids, gt_boxes_px, gt_masks]
    gt_boxes = NormalizeBoxes(config.box_edges, name="gt_boxes_normalized", dtype=FLOAT32)(
        [gt_boxes_px, images])

    feature_maps = _feature_maps(images, config)
    rpn_class_logits, rpn_class, rpn_bbox, levels = _rpn(feature_maps, config)
    anchors = AnchorLayer(
        config.level_scales,
        config.RPN_ANCHOR_RATIOS,
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
        config.RPN_ANCHOR_ROUNDING,
        config.box_edges,
        name="anchors",
        dtype=FLOAT32,
    )([images, *feature_maps])
    proposals = rpn_rois = _proposals(
        [rpn_class, rpn_bbox, anchors, image_meta, *levels],
        config.POST_NMS_ROIS_TRAINING,
        config.PRE_NMS_LIMIT_TRAINING or config.PRE_NMS_LIMIT,
        config,
    )
    if not config.USE_RPN_ROIS:
        input_rois = keras.Input((config.POST_NMS_ROIS_TRAINING, 4), name="input_roi")
        inputs.append(input_rois)
        proposals = NormalizeBoxes(config.box_edges, name="input_roi_normalized", dtype=FLOAT32)(
            [input_rois, images])
    targets = DetectionTargetLayer(config, name="proposal_targets", dtype=FLOAT32)
    rois, class_ids, deltas, masks = targets(
        [proposals, gt_class_ids, gt_boxes, gt_masks, *([image_meta] if targets.align else [])])

    class_logits, mrcnn_class, mrcnn_bbox = _classify(rois, feature_maps, image_meta, config)
    positive = FirstRows(max(targets.positive_count, 1), name="positive_rois", dtype=FLOAT32)
    mrcnn_mask = _masks(positive(rois), feature_maps, image_meta, config)

    active = ActiveClasses(name="active_class_ids", dtype=FLOAT32)(image_meta)
    per_sample = config.BBOX_LOSS_NORMALIZER == "sample"
    loss_inputs = {
        "rpn_class_loss": [rpn_match, rpn_class_logits],
        "rpn_bbox_loss": [rpn_target, rpn_match, rpn_bbox],
        "mrcnn_class_loss": [class_ids, class_logits, active],
        "mrcnn_bbox_loss": [deltas, class_ids, mrcnn_bbox, *([rois] if per_sample else [])],
        "mrcnn_mask_loss": [masks, class_ids, mrcnn_mask],
    }
    options = {
        "rpn_bbox_loss": {"beta": float(config.RPN_SMOOTH_L1_BETA), "per_sample": per_sample},
        "mrcnn_class_loss": {"class_weights": _class_weights(config)},
        "mrcnn_bbox_loss": {"beta": float(config.ROI_SMOOTH_L1_BETA)},
    }
    losses = [LossLayer(name, options.get(name))(x) for name, x in loss_inputs.items()]
    output_rois = layers.Identity(name="output_rois", dtype=FLOAT32)(rois)
    outputs = [rpn_class_logits, rpn_class, rpn_bbox, class_logits, mrcnn_class, mrcnn_bbox]
    outputs += [mrcnn_mask, rpn_rois, output_rois, *losses]
    return TrainingModel(inputs, outputs, name="mask_rcnn")


def _check_frozen_stages(config):
    """Raises ValueError for FREEZE_AT with a network whose stages nobody knows."""
    if config.FREEZE_AT and not isinstance(config.BACKBONE, str):
        raise ValueError(f"FREEZE_AT = {config.FREEZE_AT} counts the stages of a ResNet by name: "
                         "expected 0 with a BACKBONE of your own; `layers` of train() freezes "
                         "layers by their names")


def _class_weights(config):
    weights = config.CLASS_WEIGHTS
    return None if weights is None else [float(weight) for weight in weights]


def _image_inputs(config):
    images = keras.Input((None, None, config.IMAGE_CHANNEL_COUNT), name="input_image")
    return images, keras.Input((config.IMAGE_META_SIZE,), name="input_image_meta")


def _target_inputs(config):
    objects = config.MAX_GT_INSTANCES
    mask_shape = tuple(config.MINI_MASK_SHAPE[:2]) if config.USE_MINI_MASK else (None, None)
    return [
        keras.Input((None, 1), name="input_rpn_match", dtype="int32"),
        keras.Input((config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4), name="input_rpn_bbox"),
        keras.Input((objects,), name="input_gt_class_ids", dtype="int32"),
        keras.Input((objects, 4), name="input_gt_boxes"),
        keras.Input((*mask_shape, objects), name="input_gt_masks", dtype="uint8"),
    ]


def _feature_maps(images, config):
    taps = build_backbone(
        config.BACKBONE,
        images,
        train_bn=config.TRAIN_BN,
        mean_pixel=config.mean_pixel,
        preprocessing=config.BACKBONE_PREPROCESSING,
        width=config.BACKBONE_WIDTH,
        image_std=config.image_std,
        style=config.RESNET_STYLE,
        epsilon=config.BATCH_NORM_EPSILON,
        deepest=4 if config.FEATURES == "c4" else 5,
    )
    if config.FEATURES == "c4":
        return build_single_level(taps[-1], config.TOP_DOWN_PYRAMID_SIZE)
    return build_fpn(*taps, config.TOP_DOWN_PYRAMID_SIZE)


def _rpn(feature_maps, config):
    rpn_model = build_rpn_model(
        config.RPN_ANCHOR_STRIDE,
        len(config.RPN_ANCHOR_RATIOS) * len(config.level_scales[0]),
        config.TOP_DOWN_PYRAMID_SIZE,
        config.RPN_CONV_CHANNELS,
        config.HEADS_SMALL_INIT,
    )
    return run_rpn(rpn_model, feature_maps)


def _proposals(inputs, count, pre_nms_limit, config):
    """Proposals [B, count, 4] of all that ProposalLayer can take."""
    layer = ProposalLayer(
        count, config.RPN_NMS_THRESHOLD, config, pre_nms_limit, name="ROI", dtype=FLOAT32
    )
    if not layer.per_level:
        inputs = inputs[: 4 if layer.min_size > 0 else 3]
    return layer(inputs)


def _pooling(config):
    """How the heads see rois: arguments of PyramidROIAlign."""
    return {
        "align": config.ROI_ALIGN == "roi_align",
        "sampling_ratio": config.ROI_ALIGN_SAMPLING_RATIO,
        "aligned": config.ROI_ALIGN_ALIGNED,
        "edges": config.box_edges,
    }


def _classify(rois, feature_maps, image_meta, config):
    return build_classifier_head(
        rois,
        feature_maps[:4],
        image_meta,
        config.POOL_SIZE,
        config.NUM_CLASSES,
        train_bn=config.TRAIN_BN,
        fc_layers_size=config.FPN_CLASSIF_FC_LAYERS_SIZE,
        batch_norm=config.HEADS_BATCH_NORM,
        epsilon=config.BATCH_NORM_EPSILON,
        pooling=_pooling(config),
        small_init=config.HEADS_SMALL_INIT,
    )


def _masks(rois, feature_maps, image_meta, config):
    return build_mask_head(
        rois,
        feature_maps[:4],
        image_meta,
        config.mask_pool_shape,
        config.NUM_CLASSES,
        train_bn=config.TRAIN_BN,
        channels=config.MASK_CONV_CHANNELS,
        batch_norm=config.HEADS_BATCH_NORM,
        epsilon=config.BATCH_NORM_EPSILON,
        pooling=_pooling(config),
        small_init=config.HEADS_SMALL_INIT,
    )
