"""A model that trains in seconds, and datasets for it: shapes, blank images, images to spoil."""

import keras
import numpy as np

from mrcnn.config import Config
from mrcnn.data.shapes import ShapesDataset
from mrcnn.engine.weights import variable_table
from mrcnn.model import MaskRCNN

SIDE = 64


class TinyConfig(Config):
    """All of the architecture with few channels, at 64 pixels."""

    NAME = "tiny"
    NUM_CLASSES = 1 + 3
    IMAGES_PER_GPU = 2
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 16  # 8 runs into a fault of oneDNN where a batch has one image
    TOP_DOWN_PYRAMID_SIZE = 16
    RPN_CONV_CHANNELS = 16
    MASK_CONV_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = SIDE
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    PRE_NMS_LIMIT = 200
    POST_NMS_ROIS_TRAINING = 60
    POST_NMS_ROIS_INFERENCE = 40
    TRAIN_ROIS_PER_IMAGE = 12
    MAX_GT_INSTANCES = 4
    MINI_MASK_SHAPE = (16, 16)
    DETECTION_MAX_INSTANCES = 50  # never reached
    DETECTION_MIN_CONFIDENCE = 0.0
    SEED = 5


def tiny_config(**knobs):
    """TinyConfig with some knobs of its own."""
    return type("TinyConfig", (TinyConfig,), knobs)()


def shapes(count=6, size=(SIDE, SIDE), seed=0, kind=ShapesDataset, **knobs):
    """A prepared dataset of shapes of 16 to 40 pixels.

    Args:
        count: number of images.
        size: (height, width) of all images, or a list of one a image.
        seed: other seeds draw other images.
        kind: ShapesDataset or a subclass.
        **knobs: further arguments of `load_shapes`.
    """
    dataset = kind()
    dataset.load_shapes(count, *size, seed=seed, **{"min_size": 16, "max_size": 40, **knobs})
    dataset.prepare()
    return dataset


def shapes_of_sizes(sizes, seed=0):
    """One image of shapes of each (height, width)."""
    dataset = ShapesDataset()
    for number, size in enumerate(sizes):
        dataset.load_shapes(1, *size, seed=seed + number, min_size=16, max_size=40)
    dataset.prepare()
    return dataset


class BlankShapes(ShapesDataset):
    """Images without objects."""

    def load_mask(self, image_id):
        return np.zeros((SIDE, SIDE, 0), bool), np.zeros(0, np.int32)


class SpoiledShapes(ShapesDataset):
    """One image whose `load_image` or `load_mask` answers what a test puts there.

    Attributes:
        spoiled: id of the image, None for every one.
        image: function from the sound image to the spoiled one.
        mask: function from the sound (mask, class_ids) to the spoiled pair.
    """

    spoiled = None
    image = staticmethod(lambda image: image)
    mask = staticmethod(lambda mask, class_ids: (mask, class_ids))

    def load_image(self, image_id):
        image = super().load_image(image_id)
        return self.image(image) if self.spoiled in (None, image_id) else image

    def load_mask(self, image_id):
        mask, class_ids = super().load_mask(image_id)
        return self.mask(mask, class_ids) if self.spoiled in (None, image_id) else (mask, class_ids)


def training_model(folder, **knobs):
    """A MaskRCNN in training mode; `folder` gets its runs."""
    return MaskRCNN("training", tiny_config(**knobs), folder)


def train(model, epochs=1, layers="all", dataset=None, **options):
    """`model.train` on six images of shapes without validation, at rate 0.01."""
    options = {"val_dataset": None, "learning_rate": 0.01, **options}
    return model.train(dataset or shapes(), epochs=epochs, layers=layers, **options)


def weights_of(model):
    """{"layer/leaf/weight": array} of a MaskRCNN."""
    return {
        "/".join(key): np.array(keras.ops.convert_to_numpy(variable))
        for key, variable in variable_table(model.keras_model)
    }


def changed_layers(before, after):
    """Leaf names of the layers of which some weight differs between two `weights_of`."""
    return {name.split("/")[1] for name in before if not np.array_equal(before[name], after[name])}


def difference(actual, expected, start):
    """How far two trainings from `start` ended apart, as a share of the way they went.

    TensorFlow adds gradients in an order that threads decide, so two equal runs can differ in
    the last digits; other images, rois or optimizer states give shares near 1.
    """
    apart = sum(np.abs(actual[name] - expected[name]).sum() for name in expected)
    return apart / sum(np.abs(expected[name] - start[name]).sum() for name in expected)


def assert_same_weights(actual, expected):
    """Every weight of two `weights_of` equal to the bit."""
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=name)
