"""One of several processes that train together.

    TF_CONFIG=... python one_worker.py RUN FOLDER

trains as the function of that name says, with FOLDER/<index> as model_dir, and writes
FOLDER/<RUN>_<index>.json and .npz for `test_two_workers.py`.
"""

import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tiny

KNOBS = {"GPU_COUNT": 2, "IMAGES_PER_GPU": 1, "OPTIMIZER": "adamw", "LR_SCHEDULE": "cosine",
         "WARMUP_STEPS": 1, "CLASS_WEIGHTS": [1.0, 2.0, 0.5, 1.0]}
RATE = 0.001


class Killed(keras.callbacks.Callback):
    """Kills this process in the middle of the second epoch, as a machine that falls out."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations >= 3:
            os.kill(os.getpid(), signal.SIGKILL)


def torn(image):
    """What reading an image does whose file is damaged."""
    raise OSError("the file is torn")


def unbroken(folder, index):
    """Two epochs, compiled as usual."""
    model = tiny.training_model(folder / str(index), **KNOBS)
    history = tiny.train(model, 2, learning_rate=RATE)
    return model, {"history": history.history}


def measured(model, epochs, callbacks=(), **options):
    """Trains with validation and mAP; layers run one by one, which needs no long compilation."""
    tf.config.run_functions_eagerly(True)
    return tiny.train(model, epochs, learning_rate=RATE, val_dataset=tiny.shapes(3, seed=9),
                      custom_callbacks=["val_mAP", *callbacks], **options)


def killed(folder, index):
    """The second worker falls out in the second epoch."""
    model = tiny.training_model(folder / str(index), **KNOBS)
    try:
        measured(model, 2, [Killed()] * index)
    except ConnectionError as error:
        return model, {"error": str(error), "epoch": model.epoch}
    raise AssertionError("nobody noticed")


def resumed(folder, index):
    """Only the chief has the checkpoint; after the second epoch the other meets a bad image."""
    model = tiny.training_model(folder / str(index), **KNOBS)
    if model.is_chief:
        model.load_weights(model.find_last(), by_name=True)
    history = measured(model, 2)
    seen = {"history": history.history, "epochs": history.epoch, "log_dir": model.log_dir,
            "weights": tiny.weights_of(model)}
    spoiled = tiny.shapes(kind=tiny.SpoiledShapes)
    if index == 1:
        spoiled.image = torn
    try:
        measured(model, 3, dataset=spoiled)
    except Exception as error:
        return model, {**seen, "error": f"{type(error).__name__}: {error}"}
    raise AssertionError("nobody noticed")


def main(run, folder):
    """Runs, and writes what came of it."""
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    model, seen = {"unbroken": unbroken, "killed": killed, "resumed": resumed}[run](folder, index)
    np.savez(folder / f"{run}_{index}.npz", **seen.pop("weights", tiny.weights_of(model)))
    (folder / f"{run}_{index}.json").write_text(json.dumps(seen, default=float))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
