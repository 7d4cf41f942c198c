"""Mask R-CNN on drawn shapes: nothing to download, the quickest way to see it learn.

    python samples/shapes/shapes.py train --logs=logs             # from random weights
    python samples/shapes/shapes.py evaluate --weights=last       # mean AP at IoU 0.5
    python samples/shapes/shapes.py detect --weights=last --output=shapes.png

Hardware: two CPU cores, no GPU; training took 8 minutes on a machine that was shared.
Expected result: mean AP at mask IoU 0.5 of 0.89 over 50 held-out images.

Each image of 128 x 128 pixels holds one to four circles, squares and triangles in random
colours, some partly hidden by others. The script is also the shortest pattern for data of your
own: subclass Config, subclass Dataset with `load_image` and `load_mask`, train, detect.
"""

import argparse

import cv2
import numpy as np

from mrcnn import model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config

KINDS = ("circle", "square", "triangle")


class ShapesConfig(Config):
    """A small network for small images; everything not named here is the default."""

    NAME = "shapes"
    NUM_CLASSES = 1 + len(KINDS)  # background counts
    IMAGES_PER_GPU = 8
    BACKBONE = "resnet18"
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # pixels, for shapes of 24 to 64
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CONV_CHANNELS = 128
    MASK_CONV_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    TRAIN_ROIS_PER_IMAGE = 32
    POST_NMS_ROIS_TRAINING = 200
    POST_NMS_ROIS_INFERENCE = 100
    MAX_GT_INSTANCES = 8
    DETECTION_MAX_INSTANCES = 20
    STEPS_PER_EPOCH = 60
    VALIDATION_STEPS = 4
    # From random weights: batch statistics, and an optimizer that gets far in few steps.
    TRAIN_BN = None
    OPTIMIZER = "adamw"
    LR_SCHEDULE = "cosine"
    WARMUP_STEPS = 30
    LEARNING_RATE = 0.002


class InferenceConfig(ShapesConfig):
    """One image at a time."""

    GPU_COUNT = 1
    IMAGES_PER_GPU = 1


class ShapesDataset(utils.Dataset):
    """Images drawn when they are asked for; the same ones again for the same seed."""

    def load_shapes(self, count, height, width, seed):
        """Plan `count` images: for each a background colour and the shapes, lowest first."""
        for class_id, kind in enumerate(KINDS, 1):
            self.add_class("shapes", class_id, kind)
        for i in range(count):
            rng = np.random.default_rng((seed, i))
            ground = rng.integers(0, 256, 3)
            plan = [self._one_shape(rng, height, width, ground) for _ in range(rng.integers(1, 5))]
            more = {"height": height, "width": width, "ground": ground, "plan": plan}
            self.add_image("shapes", image_id=i, path=None, **more)

    def load_image(self, image_id):
        """[H, W, 3] uint8."""
        info = self.image_info[image_id]
        image = np.empty((info["height"], info["width"], 3), np.uint8)
        image[:] = info["ground"]
        for shape in info["plan"]:
            image[self._silhouette(shape, image.shape)] = shape["color"]
        return image

    def load_mask(self, image_id):
        """([H, W, N] bool, [N] int32 class ids); what later shapes hide is not in a mask."""
        info = self.image_info[image_id]
        size = info["height"], info["width"]
        free, masks, class_ids = np.ones(size, bool), [], []
        for shape in reversed(info["plan"]):
            whole = self._silhouette(shape, size)
            if np.sum(whole & free) >= 0.2 * np.sum(whole):
                masks.append(whole & free)
                class_ids.append(1 + KINDS.index(shape["kind"]))
            free &= ~whole
        return np.stack(masks, axis=-1), np.array(class_ids, np.int32)

    def image_reference(self, image_id):
        """A text that says what is in the image."""
        return ", ".join(shape["kind"] for shape in self.image_info[image_id]["plan"])

    @staticmethod
    def _one_shape(rng, height, width, ground):
        half = int(rng.integers(12, 33))
        color = rng.integers(0, 256, 3)
        while np.abs(color - ground).max() < 60:  # visible on its background
            color = rng.integers(0, 256, 3)
        y, x = (int(rng.integers(half, side - half)) for side in (height, width))
        return {"kind": KINDS[rng.integers(3)], "color": color, "center": (x, y), "half": half}

    @staticmethod
    def _silhouette(shape, size):
        canvas = np.zeros(size[:2], np.uint8)
        (x, y), half = shape["center"], shape["half"]
        if shape["kind"] == "circle":
            cv2.circle(canvas, (x, y), half, 1, -1)
        elif shape["kind"] == "square":
            cv2.rectangle(canvas, (x - half, y - half), (x + half, y + half), 1, -1)
        else:
            corners = [(x, y - half), (x - half, y + half), (x + half, y + half)]
            cv2.fillPoly(canvas, [np.array(corners, np.int32)], 1)
        return canvas.astype(bool)


