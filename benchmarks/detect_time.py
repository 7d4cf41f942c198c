"""Time of one `detect` call beside the network alone, as medians of paired runs.

    python benchmarks/detect_time.py --backbone resnet50 --size 1024

Random weights with the confidence at 0, so that an image holds 100 instances; 81 classes.
"""

import argparse
import statistics
import time

import numpy as np

from mrcnn import Config, MaskRCNN


def build(backbone, size):
    """An inference model of 81 classes for square images of `size` pixels."""
    config = Config()
    config.NAME, config.BACKBONE, config.NUM_CLASSES = "bench", backbone, 81
    config.IMAGES_PER_GPU = 1
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = size
    config.DETECTION_MIN_CONFIDENCE = 0.0
    config.DETECTION_NMS_THRESHOLD = 1.0
    return MaskRCNN("inference", config)


def matmul_rate(side=4096, runs=5):
    """This machine's float32 matrix product, in GFLOP/s: the best of some runs."""
    import tensorflow as tf

    a = tf.random.normal([side, side])
    product = tf.function(lambda x: tf.matmul(x, x))
    product(a)
    best = min(_seconds(lambda: product(a).numpy()) for _ in range(runs))
    return 2 * side**3 / best / 1e9


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    model = build(args.backbone, args.size)
    image = np.random.default_rng(0).integers(0, 256, (args.size, args.size, 3), dtype=np.uint8)
    molded, metas, _ = model.mold_inputs([image])
    anchors = model.get_anchors(molded.shape[1:])[np.newaxis]
    found = len(model.detect([image])[0]["rois"])
    pairs = [
        (
            _seconds(lambda: model.detect([image])),
            _seconds(lambda: model.forward(molded, metas, anchors)),
        )
        for _ in range(args.runs)
    ]
    whole, network = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    print(f"{args.backbone}, {args.size} px, {found} instances, median of {args.runs}")
    print(f"detect {whole:.2f} s, network alone {network:.2f} s, ratio {whole / network:.2f}")
    print(f"float32 matrix product {matmul_rate():.0f} GFLOP/s")


if __name__ == "__main__":
    main()
