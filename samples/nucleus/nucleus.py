"""Find the nuclei of cells in microscope images, as the 2018 Data Science Bowl asked.

    python samples/nucleus/nucleus.py train --dataset=DIR --subset=train --weights=imagenet
    python samples/nucleus/nucleus.py train --dataset=DIR --subset=stage1_train --weights=last
    python samples/nucleus/nucleus.py evaluate --dataset=DIR --weights=last
    python samples/nucleus/nucleus.py detect --dataset=DIR --subset=stage1_test --weights=last
    python samples/nucleus/nucleus.py splash --weights=last --image=cells.png

DIR holds `stage1_train/` and `stage1_test/` as Kaggle gives them: a folder an image, in it
`images/<id>.png` and, to train, one file a nucleus in `masks/`. The subset `val` is every 25th
image of `stage1_train`, by name, and `train` the others. Detect writes pictures and `submit.csv`
into a new folder below `results/`, or into --output. --small is for two cores.

Hardware and results: see samples/README.md.
"""

import csv
import os

import numpy as np
import skimage.io

from mrcnn import augmenters, commands, utils
from mrcnn.config import Config

VAL_EVERY = 25
TRAIN_IMAGES = 643  # of the 670 of stage 1, without those for validation


class NucleusConfig(Config):
    """Many small objects in images of all sizes, trained on crops of the doubled images."""

    NAME = "nucleus"
    IMAGES_PER_GPU = 6
    NUM_CLASSES = 1 + 1  # background and nucleus
    STEPS_PER_EPOCH = TRAIN_IMAGES // IMAGES_PER_GPU
    VALIDATION_STEPS = max(1, (670 - TRAIN_IMAGES) // IMAGES_PER_GPU)
    DETECTION_MIN_CONFIDENCE = 0
    BACKBONE = "resnet50"
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 512
    IMAGE_MIN_SCALE = 2.0
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 1000
    POST_NMS_ROIS_INFERENCE = 2000
    RPN_NMS_THRESHOLD = 0.9  # crowded: more proposals survive
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_ROIS_PER_IMAGE = 128
    MAX_GT_INSTANCES = 200
    DETECTION_MAX_INSTANCES = 400
    STAGES = (("heads", 20, 1.0), ("all", 40, 1.0))


class NucleusInferenceConfig(NucleusConfig):
    """Whole images, one at a time: for Matterport's inspection notebook."""

    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    RPN_NMS_THRESHOLD = 0.7


class SmallNucleusConfig(commands.SmallNetwork, NucleusConfig):
    """Crops of 128 pixels and a light network: learns from nothing on two cores."""

    NAME = "nucleus_small"
    STEPS_PER_EPOCH = 30
    VALIDATION_STEPS = 1
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = NucleusConfig.RPN_ANCHOR_SCALES
    STAGES = (("all", 20, 1.0),)


class NucleusDataset(utils.Dataset):
    """A folder an image, with a mask file a nucleus."""

    def load_nucleus(self, dataset_dir, subset):
        """Add the images of a subset.

        Args:
            dataset_dir: folder of `stage1_train` and the others.
            subset: "train", "val" or the name of a folder.
        """
        self.add_class("nucleus", 1, "nucleus")
        split = subset in ("train", "val")
        folder = os.path.join(dataset_dir, "stage1_train" if split else subset)
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        for number, name in enumerate(names):
            if not split or (number % VAL_EVERY == 0) == (subset == "val"):
                path = os.path.join(folder, name, "images", f"{name}.png")
                self.add_image("nucleus", image_id=name, path=path)
        if not self.image_info:
            raise ValueError(f"{folder}: no image folders in it")

    def load_mask(self, image_id):
        """([H, W, N] bool, [N] int32 of ones)."""
        folder = os.path.join(os.path.dirname(self.image_info[image_id]["path"]), "..", "masks")
        names = sorted(os.listdir(folder))  # an empty folder is an image without nuclei
        masks = [skimage.io.imread(os.path.join(folder, name)) for name in names
                 if name.endswith(".png")]
        if not masks:
            return super().load_mask(image_id)
        masks = [mask if mask.ndim == 2 else mask[..., :3].max(axis=-1) for mask in masks]
        return np.stack(masks, axis=-1) > 0, np.ones(len(masks), np.int32)

    def image_reference(self, image_id):
        """The id that Kaggle gave the image."""
        return self.image_info[image_id]["id"]


class Nucleus(commands.Sample):
    """The nuclei and their commands."""

    config = NucleusConfig
    small_config = SmallNucleusConfig
    # Whole images at their doubled size, and no more proposals than are needed.
    inference = {"IMAGE_RESIZE_MODE": "pad64", "RPN_NMS_THRESHOLD": 0.7}
    subsets = ("train", "val", "stage1_train", "stage1_test", "stage2_test_final")
    class_names = ["BG", "nucleus"]

    def load(self, args, subset):
        """A prepared subset."""
        dataset = NucleusDataset()
        dataset.load_nucleus(args.dataset, subset)
        dataset.prepare()
        return dataset

    def augmentation(self, args):
        """Up to two changes, for images without an upper side."""
        one = augmenters.OneOf([
            augmenters.FlipLeftRight(), augmenters.FlipUpDown(), augmenters.Rotate90(),
            augmenters.ColourJitter(brightness=0.5, contrast=0.0), augmenters.Blur(5.0)])
        return augmenters.Compose([augmenters.Sometimes(0.67, one), augmenters.Sometimes(0.5, one)])

    def detect(self, args):
        """Pictures, as every sample, and for a subset the submission file."""
        args.output = args.output or self.results_folder(args)
        self.lines = []
        folder = super().detect(args)
        if not (args.image or args.video):
            path = os.path.join(folder, "submit.csv")
            with open(path, "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("ImageId", "EncodedPixels"), *self.lines])
            print("Submission:", path)
        return folder

    def show(self, name, image, result, model, folder):
        """The picture; and the lines of the submission are kept."""
        super().show(name, image, result, model, folder)
        self.lines += submission_lines(name, result["masks"], result["scores"])


def submission_lines(image_id, masks, scores):
    """[(image id, run lengths)] of an image, one an instance, or one with "" for none.

    No pixel is given away twice: it goes to the instance with the higher score.

    Args:
        image_id: text of the first column.
        masks: [H, W, N] bool.
        scores: [N].
    """
    taken, lines = np.zeros(masks.shape[:2], bool), []
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        mine = masks[:, :, i] & ~taken
        if mine.any():
            lines.append((image_id, rle_encode(mine)))
            taken |= mine
    return lines or [(image_id, "")]


def rle_encode(mask):
    """Run lengths of a mask, "start length start length ...".

    Pixels are numbered from 1, column by column from the top left.

    Args:
        mask: [H, W] bool or 0/1.
    """
    flat = np.concatenate([[0], np.asarray(mask).astype(bool).ravel(order="F"), [0]])
    changes = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    starts, ends = changes[::2], changes[1::2]
    return " ".join(f"{start} {end - start}" for start, end in zip(starts, ends, strict=True))


def rle_decode(rle, shape):
    """The mask of a `rle_encode` text, [H, W] bool; ValueError where it leaves `shape`."""
    flat = np.zeros(shape[0] * shape[1], bool)
    numbers = [int(word) for word in rle.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        if start < 1 or length < 1 or start - 1 + length > flat.size:
            raise ValueError(f"run {start} {length} leaves an image of shape {shape}")
        flat[start - 1 : start - 1 + length] = True
    return flat.reshape(shape, order="F")


if __name__ == "__main__":
    Nucleus().main()
