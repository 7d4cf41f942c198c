"""The small model of shapes that the notebooks look into: the newest one here, or a new one.

`train_shapes.ipynb` shows how such a model is made; this file only saves the other notebooks
from repeating it.
"""

import os

from mrcnn import MaskRCNN, load_dataset
from mrcnn.commands.demo import DemoConfig

STEPS = 400  # for a model that finds most shapes; MRCNN_NOTEBOOK_STEPS sets another number


class ShapesConfig(DemoConfig):
    """128 x 128 pixels, circles, squares and triangles; 3.5 million parameters."""

    NAME = "shapes"
    DETECTION_MIN_CONFIDENCE = 0.5


def open_or_train(logs="logs"):
    """The newest model of shapes below a folder, for looking into.

    Args:
        logs: folder of runs, where `train_shapes.ipynb` leaves its checkpoints. Where there is
            none, a model is trained into it first, which takes a minute or two.

    Returns:
        MaskRCNN in inference mode. `model.checkpoint` is the path it was read from.
    """
    config = ShapesConfig()
    try:
        checkpoint = MaskRCNN("inference", config, logs).find_last()
    except FileNotFoundError:
        config.STEPS_PER_EPOCH = int(os.environ.get("MRCNN_NOTEBOOK_STEPS", STEPS))
        print(f"no model below {logs}: training one, {config.STEPS_PER_EPOCH} steps")
        model = MaskRCNN("training", config, logs)
        images = load_dataset("shapes", count=2000, height=128, width=128, seed=0)
        model.train(images, None, config.LEARNING_RATE, 1, "all", verbose=0)
        checkpoint = model.find_last()
    model = MaskRCNN.from_checkpoint(checkpoint, model_dir=logs)
    model.checkpoint = checkpoint
    return model
