"""The same network with the same weights on the device and on the processor: the same answers?

    python -m benchmarks.gpu_parts.check PRECISION[,PRECISION...] ANSWER.npz
"""

import sys

import keras
import numpy as np

from benchmarks.gpu_parts.devices import device_of
from benchmarks.gpu_parts.ours import POLICY
from benchmarks.suite.detection import build

SIZE = 256
# Factors that keep the activations in a trained network's range; by the start of a layer's name.
FACTORS = {"conv1": 0.02, "rpn_class_raw": 0.3, "rpn_bbox_pred": 0.3, "mrcnn_class_logits": 0.3,
           "mrcnn_bbox_fc": 0.3}


def set_weights(model, seed=0):
    """Weights drawn by NumPy: the same on every device."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        if "seed" in variable.path or "seed" in name:
            continue
        if name == "kernel":
            value = rng.normal(0, np.sqrt(1 / np.prod(shape[:-1])), shape)
            value *= next((f for start, f in FACTORS.items() if start in variable.path), 1.0)
        else:
            value = np.full(shape, float(name in ("gamma", "moving_variance")))
        variable.assign(value.astype("float32"))


def answers(precision):
    """Outputs of a small network for two noise images, a dict of arrays."""
    keras.utils.set_random_seed(0)
    model = build("resnet50", SIZE, POLICY[precision], quick=True)
    set_weights(model.keras_model)
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(2)]
    molded, metas, _ = model.mold_inputs(images)
    anchors = model.get_anchors(molded.shape[1:])
    outputs = model.forward(molded, metas, np.broadcast_to(anchors, (2, *anchors.shape)))
    return {"detections": outputs[0], "rpn_class": outputs[5], "rpn_bbox": outputs[6]}


def main():
    """Writes the answers of this process's device, named "precision/output"."""
    precisions, path = sys.argv[1:3]
    device, found = device_of(keras.backend.backend()), {}
    for precision in precisions.split(","):
        device.set_precision(precision)
        found |= {f"{precision}/{name}": np.asarray(array, np.float32)
                  for name, array in answers(precision).items()}
    np.savez(path, **found)


if __name__ == "__main__":
    main()
