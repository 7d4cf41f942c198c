"""The inspection notebooks in one script: data, model step by step, weights, two variants."""
# ruff: noqa: E741, UP030, UP031, UP032  (the way such notebooks are written)

import json
import os
import random
import sys

import matplotlib
import matplotlib.patches as patches
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import mrcnn.model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config
from mrcnn.data.shapes import ShapesDataset
from mrcnn.model import log
from mrcnn.visualize import display_images
from samples.balloon import balloon
from samples.nucleus import nucleus

matplotlib.use("agg")
random.seed(1)  # Keras takes the seeds of its first weights from here
np.random.seed(1)
MODEL_DIR = os.path.join(sys.argv[1], "logs")
DEVICE = "/cpu:0"
facts = {}


class ShapesConfig(Config):
    NAME = "shapes"
    NUM_CLASSES = 1 + 3
    BACKBONE = "resnet101"
    BACKBONE_WIDTH = 16
    TOP_DOWN_PYRAMID_SIZE = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TRAIN_ROIS_PER_IMAGE = 32
    MINI_MASK_SHAPE = (28, 28)
    STEPS_PER_EPOCH = 1


config = ShapesConfig()
config.display()
dataset = ShapesDataset()
dataset.load_shapes(12, 100, 128, seed=4)
dataset.prepare()


def get_ax(rows=1, cols=1, size=4):
    _, ax = plt.subplots(rows, cols, figsize=(size * cols, size * rows))
    return ax


# ================ the data
print("Images: {}\nClasses: {}".format(len(dataset.image_ids), dataset.class_names))
for i, info in enumerate(dataset.class_info):
    print("{:3}. {:50}".format(i, info["name"]))
for image_id in np.random.choice(dataset.image_ids, 2):
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    visualize.display_top_masks(image, mask, class_ids, dataset.class_names)
bbox = utils.extract_bboxes(mask)
print("image_id ", image_id, dataset.image_reference(image_id), dataset.source_image_link(image_id))
log("image", image)
log("bbox", bbox)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)

image, window, scale, padding, _ = utils.resize_image(
    image, min_dim=config.IMAGE_MIN_DIM, max_dim=config.IMAGE_MAX_DIM,
    mode=config.IMAGE_RESIZE_MODE)
mask = utils.resize_mask(mask, scale, padding)
facts["resized"] = [*image.shape, *mask.shape[:2]]

image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
    dataset, config, image_id, use_mini_mask=False)
display_images([image] + [mask[:, :, i] for i in range(min(mask.shape[-1], 7))])
image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
    dataset, config, image_id, augment=True, use_mini_mask=True)
log("mask", mask)
facts["mini_mask"] = list(mask.shape[:2])
mask = utils.expand_mask(bbox, mask, image.shape)
facts["expanded"] = list(mask.shape[:2])
small = utils.minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)
meta = modellib.parse_image_meta(image_meta[np.newaxis])
facts["meta"] = sorted(meta)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)

# ---- anchors, level by level
backbone_shapes = modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE)
anchors = utils.generate_pyramid_anchors(
    config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, backbone_shapes,
    config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE)
