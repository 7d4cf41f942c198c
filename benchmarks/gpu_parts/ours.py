"""Our model in the GPU command: images, network, detect and training steps."""

import time

import keras
import numpy as np

from benchmarks.suite.detection import build as build_detector
from benchmarks.training_step import QUICK, Kept
from mrcnn import Config, MaskRCNN
from mrcnn.data.shapes import ShapesDataset
from mrcnn.data.training_feed import TrainingFeed

POLICY = {"float32": "float32", "tf32": "float32", "bfloat16": "bfloat16"}
CLASSES = 81
PAD = 64


def images_of(case):
    """List of noise images, uint8 [H, W, 3]."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (case.height, case.width, 3), dtype=np.uint8)
            for _ in range(case.batch)]


def detector(precision, quick):
    """An inference model that takes an image as it is, padded to multiples of 64."""
    model = build_detector("resnet50", 1024, POLICY[precision], quick)
    config = model.config
    config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM, config.IMAGE_MIN_SCALE = "pad64", PAD, 0
    return model


def inference_ways(model, case):
    """{"network", "detect": function} of a case; both from host to host."""
    images = images_of(case)
    model.config.IMAGES_PER_GPU = case.batch
    molded, metas, _ = model.mold_inputs(images)
    anchors = model.get_anchors(molded.shape[1:])
    anchors = np.broadcast_to(anchors, (case.batch, *anchors.shape))
    return {"network": lambda: model.forward(molded, metas, anchors),
            "detect": lambda: model.detect(images)}


class TrainConfig(Config):
    """The default sizes at 1024 px; rois and proposals as torchvision gets them here."""

    NAME, NUM_CLASSES, SEED, BACKBONE = "bench", CLASSES, 0, "resnet50"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 1024


class ManyClasses(ShapesDataset):
    """Shapes in a set of as many classes as COCO has."""

    def load_shapes(self, count, *args, **kwargs):
        super().load_shapes(count, *args, **kwargs)
        for class_id in range(4, self.wanted):
            self.add_class("shapes", class_id, f"class {class_id}")


def scenes(case, classes):
    """A data set of drawn shapes of the case's size."""
    dataset = ManyClasses()
    dataset.wanted = classes
    dataset.load_shapes(case.batch, case.height, case.width, seed=0,
                        min_size=case.height // 8, max_size=case.height // 3, max_objects=8)
    dataset.prepare()
    return dataset


def trainer(precision, case, quick):
    """A compiled training model that trains all layers; batch-norm statistics are frozen."""
    knobs = dict(QUICK) if quick else {}
    knobs |= {"PRECISION": POLICY[precision], "IMAGES_PER_GPU": case.batch,
              "IMAGE_MIN_DIM": case.height, "IMAGE_MAX_DIM": case.width}
    model = MaskRCNN("training", type("TrainConfig", (TrainConfig,), knobs)(), "logs")
    model.set_trainable("all", verbose=0)
    model.compile(1e-4, 0.9)
    return model


class _Clock(keras.callbacks.Callback):
    """Seconds of every epoch, whose end waits for the device."""

    def __init__(self):
        super().__init__()
        self.seconds, self.losses = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(float(logs["loss"]))
        self.seconds.append(time.perf_counter() - self.start)


def training_seconds(model, case, steps, rounds):
    """Seconds of a step in each of some rounds, after a round that compiles.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    batch = TrainingFeed(scenes(case, model.config.NUM_CLASSES), model.config)[0]
    clock = _Clock()
    model.keras_model.fit(Kept(batch), epochs=1 + rounds, steps_per_epoch=steps, verbose=0,
                          shuffle=False, callbacks=[clock])
    if not np.isfinite(clock.losses).all():
        raise FloatingPointError(f"losses {clock.losses}")
    return np.array(clock.seconds[1:]) / steps
