"""Train and evaluate on COCO, and detect its 80 classes in images of your own.

    python samples/coco/coco.py train --dataset=DIR --weights=imagenet --year=2017
    python samples/coco/coco.py train --dataset=DIR --weights=coco --year=2017 --download=True
    python samples/coco/coco.py evaluate --dataset=DIR --weights=coco --year=2017 --limit=500
    python samples/coco/coco.py detect --weights=coco --image=street.jpg
    python samples/coco/coco.py splash --weights=coco --video=street.mp4

DIR holds `annotations/instances_<subset><year>.json` and the images in `<subset><year>/`;
--download fetches what is missing of it. The subsets `minival` and `valminusminival` are two
parts of val2014. --small is for two cores.

Hardware and results: see samples/README.md.
"""

import contextlib
import io
import os

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn import augmenters, commands
from mrcnn.config import Config
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.coco import read_coco
from mrcnn.evaluation.coco import METRICS

DEFAULT_DATASET_YEAR = "2014"
IMAGES_URL = "http://images.cocodataset.org/zips"
ANNOTATIONS_URL = "http://images.cocodataset.org/annotations"
PARTS_OF_VAL = {  # kept by those who cut val2014 in two
    "minival": "https://dl.dropboxusercontent.com/s/o43o90bna78omob",
    "valminusminival": "https://dl.dropboxusercontent.com/s/s3tw5zcg7395368",
}


class CocoConfig(Config):
    """Matterport's values; everything not named here is the default."""

    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80
    FAULTY_IMAGES = "skip"  # published as it is: a few bad entries should not stop it
    STAGES = (("heads", 40, 1.0), ("4+", 120, 1.0), ("all", 160, 0.1))


class SmallCocoConfig(commands.SmallNetwork, CocoConfig):
    """256 pixels and a light network, to try the commands on two cores."""

    NAME = "coco_small"
    STEPS_PER_EPOCH = 20
    VALIDATION_STEPS = 2
    STAGES = (("all", 10, 1.0),)


class CocoDataset(AnnotatedDataset):
    """COCO's images; the library's reader does the reading."""

    def load_coco(self, dataset_dir, subset, year=DEFAULT_DATASET_YEAR, class_ids=None,
                  class_map=None, return_coco=False, auto_download=False):
        """Add a subset.

        Args:
            dataset_dir: folder of `annotations/` and the images.
            subset: "train", "val", "minival" or "valminusminival".
            year: "2014" or "2017", as text or number.
            class_ids: only these of COCO's category ids, and the images that have any of them.
            class_map: as `read_coco` takes it.
            return_coco: answer a pycocotools COCO of the annotation file.
            auto_download: fetch what is missing, from the publisher for True, or from a mirror
                with this http address.
        """
        if auto_download:
            download_coco(dataset_dir, subset, year, mirror_of(auto_download))
        annotations, images = paths_of(dataset_dir, subset, year)
        read_coco(self, annotations, images=images, source="coco", class_ids=class_ids,
                  class_map=class_map)
        return quiet_coco(annotations) if return_coco else None


def paths_of(dataset_dir, subset, year):
    """(annotation file, folder of images) of a subset."""
    images = "val" if subset in PARTS_OF_VAL else subset
    annotations = os.path.join(dataset_dir, "annotations", f"instances_{subset}{year}.json")
    return annotations, os.path.join(dataset_dir, f"{images}{year}")


def mirror_of(download):
    """The address in --download, or None for the publisher's own."""
    return download if isinstance(download, str) else None


def download_coco(dataset_dir, subset, year, mirror=None):
    """Fetches annotations and images of a subset, where they are missing.

    Args:
        dataset_dir: folder to put them into.
        subset, year: as `CocoDataset.load_coco`.
        mirror: http address of a folder that has the same zip files, in place of the publisher.

    Raises:
        ConnectionError: offline; says which file to put where by hand.
        DataError: a file is damaged.
    """
    annotations, images = paths_of(dataset_dir, subset, year)
    if subset in PARTS_OF_VAL:
        url, holds = f"{mirror or PARTS_OF_VAL[subset]}/{os.path.basename(annotations)}.zip", ""
        url, folder = url + ("" if mirror else "?dl=0"), os.path.dirname(annotations)
        holds = os.path.basename(annotations)
    else:
        url = f"{mirror or ANNOTATIONS_URL}/annotations_trainval{year}.zip"
        folder, holds = dataset_dir, os.path.relpath(annotations, dataset_dir)
    commands.fetch_archive(url, folder, holds)
    name = os.path.basename(images)
    commands.fetch_archive(f"{mirror or IMAGES_URL}/{name}.zip", dataset_dir, name)


