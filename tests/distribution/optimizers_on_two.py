"""A process of its own with two CPU devices of TensorFlow: optimizers on one and on both.

    python optimizers_on_two.py

prints one line of JSON: {case: [largest difference of a variable, largest way a weight went]}.
"not adopted" is the first case as Keras has it on two devices.
"""

import contextlib
import json

import keras
import numpy as np
import tensorflow as tf

from mrcnn import kernels

STEPS, BATCH = 5, 4


def plain(**options):
    """SGD with momentum that clips all gradients together, far below their norm."""
    return keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.05, **options)


def scaled(optimizer):
    """As float16 has it."""
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0,
                                               dynamic_growth_steps=2)


CASES = {
    "sgd": plain,
    "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1, global_clipnorm=0.05),
    "accumulating": lambda: plain(gradient_accumulation_steps=2),
    "scaled": lambda: scaled(plain()),
    "scaled and accumulating": lambda: scaled(plain(gradient_accumulation_steps=2)),
}


def batches():
    """Inputs and targets; half of each batch pulls ten times as hard as the other."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(STEPS * BATCH, 3)).astype(np.float32)
    targets = inputs @ np.array([[1.0], [2.0], [3.0]], np.float32)
    targets.reshape(STEPS, BATCH)[:, BATCH // 2 :] *= 10
    return tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(BATCH, True)


def values(variables):
    """Float64 arrays."""
    return [keras.ops.convert_to_numpy(v).astype(np.float64) for v in variables]


def train(make, devices, adopt=True):
    """The variables of model and optimizer, before and after training on some devices."""
    parallel = kernels.DataParallel(devices) if len(devices) > 1 else None
    with parallel.building() if parallel else contextlib.nullcontext():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "linear",
                                 kernel_initializer="ones")])
        model.compile(optimizer=make(), loss="mse", jit_compile=False)
    if parallel and adopt:
        parallel.adopt(model)
    start = values(model.variables)
    model.fit(batches(), epochs=1, verbose=0, shuffle=False)
    return start, values([*model.trainable_variables, *model.optimizer.variables])


def main():
    """All cases."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    devices = kernels.list_devices()
    found = {}
    for name, make in [*CASES.items(), ("not adopted", plain)]:
        start, one = train(make, devices[:1])
        _, both = train(make, devices, adopt=name != "not adopted")
        apart = max(float(np.abs(a - b).max()) for a, b in zip(one, both, strict=True))
        went = max(float(np.abs(a - b).max()) for a, b in zip(one, start, strict=False))
        found[name] = [apart, went]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
