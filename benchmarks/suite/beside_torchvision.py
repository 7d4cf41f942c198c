"""`detect` beside torchvision's Mask R-CNN on the same image, in turn in one process."""

import importlib.util

import numpy as np

from benchmarks.measuring import NotHereError, paired, row
from benchmarks.suite.detection import QUICK_SIZE, SIZE, build

PART = "beside torchvision"


def rows(options):
    """Two rows: theirs, and ours with the ratio of the two."""
    if not importlib.util.find_spec("torchvision"):
        raise NotHereError("torchvision is not installed")
    size = QUICK_SIZE if options.quick else SIZE
    model = build("resnet50", size, quick=options.quick)
    import torch
    from torchvision.extension import _has_ops

    from benchmarks import torchvision_model

    if not _has_ops():
        raise NotHereError("torchvision is installed, but its compiled part does not load here")

    classes = model.config.NUM_CLASSES
    theirs = torchvision_model.build(size, size, classes, small=options.quick)
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    torchvision_model.let_through(theirs, torchvision_model.to_device([image], "cpu"),
                                  10 if options.quick else 1000)
    times = paired({"ours": lambda: model.detect([image]),
                    "theirs": lambda: torchvision_model.detect(theirs, [image], "cpu")},
                   options.rounds)
    name = f"{size} px, float32, R50-FPN, {torch.get_num_threads()} threads"
    return [row(PART, f"{name}: torchvision, whole masks", times["theirs"], "s"),
            row(PART, f"{name}: ours, whole masks", times["ours"], "s",
                times["ours"] / times["theirs"], "torchvision")]
