"""A training notebook on drawn shapes, as one script: train, look inside, detect, judge."""
# ruff: noqa: UP008, UP031  (the way such scripts are written)

import json
import os
import sys

import cv2
import numpy as np

import mrcnn.model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config
from mrcnn.model import log
from mrcnn.parallel_model import ParallelModel

MODEL_DIR = os.path.join(sys.argv[1] if len(sys.argv) > 1 else ".", "logs")


class ShapesConfig(Config):
    NAME = "shapes"
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 3
    BACKBONE = "resnet18"
    TOP_DOWN_PYRAMID_SIZE = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TRAIN_ROIS_PER_IMAGE = 32
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    # Used by this script alone.
    BACKGROUND_NOISE = 8
    SHAPES_PER_IMAGE = 3


class ShapesDataset(utils.Dataset):
    KINDS = ("square", "circle", "triangle")

    def load_shapes(self, count, height, width, seed):
        for class_id, kind in enumerate(self.KINDS, 1):
            self.add_class("shapes", class_id, kind)
        rng = np.random.RandomState(seed)
        for i in range(count):
            drawn = []
            while len(drawn) < config.SHAPES_PER_IMAGE:
                drawn.append({
                    "kind": self.KINDS[rng.randint(len(self.KINDS))],
                    "color": rng.randint(0, 255, 3).tolist(),
                    "center": (int(rng.randint(24, width - 24)), int(rng.randint(24, height - 24))),
                    "radius": int(rng.randint(12, 24)),
                })
            self.add_image("shapes", image_id="drawn_%d" % i, path=None, size=(height, width),
                           background=rng.randint(0, 255, 3), drawn=drawn)

    def load_image(self, image_id):
        info = self.image_info[image_id]
        noise = np.random.RandomState(image_id).randint(0, config.BACKGROUND_NOISE + 1,
                                                        info["size"] + (3,))
        canvas = (info["background"] * 0.9 + noise).astype(np.uint8)
        for shape in info["drawn"]:
            canvas[self.silhouette(shape, info["size"])] = shape["color"]
        return canvas

    def load_mask(self, image_id):
        # The last shape lies on top: go backwards and keep what is not hidden yet.
        info = self.image_info[image_id]
        hidden = np.zeros(info["size"], bool)
        layers, class_ids = [], []
        for shape in reversed(info["drawn"]):
            whole = self.silhouette(shape, info["size"])
            if (whole & ~hidden).any():
                layers.append(whole & ~hidden)
                class_ids.append(self.class_names.index(shape["kind"]))
            hidden |= whole
        return np.dstack(layers), np.array(class_ids, np.int32)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "shapes":
            return super(self.__class__, self).image_reference(image_id)
        return [(shape["kind"], shape["center"]) for shape in info["drawn"]]

    @staticmethod
    def silhouette(shape, size):
        plane = np.zeros(size, np.uint8)
        (x, y), r = shape["center"], shape["radius"]
        if shape["kind"] == "circle":
            cv2.circle(plane, (x, y), r, 1, cv2.FILLED)
        elif shape["kind"] == "square":
            plane[y - r:y + r, x - r:x + r] = 1
        else:
            cv2.fillPoly(plane, [np.int32([(x, y - r), (x + r, y + r), (x - r, y + r)])], 1)
        return plane > 0


class InferenceConfig(ShapesConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.0


config = ShapesConfig()
config.BATCH_SIZE = config.IMAGES_PER_GPU * config.GPU_COUNT
config.display()

dataset_train = ShapesDataset()
dataset_train.load_shapes(12, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1], seed=1)
dataset_train.prepare()
dataset_val = ShapesDataset()
dataset_val.load_shapes(4, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1], seed=2)
dataset_val.prepare()

for image_id in np.random.choice(dataset_train.image_ids, 2):
    image = dataset_train.load_image(image_id)
    mask, class_ids = dataset_train.load_mask(image_id)
    visualize.display_top_masks(image, mask, class_ids, dataset_train.class_names)

