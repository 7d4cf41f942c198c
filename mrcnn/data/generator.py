"""The two feeds of Matterport's notebooks: by index and by `next()`; for looking at the data.

Training itself reads from `training_feed`.
"""

import itertools

import numpy as np

from mrcnn.data.batches import ExampleReader, Passes, assemble, first_seed
from mrcnn.data.grouping import grouping_of

INPUTS = ("images", "image_meta", "rpn_match", "rpn_bbox", "gt_class_ids", "gt_boxes", "gt_masks")
OUTPUTS = ("mrcnn_class_ids", "mrcnn_bbox", "mrcnn_mask")


class DataGenerator:
    """Batches by index; each image comes once an epoch.

    The number of images need not be a multiple of the batch size: the last batch is filled up
    with the first images of the epoch.

    Args:
        dataset: a prepared Dataset.
        config: Config; BATCH_SIZE images a batch.
        shuffle: another order in each epoch.
        augmentation: what is taken stands in `data.augmentation`.
        random_rois: number of random rois an image, to look at the heads alone.
        detection_targets: also answer the targets of the heads for these rois.

    Indexing answers (inputs, outputs). The inputs are images [B, H, W, C] float32 (molded),
    image_meta [B, 12 + NUM_CLASSES], rpn_match [B, A, 1] int32, rpn_bbox [B, 256, 4],
    gt_class_ids [B, G] int32, gt_boxes [B, G, 4] int32 pixels, gt_masks [B, h, w, G] bool; with
    `random_rois` also rpn_rois [B, random_rois, 4] int32 pixels; with `detection_targets` also
    rois [B, R, 4] int32. The outputs are empty, or with `detection_targets` class_ids [B, R, 1]
    int32, bbox [B, R, NUM_CLASSES, 4] float32 and mask [B, R, *MASK_SHAPE, NUM_CLASSES] float32.

    Random numbers follow from (SEED, epoch, place); without SEED one is drawn from the global
    `np.random`.

    Raises:
        ValueError: no images, or `detection_targets` without `random_rois`.
    """

    def __init__(self, dataset, config, shuffle=True, augmentation=None, random_rois=0,
                 detection_targets=False):
        self._set_up(dataset, config, shuffle, False, augmentation, random_rois,
                     config.BATCH_SIZE, detection_targets, None, joined=False)

    def _set_up(self, dataset, config, shuffle, augment, augmentation, random_rois, batch_size,
                detection_targets, no_augmentation_sources, joined):
        if detection_targets and not random_rois:
            raise ValueError("detection_targets: expected random_rois above 0 with it, the rois "
                             f"to be matched; received {random_rois}")
        self.dataset, self.config = dataset, config
        self.batch_size = batch_size
        self.random_rois, self.detection_targets = random_rois, detection_targets
        self.epoch = 0
        self._reader = ExampleReader(dataset, config, augment, augmentation,
                                     no_augmentation_sources)
        self._passes = Passes(dataset.image_ids, shuffle, first_seed(config),
                              grouping_of(dataset, config, batch_size, joined))

    @property
    def image_ids(self):
        """The ids in the order of this epoch."""
        return self._passes.order(self.epoch)

    def __len__(self):
        return -(-len(self._passes.image_ids) // self.batch_size)

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected a batch index below {len(self)}, received {index}")
        first = index % len(self) * self.batch_size
        places = np.arange(first, first + self.batch_size) % len(self._passes.image_ids)
        return self._batch([(self.epoch, int(place)) for place in places])

    def _batch(self, places):
        """(inputs, outputs) of the images at some (pass, position)."""
        examples = [
            self._reader.read_from(self._passes.order(number), position,
                                   self._passes.rng(number, position))
            for number, position in places
        ]
        arrays = assemble(examples, self.config, random_rois=self.random_rois,
                          detection_targets=self.detection_targets)
        names = (*INPUTS, "rpn_rois", "rois")
        return ([arrays[name] for name in names if name in arrays],
                [arrays[name] for name in OUTPUTS if name in arrays])

    def on_epoch_end(self):
        """Goes on to the next epoch: a new order and new random numbers."""
        self.epoch += 1


def data_generator(dataset, config, shuffle=True, augment=False, augmentation=None,
                   random_rois=0, batch_size=1, detection_targets=False,
                   no_augmentation_sources=None):
    """Batches without end, by `next()`.

    Every image comes once before any comes again; a batch may span two passes. What it answers
    and how else it behaves is said at DataGenerator.

    Args:
        dataset: a prepared Dataset.
        config: Config.
        shuffle: another order in each pass.
        augment: mirror half of the images left to right; kept for old scripts.
        augmentation: what is taken stands in `data.augmentation`.
        random_rois: number of random rois an image.
        batch_size: images a batch.
        detection_targets: also answer the targets of the heads.
        no_augmentation_sources: names of sources whose images are not augmented.

    Yields:
        (inputs, outputs), two lists.

    Raises:
        ValueError: no images, or `detection_targets` without `random_rois`; a DataError naming
            the image where its data are unusable. It ends the generator.
    """
    feed = DataGenerator.__new__(DataGenerator)
    feed._set_up(dataset, config, shuffle, augment, augmentation, random_rois, batch_size,
                 detection_targets, no_augmentation_sources, joined=True)
    serials = itertools.count()
    return (feed._batch([feed._passes.place(next(serials)) for _ in range(batch_size)])
            for _ in itertools.repeat(None))