num_levels, anchors_per_cell = len(backbone_shapes), len(config.RPN_ANCHOR_RATIOS)
anchors_per_level = []
for l in range(num_levels):
    num_cells = backbone_shapes[l][0] * backbone_shapes[l][1]
    anchors_per_level.append(anchors_per_cell * num_cells // config.RPN_ANCHOR_STRIDE**2)
    print("Anchors in Level {}: {}".format(l, anchors_per_level[l]))
facts["anchors"] = [len(anchors), int(sum(anchors_per_level))]
fig, ax = plt.subplots(1, figsize=(4, 4))
ax.imshow(image)
for level in range(num_levels):
    colors = visualize.random_colors(num_levels)
    level_start = int(sum(anchors_per_level[:level]))
    level_anchors = anchors[level_start:level_start + anchors_per_level[level]]
    center_cell = backbone_shapes[level] // 2
    center_anchor = anchors_per_cell * int(
        center_cell[0] * backbone_shapes[level][1] + center_cell[1])
    for i, rect in enumerate(level_anchors[center_anchor:center_anchor + anchors_per_cell]):
        y1, x1, y2, x2 = rect
        ax.add_patch(patches.Rectangle(
            (x1, y1), x2 - x1, y2 - y1, linewidth=2, facecolor="none",
            edgecolor=(i + 1) * np.array(colors[level]) / anchors_per_cell))

# ---- the generator, with the targets of the heads
g = modellib.data_generator(dataset, config, shuffle=True, random_rois=200, batch_size=4,
                            detection_targets=True)
[normalized_images, image_meta, rpn_match, rpn_bbox, gt_class_ids, gt_boxes, gt_masks,
 rpn_rois, rois], [mrcnn_class_ids, mrcnn_bbox, mrcnn_mask] = next(g)
log("rois", rois)
log("mrcnn_class_ids", mrcnn_class_ids)
b = 0
sample_image = modellib.unmold_image(normalized_images[b], config)
indices = np.where(rpn_match[b] == 1)[0]
refined_anchors = utils.apply_box_deltas(
    anchors[indices], rpn_bbox[b, :len(indices)] * config.RPN_BBOX_STD_DEV)
neutral = np.where(rpn_match[b] == 0)[0]
for c, n in zip(dataset.class_names, np.bincount(mrcnn_class_ids[b].flatten()), strict=False):
    if n:
        print("{:23}: {}".format(c[:20], n))
visualize.draw_boxes(sample_image, boxes=anchors[indices], refined_boxes=refined_anchors,
                     ax=get_ax())
visualize.draw_boxes(sample_image, boxes=anchors[np.random.choice(neutral, 100)])
bbox_specific = mrcnn_bbox[b, np.arange(mrcnn_bbox.shape[1]), mrcnn_class_ids[b, :, 0], :]
refined_rois = utils.apply_box_deltas(
    rois[b].astype(np.float32), bbox_specific[:, :4] * config.BBOX_STD_DEV)
mask_specific = mrcnn_mask[b, np.arange(mrcnn_mask.shape[1]), :, :, mrcnn_class_ids[b, :, 0]]
visualize.draw_rois(sample_image, rois[b], refined_rois, mask_specific, mrcnn_class_ids[b],
                    dataset.class_names)
rows = np.ascontiguousarray(rois[b]).view(
    np.dtype((np.void, rois.dtype.itemsize * rois.shape[-1])))
_, idx = np.unique(rows, return_index=True)
print("Unique ROIs: {} out of {}".format(len(idx), rois.shape[1]))
images, titles = [], []
for i in random.sample(range(rois.shape[1]), 4):
    drawn = visualize.draw_box(sample_image.copy(), rois[b, i, :4].astype(np.int32), [255, 0, 0])
    images += [visualize.draw_box(drawn, refined_rois[i].astype(np.int64), [0, 255, 0]),
               mask_specific[i] * 255]
    titles += ["ROI {}".format(i), dataset.class_names[mrcnn_class_ids[b, i, 0]][:20]]
display_images(images, titles, cols=4, cmap="Blues", interpolation="none")
g = modellib.data_generator(
    dataset, config, shuffle=True, random_rois=100, batch_size=1, detection_targets=True)
positive = [int(np.sum(next(g)[1][0][0] > 0)) for _ in range(20)]  # an image may well have none
facts["positive_rois"] = max(positive)


# ================ the model, step by step
class InferenceConfig(config.__class__):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.0
    DETECTION_MAX_INSTANCES = 20
    DETECTION_NMS_THRESHOLD = 0.001  # an untrained network would fill the table else


config = InferenceConfig()
config.display()
with tf.device(DEVICE):
    model = modellib.MaskRCNN(mode="inference", model_dir=MODEL_DIR, config=config)
model.keras_model.save_weights(os.path.join(sys.argv[1], "some.h5"))
model.load_weights(os.path.join(sys.argv[1], "some.h5"), by_name=True)

image_id = random.choice(dataset.image_ids)
image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
    dataset, config, image_id, use_mini_mask=False)
