"""Train a small Mask R-CNN from nothing on generated shapes, measure it, and draw what it finds.

    make demo                                   # or: python samples/shapes/demo.py

Hardware: two CPU cores, no GPU; 4 to 5 minutes of training.
Expected: mask AP50 of at least 0.90 on 100 held-out images (measured: 0.940).

Images of 128 x 128 pixels hold one to four circles, squares and triangles of 24 to 64 pixels
in random colours, partly hidden by one another. The 100 images it is judged on come from
another seed than the 4,000 it is trained on.
"""

import argparse
import time

import numpy as np

from mrcnn import Config, MaskRCNN, visualize
from mrcnn.data.shapes import ShapesDataset
from mrcnn.evaluation.coco import coco_evaluate
from mrcnn.geometry.boxes import extract_bboxes

HELD_OUT_SEED = 2**20
IN_PICTURE = 8


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


def shapes(count, seed):
    """A prepared ShapesDataset of 128 x 128 images."""
    dataset = ShapesDataset()
    dataset.load_shapes(count, 128, 128, seed=seed)
    dataset.prepare()
    return dataset


def truth_of(dataset, image_id):
    """Boxes, class ids and masks of an image, under the keys that `detect` uses."""
    masks, class_ids = dataset.load_mask(image_id)
    return {"rois": extract_bboxes(masks), "class_ids": class_ids, "masks": masks}


def confident(result, confidence=0.8):
    """The detections that a person wants to see."""
    keep = result["scores"] >= confidence
    return {
        "rois": result["rois"][keep],
        "class_ids": result["class_ids"][keep],
        "scores": result["scores"][keep],
        "masks": result["masks"][..., keep],
    }


def main():
    """Train, evaluate, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", default="logs", help="folder for checkpoints")
    parser.add_argument("--epochs", type=int, default=11, help="of 100 steps each")
    parser.add_argument("--output", default="demo.png", help="the picture")
    args = parser.parse_args()

    config = DemoConfig()
    model = MaskRCNN("training", config, args.logs)
    started = time.perf_counter()
    model.train(shapes(4000, seed=0), None, config.LEARNING_RATE, args.epochs, "all")
    minutes = (time.perf_counter() - started) / 60
    checkpoint = model.find_last()

    detector = MaskRCNN.from_checkpoint(checkpoint, model_dir=args.logs)
    held_out = shapes(100, seed=HELD_OUT_SEED)
    images = [held_out.load_image(i) for i in held_out.image_ids]
    truths = [truth_of(held_out, i) for i in held_out.image_ids]
    results = detector.detect(images)
    numbers = coco_evaluate(truths, results, held_out.class_names)

    picked = np.argsort([-len(t["class_ids"]) for t in truths], kind="stable")[::6][:IN_PICTURE]
    figure = visualize.compare_figure(
        [images[i] for i in picked],
        [truths[i] for i in picked],
        [confident(results[i]) for i in picked],
        held_out.class_names,
    )
    figure.savefig(args.output, dpi=150)

    print(f"\n{args.epochs * config.STEPS_PER_EPOCH} steps in {minutes:.1f} minutes")
    print(f"100 held-out images: mask AP50 {numbers['AP50']:.3f}, mask AP {numbers['AP']:.3f}")
    print(f"Detections beside the truth: {args.output}")
    print("\nIn an image of your own (with a model of your own):\n")
    print("    from mrcnn import MaskRCNN; import skimage.io")
    print(f'    model = MaskRCNN.from_checkpoint("{checkpoint}")')
    print('    result = model.detect([skimage.io.imread("image.jpg")])[0]')


if __name__ == "__main__":
    main()
