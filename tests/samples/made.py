"""Small data sets in the layouts that the samples read, and the scripts as modules."""

import functools
import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as rle

from mrcnn.data.formats.voc import VOC_CLASSES

ROOT = Path(__file__).resolve().parents[2]
# The colours of VOC's label images: the bits of a number, spread over red, green and blue.
VOC_PALETTE = [sum(((n >> (3 * bit + band)) & 1) << (7 - bit) for bit in range(8))
               for n in range(256) for band in range(3)]
TINY = {  # knobs for a network that is built and run in a second
    "BACKBONE": "resnet18", "BACKBONE_WIDTH": 16, "TOP_DOWN_PYRAMID_SIZE": 16,
    "RPN_CONV_CHANNELS": 16, "MASK_CONV_CHANNELS": 16, "FPN_CLASSIF_FC_LAYERS_SIZE": 32,
    "IMAGES_PER_GPU": 2, "STEPS_PER_EPOCH": 1, "VALIDATION_STEPS": 1, "IMAGE_MIN_DIM": 64,
    "IMAGE_MAX_DIM": 64, "RPN_ANCHOR_SCALES": (8, 16, 32, 48, 64), "PRE_NMS_LIMIT": 100,
    "POST_NMS_ROIS_TRAINING": 30, "POST_NMS_ROIS_INFERENCE": 20, "TRAIN_ROIS_PER_IMAGE": 8,
    "DETECTION_MIN_CONFIDENCE": 0.0, "SEED": 3, "STAGES": (("heads", 1, 1.0),),
}


@functools.cache
def script(name):
    """The module of samples/<name>/<name>.py."""
    path = ROOT / "samples" / name / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"sample_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def tiny(sample, **knobs):
    """A sample with a tiny network in place of its own."""
    base = sample.config
    sample.config = type(base.__name__, (base,), {**TINY, **knobs})
    sample.small_config = None
    sample.inference, sample.evaluation = {}, {}
    return sample


def blobs(rng, height, width, count, radius=(6, 12)):
    """(image [H, W, 3] uint8, masks [H, W, N] bool): bright disks on a dark, noisy ground."""
    rows, columns = np.mgrid[:height, :width]
    image = rng.integers(0, 40, (height, width, 3))
    free, masks = np.ones((height, width), bool), []
    for _ in range(count):
        y, x, r = rng.integers(0, height), rng.integers(0, width), rng.integers(*radius)
        mask = ((rows - y) ** 2 + (columns - x) ** 2 <= r * r) & free
        if mask.sum() >= 20:
            free &= ~mask
            image[mask] = rng.integers(120, 250) + rng.integers(-20, 20, (mask.sum(), 3))
            masks.append(mask)
    return np.clip(image, 0, 255).astype(np.uint8), np.stack(masks, axis=-1)


def nucleus_folder(folder, train=3, test=2, size=(60, 72), count=4, seed=0):
    """stage1_train and stage1_test as Kaggle packs them, RGBA images and a file a nucleus."""
    rng = np.random.default_rng(seed)
    for stage, number in (("stage1_train", train), ("stage1_test", test)):
        for i in range(number):
            image, masks = blobs(rng, *size, count)
            place = Path(folder, stage, f"{stage[7:]}{i:03d}")
            (place / "images").mkdir(parents=True)
            rgba = np.dstack([image, np.full(size, 255, np.uint8)])
            Image.fromarray(rgba).save(place / "images" / f"{place.name}.png")
            if stage == "stage1_train":
                (place / "masks").mkdir()
                for k in range(masks.shape[2]):
                    plane = masks[:, :, k].astype(np.uint8) * 255
                    Image.fromarray(plane).save(place / "masks" / f"{k}.png")
    return Path(folder)