# ---- training: heads, then everything; epochs count on
model = modellib.MaskRCNN(mode="training", config=config, model_dir=MODEL_DIR)
model.keras_model = ParallelModel(model.keras_model, config.GPU_COUNT)
model.keras_model.summary(print_fn=lambda line, *args, **kwargs: None)
parameters = model.keras_model.count_params()

model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=1,
            layers="heads")
model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE / 10, epochs=2,
            layers="all")

# ---- the two debug feeds
anchors = utils.generate_pyramid_anchors(
    config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS,
    modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE), config.BACKBONE_STRIDES,
    config.RPN_ANCHOR_STRIDE)
g = modellib.data_generator(dataset_train, config, shuffle=True, batch_size=2,
                            random_rois=40, detection_targets=True)
feed_inputs, feed_outputs = next(g)
sequence = modellib.DataGenerator(dataset_train, config, shuffle=False)
by_index, _ = sequence[0]
log("anchors", anchors)
log("rpn_match", by_index[2])

# ---- inference
inference_config = InferenceConfig()
model = modellib.MaskRCNN(mode="inference", config=inference_config, model_dir=MODEL_DIR)
model_path = model.find_last()
print("Loading weights from ", model_path)
model.load_weights(model_path, by_name=True)

image_id = dataset_val.image_ids[0]
original_image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
    dataset_val, inference_config, image_id, use_mini_mask=False)
log("original_image", original_image)
log("image_meta", image_meta)
log("gt_class_id", gt_class_id)
log("gt_bbox", gt_bbox)
log("gt_mask", gt_mask)

results = model.detect([original_image], verbose=1)
r = results[0]
visualize.display_instances(original_image, r["rois"], r["masks"], r["class_ids"],
                            dataset_val.class_names, r["scores"])
visualize.display_differences(
    original_image, gt_bbox, gt_class_id, gt_mask,
    r["rois"], r["class_ids"], r["scores"], r["masks"], dataset_val.class_names)

# ---- the network called directly, and looked into
molded_images, image_metas, windows = model.mold_inputs([original_image])
full_anchors = model.get_anchors(molded_images[0].shape)
full_anchors = np.broadcast_to(full_anchors, (1,) + full_anchors.shape)
answers = model.keras_model.predict([molded_images, image_metas, full_anchors], verbose=0)
rois, class_ids, scores, masks = model.unmold_detections(
    answers[0][0], answers[3][0], original_image.shape, molded_images[0].shape, windows[0])
peek = model.run_graph([original_image], [
    ("proposals", model.keras_model.get_layer("ROI").output),
    ("detections", model.keras_model.get_layer("mrcnn_detection").output),
])

# ---- judge
APs = []
for image_id in dataset_val.image_ids:
    image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
        dataset_val, inference_config, image_id, use_mini_mask=False)
    molded_images = np.expand_dims(modellib.mold_image(image, inference_config), 0)
    r = model.detect([image], verbose=0)[0]
    AP, precisions, recalls, overlaps = utils.compute_ap(
        gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"])
    APs.append(AP)
visualize.plot_precision_recall(AP, precisions, recalls)
visualize.plot_overlaps(gt_class_id, r["class_ids"], r["scores"], overlaps,
                        dataset_val.class_names)
visualize.display_weight_stats(model)

print("DONE", json.dumps({
    "epoch_file": os.path.basename(model_path),
    "parameters": int(parameters),
    "anchors": int(anchors.shape[0]),
    "model_anchors": int(full_anchors.shape[1]),
    "feed_inputs": len(feed_inputs),
    "feed_outputs": len(feed_outputs),
    "feed_rois": list(feed_inputs[-1].shape),
    "index_inputs": len(by_index),
    "rpn_match": list(by_index[2].shape),
    "proposals": list(peek["proposals"].shape),
    "detections": list(peek["detections"].shape),
    "predicted_outputs": len(answers),
    "same_boxes": bool(np.array_equal(rois, results[0]["rois"])),
    "masks": list(results[0]["masks"].shape),
    "instances": len(results[0]["class_ids"]),
    "mAP": float(np.mean(APs)),
}))
