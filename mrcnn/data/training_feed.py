"""TrainingFeed: what `fit` reads. The only file of this folder that imports Keras."""

import os
import threading

import keras
import numpy as np

from mrcnn.data.batches import ExampleReader, Passes, assemble, common_shape, first_seed
from mrcnn.data.dataset import image_label
from mrcnn.data.detection_targets import generate_random_rois
from mrcnn.data.grouping import grouping_of

MOST_WORKERS = 4
REMEMBERED = 4096  # batches whose images are remembered
SIZE_STEP = 64  # pixels
# Batches that wait to be used. Full masks of two images of 800 x 1333 px, 100 objects each, are
# 213 MB.
READ_AHEAD, FULL_MASKS_AHEAD = 10, 4

# Name of the model's input -> name in the batch, type given to Keras. Masks are uint8 because
# tf.distribute cannot sum bool.
MODEL_INPUTS = {
    "input_image": ("images", np.float32),
    "input_image_meta": ("image_meta", np.float32),
    "input_rpn_match": ("rpn_match", np.int32),
    "input_rpn_bbox": ("rpn_bbox", np.float32),
    "input_gt_class_ids": ("gt_class_ids", np.int32),
    "input_gt_boxes": ("gt_boxes", np.float32),
    "input_gt_masks": ("gt_masks", np.uint8),
    "input_roi": ("rpn_rois", np.int32),
}


class TrainingFeed(keras.utils.PyDataset):
    """Batches as dicts keyed by the model's input names, read ahead in threads.

    Batch `i` holds the images from `(first_batch + i) * BATCH_SIZE` on in an endless row of
    passes over the dataset, each image once a pass. Order, augmentation and sampling follow from
    (seed, pass, position) alone, so threads change nothing and a resumed run goes on where it
    stopped.

    Images of one batch get a common shape, see `batches.assemble`, which may differ between
    batches (any IMAGE_RESIZE_MODE but "square" and "crop"). On TensorFlow Keras looks at batches
    0 and 1 before it reads, to learn which sizes vary; it shall find that height and width do, so
    what it is shown as batch 0 is padded further. It looks in the thread that calls `fit`, which
    has to be the one that made the feed, and reads in others.

    Args:
        dataset: a prepared Dataset.
        config: Config.
        shuffle: another order in each pass.
        augmentation: what is taken stands in `data.augmentation`.
        no_augmentation_sources: names of sources whose images are not augmented.
        first_batch: number of batches an earlier run has used.
        batch_count: None for an endless feed; a number for one that gives the same batches in
            every epoch, as validation wants it.
        seed: None for SEED, or without that one drawn from the global `np.random`.
        workers: threads; None for LOADER_WORKERS, or without that by the machine.
        share: (number, count) where several processes share each batch: this one reads the rows
            of its number. Where shapes differ between images, each share has a shape of its own.

    Attributes:
        error: the first exception that reading raised, as the image's error and not as Keras
            wraps it; None while all is well.

    Raises:
        ValueError: the dataset has no images, or the batch no equal shares.
    """

    def __init__(self, dataset, config, shuffle=True, augmentation=None,
                 no_augmentation_sources=None, first_batch=0, batch_count=None, seed=None,
                 workers=None, share=(0, 1)):
        super().__init__(workers=_workers(config, workers), use_multiprocessing=False,
                         max_queue_size=READ_AHEAD if config.USE_MINI_MASK else FULL_MASKS_AHEAD)
        self.dataset, self.config = dataset, config
        self.first_batch, self.batch_count = first_batch, batch_count
        self.error = None
        self.share = share
        tensorflow = keras.backend.backend() == "tensorflow"
        self._looked_at_in = threading.get_ident() if tensorflow else None
        if config.BATCH_SIZE % share[1]:
            raise ValueError(f"{config.BATCH_SIZE} images have no {share[1]} equal shares")
        self._reader = ExampleReader(dataset, config, False, augmentation,
                                     no_augmentation_sources)
        self._passes = Passes(dataset.image_ids, shuffle,
                              first_seed(config) if seed is None else seed,
                              grouping_of(dataset, config, config.BATCH_SIZE))
        self._random_rois = 0 if config.USE_RPN_ROIS else config.POST_NMS_ROIS_TRAINING
        self._varies = config.IMAGE_RESIZE_MODE not in ("square", "crop")
        self._read = {}
        self._lock = threading.Lock()

    @property
    def num_batches(self):
        """None: endless."""
        return self.batch_count

    def __getitem__(self, index):
        if self.batch_count is not None and index >= self.batch_count:
            raise IndexError(f"expected a batch index below {self.batch_count}, received {index}")
        try:
            return self._batch(index)
        except Exception as error:
            with self._lock:
                self.error = self.error or error
            raise

    def _batch(self, index):
        examples = self._examples(index)
        shape = common_shape(examples, self._least_shape(index))
        arrays = assemble(examples, self.config, shape)
        if self._random_rois:
            arrays["rpn_rois"] = np.stack([
                generate_random_rois(shape, self._random_rois, example.class_ids, example.boxes,
                                     example.rng)
                for example in examples
            ])
        self._remember(index, [example.image_id for example in examples])
        return {name: _typed(arrays[source], dtype)
                for name, (source, dtype) in MODEL_INPUTS.items() if source in arrays}

    def _places(self, index):
        start = (self.first_batch + index) * self.config.BATCH_SIZE
        return [self._passes.place(start + i) for i in range(self.config.BATCH_SIZE)]

    def _examples(self, index):
        number, count = self.share
        rows = self.config.BATCH_SIZE // count
        return [
            self._reader.read_from(self._passes.order(pass_number), position,
                                   self._passes.rng(pass_number, position))
            for pass_number, position in self._places(index)[number * rows : (number + 1) * rows]
        ]

    def _least_shape(self, index):
        """Larger than batch 1 for batch 0 while Keras looks at both, see the class.

        Of a single batch it takes the sizes as they are.
        """
        looked_at = threading.get_ident() == self._looked_at_in and self.batch_count != 1
        if not (self._varies and looked_at and index == 0):
            return (0, 0)
        return tuple(side + SIZE_STEP for side in common_shape(self._examples(1)))

    def _remember(self, index, image_ids):
        with self._lock:
            self._read[index] = image_ids
            if len(self._read) > REMEMBERED:
                del self._read[next(iter(self._read))]

    def images_of_batch(self, index):
        """The images of a batch, those of all shares, as a list of "id (path)".

        Args:
            index: number of the batch since this feed was made.
        """
        with self._lock:
            image_ids = self._read.get(index) if self.share[1] == 1 else None
        if image_ids is None:
            image_ids = [self._passes.order(number)[position]
                         for number, position in self._places(index)]
        return [image_label(self.dataset, image_id) for image_id in image_ids]


def _typed(array, dtype):
    """The array in another type; bool as uint8 in place."""
    same_bytes = array.dtype == bool and dtype == np.uint8
    return array.view(np.uint8) if same_bytes else array.astype(dtype, copy=False)


def _workers(config, workers):
    """Number of reading threads; 0 reads in the main thread."""
    if workers is None:
        workers = config.LOADER_WORKERS
    return min(MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers
