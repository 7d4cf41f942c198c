"""Run by test_peak_memory.py: MiB a training step adds, features computed anew and then kept."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import keras  # noqa: E402
from tiny_models import tiny_config, training_batch  # noqa: E402

from mrcnn.nets.assembly import build_model  # noqa: E402

SIDE, BATCH, DEPTH = 512, 4, 30


def deep(image):
    """Four stages of many cheap layers, each of which keeps a MiB an image for its gradient."""
    maps, x = [], image
    for channels, strides in ((16, 4), (64, 2), (256, 2), (1024, 2)):
        x = keras.layers.Conv2D(channels, strides, strides=strides)(x)
        for _ in range(DEPTH):
            x = keras.layers.Activation("tanh")(x)
        maps.append(x)
    return maps


def peak():
    """Most MiB this process ever held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main():
    """Print both."""
    config = tiny_config(BACKBONE=deep)
    model = build_model("training", config)
    names = [tensor.name for tensor in model.inputs]
    arrays = training_batch(config, BATCH, (SIDE, SIDE))
    batch = dict(zip(names, arrays, strict=True))
    peaks = [peak()]
    for wanted in (True, False):  # the most ever held can only grow
        model.rematerialize(wanted)
        model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
        model.train_on_batch(batch)
        peaks.append(peak())
    print("ADDED", peaks[1] - peaks[0], peaks[2] - peaks[0])


if __name__ == "__main__":
    main()
