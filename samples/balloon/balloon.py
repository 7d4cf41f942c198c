"""Find balloons, and keep the colour only where they are.

    python samples/balloon/balloon.py train --dataset=DIR --weights=coco
    python samples/balloon/balloon.py train --dataset=DIR --weights=none --small
    python samples/balloon/balloon.py train --dataset=DIR --weights=none --small --preset=paper
    python samples/balloon/balloon.py train --dataset=DIR --weights=last
    python samples/balloon/balloon.py evaluate --dataset=DIR --weights=last
    python samples/balloon/balloon.py detect --weights=last --image=party.jpg
    python samples/balloon/balloon.py splash --weights=last --image=party.jpg
    python samples/balloon/balloon.py splash --weights=FILE --video=party.mp4

DIR holds `train/` and `val/`, each with images and a `via_region_data.json` of the VGG Image
Annotator, version 1 or 2. Weights: `coco` and `imagenet` are downloaded, `last` is the newest
file under --logs, `none` starts from random numbers; anything else is a path. Splash writes
`segment_<image>` beside the image, or `segmentation_<video>` beside the video; detect writes
pictures into a new folder below `results/`. Give all commands the same --small and --preset as
train; what --preset does, docs/two-schools.md says.

Hardware and results: see samples/README.md. The script is a pattern for data of your own:
subclass Config, subclass Dataset with `load_mask`, and say in a Sample how the data are read.
"""

import json
import os

import cv2
import numpy as np

from mrcnn import augmenters, commands, utils
from mrcnn.config import Config
from mrcnn.visualize import color_splash  # noqa: F401 (notebooks call balloon.color_splash)


class BalloonConfig(Config):
    """Fine-tuning a released model; everything not named here is the default."""

    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1  # background and balloon
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 7
    DETECTION_MIN_CONFIDENCE = 0.9
    STAGES = (("heads", 30, 1.0),)


class SmallBalloonConfig(commands.SmallNetwork, BalloonConfig):
    """256 pixels and a light network: learns from nothing on two cores."""

    NAME = "balloon_small"
    DETECTION_MIN_CONFIDENCE = 0.7
    STEPS_PER_EPOCH = 15  # the 61 images once
    VALIDATION_STEPS = 3


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
        for name, shapes in read_annotations(os.path.join(folder, "via_region_data.json")):
            if shapes:
                path = os.path.join(folder, name)
                self.add_image("balloon", image_id=name, path=path, polygons=shapes)

    def load_image(self, image_id):
        """[H, W, 3] uint8."""
        if image_id in self.images:
            return self.images[image_id]
        image = super().load_image(image_id)
        scale = self.max_side / max(image.shape[:2]) if self.max_side else 1.0
        self.image_info[image_id]["scale"] = min(scale, 1.0)
        if scale < 1.0:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self.images[image_id] = image
        return image

    def load_mask(self, image_id):
        """([H, W, N] bool, [N] int32 of ones)."""
        info = self.image_info[image_id]
        if info["source"] != "balloon":
            return super().load_mask(image_id)
        height, width = self.load_image(image_id).shape[:2]
        masks = np.zeros((len(info["polygons"]), height, width), np.uint8)
        for mask, polygon in zip(masks, info["polygons"], strict=True):
            corners = np.stack([polygon["all_points_x"], polygon["all_points_y"]], axis=-1)
            cv2.fillPoly(mask, [np.round(corners * info["scale"]).astype(np.int32)], 1)
        return np.moveaxis(masks, 0, -1).astype(bool), np.ones(len(masks), np.int32)

    def image_reference(self, image_id):
        """The path of the image."""
        return self.image_info[image_id]["path"]


def read_annotations(path):
    """[(file name, shapes)] of a file of the VGG Image Annotator, version 1 or 2."""
    answer = []
    try:
        with open(path, encoding="utf-8") as file:
            project = json.load(file)
        for entry in project.get("_via_img_metadata", project).values():
            regions = entry["regions"]  # a dict in version 1, a list in version 2
            regions = list(regions.values()) if isinstance(regions, dict) else regions
            answer.append((entry["filename"], [region["shape_attributes"] for region in regions]))
        kinds = {shape["name"] for _, shapes in answer for shape in shapes}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not as the VGG Image Annotator writes it: {error!r}") from error
    if not kinds <= {"polygon", "polyline"}:
        raise ValueError(f"{path}: expected polygons alone, received {sorted(kinds)}")
    return answer


class Balloon(commands.Sample):
    """The balloon set and its commands."""

    config = BalloonConfig
    small_config = SmallBalloonConfig
    class_names = ["BG", "balloon"]

    def load(self, args, subset):
        """The prepared train or val set."""
        dataset = BalloonDataset()
        dataset.load_balloon(args.dataset, subset, max_side=512 if args.small else None)
        dataset.prepare()
        return dataset

    def augmentation(self, args):
        """Mirror every other image: with 61 of them, each counts twice."""
        return augmenters.FlipLeftRight() if args.small else None

    def evaluate(self, args):
        """The COCO numbers, and how many balloons were found at mask IoU 0.5."""
        dataset = self.dataset_of(args, self.subset_of(args))
        return commands.evaluate(self.open_model(args), dataset, args.limit, more=count_found)


def count_found(truths, results):
    """Prints and returns the balloons that were found at mask IoU 0.5, and what is none."""
    found = balloons = detections = 0
    for truth, result in zip(truths, results, strict=True):
        matched, _, _ = utils.compute_matches(
            truth["rois"], truth["class_ids"], np.asarray(truth["masks"]), result["rois"],
            result["class_ids"], result["scores"], np.asarray(result["masks"]))
        found += int(np.sum(matched >= 0))
        balloons += len(truth["class_ids"])
        detections += len(result["class_ids"])
    print(f"{found} of {balloons} balloons found, {detections - found} false")
    return {"found": found, "balloons": balloons, "false": detections - found}


if __name__ == "__main__":
    Balloon().main()
