"""Detect 500 times on images of many sizes and watch the memory.

    python benchmarks/memory_500_detects.py --detects 500

Hardware: two CPU cores; one minute.
Measured, from the 50th detect to the 500th, with one trace: square 666 to 668 MiB. pad64 770 to
870 MiB: 77 of it before the 100th and 9 after the 300th, as every new shape adds buffers and
kernels that TensorFlow keeps; over the same 150 images again and again it settles (0.9 MiB in the
last 150 of 1,200).

A small model at 128 px with random weights; "square" molds every image to one shape, "pad64"
to a shape of its own each. Linux only: the memory is read from /proc.
"""

import argparse
import gc
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 50


def resident_mib():
    """Memory of this process that is in RAM, in MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def image_of(number):
    """A noise image of 40 to 400 pixels a side, another size for every number."""
    rng = np.random.default_rng([7, number])
    height, width = rng.integers(40, 401, 2)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def measure(model, detects, warm_up=WARM_UP, every=50):
    """Detect one image after another.

    Args:
        model: MaskRCNN in inference mode.
        detects: number of calls.
        warm_up: calls before the first reading.
        every: calls between readings.

    Returns:
        (readings in MiB from the end of the warm-up on, number of traces).
    """
    readings = []
    for number in range(detects):
        model.detect([image_of(number)])
        done = number + 1
        if done >= warm_up and (done - warm_up) % every == 0 or done == detects:
            readings.append(resident_mib())
    return readings, model.network.traces


def main():
    """Measure both resize modes."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "e2e")]
    import tiny

    from mrcnn.model import MaskRCNN

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detects", type=int, default=500)
    args = parser.parse_args()
    for mode in ("square", "pad64"):
        config = tiny.tiny_config(IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128,
                                  RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128), BACKBONE_WIDTH=32,
                                  TOP_DOWN_PYRAMID_SIZE=64, POST_NMS_ROIS_INFERENCE=100)
        model = MaskRCNN("inference", config, "logs")
        readings, traces = measure(model, args.detects)
        numbers = ", ".join(f"{reading:.1f}" for reading in readings)
        print(f"{mode}: {numbers} MiB after each 50 detects from the {WARM_UP}th on; "
              f"grown by {readings[-1] - readings[0]:.1f} MiB; {traces} trace(s)")


if __name__ == "__main__":
    main()
