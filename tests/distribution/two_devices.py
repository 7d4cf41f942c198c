"""A process of its own with two CPU devices: trains on one and on both, and detects on both.

    python two_devices.py tensorflow FOLDER

writes FOLDER/seen.json and the checkpoints that `test_two_devices.py` looks at.
"""

import json
import os
import signal
import sys
from pathlib import Path

BACKEND, FOLDER = sys.argv[1], Path(sys.argv[2])
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"  # JAX's way to two devices
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("e2e", "")]

import keras  # noqa: E402 (after the backend is chosen)
import numpy as np  # noqa: E402
import tiny  # noqa: E402
from e2e.schools import small_config  # noqa: E402

from mrcnn import kernels  # noqa: E402
from mrcnn.engine.distribution import SplitNetwork  # noqa: E402
from mrcnn.engine.validation import MeanAveragePrecision  # noqa: E402
from mrcnn.engine.weights import load_weights_by_name  # noqa: E402
from mrcnn.model import MaskRCNN  # noqa: E402

IMAGES = 4  # of a batch
KNOBS = {"CLASS_WEIGHTS": [1.0, 2.0, 0.5, 1.0]}  # so that the images of a batch count unequally


class Once(keras.callbacks.Callback):
    """Does something at the first step of an epoch.

    Args:
        epoch: counted from 0.
        what: function of the Keras model.
    """

    def __init__(self, epoch, what):
        super().__init__()
        self.epoch, self.what, self.now = epoch, what, False

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch == self.epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.now and batch == 0:
            self.what(self.model)


def two_cpus():
    """Let TensorFlow see the processor as two devices."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        devices = [tf.config.LogicalDeviceConfiguration()] * 2
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, devices)


def train(model, epochs, **options):
    """The losses of each epoch, as {name: [numbers]}."""
    options = {"val_dataset": tiny.shapes(4, seed=3), "verbose": 0, **options}
    return tiny.train(model, epochs, **options).history


def train_on_one():
    """Two epochs, unbroken: their losses and the pattern of the checkpoints."""
    model = tiny.training_model(FOLDER / "one", IMAGES_PER_GPU=IMAGES, **KNOBS)
    return train(model, 2), model.checkpoint_path


def train_on_both():
    """The same on both devices, with Ctrl-C in the second epoch."""
    knobs = {"IMAGES_PER_GPU": IMAGES // 2, "GPU_COUNT": 2, **KNOBS}
    model = tiny.training_model(FOLDER / "both", **knobs)
    press = Once(1, lambda _: os.kill(os.getpid(), signal.SIGINT))
    losses = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: seen.append(dict(logs)))
    seen = []
    try:
        train(model, 2, custom_callbacks=[press, losses])
    except KeyboardInterrupt:
        return seen, kernels.sharing_devices(model.keras_model), model.find_last()
    raise AssertionError("Ctrl-C did not end the training")


def spoil(keras_model):
    """Makes a trained weight NaN."""
    bias = keras_model.get_layer("rpn_model").get_layer("rpn_conv_shared").bias
    bias.assign(np.full(bias.shape, np.nan))


def resume_on_both(path):
    """The second epoch with mAP; in the third a weight becomes NaN."""
    model = MaskRCNN.from_checkpoint(path, "training", FOLDER / "both")
    measure = MeanAveragePrecision(tiny.shapes(2, seed=7), verbose=0)
    logged = []
    losses = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logged.append(dict(logs)))
    try:
        train(model, 3, val_dataset=None, custom_callbacks=[measure, losses, Once(2, spoil)])
    except FloatingPointError as error:
        return logged, str(error), model.checkpoint_path
    raise AssertionError("a NaN did not end the training")


def detect(path):
    """Detections of three images on one device and on both, and the devices that were asked."""
    images = [tiny.shapes(3, seed=9).load_image(i) for i in range(3)]
    answers, asked, real = [], [], kernels.on_device
    for count in (1, 2):
        config = tiny.tiny_config(GPU_COUNT=count, IMAGES_PER_GPU=3, **KNOBS)
        model = MaskRCNN("inference", config, FOLDER)
        load_weights_by_name(model.keras_model, path, mode="inference")
        kernels.on_device = lambda name: asked.append(name) or real(name)
        answers.append(model.detect(images))
        kernels.on_device = real
    split = isinstance(model.network, SplitNetwork)
    for number, results in enumerate(answers, 1):
        np.savez(FOLDER / f"detected_{number}.npz", **{
            f"{name}{i}": np.asarray(result[name]) for i, result in enumerate(results)
            for name in ("rois", "class_ids", "scores", "masks")})
    return split, sorted(asked)


def train_school():
    """Losses of an epoch under another school, on one device and on both."""
    found = []
    for count in (1, 2):
        config = small_config("torchvision", IMAGES_PER_GPU=IMAGES // count, GPU_COUNT=count,
                              TRAIN_ROIS_PER_IMAGE=32, STEPS_PER_EPOCH=1, FREEZE_AT=0)
        model = MaskRCNN("training", config, FOLDER / f"school{count}")
        found.append(train(model, 1))
    return found


def placed():
    """Where a computation within `on_device` of the second device takes place."""
    name = kernels.list_devices()[1]
    with kernels.on_device(name):
        tensor = keras.ops.add(keras.ops.convert_to_tensor([1.0]), 1.0)
    return name, str(tensor.device)


def main():
    """Everything, into seen.json."""
    two_cpus()
    seen = {"devices": kernels.list_devices(), "placed": placed()}
    seen["one"], pattern = train_on_one()
    seen["both"], seen["sharing"], last = train_on_both()
    seen["resumed"], seen["nan"], other = resume_on_both(last)
    seen["checkpoints"] = {"start": pattern.format(epoch=1), "one": pattern.format(epoch=2),
                           "last": last, "both": other.format(epoch=2)}
    seen["school"] = train_school()
    seen["split"], seen["asked"] = detect(pattern.format(epoch=2))
    (FOLDER / "seen.json").write_text(json.dumps(seen, default=float))


if __name__ == "__main__":
    main()
