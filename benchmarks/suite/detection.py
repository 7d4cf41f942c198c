"""`detect` from end to end and stage by stage, beside the network alone and the matrix product.

Random weights with the confidence at 0 and no suppression, so that an image of 1024 px holds
100 instances; 81 classes, 1000 proposals. FLOP are those of the convolutions and dense layers,
the numbers that the targets were set with; counted layer by layer (`flops.py`) they are 0.622
and 0.777 TFLOP.
"""

import numpy as np

from benchmarks import flops
from benchmarks.measuring import matrix_product, matrix_side, paired, row
from mrcnn import Config, MaskRCNN

PART = "detect"
SIZE, QUICK_SIZE = 1024, 128
FLOP = {"resnet50": 0.62e12, "resnet101": 0.76e12}


class BenchConfig(Config):
    """Every proposal is a detection, and as many as are let through are answered."""

    NAME, NUM_CLASSES, IMAGES_PER_GPU, SEED = "bench", 81, 1, 0
    DETECTION_MIN_CONFIDENCE, DETECTION_NMS_THRESHOLD = 0.0, 1.0


def build(backbone, size, precision="float32", quick=False):
    """An inference model for square images of `size` pixels; `quick` makes it a small one."""
    knobs = {"BACKBONE": backbone, "PRECISION": precision, "IMAGE_MIN_DIM": size,
             "IMAGE_MAX_DIM": size}
    if quick:
        knobs |= {"BACKBONE": "resnet18", "BACKBONE_WIDTH": 16, "TOP_DOWN_PYRAMID_SIZE": 16,
                  "NUM_CLASSES": 5, "RPN_CONV_CHANNELS": 16, "MASK_CONV_CHANNELS": 16,
                  "FPN_CLASSIF_FC_LAYERS_SIZE": 32, "MAX_OBJECTS_PER_IMAGE": 10,
                  "RPN_ANCHOR_SCALES": (8, 16, 32, 64, 128)}
    return MaskRCNN("inference", type("BenchConfig", (BenchConfig,), knobs)(), "logs")


def stages(model, image):
    """{stage: function} of one image: each alone, then the whole."""
    molded, metas, windows = model.mold_inputs([image])
    anchors = model.get_anchors(molded.shape[1:])[np.newaxis]
    outputs = model.forward(molded, metas, anchors)
    detections, masks = outputs[0][0], outputs[3][0]
    return {
        "mold": lambda: model.mold_inputs([image]),
        "network": lambda: model.forward(molded, metas, anchors),
        "unmold": lambda: model.unmold_detections(
            detections, masks, image.shape, molded.shape[1:], windows[0]),
        "whole detect": lambda: model.detect([image]),
    }


def work(model, image, quick):
    """FLOP of the network on this image."""
    if not quick and max(image.shape) == SIZE and model.config.BACKBONE in FLOP:
        return FLOP[model.config.BACKBONE]
    molded, metas, _ = model.mold_inputs([image])
    anchors = model.get_anchors(molded.shape[1:])[np.newaxis]
    inputs = [np.asarray(x, np.float32) for x in (molded, metas, anchors)]
    return flops.total(flops.count(model.keras_model, inputs))


def measure(backbone, precision, options, size=None):
    """Rows of one network; `size` in pixels where it is not the usual one."""
    size = size or (QUICK_SIZE if options.quick else SIZE)
    model = build(backbone, size, precision, options.quick)
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    product, product_flop = matrix_product(matrix_side(options.quick))
    ways = stages(model, image)
    found = len(model.detect([image])[0]["rois"])
    times = paired({"matrix product": product, **ways}, options.rounds)
    rate = product_flop / times.pop("matrix product")
    name = f"{backbone}, {size} px, {precision}"
    flop, network = work(model, image, options.quick), times["network"]
    answer = [row(PART, f"{name}: network", network, "s", flop / network / rate,
                  "float32 matrix product"),
              row(PART, f"{name}: whole detect, {found} instances", times["whole detect"], "s",
                  times["whole detect"] / network, "network")]
    return answer + [row(PART, f"{name}: {stage}", 1e3 * times[stage], "ms",
                         times[stage] / network, "network") for stage in ("mold", "unmold")]


def rows(options):
    """All networks, a float32 and a bfloat16 one each."""
    backbones = ("resnet50",) if options.quick else FLOP
    return [one for backbone in backbones for precision in ("float32", "bfloat16")
            for one in measure(backbone, precision, options)]
