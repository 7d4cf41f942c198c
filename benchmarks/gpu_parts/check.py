"""The same network with the same weights on the device and on the processor: the same answers?

    python -m benchmarks.gpu_parts.check PRECISION ANSWER.npz
"""

import sys

import keras
import numpy as np

from benchmarks.gpu_parts.devices import device_of
from benchmarks.gpu_parts.ours import POLICY
from benchmarks.suite.detection import build

SIZE = 256
SCORES_APART = 1e-3  # of the proposal network, in float32
LEAST_FOUND = 0.95  # share of the detections found again, in float32
IOU = 0.9


def set_weights(model, seed=0):
    """Weights drawn by NumPy: the same on every device."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        if "seed" in variable.path or "seed" in name:
            continue
        if name == "kernel":
            value = rng.normal(0, np.sqrt(1.5 / np.prod(shape[:-1])), shape)
        else:
            value = np.full(shape, float(name in ("gamma", "moving_variance")))
        variable.assign(value.astype("float32"))


def answers(precision):
    """Outputs of the network for two noise images, a dict of arrays."""
    keras.utils.set_random_seed(0)
    model = build("resnet50", SIZE, POLICY[precision], quick=True)
    set_weights(model.keras_model)
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(2)]
    molded, metas, _ = model.mold_inputs(images)
    anchors = model.get_anchors(molded.shape[1:])
    outputs = model.forward(molded, metas, np.broadcast_to(anchors, (2, *anchors.shape)))
    return {"detections": outputs[0], "rpn_class": outputs[5], "rpn_bbox": outputs[6]}


def overlaps(first, second):
    """IoU [N, M] of boxes (y1, x1, y2, x2)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(boxes[:, 2:4] - boxes[:, :2], axis=-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-12)


def found_again(expected, actual):
    """Share of the detections [B, D, 6] that the other has too: same class, IoU above 0.9."""
    hits = count = 0
    for ours, theirs in zip(expected, actual, strict=True):
        ours, theirs = ours[ours[:, 4] > 0], theirs[theirs[:, 4] > 0]
        same = (overlaps(ours, theirs) > IOU) & (ours[:, None, 4] == theirs[None, :, 4])
        hits, count = hits + same.any(axis=1).sum(), count + len(ours)
    return float(hits / max(count, 1))


def compare(expected, actual, precision):
    """{"scores", "deltas": largest difference, "found": share, "ok": bool or None}.

    In float32 there are bounds; the shorter types say how far they are and no more, as `ok` None.
    """
    apart = {name: float(np.abs(expected[key] - actual[key]).max())
             for name, key in (("scores", "rpn_class"), ("deltas", "rpn_bbox"))}
    found = found_again(expected["detections"], actual["detections"])
    ok = None
    if precision == "float32":
        ok = apart["scores"] < SCORES_APART and found >= LEAST_FOUND
    return {**apart, "found": found, "ok": ok}


def main():
    """Writes the answers of this process's device."""
    precision, path = sys.argv[1:3]
    device_of(keras.backend.backend()).set_precision(precision)
    np.savez(path, **answers(precision))


if __name__ == "__main__":
    main()