info = dataset.image_info[image_id]
print("image ID: {}.{} ({}) {}".format(info["source"], info["id"], image_id,
                                       dataset.image_reference(image_id)))
results = model.detect([image], verbose=1)
r = results[0]
visualize.display_instances(image, r["rois"], r["masks"], r["class_ids"], dataset.class_names,
                            r["scores"], ax=get_ax(), title="Predictions")
AP, precisions, recalls, overlaps = utils.compute_ap(
    gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"])
visualize.plot_precision_recall(AP, precisions, recalls)
visualize.plot_overlaps(gt_class_id, r["class_ids"], r["scores"], overlaps, dataset.class_names)

# ---- stage 1: anchors and proposals
target_rpn_match, target_rpn_bbox = modellib.build_rpn_targets(
    image.shape, model.anchors, gt_class_id, gt_bbox, model.config)
log("target_rpn_match", target_rpn_match)
positive_anchors = model.anchors[np.where(target_rpn_match[:] == 1)[0]]
refined_anchors = utils.apply_box_deltas(
    positive_anchors,
    target_rpn_bbox[:positive_anchors.shape[0]] * model.config.RPN_BBOX_STD_DEV)
visualize.draw_boxes(image, boxes=positive_anchors, refined_boxes=refined_anchors, ax=get_ax())
facts["targets_meet_truth"] = bool(
    utils.compute_overlaps(refined_anchors, gt_bbox).max(axis=1).min() > 0.95)


def peek_at_rpn(images, **options):
    pillar = model.keras_model.get_layer("ROI").output
    nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression:0")
    if nms_node is None:
        nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV2:0")
    if nms_node is None:
        nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0")
    return model.run_graph(images, [
        ("rpn_class", model.keras_model.get_layer("rpn_class").output),
        ("pre_nms_anchors", model.ancestor(pillar, "ROI/pre_nms_anchors:0")),
        ("refined_anchors", model.ancestor(pillar, "ROI/refined_anchors:0")),
        ("refined_anchors_clipped", model.ancestor(pillar, "ROI/refined_anchors_clipped:0")),
        ("post_nms_anchor_ix", nms_node),
        ("proposals", model.keras_model.get_layer("ROI").output),
    ], **options)


rpn = peek_at_rpn([image])
limit = 50
sorted_anchor_ids = np.argsort(rpn["rpn_class"][:, :, 1].flatten())[::-1]
visualize.draw_boxes(image, boxes=model.anchors[sorted_anchor_ids[:limit]], ax=get_ax())
ax = get_ax(1, 2)
pre_nms_anchors = utils.denorm_boxes(rpn["pre_nms_anchors"][0], image.shape[:2])
refined_anchors = utils.denorm_boxes(rpn["refined_anchors"][0], image.shape[:2])
refined_anchors_clipped = utils.denorm_boxes(rpn["refined_anchors_clipped"][0], image.shape[:2])
visualize.draw_boxes(image, boxes=pre_nms_anchors[:limit],
                     refined_boxes=refined_anchors[:limit], ax=ax[0])
visualize.draw_boxes(image, refined_boxes=refined_anchors_clipped[:limit], ax=ax[1])
ixs = rpn["post_nms_anchor_ix"][:limit]
visualize.draw_boxes(image, refined_boxes=refined_anchors_clipped[ixs], ax=get_ax())
h, w = config.IMAGE_SHAPE[:2]
proposals = rpn["proposals"][0, :limit] * np.array([h, w, h, w])
visualize.draw_boxes(image, refined_boxes=proposals, ax=get_ax())
facts["pre_nms"] = list(rpn["pre_nms_anchors"].shape)
facts["same_proposals"] = bool(np.array_equal(
    rpn["refined_anchors_clipped"][0][ixs], rpn["proposals"][0, :len(ixs)]))
for name, boxes in (("anchors", model.anchors),
                    ("refined", utils.denorm_boxes(rpn["refined_anchors"][0], image.shape[:2]))):
    recall, positive_ids = utils.compute_recall(boxes, gt_bbox, 0.5)
    print("{:10} recall {:.3f}, {} positive".format(name, recall, len(positive_ids)))
facts["norm_round_trip"] = bool(np.array_equal(gt_bbox, utils.denorm_boxes(
    utils.norm_boxes(gt_bbox, image.shape[:2]), image.shape[:2])))

# ---- stage 2: classes and boxes of the proposals
mrcnn = model.run_graph([image], [
    ("proposals", model.keras_model.get_layer("ROI").output),
    ("probs", model.keras_model.get_layer("mrcnn_class").output),
    ("deltas", model.keras_model.get_layer("mrcnn_bbox").output),
    ("masks", model.keras_model.get_layer("mrcnn_mask").output),
    ("detections", model.keras_model.get_layer("mrcnn_detection").output),
    ("roi_align_classifier", model.keras_model.get_layer("roi_align_classifier").output),
    ("roi_align_mask", model.keras_model.get_layer("roi_align_mask").output),
])
det_class_ids = mrcnn["detections"][0, :, 4].astype(np.int32)
det_count = int(np.sum(det_class_ids > 0))
det_class_ids = det_class_ids[:det_count]
detections = utils.trim_zeros(mrcnn["detections"][0])
facts["detections"] = [det_count, len(detections), len(r["class_ids"])]
captions = ["{} {:.3f}".format(dataset.class_names[int(c)], s) if c > 0 else ""
            for c, s in zip(detections[:, 4], detections[:, 5], strict=True)]
visualize.draw_boxes(image, refined_boxes=utils.denorm_boxes(detections[:, :4], image.shape[:2]),
                     visibilities=[2] * len(detections), captions=captions, title="Detections",
                     ax=get_ax())
proposals = np.around(mrcnn["proposals"][0] * np.array([h, w, h, w])).astype(np.int32)
roi_class_ids = np.argmax(mrcnn["probs"][0], axis=1)
roi_scores = mrcnn["probs"][0, np.arange(roi_class_ids.shape[0]), roi_class_ids]
roi_class_names = np.array(dataset.class_names)[roi_class_ids]
print("{} Valid proposals out of {}".format(np.sum(np.any(proposals, axis=1)), len(proposals)))
print(list(zip(*np.unique(roi_class_names, return_counts=True), strict=True)))
ixs = np.random.randint(0, proposals.shape[0], 40)
captions = ["{} {:.3f}".format(dataset.class_names[c], s) if c > 0 else ""
            for c, s in zip(roi_class_ids[ixs], roi_scores[ixs], strict=True)]
visualize.draw_boxes(image, boxes=proposals[ixs],
                     visibilities=np.where(roi_class_ids[ixs] > 0, 2, 1), captions=captions,
                     title="ROIs Before Refinement", ax=get_ax())
roi_bbox_specific = mrcnn["deltas"][0, np.arange(proposals.shape[0]), roi_class_ids]
log("roi_bbox_specific", roi_bbox_specific)
refined_proposals = utils.apply_box_deltas(
    proposals, roi_bbox_specific * config.BBOX_STD_DEV).astype(np.int32)
keep = np.intersect1d(np.where(roi_class_ids > 0)[0],
                      np.where(roi_scores >= config.DETECTION_MIN_CONFIDENCE)[0])
nms_keep = []
for class_id in np.unique(roi_class_ids[keep]):
    ixs = np.where(roi_class_ids[keep] == class_id)[0]
    class_keep = utils.non_max_suppression(refined_proposals[keep][ixs], roi_scores[keep][ixs],
                                           config.DETECTION_NMS_THRESHOLD)
    nms_keep = np.union1d(nms_keep, keep[ixs[class_keep]])
keep = np.intersect1d(keep, nms_keep).astype(np.int32)
visualize.draw_boxes(image, boxes=proposals[keep], refined_boxes=refined_proposals[keep],
                     visibilities=np.where(roi_class_ids[keep] > 0, 1, 0),
                     captions=["x"] * len(keep), title="Detections after NMS", ax=get_ax())
log("deltas", utils.box_refinement(gt_bbox.astype(np.float32), gt_bbox.astype(np.float32)))

# ---- stage 3: masks
display_images(np.transpose(gt_mask, [2, 0, 1]), cmap="Blues")
det_boxes = utils.denorm_boxes(mrcnn["detections"][0, :, :4], image.shape[:2])
det_mask_specific = np.array([mrcnn["masks"][0, i, :, :, c] for i, c in enumerate(det_class_ids)])
det_masks = np.array([utils.unmold_mask(m, det_boxes[i], image.shape)
                      for i, m in enumerate(det_mask_specific)])
log("det_masks", det_masks)
display_images(det_mask_specific[:4] * 255, cmap="Blues", interpolation="none")
display_images(det_masks[:4] * 255, cmap="Blues", interpolation="none")
facts["same_masks"] = bool(np.array_equal(np.moveaxis(det_masks, 0, -1), r["masks"]))

# ---- activations; tf.identity around input_image is the one thing that was taken away
activations = model.run_graph([image], [
    ("input_image", model.keras_model.get_layer("input_image").output),
    ("res2c_out", model.keras_model.get_layer("res2c_out").output),
    ("res3c_out", model.keras_model.get_layer("res3c_out").output),
    ("res4w_out", model.keras_model.get_layer("res4w_out").output),
    ("rpn_bbox", model.keras_model.get_layer("rpn_bbox").output),
    ("roi", model.keras_model.get_layer("ROI").output),
])
_ = plt.imshow(modellib.unmold_image(activations["input_image"][0], config))
display_images(np.transpose(activations["res2c_out"][0, :, :, :4], [2, 0, 1]), cols=4)
plt.hist(activations["rpn_bbox"][0, :, 1], 50)
facts["input_round_trip"] = bool(np.array_equal(
    modellib.unmold_image(modellib.mold_image(image, config), config), image))
facts["res4w_out"] = list(activations["res4w_out"].shape)
plt.close("all")

# ================ the nucleus variant: molded images, metas, ranges of IoU
results = model.detect_molded(image[np.newaxis], image_meta[np.newaxis], verbose=1)
r = results[0]
visualize.display_differences(
    image, gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"],
    dataset.class_names, title="Differences", ax=get_ax(), show_mask=False, show_box=False,
    iou_threshold=0.5, score_threshold=0.9)
facts["ap_range"] = float(utils.compute_ap_range(
    gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"], verbose=1))
molded = peek_at_rpn(np.expand_dims(image, 0), image_metas=np.expand_dims(image_meta, 0))
facts["molded_proposals"] = list(molded["proposals"].shape)


class RandomCropConfig(config.__class__):
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64


crop_config = RandomCropConfig()
facts["nucleus"] = nucleus.NucleusInferenceConfig().IMAGE_RESIZE_MODE
for _ in range(2):
    image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
        dataset, crop_config, image_id, augment=False, use_mini_mask=True)
    visualize.display_instances(image, bbox, utils.expand_mask(bbox, mask, image.shape), class_ids,
                                dataset.class_names, ax=get_ax(), show_mask=False, show_bbox=False)
facts["crop"] = list(image.shape)

# ================ the balloon variant: colour splash
splash = balloon.color_splash(image, utils.expand_mask(bbox, mask, image.shape))
display_images([splash], cols=1)

# ================ the weights
visualize.display_weight_stats(model)
layers = [l for l in model.get_trainable_layers() if l.__class__.__name__ in ["Conv2D"]]
fig, ax = plt.subplots(3, 2, figsize=(6, 6), gridspec_kw={"hspace": 1})
for l, layer in enumerate(layers[:3]):
    for w, weight in enumerate(layer.get_weights()):
        ax[l, w].set_title(layer.weights[w].name)
        _ = ax[l, w].hist(weight.flatten(), 50)
facts["convolutions"] = len(layers)
print("DONE", json.dumps(facts))
