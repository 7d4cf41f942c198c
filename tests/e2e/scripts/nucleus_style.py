"""Cell nuclei in the manner of a competition entry: folders of masks, crops, a submission file.

    python nucleus_style.py work_folder      (pictures are drawn into it first)
"""
# ruff: noqa: B905, E402, I001, UP008, UP031, UP032  (the way such scripts are written)

import glob
import itertools
import json
import os
import sys

import imgaug
from imgaug import augmenters as iaa  # before mrcnn, as people have it
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import skimage.io

from mrcnn import model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config
from mrcnn.model import log

ROOT_DIR = os.path.abspath(sys.argv[1])
DATASET_DIR = os.path.join(ROOT_DIR, "stage1_train")
RESULTS_DIR = os.path.join(ROOT_DIR, "results")
LOGS_DIR = os.path.join(ROOT_DIR, "logs")
VAL_IMAGE_IDS = ["nucleus_0", "nucleus_1"]


def draw_nuclei(count, height=150, width=110):
    """Writes <id>/images/<id>.png and <id>/masks/*.png for each picture."""
    rng = np.random.RandomState(7)
    rows, columns = np.mgrid[:height, :width]
    for i in range(count):
        name = "nucleus_{}".format(i)
        image = rng.randint(0, 30, (height, width, 4)).astype(np.uint8)
        image[:, :, 3] = 255
        os.makedirs(os.path.join(DATASET_DIR, name, "images"))
        os.makedirs(os.path.join(DATASET_DIR, name, "masks"))
        taken = np.zeros((height, width), dtype=bool)
        for k in range(6):
            y, x, r = rng.randint(15, height - 15), rng.randint(15, width - 15), rng.randint(7, 14)
            m = ((rows - y) ** 2 + (columns - x) ** 2 < r * r) & ~taken
            if m.sum() < 20:
                continue
            taken |= m
            image[m, :3] = rng.randint(150, 230)
            path = os.path.join(DATASET_DIR, name, "masks", "{}.png".format(k))
            skimage.io.imsave(path, (m * 255).astype(np.uint8), check_contrast=False)
        skimage.io.imsave(os.path.join(DATASET_DIR, name, "images", name + ".png"), image)


class NucleusConfig(Config):
    NAME = "nucleus"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = max(1, len(VAL_IMAGE_IDS) // IMAGES_PER_GPU)
    DETECTION_MIN_CONFIDENCE = 0
    BACKBONE = "resnet18"
    TOP_DOWN_PYRAMID_SIZE = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    IMAGE_MIN_SCALE = 2.0
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 200
    POST_NMS_ROIS_INFERENCE = 200
    RPN_NMS_THRESHOLD = 0.9
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_ROIS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 50
    DETECTION_MAX_INSTANCES = 40


class NucleusInferenceConfig(NucleusConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    RPN_NMS_THRESHOLD = 0.7


class NucleusDataset(utils.Dataset):
    def load_nucleus(self, dataset_dir, subset):
        self.add_class("nucleus", 1, "nucleus")
        for name in sorted(os.listdir(dataset_dir)):
            if (name in VAL_IMAGE_IDS) == (subset == "val"):
                path = os.path.join(dataset_dir, name, "images", name + ".png")
                self.add_image("nucleus", image_id=name, path=path)

    def load_mask(self, image_id):
        pattern = os.path.join(DATASET_DIR, self.image_info[image_id]["id"], "masks", "*.png")
        planes = [skimage.io.imread(path).astype(np.bool) for path in sorted(glob.glob(pattern))]
        return np.dstack(planes), np.ones(len(planes), dtype=np.int32)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "nucleus":
            return super(self.__class__, self).image_reference(image_id)
        return info["id"]


def rle_encode(mask):
    """Run lengths "start length start length ...", counted from 1, column by column."""
    numbers, place = [], 1
    for value, run in itertools.groupby(mask.ravel(order="F").tolist()):
        length = len(list(run))
        if value:
            numbers += [place, length]
        place += length
    return " ".join("%d" % n for n in numbers)


def rle_decode(rle, shape):
    flat = np.zeros(int(np.prod(shape)), dtype=np.bool)
    numbers = [int(n) for n in rle.split()]
    for place, length in zip(numbers[::2], numbers[1::2]):
        flat[place - 1:place - 1 + length] = True
    return flat.reshape(shape, order="F")


def mask_to_rle(image_id, mask, scores):
    """Lines of a submission; a pixel goes to the surest nucleus that covers it."""
    taken, lines = np.zeros(mask.shape[:2], dtype=np.bool), []
    for k in np.argsort(-scores):
        mine = mask[:, :, k] & ~taken
        taken |= mine
        if mine.any():
            lines.append("%s, %s" % (image_id, rle_encode(mine)))
    return "\n".join(lines) or "%s," % image_id


def train(model):
    dataset_train = NucleusDataset()
    dataset_train.load_nucleus(DATASET_DIR, "train")
    dataset_train.prepare()
    dataset_val = NucleusDataset()
    dataset_val.load_nucleus(DATASET_DIR, "val")
    dataset_val.prepare()
    augmentation = iaa.SomeOf((0, 2), [
        iaa.Fliplr(0.5),
        iaa.Flipud(0.5),
        iaa.OneOf([iaa.Affine(rotate=90), iaa.Affine(rotate=180), iaa.Affine(rotate=270)]),
        iaa.Multiply((0.8, 1.5)),
        iaa.GaussianBlur(sigma=(0.0, 5.0)),
    ])
    print("Train network heads")
    model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=1,
                augmentation=augmentation, layers="heads")
    print("Train all layers")
    model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=2,
                augmentation=augmentation, layers="all")
    return dataset_train


