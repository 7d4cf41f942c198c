"""Find balloons, and keep the colour only where they are.

    python samples/balloon/balloon.py train --dataset=DIR --weights=coco
    python samples/balloon/balloon.py train --dataset=DIR --weights=none --small
    python samples/balloon/balloon.py train --dataset=DIR --weights=last
    python samples/balloon/balloon.py evaluate --dataset=DIR --weights=last
    python samples/balloon/balloon.py splash --weights=last --image=party.jpg
    python samples/balloon/balloon.py splash --weights=FILE --video=party.mp4

DIR holds `train/` and `val/`, each with images and a `via_region_data.json` of the VGG Image
Annotator, version 1 or 2. Weights: `coco` and `imagenet` are downloaded, `last` is the newest
file under --logs, `none` starts from random numbers; anything else is a path. Splash writes
`segment_<image>` beside the image, or `segmentation_<video>` beside the video. Give splash the
same --small as train.

Hardware: full size, a GPU; --small, two CPU cores and 2 GiB of memory.
Expected result: --small from random weights finds 236 of the 255 training balloons at mask IoU
0.5 after 18 minutes, and 14 of the 50 for validation: 61 images teach these 61 images. The full
size from COCO weights was not measured here.
"""

import argparse
import json
import os

import cv2
import numpy as np
import skimage.color
import skimage.io

from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config

# What belongs to the 80 classes of COCO and cannot serve for one class.
HEAD_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


class BalloonConfig(Config):
    """Fine-tuning a released model; everything not named here is the default."""

    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1  # background and balloon
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 7
    DETECTION_MIN_CONFIDENCE = 0.9
    STAGES = (("heads", 30),)


class SmallBalloonConfig(BalloonConfig):
    """256 pixels and a light network: learns from nothing on two cores."""

    NAME = "balloon_small"
    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 32
    IMAGES_PER_GPU = 4
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 256
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CONV_CHANNELS = 128
    MASK_CONV_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    TRAIN_ROIS_PER_IMAGE = 64
    POST_NMS_ROIS_TRAINING = 400
    POST_NMS_ROIS_INFERENCE = 200
    DETECTION_MIN_CONFIDENCE = 0.7
    STEPS_PER_EPOCH = 15  # the 61 images once
    VALIDATION_STEPS = 3
    TRAIN_BN = None
    OPTIMIZER = "adamw"
    LR_SCHEDULE = "cosine"
    WARMUP_STEPS = 30
    LEARNING_RATE = 0.001
    STAGES = (("all", 100),)


class BalloonDataset(utils.Dataset):
    """Images with polygons drawn in the VGG Image Annotator."""

    def load_balloon(self, dataset_dir, subset, max_side=None):
        """Add the annotated images of DIR/train or DIR/val.

        With `max_side` larger images are shrunk to it and kept in memory: reading 2000 pixels
        to train on 256 takes longer than the training itself.
        """
        self.max_side, self.images = max_side, {}
        self.add_class("balloon", 1, "balloon")
        folder = os.path.join(dataset_dir, subset)
        with open(os.path.join(folder, "via_region_data.json"), encoding="utf-8") as file:
            project = json.load(file)
        for entry in project.get("_via_img_metadata", project).values():
            regions = entry["regions"]  # a dict in version 1, a list in version 2
            regions = list(regions.values()) if isinstance(regions, dict) else regions
            if regions:
                path = os.path.join(folder, entry["filename"])
                height, width = skimage.io.imread(path).shape[:2]
                shapes = [region["shape_attributes"] for region in regions]
                more = {"height": height, "width": width, "polygons": shapes}
                self.add_image("balloon", image_id=entry["filename"], path=path, **more)

    def _scale(self, info):
        side = max(info["height"], info["width"])
        return min(1.0, (self.max_side or side) / side)

    def load_image(self, image_id):
        """[H, W, 3] uint8."""
        scale = self._scale(self.image_info[image_id])
        if scale == 1.0:
            return super().load_image(image_id)
        if image_id not in self.images:
            image = super().load_image(image_id)
            self.images[image_id] = cv2.resize(
                image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
        return self.images[image_id]

    def load_mask(self, image_id):
        """([H, W, N] bool, [N] int32 of ones)."""
        info = self.image_info[image_id]
        if info["source"] != "balloon":
            return super().load_mask(image_id)
        count, scale = len(info["polygons"]), self._scale(info)
        height, width = self.load_image(image_id).shape[:2]
        masks = np.zeros((count, height, width), np.uint8)
        for mask, polygon in zip(masks, info["polygons"], strict=True):
            if polygon["name"] not in ("polygon", "polyline"):
                raise ValueError(f"{info['path']}: {polygon['name']!r} is not a polygon")
            corners = np.stack([polygon["all_points_x"], polygon["all_points_y"]], axis=-1)
            cv2.fillPoly(mask, [np.round(corners * scale).astype(np.int32)], 1)
        return np.moveaxis(masks, 0, -1).astype(bool), np.ones(count, np.int32)

    def image_reference(self, image_id):
        """The path of the image."""
        return self.image_info[image_id]["path"]


def flip_half(image, mask, rng):
    """Mirror every other image: with 61 of them, each counts twice."""
    if rng.random() < 0.5:
        return image, mask
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])


def load_start(model, weights):
    """Weights to start from."""
    if weights == "none":
        return
    exclude = None
    if weights == "coco":
        path, exclude = "mask_rcnn_coco.h5", HEAD_LAYERS
        if not os.path.exists(path):
            utils.download_trained_weights(path)
    elif weights == "imagenet":
        path = model.get_imagenet_weights()
    else:
        path = model.find_last() if weights == "last" else weights
    print("Weights:", path)
    model.load_weights(path, by_name=True, exclude=exclude)


