"""Train and evaluate on the segmented images of Pascal VOC.

    python samples/voc/voc.py train --dataset=DIR --weights=coco --download=True
    python samples/voc/voc.py train --dataset=DIR --weights=last --subset=trainval
    python samples/voc/voc.py train --dataset=DIR --weights=imagenet --preset=paper
    python samples/voc/voc.py evaluate --dataset=DIR --weights=last --subset=val --year=2012
    python samples/voc/voc.py detect --weights=last --image=street.jpg
    python samples/voc/voc.py splash --weights=last --image=street.jpg

DIR is the folder `VOC<year>`, the `VOCdevkit` above it, or the folder above that; --download
fetches what is missing. --small is for two cores; --preset=paper and --preset=torchvision change
the school (docs/two-schools.md). Give all commands the same --small and --preset as train.

evaluate prints COCO's numbers, and VOC's: the mean AP of masks at IoU 0.5 and 0.7.

Hardware and results: see samples/README.md.
"""

import os

from mrcnn import augmenters, commands, load_dataset, presets

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


class VocConfig(presets.VocConfig):
    """Fine-tuning a released model: the preset "voc", and which layers train when."""

    NAME = "voc"
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
        """Mirrored, scaled and recoloured; a school mirrors only."""
        if args.preset in (None, "matterport", "voc"):
            return augmenters.standard()
        return augmenters.FlipLeftRight()


if __name__ == "__main__":
    Voc().main()