def detect(model):
    submit_dir = os.path.join(RESULTS_DIR, "submit")
    os.makedirs(submit_dir)
    dataset = NucleusDataset()
    dataset.load_nucleus(DATASET_DIR, "val")
    dataset.prepare()
    submission = []
    for image_id in dataset.image_ids:
        image = dataset.load_image(image_id)
        r = model.detect([image], verbose=0)[0]
        source_id = dataset.image_info[image_id]["id"]
        submission.append(mask_to_rle(source_id, r["masks"], r["scores"]))
        visualize.display_instances(
            image, r["rois"], r["masks"], r["class_ids"], dataset.class_names, r["scores"],
            show_bbox=False, show_mask=False, title="Predictions")
        plt.savefig("{}/{}.png".format(submit_dir, source_id))
    with open(os.path.join(submit_dir, "submit.csv"), "w") as f:
        f.write("ImageId,EncodedPixels\n" + "\n".join(submission))
    return dataset, submit_dir


draw_nuclei(6)
config = NucleusConfig()
config.display()
model = modellib.MaskRCNN(mode="training", config=config, model_dir=LOGS_DIR)
dataset_train = train(model)

image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
    dataset_train, config, 0, use_mini_mask=True)
expanded = utils.expand_mask(bbox, mask, image.shape)
log("mini masks", mask)
log("expanded", expanded)

config = NucleusInferenceConfig()
model = modellib.MaskRCNN(mode="inference", config=config, model_dir=LOGS_DIR)
weights_path = model.find_last()
model.load_weights(weights_path, by_name=True)
dataset, submit_dir = detect(model)

# ---- the meta row by hand, and a look behind the proposal layer
image = dataset.load_image(0)
resized, window, scale, padding, crop = utils.resize_image(
    image, min_dim=config.IMAGE_MIN_DIM, max_dim=config.IMAGE_MAX_DIM,
    min_scale=config.IMAGE_MIN_SCALE, mode=config.IMAGE_RESIZE_MODE)
meta = modellib.compose_image_meta(
    0, image.shape, resized.shape, window, scale, np.zeros([config.NUM_CLASSES], dtype=np.int32))
pillar = model.keras_model.get_layer("ROI").output
outputs = [("rpn_class", model.ancestor(pillar, "rpn_class")), ("proposals", pillar)]
inner = model.ancestor(pillar, "ROI/pre_nms_anchors:0")
if inner is not None:  # the inside of a layer is not there in every version
    outputs.append(("pre_nms_anchors", inner))
peek = model.run_graph([image], outputs)
truth = dataset.load_mask(0)[0][:, :, 0]
back = rle_decode(rle_encode(truth.astype(np.uint8)), truth.shape)
picture = skimage.io.imread(os.path.join(submit_dir, "nucleus_0.png"))
plt.close("all")

print("DONE", json.dumps({
    "epoch_file": os.path.basename(weights_path),
    "imgaug": imgaug.__version__,
    "expanded": list(expanded.shape),
    "resized": list(resized.shape),
    "meta": len(meta),
    "rpn_class": list(peek["rpn_class"].shape),
    "pre_nms_anchors": None if inner is None else list(peek["pre_nms_anchors"].shape),
    "proposals": list(peek["proposals"].shape),
    "rle_round_trip": bool(np.array_equal(back, truth)),
    "csv_lines": len(open(os.path.join(submit_dir, "submit.csv")).read().splitlines()),
    "picture": list(picture.shape),
}))