def load_sets(args):
    """The prepared train and val datasets."""
    sets = []
    for subset in ("train", "val"):
        dataset = BalloonDataset()
        dataset.load_balloon(args.dataset, subset, max_side=512 if args.small else None)
        dataset.prepare()
        sets.append(dataset)
    return sets


def evaluate(model, args):
    """Prints how many balloons of each set were found at mask IoU 0.5, and false detections."""
    for name, dataset in zip(("train", "val"), load_sets(args), strict=True):
        found = balloons = detections = 0
        for image_id in dataset.image_ids:
            masks, class_ids = dataset.load_mask(image_id)
            r = model.detect([dataset.load_image(image_id)])[0]
            results = r["rois"], r["class_ids"], r["scores"], r["masks"]
            boxes = utils.extract_bboxes(masks)
            matched, _, _ = utils.compute_matches(boxes, class_ids, masks, *results)
            found += int(np.sum(matched >= 0))
            balloons += len(class_ids)
            detections += len(r["class_ids"])
        print(f"{name}: {found} of {balloons} balloons found, {detections - found} false")


def train(model, args):
    """The stages of the configuration, one after the other."""
    sets = load_sets(args)
    rate, augmentation = model.config.LEARNING_RATE, flip_half if args.small else None
    for layers, epochs in model.config.STAGES:
        epochs = args.epochs or epochs
        print(f"Training {layers} up to epoch {epochs}")
        options = {"epochs": epochs, "layers": layers, "augmentation": augmentation}
        model.train(*sets, learning_rate=rate, **options)
    print("Weights:", model.find_last())


def color_splash(image, mask):
    """Grey where no instance is, the image's own colour where one is.

    Args:
        image: [H, W, 3] uint8 RGB.
        mask: [H, W, N] bool.

    Returns:
        [H, W, 3] uint8.
    """
    grey = np.round(255 * skimage.color.rgb2gray(image)).astype(np.uint8)
    return np.where(mask.any(axis=-1)[..., None], image, grey[..., None])


def beside(path, prefix, suffix=None):
    """The path with a prefix to its file name, and another ending where one is given."""
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name)
    return os.path.join(folder, prefix + stem + (suffix or ending))


def splash_image(model, path):
    """Writes segment_<image> beside the image; returns its path."""
    image = skimage.io.imread(path)
    image = skimage.color.gray2rgb(image) if image.ndim == 2 else image[..., :3]
    result = model.detect([image])[0]
    target = beside(path, "segment_")
    skimage.io.imsave(target, color_splash(image, result["masks"]), check_contrast=False)
    print(f"{len(result['class_ids'])} balloons, written to {target}")
    return target


def splash_video(model, path):
    """Writes segmentation_<video> (mp4, without sound) beside the video; returns its path."""
    source = cv2.VideoCapture(path)
    if not source.isOpened():
        raise ValueError(f"{path}: not a video that OpenCV can open")
    target, frames = beside(path, "segmentation_", ".mp4"), 0
    size = tuple(int(source.get(k)) for k in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    rate = source.get(cv2.CAP_PROP_FPS) or 25
    writer = cv2.VideoWriter(target, cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    while True:
        there, frame = source.read()
        if not there:
            break
        image = np.ascontiguousarray(frame[..., ::-1])  # OpenCV's BGR
        splash = color_splash(image, model.detect([image])[0]["masks"])
        writer.write(np.ascontiguousarray(splash[..., ::-1]))
        frames += 1
    source.release()
    writer.release()
    print(f"{frames} frames, written to {target}")
    return target


def make_config(args):
    """The configuration of a command: all but train take one image at a time."""
    config = SmallBalloonConfig() if args.small else BalloonConfig()
    if args.command != "train":
        config.IMAGES_PER_GPU = 1
    elif args.weights == "none":
        config.STAGES = (("all", config.STAGES[-1][1]),)  # frozen random layers teach nothing
    return config


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Train Mask R-CNN to find balloons.")
    parser.add_argument("command", choices=("train", "evaluate", "splash"))
    parser.add_argument("--dataset", metavar="DIR", help="folder with train/ and val/")
    parser.add_argument("--weights", required=True, help="coco, imagenet, last, none or a path")
    parser.add_argument("--logs", default="logs", metavar="DIR", help="logs and weights")
    parser.add_argument("--image", metavar="FILE", help="image to splash")
    parser.add_argument("--video", metavar="FILE", help="video to splash")
    parser.add_argument("--small", action="store_true", help="256 px and a light network")
    parser.add_argument("--epochs", type=int, help="train up to this epoch")
    args = parser.parse_args()
    if args.command != "splash" and not args.dataset:
        parser.error(f"{args.command} needs --dataset")
    if args.command == "splash" and bool(args.image) == bool(args.video):
        parser.error("splash needs --image or --video")
    if args.command != "train" and args.weights in ("none", "coco", "imagenet"):
        parser.error(f"{args.command} needs weights trained on balloons: last or a path")
    return args


def main():
    """Build the model, load the weights, run the command."""
    args = parse_arguments()
    config = make_config(args)
    config.display()
    mode = "training" if args.command == "train" else "inference"
    model = modellib.MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    load_start(model, args.weights)
    if args.command == "train":
        train(model, args)
    elif args.command == "evaluate":
        evaluate(model, args)
    elif args.image:
        splash_image(model, args.image)
    else:
        splash_video(model, args.video)


if __name__ == "__main__":
    main()
