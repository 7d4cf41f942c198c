"""From image ids to the arrays of a batch; both feeds are thin covers over this.

Shapes: B images, A anchors, G = MAX_GT_INSTANCES, R = TRAIN_ROIS_PER_IMAGE, C classes or channels.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from mrcnn.data.anchoring import config_anchors
from mrcnn.data.dataset import DataError, image_label
from mrcnn.data.detection_targets import build_detection_targets, generate_random_rois
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.image_cache import cache_of
from mrcnn.data.targets import build_rpn_targets
from mrcnn.geometry.molding import META_COLUMNS, mold_image
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE

SEED_LIMIT = 2**31


@dataclass
class Example:
    """One image with its ground truth, as `load_image_gt` answers it, and its random numbers."""

    image_id: int
    image: np.ndarray
    meta: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    rng: np.random.Generator


def first_seed(config):
    """SEED, or else a number drawn from the global `np.random`."""
    return np.random.randint(SEED_LIMIT) if config.SEED is None else int(config.SEED)


class Passes:
    """The order of the images: pass after pass over all of them, each image once a pass.

    Everything follows from (seed, pass, position), so any thread may ask for any place.

    Args:
        image_ids: [N] ids; at least one.
        shuffle: another order in each pass; False keeps that of `image_ids`.
        seed: int.
        grouping: Grouping of the images; None for none. It needs `shuffle`.
    """

    def __init__(self, image_ids, shuffle, seed, grouping=None):
        self.image_ids = np.asarray(image_ids)
        if self.image_ids.ndim != 1 or len(self.image_ids) == 0:
            raise ValueError("the dataset has no images: add some and call prepare()")
        self.shuffle, self.seed, self.grouping = shuffle, seed, grouping
        self._last = (None, None)

    def order(self, number):
        """[N] ids of one pass."""
        kept, order = self._last
        if kept != number:
            order = self.image_ids
            if self.shuffle:
                order = np.random.default_rng([self.seed, number]).permutation(order)
                if self.grouping is not None:
                    order = self.grouping.order(order, self.seed, number)
            self._last = (number, order)
        return order

    def place(self, serial):
        """(pass, position) of the `serial`-th image since the beginning."""
        return divmod(serial, len(self.image_ids))

    def rng(self, number, position):
        """The random numbers of one place; the 1 keeps them apart from those of the order."""
        return np.random.default_rng([self.seed, number, position, 1])


class ExampleReader:
    """Reads examples of one dataset.

    Args:
        dataset: a prepared Dataset.
        config: Config.
        augment: mirror half of the images.
        augmentation: see `data.augmentation`.
        no_augmentation_sources: names of sources whose images stay as they are.
    """

    def __init__(self, dataset, config, augment=False, augmentation=None,
                 no_augmentation_sources=None):
        self.dataset, self.config = dataset, config
        self.augment, self.augmentation = augment, augmentation
        self.plain_sources = frozenset(no_augmentation_sources or ())
        self.cache = cache_of(config)

    def read(self, image_id, rng):
        """One Example.

        Raises:
            DataError: anything that went wrong, with the image's name.
            FileNotFoundError: its file is missing.
        """
        try:
            plain = self.dataset.image_info[image_id]["source"] in self.plain_sources
            parts = load_image_gt(
                self.dataset, self.config, image_id,
                augment=self.augment and not plain,
                augmentation=None if plain else self.augmentation,
                use_mini_mask=self.config.USE_MINI_MASK, rng=rng, cache=self.cache,
            )
        except (DataError, FileNotFoundError, MemoryError):
            raise
        except Exception as error:
            label = image_label(self.dataset, image_id)
            raise DataError(f"image {label}: {type(error).__name__}: {error}") from error
        return Example(image_id, *parts, rng)

    def read_from(self, order, position, rng):
        """The image at a position, or where images without objects do not count the next one.

        Raises:
            DataError: there is no image with an object at all.
        """
        for step in range(len(order)):
            example = self.read(order[(position + step) % len(order)], rng)
            if self.config.TRAIN_ON_EMPTY or (example.class_ids > 0).any():
                return example
        raise DataError(f"none of {len(order)} images has an object, and TRAIN_ON_EMPTY is False; "
                        f"the last one read is image {image_label(self.dataset, order[position])}")


def common_shape(examples, least=(0, 0)):
    """(height, width) that holds every image of a batch."""
    sizes = [example.image.shape[:2] for example in examples]
    return tuple(int(n) for n in np.max([*sizes, least], axis=0))


def assemble(examples, config, shape=None, random_rois=0, detection_targets=False):
    """Makes a batch of examples.

    Images smaller than the batch get zeros below and to the right; their window stays and their
    meta says the new shape. The zeros are black pixels, which molding makes negative; in the
    modes of `geometry.shortest_edge` they are zeros of the molded image.

    Args:
        examples: list of Example.
        config: Config.
        shape: (height, width) of the batch; None for the largest of the images.
        random_rois: number of random rois an image, 0 for none.
        detection_targets: also sample these rois and give their targets.

    Returns:
        dict of arrays: images [B, H, W, C] float32, image_meta [B, 12 + classes], rpn_match
        [B, A, 1] int32, rpn_bbox [B, RPN_TRAIN_ANCHORS_PER_IMAGE, 4], gt_class_ids [B, G]
        int32, gt_boxes [B, G, 4] int32, gt_masks [B, h, w, G] bool; where asked for rpn_rois
        [B, random_rois, 4] int32, rois [B, R, 4] int32, mrcnn_class_ids [B, R, 1] int32,
        mrcnn_bbox [B, R, C, 4] float32, mrcnn_mask [B, R, *MASK_SHAPE, C] float32.
    """
    shape = shape or common_shape(examples)
    anchors = config_anchors(config, shape)
    channels = examples[0].image.shape[2]
    images = np.empty((len(examples), *shape, channels), np.float32)
    rows = []
    for example, molded in zip(examples, images, strict=True):
        row = _one(example, anchors, molded, config)
        if random_rois:
            row["rpn_rois"] = generate_random_rois(
                shape, random_rois, example.class_ids, example.boxes, example.rng)
        if detection_targets:
            parts = build_detection_targets(row["rpn_rois"], row["gt_class_ids"], row["gt_boxes"],
                                            row["gt_masks"], config, example.rng)
            names = ("rois", "mrcnn_class_ids", "mrcnn_bbox", "mrcnn_mask")
            row.update(zip(names, parts, strict=True))
            row["mrcnn_class_ids"] = row["mrcnn_class_ids"][:, None]
        rows.append(row)
    return {"images": images,
            **{name: np.stack([row[name] for row in rows]) for name in rows[0]}}


def _one(example, anchors, molded, config):
    """Fills `molded` and answers the row that one example adds to the other arrays."""
    shape = molded.shape[:2]
    match, bbox = build_rpn_targets(shape, anchors, example.class_ids, example.boxes, config,
                                    example.rng)
    image = example.image
    if image.shape != molded.shape:
        image = np.zeros(molded.shape, image.dtype)
        image[: example.image.shape[0], : example.image.shape[1]] = example.image
    meta = example.meta.copy()
    window = meta[META_COLUMNS["window"]] if config.IMAGE_RESIZE_MODE in SHORTEST_EDGE else None
    mold_image(image, config.mean_pixel, molded, config.image_std, window)
    meta[META_COLUMNS["image_shape"]] = molded.shape
    ids, boxes, masks = _padded_objects(example, shape, config)
    return {"image_meta": meta, "rpn_match": match[:, None], "rpn_bbox": bbox,
            "gt_class_ids": ids, "gt_boxes": boxes, "gt_masks": masks}


def _padded_objects(example, shape, config):
    """Class ids [G], boxes [G, 4] and masks [h, w, G]; a random choice where there are more."""
    most, count = config.MAX_GT_INSTANCES, len(example.class_ids)
    chosen = np.arange(count)
    if count > most:
        warnings.warn(f"images with more than MAX_GT_INSTANCES = {most} objects: a random choice "
                      "of them is trained on, another each time; MAX_OBJECTS_PER_IMAGE raises "
                      "all limits together", stacklevel=2)
        chosen = np.sort(example.rng.choice(count, most, replace=False))
    size = tuple(config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else shape
    ids = np.zeros(most, np.int32)
    boxes = np.zeros((most, 4), np.int32)
    masks = np.zeros((*size, most), bool)
    ids[: len(chosen)] = example.class_ids[chosen]
    boxes[: len(chosen)] = example.boxes[chosen]
    height, width = example.masks.shape[:2]
    masks[:height, :width, : len(chosen)] = example.masks[:, :, chosen]
    return ids, boxes, masks