def build_coco_results(dataset, image_ids, rois, class_ids, scores, masks):
    """Detections of one image as rows for pycocotools.

    Args:
        dataset: CocoDataset.
        image_ids: [its id in COCO].
        rois, class_ids, scores, masks: as `detect` answers them.

    Returns:
        list of dicts: image_id, category_id, bbox [x, y, width, height], score, segmentation.
    """
    codes = mask_utils.encode(np.asfortranarray(masks.astype(np.uint8))) if len(rois) else []
    return [{
        "image_id": image_id,
        "category_id": dataset.get_source_class_id(class_ids[i], "coco"),
        "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
        "score": float(scores[i]),
        "segmentation": codes[i],
    } for image_id in image_ids for i, (y1, x1, y2, x2) in enumerate(rois)]


def evaluate_coco(model, dataset, coco, eval_type="bbox", limit=0, image_ids=None):
    """Detects, and prints COCO's twelve numbers, measured on COCO's own annotations.

    Args:
        model: MaskRCNN in inference mode.
        dataset: CocoDataset that was loaded with `return_coco`.
        coco: what it returned.
        eval_type: "bbox", "segm", or several of them.
        limit: number of images, the first ones; 0 for all.
        image_ids: ids in the dataset, in place of all.

    Returns:
        dict: eval type -> dict of the numbers.
    """
    results, seen = [], []
    for image_id, _, r in commands.detections(model, dataset, limit, image_ids):
        seen.append(dataset.image_info[image_id]["id"])
        results += build_coco_results(
            dataset, seen[-1:], r["rois"], r["class_ids"], r["scores"], r["masks"])
    kinds = [eval_type] if isinstance(eval_type, str) else eval_type
    return {kind: measure(coco, results, seen, kind) for kind in kinds}


def measure(coco, results, image_ids, kind):
    """Prints and returns the twelve numbers of rows of `build_coco_results`."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = coco.loadRes(results) if results else nothing_found(coco)
        judge = COCOeval(coco, found, kind)
        judge.params.imgIds = image_ids
        judge.evaluate()
        judge.accumulate()
    print(f"\n{kind}, {len(image_ids)} images, {len(results)} detections")
    judge.summarize()
    return dict(zip(METRICS, map(float, judge.stats), strict=True))


def nothing_found(coco):
    """A COCO without annotations, for `loadRes` refuses an empty list."""
    empty = COCO()
    empty.dataset = {**coco.dataset, "annotations": []}
    empty.createIndex()
    return empty


def quiet_coco(path):
    """pycocotools' COCO of a file, without its prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path)


class Coco(commands.Sample):
    """COCO and its commands."""

    config = CocoConfig
    small_config = SmallCocoConfig
    evaluation = {"DETECTION_MIN_CONFIDENCE": 0}  # average precision wants the doubtful ones
    subsets = ("train", "val", "minival", "valminusminival")
    years = (DEFAULT_DATASET_YEAR, "2017")
    limit = 500
    has_coco_classes = True

    def load(self, args, subset):
        """A prepared subset; of 2014, training takes `valminusminival` in as well."""
        dataset = CocoDataset()
        parts = [subset]
        if args.command == "train" and not args.subset and args.year == "2014":
            parts = ["train", "valminusminival"] if subset == "train" else ["minival"]
        for part in parts:
            dataset.load_coco(args.dataset, part, args.year, auto_download=args.download)
        dataset.prepare()
        return dataset

    def subset_of(self, args):
        """`--subset`, or what is measured on: `minival` of 2014, `val` of 2017."""
        return args.subset or ("minival" if args.year == "2014" else "val")

    def augmentation(self, args):
        """Every other image is mirrored."""
        return augmenters.FlipLeftRight(0.5)

    def evaluate(self, args):
        """The twelve numbers of boxes and of masks."""
        subset = self.subset_of(args)
        dataset = self.dataset_of(args, subset)
        coco = quiet_coco(paths_of(args.dataset, subset, args.year)[0])
        model = self.open_model(args)
        return evaluate_coco(model, dataset, coco, ("bbox", "segm"), args.limit or self.limit)


if __name__ == "__main__":
    Coco().main()
