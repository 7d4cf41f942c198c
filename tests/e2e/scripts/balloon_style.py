"""Balloons in the manner of a command-line sample: train on VIA polygons, then colour splash.

    python balloon_style.py --dataset=/folder/with/train/and/val --logs=logs
"""
# ruff: noqa: UP008  (the way such scripts are written)

import argparse
import glob
import json
import os

import numpy as np
import skimage.color
import skimage.draw
import skimage.io
import skimage.util

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config


class BalloonConfig(Config):
    NAME = "balloon"
    IMAGES_PER_GPU = 1
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    DETECTION_MIN_CONFIDENCE = 0.9
    # small, to be quick
    BACKBONE = "resnet18"
    TOP_DOWN_PYRAMID_SIZE = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TRAIN_ROIS_PER_IMAGE = 16


class DonorConfig(BalloonConfig):
    """Stands for the released weights: another number of classes."""

    NAME = "donor"
    NUM_CLASSES = 1 + 2
    STEPS_PER_EPOCH = 1


class BalloonDataset(utils.Dataset):
    MOST_IMAGES = 6

    def load_balloon(self, dataset_dir, subset, extra_class=None):
        self.add_class("balloon", 1, "balloon")
        if extra_class:
            self.add_class("balloon", 2, extra_class)
        folder = os.path.join(dataset_dir, subset)
        with open(os.path.join(folder, "via_region_data.json")) as f:
            labelled = [entry for entry in json.load(f).values() if entry["regions"]]
        for entry in labelled[:self.MOST_IMAGES]:
            regions = entry["regions"]
            if isinstance(regions, dict):  # VIA 1; a list in VIA 2
                regions = list(regions.values())
            path = os.path.join(folder, entry["filename"])
            height, width = skimage.io.imread(path).shape[:2]
            self.add_image("balloon", entry["filename"], path, height=height, width=width,
                           outlines=[region["shape_attributes"] for region in regions])

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "balloon":
            return super(self.__class__, self).load_mask(image_id)
        size = (info["height"], info["width"])
        planes = [
            skimage.draw.polygon2mask(size, np.c_[o["all_points_y"], o["all_points_x"]])
            for o in info["outlines"]
        ]
        return np.dstack(planes), np.full(len(planes), 1, dtype=np.int32)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "balloon":
            return super(self.__class__, self).image_reference(image_id)
        return info["path"]


def load(subset, extra_class=None):
    dataset = BalloonDataset()
    dataset.load_balloon(args.dataset, subset, extra_class)
    dataset.prepare()
    return dataset


def make_donor():
    """One step of training with two classes, so that there is a file to start from."""
    donor = modellib.MaskRCNN(mode="training", config=DonorConfig(), model_dir=args.logs)
    donor.train(load("train", "basket"), load("val", "basket"), learning_rate=0.001, epochs=1,
                layers="heads")
    return donor.find_last()


def train(model):
    print("Training network heads")
    model.train(load("train"), load("val"), learning_rate=config.LEARNING_RATE, epochs=1,
                layers="heads")
    print("Fine tuning")
    model.train(load("train"), load("val"), learning_rate=config.LEARNING_RATE / 10, epochs=2,
                layers="4+")


def color_splash(image, mask):
    """Grey everywhere, except where any instance lies."""
    splash = skimage.util.img_as_ubyte(skimage.color.gray2rgb(skimage.color.rgb2gray(image)))
    kept = mask.any(axis=-1)
    splash[kept] = image[kept]
    return splash


def detect_and_color_splash(model, image_path):
    image = skimage.io.imread(image_path)
    r = model.detect([image], verbose=1)[0]
    splash = color_splash(image, r["masks"])
    skimage.io.imsave(os.path.join(args.logs, "splash.png"), splash)
    return image, r, splash


parser = argparse.ArgumentParser(description="Train on balloons and splash one image.")
parser.add_argument("--dataset", required=True, metavar="/path/to/balloon/dataset/")
parser.add_argument("--logs", required=True, metavar="/path/to/logs/")
args = parser.parse_args()

config = BalloonConfig()
config.display()
weights_path = make_donor()

model = modellib.MaskRCNN(mode="training", config=config, model_dir=args.logs)
model.load_weights(weights_path, by_name=True, exclude=[
    "mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"])
train(model)
last = model.find_last()


class InferenceConfig(BalloonConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0.0


model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=args.logs)
model.load_weights(last, by_name=True)
image_path = sorted(glob.glob(os.path.join(args.dataset, "val", "*.jpg")))[0]
image, r, splash = detect_and_color_splash(model, image_path)

print("DONE", json.dumps({
    "donor_file": os.path.basename(weights_path),
    "epoch_file": os.path.basename(last),
    "image": list(image.shape),
    "masks": list(r["masks"].shape),
    "mask_dtype": str(r["masks"].dtype),
    "instances": len(r["class_ids"]),
    "splash": list(splash.shape),
    "splash_written": os.path.isfile(os.path.join(args.logs, "splash.png")),
}))
