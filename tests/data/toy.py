"""A dataset whose images and masks a test says, and small configs for it."""

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset


class ToyConfig(Config):
    NAME = "toy"
    NUM_CLASSES = 4
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    TRAIN_ROIS_PER_IMAGE = 20
    MAX_GT_INSTANCES = 5
    MINI_MASK_SHAPE = (28, 28)
    POST_NMS_ROIS_TRAINING = 30
    SEED = 3


def config_with(**knobs):
    """A ToyConfig with some knobs changed."""
    return type("Changed", (ToyConfig,), knobs)()


def rectangles(shape, boxes):
    """Masks [H, W, N] that fill the boxes."""
    mask = np.zeros((*shape, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        mask[y1:y2, x1:x2, i] = True
    return mask


class ToyDataset(Dataset):
    """Images given as (image, mask, class_ids); a callable stands for what it answers."""

    def __init__(self, *examples, source="toy"):
        super().__init__()
        for class_id in (1, 2, 3):
            self.add_class(source, class_id, f"class{class_id}")
        self.examples, self.reads = list(examples), []
        for i in range(len(examples)):
            self.add_image(source, f"id{i}", f"/toy/{i}.png")
        self.prepare()

    def load_image(self, image_id):
        self.reads.append(int(image_id))
        image = self.examples[image_id][0]
        return image() if callable(image) else image

    def load_mask(self, image_id):
        _, mask, class_ids = self.examples[image_id]
        return (mask() if callable(mask) else mask), class_ids


def example(seed=0, shape=(64, 64), boxes=((8, 8, 40, 30),), class_ids=None, channels=3):
    """Noise with rectangles on it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, channels), dtype=np.uint8)
    class_ids = [1 + i % 3 for i in range(len(boxes))] if class_ids is None else class_ids
    return image, rectangles(shape, boxes), np.array(class_ids, np.int32)