def outline(mask):
    """The largest outline of a mask as [(x, y), ...]."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(found, key=len)[:, 0].tolist()


def balloon_folder(folder, images=2, seed=1):
    """train and val with VIA 1 annotations."""
    rng = np.random.default_rng(seed)
    for subset in ("train", "val"):
        place = Path(folder, subset)
        place.mkdir(parents=True)
        project = {}
        for i in range(images):
            image, masks = blobs(rng, 64, 80, 2)
            name = f"{subset}{i}.png"
            Image.fromarray(image).save(place / name)
            points = [np.array(outline(masks[:, :, k])) for k in range(masks.shape[2])]
            project[name] = {"filename": name, "regions": {
                str(k): {"shape_attributes": {
                    "name": "polygon", "all_points_x": p[:, 0].tolist(),
                    "all_points_y": p[:, 1].tolist()}, "region_attributes": {}}
                for k, p in enumerate(points)}}
        (place / "via_region_data.json").write_text(json.dumps(project))
    return Path(folder)


COCO_CATEGORIES = [{"id": i, "name": f"thing {i}", "supercategory": "thing"}
                   for i in range(1, 81)]


def coco_json(images, first_id=1, categories=COCO_CATEGORIES):
    """COCO's JSON of [(file name, masks)]; the category of an object is its number from 1."""
    rows, records = [], []
    for i, (name, masks) in enumerate(images, first_id):
        records.append({"id": i, "file_name": name, "height": masks.shape[0],
                        "width": masks.shape[1]})
        for k in range(masks.shape[2]):
            code = rle.encode(np.asfortranarray(masks[:, :, k].astype(np.uint8)))
            rows.append({"id": 100 * first_id + len(rows), "image_id": i, "category_id": k + 1,
                         "iscrowd": 0, "area": float(rle.area(code)),
                         "bbox": rle.toBbox(code).tolist(),
                         "segmentation": {"size": code["size"], "counts": code["counts"].decode()}})
    return json.dumps({"images": records, "annotations": rows, "categories": list(categories)})


def coco_folder(folder, parts, seed=2):
    """annotations/ and images of `parts`, (subset, year) each."""
    rng = np.random.default_rng(seed)
    for number, (subset, year) in enumerate(parts):
        place = Path(folder, f"{'val' if 'val' in subset else subset}{year}")
        place.mkdir(parents=True, exist_ok=True)
        made = []
        for i in range(2):
            image, masks = blobs(rng, 64, 80, 3)
            Image.fromarray(image).save(place / f"{subset}{i}.jpg")
            made.append((f"{subset}{i}.jpg", masks))
        annotations = Path(folder, "annotations")
        annotations.mkdir(exist_ok=True)
        (annotations / f"instances_{subset}{year}.json").write_text(
            coco_json(made, first_id=10 * number + 1))
    return Path(folder)


def voc_folder(folder, names=("dog", "person", "car"), year="2012", train=3, val=2, seed=3,
               size=(64, 80), hidden=False):
    """VOCdevkit/VOC<year>: XML, PNGs of objects and classes, and the lists; void is 255.

    With `hidden`, each image has an object more, marked as difficult, and void in its place.
    """
    rng = np.random.default_rng(seed)
    root = Path(folder, "VOCdevkit", f"VOC{year}")
    for part in ("JPEGImages", "Annotations", "SegmentationObject", "SegmentationClass",
                 "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True)
    lists = {"train": [f"{year}_{i:06d}" for i in range(train)],
             "val": [f"{year}_{i:06d}" for i in range(train, train + val)]}
    lists["trainval"] = lists["train"] + lists["val"]
    for subset, stems in lists.items():
        (root / "ImageSets/Segmentation" / f"{subset}.txt").write_text("\n".join(stems) + "\n")
    for stem in lists["trainval"]:
        image, masks = blobs(rng, *size, 3)
        Image.fromarray(image).save(root / "JPEGImages" / f"{stem}.jpg")
        objects, void = np.zeros(size, np.uint8), np.zeros(size, bool)
        xml = [f"<filename>{stem}.jpg</filename><size><width>{size[1]}</width>"
               f"<height>{size[0]}</height><depth>3</depth></size><segmented>1</segmented>"]
        for k in range(masks.shape[2]):
            objects[masks[:, :, k]] = k + 1
            rows, columns = np.nonzero(masks[:, :, k])
            xml.append(f"<object><name>{names[k % len(names)]}</name><bndbox>"
                       f"<xmin>{columns.min() + 1}</xmin><ymin>{rows.min() + 1}</ymin>"
                       f"<xmax>{columns.max() + 1}</xmax><ymax>{rows.max() + 1}</ymax>"
                       "</bndbox></object>")
            grown = cv2.dilate(masks[:, :, k].astype(np.uint8), np.ones((3, 3))) > 0
            void |= grown & ~masks[:, :, k]
        if hidden:
            void[:9, :9] = True
            objects[:9, :9] = 0
            xml.append("<object><name>cow</name><difficult>1</difficult><bndbox><xmin>1</xmin>"
                       "<ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>")
        objects[void & (objects == 0)] = 255
        (root / "Annotations" / f"{stem}.xml").write_text(
            f"<annotation>{''.join(xml)}</annotation>")
        classes = objects.copy()
        for k in range(masks.shape[2]):
            classes[objects == k + 1] = 1 + VOC_CLASSES.index(names[k % len(names)])
        for part, labels in (("SegmentationObject", objects), ("SegmentationClass", classes)):
            picture = Image.fromarray(labels).convert("P")
            picture.putpalette(VOC_PALETTE)
            picture.save(root / part / f"{stem}.png")
    return Path(folder)


def clip(path, frames=5, size=(48, 64), rate=12.0, codec="mp4v"):
    """A video of a bright square that moves over a coloured ground; returns its path."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, size[::-1])
    for i in range(frames):
        frame = np.full((*size, 3), (40, 80, 200), np.uint8)
        frame[10:30, 5 + 4 * i : 25 + 4 * i] = (30, 220, 60)
        writer.write(frame)
    writer.release()
    return path


def frames_of(path):
    """(list of [H, W, 3] uint8 RGB, frames a second) of a video, read by OpenCV."""
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = video.read()
        if not there:
            return frames, video.get(cv2.CAP_PROP_FPS)
        frames.append(frame[..., ::-1])


class Square:
    """A model that finds the greenest region of an image, to test what is made of it."""

    class Config:
        """What the commands read of one."""

        BATCH_SIZE = 2
        NUM_CLASSES = 2

    config = Config
    class_names = ["BG", "square"]

    def detect(self, images, verbose=0):
        """One instance an image, or none where nothing is green."""
        answers = []
        for image in images:
            image = image.astype(int)
            mask = (image[..., 1] > image[..., 0] + 50) & (image[..., 1] > image[..., 2] + 50)
            rows, columns = np.nonzero(mask)
            there = ([[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]]
                     if len(rows) else [])
            count = len(there)
            answers.append({"rois": np.array(there, np.int32).reshape(-1, 4),
                            "class_ids": np.ones(count, np.int32),
                            "scores": np.full(count, 0.9, np.float32),
                            "masks": mask[..., None][..., :count]})
        return answers


class Knowing:
    """A model that answers a dataset's own truth, a score each that falls with its number."""

    config = Square.Config

    def __init__(self, dataset):
        self.dataset, self.next = dataset, 0

    def detect(self, images, verbose=0):
        """The truth of the next images of the dataset, in their order; crowds are left out."""
        answers = []
        for image in images:
            masks, class_ids = self.dataset.load_mask(self.dataset.image_ids[self.next])
            self.next += 1
            if not len(class_ids):
                masks = np.zeros((*image.shape[:2], 0), bool)
            masks, class_ids = masks[..., class_ids > 0], class_ids[class_ids > 0]
            rois = [rle.toBbox(rle.encode(np.asfortranarray(masks[..., k].astype(np.uint8))))
                    for k in range(len(class_ids))]
            rois = np.array([[y, x, y + h, x + w] for x, y, w, h in rois], np.int32)
            scores = np.linspace(0.99, 0.5, len(class_ids)).astype(np.float32)
            answers.append({"rois": rois.reshape(-1, 4), "class_ids": class_ids,
                            "scores": scores, "masks": masks})
        return answers