def make_dataset(config, count, seed):
    """A prepared set of `count` images."""
    dataset = ShapesDataset()
    dataset.load_shapes(count, *map(int, config.IMAGE_SHAPE[:2]), seed=seed)
    dataset.prepare()
    return dataset


def train(args):
    """All layers together, from random weights or from a file."""
    config = ShapesConfig()
    config.display()
    model = modellib.MaskRCNN(mode="training", config=config, model_dir=args.logs)
    if args.weights != "none":
        path = model.find_last() if args.weights == "last" else args.weights
        model.load_weights(path, by_name=True)
    train_set, held_out = make_dataset(config, 2000, seed=1), make_dataset(config, 50, seed=2)
    rate, epochs = config.LEARNING_RATE, args.epochs
    model.train(train_set, held_out, learning_rate=rate, epochs=epochs, layers="all")
    print("Weights:", model.find_last())


def open_trained(args):
    """An inference model with trained weights."""
    model = modellib.MaskRCNN(mode="inference", config=InferenceConfig(), model_dir=args.logs)
    path = model.find_last() if args.weights == "last" else args.weights
    print("Weights:", path)
    model.load_weights(path, by_name=True)
    return model


def evaluate(args):
    """Mean of `utils.compute_ap` over images that were not trained on."""
    model = open_trained(args)
    dataset, scores = make_dataset(model.config, args.count or 50, seed=3), []
    for image_id in dataset.image_ids:
        image, _, class_ids, boxes, masks = modellib.load_image_gt(dataset, model.config, image_id)
        r = model.detect([image], verbose=0)[0]
        found = r["rois"], r["class_ids"], r["scores"], r["masks"]
        average_precision, *_ = utils.compute_ap(boxes, class_ids, masks, *found)
        scores.append(average_precision)
    print(f"mean AP at mask IoU 0.5 over {len(scores)} images: {np.mean(scores):.3f}")


def detect(args):
    """A picture of detections beside the truth."""
    model = open_trained(args)
    dataset = make_dataset(model.config, args.count or 6, seed=4)
    images = [dataset.load_image(image_id) for image_id in dataset.image_ids]
    truths = []
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        boxes = utils.extract_bboxes(masks)
        truths.append({"rois": boxes, "masks": masks, "class_ids": class_ids})
    results = model.detect(images)
    figure = visualize.compare_figure(images, truths, results, dataset.class_names)
    figure.savefig(args.output, dpi=150)
    print("Picture:", args.output)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Mask R-CNN on drawn shapes.")
    parser.add_argument("command", choices=("train", "evaluate", "detect"))
    parser.add_argument("--weights", help="a file, 'last', or for train 'none'")
    parser.add_argument("--logs", default="logs", help="folder of logs and weights")
    parser.add_argument("--epochs", type=int, default=10, help="counted from the very start")
    parser.add_argument("--count", type=int, help="images to evaluate (50) or to draw (6)")
    parser.add_argument("--output", default="shapes.png", help="the picture that detect writes")
    args = parser.parse_args()
    args.weights = args.weights or ("none" if args.command == "train" else "last")
    return args


if __name__ == "__main__":
    arguments = parse_arguments()
    {"train": train, "evaluate": evaluate, "detect": detect}[arguments.command](arguments)
