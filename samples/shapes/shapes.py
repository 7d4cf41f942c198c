"""Mask R-CNN on drawn shapes: nothing to download, the quickest way to see it learn.

    python samples/shapes/shapes.py train --logs=logs             # from random weights
    python samples/shapes/shapes.py train --preset=paper          # the paper's way
    python samples/shapes/shapes.py evaluate --weights=last       # COCO numbers, mean AP
    python samples/shapes/shapes.py detect --weights=last --output=shapes.png
    python samples/shapes/shapes.py splash --weights=last --image=picture.png

Hardware and results: see samples/README.md. Give all commands the same --preset as train.

Each image of 128 x 128 pixels holds one to four circles, squares and triangles in random
colours, some partly hidden by others. The script is also the shortest pattern for data of your
own: subclass Config, subclass Dataset with `load_image` and `load_mask`, and say in a Sample
which images train and which measure.
"""

import cv2
import numpy as np

from mrcnn import commands, utils, visualize
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
    STAGES = (("all", 10, 1.0),)


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


class Shapes(commands.Sample):
    """Drawn shapes and their commands; a subset is a number of images and a seed."""

    config = ShapesConfig
    limit_names = ("--limit", "--count")
    subsets = ()  # nothing to read, so no --dataset
    default_weights = {"train": "none", "evaluate": "last", "detect": "last", "splash": "last"}
    class_names = ["BG", *KINDS]
    PLANS = {"train": (2000, 1), "val": (50, 2), "evaluate": (50, 3), "detect": (6, 4)}

    def load(self, args, subset):
        """A prepared set of drawn images."""
        count, seed = self.PLANS[subset]
        dataset = ShapesDataset()
        side = ShapesConfig.IMAGE_MAX_DIM
        limited = args.limit if subset in ("evaluate", "detect") else None
        dataset.load_shapes(limited or count, side, side, seed=seed)
        dataset.prepare()
        return dataset

    def evaluate(self, args):
        """The COCO numbers, and Matterport's mean of `utils.compute_ap` over the images."""
        dataset = self.dataset_of(args, "evaluate")
        return commands.evaluate(self.open_model(args), dataset, more=mean_ap)

    def detect(self, args):
        """As every sample in --image and --video; else drawn images, found beside the truth."""
        if args.image or args.video:
            return super().detect(args)
        dataset = self.dataset_of(args, "detect")
        images, results, truths = [], [], []
        for image_id, image, result in commands.detections(self.open_model(args), dataset):
            masks, class_ids = dataset.load_mask(image_id)
            boxes = utils.extract_bboxes(masks)
            truths.append({"rois": boxes, "masks": masks, "class_ids": class_ids})
            images.append(image)
            results.append(result)
        figure = visualize.compare_figure(images, truths, results, dataset.class_names)
        figure.savefig(args.output or "shapes.png", dpi=150)
        print("Picture:", args.output or "shapes.png")
        return args.output or "shapes.png"


def mean_ap(truths, results):
    """Prints and returns the mean over images of the AP at mask IoU 0.5."""
    scores = []
    for truth, result in zip(truths, results, strict=True):
        average_precision, *_ = utils.compute_ap(
            truth["rois"], truth["class_ids"], np.asarray(truth["masks"]), result["rois"],
            result["class_ids"], result["scores"], np.asarray(result["masks"]))
        scores.append(average_precision)
    print(f"mean AP at mask IoU 0.5 over {len(scores)} images: {np.mean(scores):.3f}")
    return {"mean_ap": float(np.mean(scores))}


if __name__ == "__main__":
    Shapes().main()
