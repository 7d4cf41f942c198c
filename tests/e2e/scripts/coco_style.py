"""COCO in the manner of a command-line sample: imgaug first, pycocotools for truth and score.

    python coco_style.py --dataset=/folder/of/coco --year=2017 --logs=logs --limit=4
"""
# ruff: noqa: UP008, UP032, B905  (the way such scripts are written)

import argparse
import json
import os

import imgaug  # isort: skip  (as people have it: before anything of mrcnn)
import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config


class CocoConfig(Config):
    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80
    BACKBONE = "resnet18"
    TOP_DOWN_PYRAMID_SIZE = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TRAIN_ROIS_PER_IMAGE = 16
    POST_NMS_ROIS_INFERENCE = 100
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1


class CocoDataset(utils.Dataset):
    def load_coco(self, dataset_dir, subset, year, class_ids=None, return_coco=False):
        coco = COCO("{}/annotations/instances_{}{}.json".format(dataset_dir, subset, year))
        wanted = class_ids or sorted(coco.getCatIds())
        for category in coco.loadCats(wanted):
            self.add_class("coco", category["id"], category["name"])
        for key, entry in coco.imgs.items():
            found = coco.loadAnns(coco.getAnnIds(imgIds=[key], catIds=wanted, iscrowd=None))
            self.add_image(
                "coco", key, os.path.join(dataset_dir, subset + year, entry["file_name"]),
                height=entry["height"], width=entry["width"], annotations=found)
        if return_coco:
            return coco

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "coco":
            return super(CocoDataset, self).load_mask(image_id)
        planes, class_ids = [], []
        for annotation in info["annotations"]:
            plane = self.annotation_mask(annotation, info["height"], info["width"])
            class_id = self.map_source_class_id("coco.{}".format(annotation["category_id"]))
            if not plane.any() or not class_id:
                continue
            planes.append(plane)
            class_ids.append(-class_id if annotation["iscrowd"] else class_id)
        if not planes:
            return super(CocoDataset, self).load_mask(image_id)
        return np.dstack(planes).astype(np.bool), np.array(class_ids, dtype=np.int32)

    def image_reference(self, image_id):
        if self.image_info[image_id]["source"] != "coco":
            return super(CocoDataset, self).image_reference(image_id)
        return self.image_info[image_id]["path"]

    @staticmethod
    def annotation_mask(annotation, height, width):
        """Polygons (a list), uncompressed run lengths (counts as a list) or compressed ones."""
        shape = annotation["segmentation"]
        if isinstance(shape, list):
            return mask_utils.decode(mask_utils.frPyObjects(shape, height, width)).max(axis=-1)
        if isinstance(shape["counts"], list):
            shape = mask_utils.frPyObjects(shape, height, width)
        return mask_utils.decode(shape)


def build_coco_results(dataset, coco_image_id, r):
    """The detections of one image as pycocotools reads them."""
    codes = mask_utils.encode(np.asfortranarray(r["masks"].astype(np.uint8)))
    rows = []
    for (y1, x1, y2, x2), class_id, score, code in zip(
            r["rois"].tolist(), r["class_ids"], r["scores"], codes):
        rows.append(dict(
            image_id=coco_image_id, bbox=[x1, y1, x2 - x1, y2 - y1], score=float(score),
            category_id=dataset.get_source_class_id(class_id, "coco"), segmentation=code))
    return rows


def evaluate_coco(model, dataset, coco, eval_type="bbox", limit=0):
    chosen = dataset.image_ids[:limit or None]
    keys = [dataset.image_info[k]["id"] for k in chosen]
    results = []
    for image_id, key in zip(chosen, keys):
        r = model.detect([dataset.load_image(image_id)], verbose=0)[0]
        results += build_coco_results(dataset, key, r)
    if not results:
        return results, None
    judge = COCOeval(coco, coco.loadRes(results), eval_type)
    judge.params.imgIds = keys
    for step in (judge.evaluate, judge.accumulate, judge.summarize):
        step()
    return results, judge.stats


parser = argparse.ArgumentParser(description="Train and evaluate on COCO.")
parser.add_argument("--dataset", required=True, metavar="/path/to/coco/")
parser.add_argument("--year", default="2017")
parser.add_argument("--logs", required=True, metavar="/path/to/logs/")
parser.add_argument("--limit", default=4, type=int, metavar="<image count>")
args = parser.parse_args()

config = CocoConfig()
config.display()
model = modellib.MaskRCNN(mode="training", config=config, model_dir=args.logs)

dataset_train = CocoDataset()
dataset_train.load_coco(args.dataset, "train", args.year)
dataset_train.prepare()
dataset_val = CocoDataset()
coco = dataset_val.load_coco(args.dataset, "val", args.year, return_coco=True)
dataset_val.prepare()

augmentation = imgaug.augmenters.Fliplr(0.5)

print("Training network heads")
model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=1,
            layers="heads", augmentation=augmentation)
print("Fine tune Resnet stage 4 and up")
model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE, epochs=2,
            layers="4+", augmentation=augmentation)
print("Fine tune all layers")
model.train(dataset_train, dataset_val, learning_rate=config.LEARNING_RATE / 10, epochs=3,
            layers="all", augmentation=augmentation)


class InferenceConfig(CocoConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0
    DETECTION_MAX_INSTANCES = 20


model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=args.logs)
model_path = model.find_last()
model.load_weights(model_path, by_name=True)
results, stats = evaluate_coco(model, dataset_val, coco, "bbox", limit=args.limit)

crowds = [a for info in dataset_train.image_info for a in info["annotations"] if a["iscrowd"]]
source_id = dataset_val.get_source_class_id(80, "coco")
print("DONE", json.dumps({
    "epoch_file": os.path.basename(model_path),
    "classes": dataset_train.num_classes,
    "train_images": len(dataset_train.image_ids),
    "crowds": len(crowds),
    "last_source_id": int(source_id),
    "results": len(results),
    "stats": None if stats is None else len(stats),
}))
