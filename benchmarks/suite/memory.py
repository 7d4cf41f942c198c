"""Memory over many detects of images of many sizes; see `benchmarks/memory_500_detects.py`."""

import sys
from pathlib import Path

from benchmarks import memory_500_detects
from benchmarks.measuring import NotHereError, row
from benchmarks.suite.detection import QUICK_SIZE, build

PART = "memory"
DETECTS, WARM_UP = 500, 100


def rows(options):
    """Growth from the end of the warm-up to the last detect, and the number of traces."""
    if not Path("/proc/self/statm").exists():
        raise NotHereError(f"memory is read from /proc, which {sys.platform} has not")
    detects, warm_up, every = (6, 3, 3) if options.quick else (DETECTS, WARM_UP, 50)
    model = build("resnet18", QUICK_SIZE, quick=True)
    readings, traces = memory_500_detects.measure(model, detects, warm_up, every)
    return [row(PART, f"after {warm_up} detects of varied sizes", readings[0], "MiB"),
            row(PART, f"growth from the {warm_up}th detect to the {detects}th, "
                f"{traces} trace(s)", readings[-1] - readings[0], "MiB",
                readings[-1] / readings[0], "after the warm-up")]
