"""The demonstration: a small Mask R-CNN from nothing on generated shapes, measured and drawn.

Images of 128 x 128 pixels hold one to four circles, squares and triangles of 24 to 64 pixels
in random colours, partly hidden by one another. The 100 images it is judged on come from
another seed than the 4,000 it is trained on.
"""

import shlex
import time
from pathlib import Path

import numpy as np

from mrcnn._atomic import atomic_path, make_writable
from mrcnn.commands.quiet import quiet_start
from mrcnn.config import Config
from mrcnn.data.formats.loading import load_dataset
from mrcnn.evaluation.coco import coco_evaluate
from mrcnn.geometry.boxes import extract_bboxes

HELD_OUT_SEED = 2**20
IMAGES, HELD_OUT = 4000, 100
IN_PICTURE, SURE = 8, 0.8  # images drawn, and the confidence that a person wants to see
EPOCHS = 11  # of 100 steps


class DemoConfig(Config):
    """A Mask R-CNN of 3.5 million parameters for small, simple images."""

    NAME = "demo"
    NUM_CLASSES = 1 + 3
    IMAGES_PER_GPU = 8
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 0
    SEED = 1
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    MAX_GT_INSTANCES = 4
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # pixels, around shapes of 24 to 64
    # A narrow ResNet and narrow heads: shapes need little, and two cores give little.
    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 32
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CONV_CHANNELS = 64
    MASK_CONV_CHANNELS = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    # Few objects an image: few proposals and rois are enough.
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    PRE_NMS_LIMIT = 300
    POST_NMS_ROIS_TRAINING = 100
    POST_NMS_ROIS_INFERENCE = 100
    TRAIN_ROIS_PER_IMAGE = 24
    # Training from random weights: batch-norm learns, AdamW with a cosine gets far quickly.
    TRAIN_BN = True
    OPTIMIZER = "adamw"
    LEARNING_RATE = 0.002
    LR_SCHEDULE = "cosine"
    WARMUP_STEPS = 50
    WEIGHT_DECAY = 0.01
    # Low, because average precision wants the doubtful detections too.
    DETECTION_MIN_CONFIDENCE = 0.05
    DETECTION_NMS_THRESHOLD = 0.5


def demo(output="demo.png", logs="logs", epochs=EPOCHS, config=None, images=IMAGES,
         held_out=HELD_OUT):
    """Trains, measures and draws; prints what it does and what came out.

    Args:
        output: the picture, replaced where it is there.
        logs: folder for the run.
        epochs: of 100 steps each.
        config: Config; None for a DemoConfig.
        images: number of drawn images to train on.
        held_out: number of those to measure on.

    Returns:
        (path of the checkpoint, dict of the twelve COCO numbers of the masks).

    Raises:
        OSError: a folder cannot be written; ValueError: an ending that is no picture's.
    """
    from mrcnn.engine.checkpoint_files import check_writable

    check_writable(logs)
    _check_picture(output)
    config = config or DemoConfig()
    with quiet_start():
        from mrcnn._versions import check_versions

        check_versions()
        from mrcnn.engine.mask_rcnn import MaskRCNN

        model = MaskRCNN("training", config, logs)
    started = time.perf_counter()
    _train(model, epochs, images)
    minutes = (time.perf_counter() - started) / 60
    checkpoint = model.find_last()
    detector = MaskRCNN.from_checkpoint(checkpoint, model_dir=logs)
    numbers = _measured(detector, _shapes(held_out, HELD_OUT_SEED), output)
    print(f"\n{epochs * config.STEPS_PER_EPOCH} steps in {minutes:.1f} minutes")
    print(f"{held_out} held-out images: mask AP50 {numbers['AP50']:.3f}, mask AP "
          f"{numbers['AP']:.3f}")
    print(f"Detections beside the truth: {output}")
    print(_next_commands(shlex.quote(checkpoint)))
    return checkpoint, numbers


def _next_commands(checkpoint):
    return ("\nNext, a model of your own data:\n\n    mrcnn train path/to/your/data\n\n"
            "This one again, as a model that knows circles, squares and triangles:\n\n"
            f"    mrcnn info {checkpoint}\n"
            f"    mrcnn evaluate {checkpoint} shapes\n"
            f"    mrcnn detect {checkpoint} image.png")


def _train(model, epochs, images):
    """Trains with the table of `mrcnn train`."""
    from mrcnn.commands.training import epoch_table
    from mrcnn.commands.training.callbacks import TableOfEpochs

    config = model.config
    with epoch_table.Screen() as screen:
        screen.keep(epoch_table.header())
        table = TableOfEpochs(screen, config.STEPS_PER_EPOCH, epochs)
        model.train(_shapes(images, 0), None, config.LEARNING_RATE, epochs, "all",
                    custom_callbacks=[table], verbose=0)


def _shapes(count, seed):
    return load_dataset("shapes", format="shapes", count=count, seed=seed)


def _check_picture(path):
    """ValueError or OSError where no picture can be written, before minutes of training."""
    if Path(path).suffix.lower() not in (".png", ".jpg", ".jpeg", ".pdf", ".svg"):
        raise ValueError(f"--output {path}: expected a picture ending in .png, .jpg, .pdf or .svg")
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"--output {path}: there is no such folder")
    if Path(path).is_dir():
        raise IsADirectoryError(f"--output {path}: it is a folder")
    make_writable(Path(path).absolute().parent)


def _measured(detector, dataset, output):
    """Draws some images with truth and detections; returns the COCO numbers of all."""
    from mrcnn.visualize.comparison import compare_figure

    ids = dataset.image_ids
    images = [dataset.load_image(i) for i in ids]
    truths = [_truth_of(dataset, i) for i in ids]
    results = detector.detect(images)
    picked = np.argsort([-len(t["class_ids"]) for t in truths], kind="stable")[::6][:IN_PICTURE]
    figure = compare_figure(
        [images[i] for i in picked], [truths[i] for i in picked],
        [_sure_ones(results[i]) for i in picked], dataset.class_names)
    with atomic_path(output, keep_ending=True) as unfinished:
        figure.savefig(unfinished, dpi=150)
    return coco_evaluate(truths, results, dataset.class_names)


def _truth_of(dataset, image_id):
    """Boxes, class ids and masks of an image, under the keys that `detect` uses."""
    masks, class_ids = dataset.load_mask(image_id)
    return {"rois": extract_bboxes(masks), "class_ids": class_ids, "masks": masks}


def _sure_ones(result):
    keep = result["scores"] >= SURE
    return {"rois": result["rois"][keep], "class_ids": result["class_ids"][keep],
            "scores": result["scores"][keep], "masks": result["masks"][..., keep]}
