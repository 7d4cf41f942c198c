"""Train and evaluate on the segmented images of Pascal VOC.

    python samples/voc/voc.py train --dataset=DIR --weights=coco --download=True
    python samples/voc/voc.py train --dataset=DIR --weights=last --subset=trainval
    python samples/voc/voc.py evaluate --dataset=DIR --weights=last --subset=val --year=2012
    python samples/voc/voc.py detect --weights=last --image=street.jpg
    python samples/voc/voc.py splash --weights=last --image=street.jpg

DIR is the folder `VOC<year>`, the `VOCdevkit` above it, or the folder above that; --download
fetches what is missing. --small is for two cores.

Hardware and results: see samples/README.md.
"""

import os

import numpy as np

from mrcnn import augmenters, commands, load_dataset, utils
from mrcnn.config import Config

CLASSES = ["aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
           "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
           "train", "tvmonitor"]
URL = "http://host.robots.ox.ac.uk/pascal/VOC"
ARCHIVES = {  # year: (file, MD5 where several copies agree on one)
    "2012": ("VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd"),
    "2011": ("VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e"),
    "2010": ("VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb"),
    "2009": ("VOCtrainval_11-May-2009.tar", None),
    "2008": ("VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a"),
    "2007": ("VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64"),
}


class VocConfig(Config):
    """Fine-tuning a released model on 20 classes; what is not named here is the default."""

    NAME = "voc"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + len(CLASSES)
    FAULTY_IMAGES = "skip"  # published as it is: a few bad entries should not stop it
    STEPS_PER_EPOCH = 732  # the 1,464 images of train in 2012, once
    VALIDATION_STEPS = 50
    STAGES = (("heads", 10, 1.0), ("4+", 25, 1.0), ("all", 35, 0.1))


class SmallVocConfig(commands.SmallNetwork, VocConfig):
    """256 pixels and a light network, to try the commands on two cores."""

    NAME = "voc_small"
    STEPS_PER_EPOCH = 20
    VALIDATION_STEPS = 2
    STAGES = (("all", 10, 1.0),)


def folder_of(dataset_dir, year):
    """Path of `VOC<year>` in or at a folder, or None."""
    inner = f"VOC{year}"
    for parts in ((), (inner,), ("VOCdevkit", inner), ("TrainVal", "VOCdevkit", inner)):
        path = os.path.join(dataset_dir, *parts)
        if os.path.isdir(os.path.join(path, "ImageSets")):
            return path
    return None


def download_voc(dataset_dir, year, mirror=None):
    """Fetches training and validation data of a year, where they are missing.

    Args:
        dataset_dir: folder to put `VOCdevkit/` into.
        year: "2007" to "2012".
        mirror: http address of a folder that has the tar file, in place of the publisher; its
            checksum is not compared.

    Raises:
        ConnectionError: offline; says which file to put where by hand.
        DataError: the file is damaged.
    """
    if folder_of(dataset_dir, year) is None:
        name, md5 = ARCHIVES[year]
        outer = ("TrainVal",) if year == "2011" else ()
        commands.fetch_archive(
            f"{mirror or f'{URL}/voc{year}'}/{name}", dataset_dir,
            os.path.join(*outer, "VOCdevkit", f"VOC{year}"), None if mirror else md5)


def average_precision(truths, results, class_count, threshold):
    """AP of every class at one mask IoU, over all images: the area under the precision curve.

    A detection is right if it is the best one of its class, by score, on an object that no
    better one has taken. Crowds are no objects. Precision at a recall is the best one at that
    recall or above.

    Args:
        truths, results: dicts an image as `commands.evaluate` hands them on.
        class_count: with the background.
        threshold: IoU.

    Returns:
        [class_count] float; NaN for the background and for classes without an object.
    """
    scores, right = ([[] for _ in range(class_count)] for _ in range(2))
    objects = np.zeros(class_count, int)
    for truth, result in zip(truths, results, strict=True):
        kept = truth["class_ids"] > 0
        objects += np.bincount(truth["class_ids"][kept], minlength=class_count)
        _, matched, _ = utils.compute_matches(
            truth["rois"][kept], truth["class_ids"][kept],
            np.asarray(truth["masks"])[..., kept], result["rois"], result["class_ids"],
            result["scores"], np.asarray(result["masks"]), iou_threshold=threshold)
        order = np.argsort(result["scores"])[::-1]  # as compute_matches answers them
        for i, class_id in enumerate(result["class_ids"][order]):
            scores[class_id].append(result["scores"][order][i])
            right[class_id].append(matched[i] >= 0)
    return np.array([area_under(s, r, count) for s, r, count
                     in zip(scores, right, objects, strict=True)])


def area_under(scores, right, count):
    """Area under precision over recall of one class; NaN where `count` objects are none."""
    if not count:
        return np.nan
    hits = np.cumsum(np.array(right, float)[np.argsort(-np.array(scores), kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(best * np.diff(hits, prepend=0.0)) / count)


class Voc(commands.Sample):
    """Pascal VOC and its commands."""

    config = VocConfig
    small_config = SmallVocConfig
    evaluation = {"DETECTION_MIN_CONFIDENCE": 0.05}  # average precision wants the doubtful ones
    subsets = ("train", "val", "trainval")
    years = tuple(ARCHIVES)
    class_names = ["BG", *CLASSES]

    def load(self, args, subset):
        """A prepared subset, read by the library's reader."""
        if args.download:
            mirror = args.download if isinstance(args.download, str) else None
            download_voc(args.dataset, args.year, mirror)
        folder = folder_of(args.dataset, args.year)
        if folder is None:
            raise ValueError(f"{args.dataset}: no VOC{args.year} in it, and it is none; "
                             "--download fetches it")
        return load_dataset(folder, format="voc", subset=subset, classes=CLASSES)

    def augmentation(self, args):
        """Mirrored, scaled and recoloured."""
        return augmenters.standard()

    def evaluate(self, args):
        """The COCO numbers, and VOC's mean AP at mask IoU 0.5 and 0.7."""
        dataset = self.dataset_of(args, self.subset_of(args))
        return commands.evaluate(self.open_model(args), dataset, args.limit, more=voc_numbers)


def voc_numbers(truths, results):
    """Prints and returns the mean AP over the classes that occur, at mask IoU 0.5 and 0.7."""
    numbers = {}
    for threshold in (0.5, 0.7):
        by_class = average_precision(truths, results, 1 + len(CLASSES), threshold)
        there = by_class[~np.isnan(by_class)]
        numbers[f"voc_ap{int(100 * threshold)}"] = float(there.mean()) if len(there) else -1.0
        print(f"mean AP at mask IoU {threshold}: {there.mean() if len(there) else -1:.3f} "
              f"({len(there)} classes)")
    return numbers


if __name__ == "__main__":
    Voc().main()
