"""TensorFlow's devices and how it computes on them."""

import keras
import tensorflow as tf

JIT_TRAINING = False  # crop_and_resize has no XLA kernel
TENSORBOARD = True  # Keras' callback writes with TensorFlow


def device_names() -> list[str]:
    """Names of the GPUs that TensorFlow can use."""
    return [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]


def prepare_devices() -> None:
    """Let GPU memory grow on demand instead of being taken whole at the first operation."""
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # the GPU was already in use: its setting stands
            pass


def repeat_exactly() -> None:
    """Let operations add in a fixed order, so that a seeded run repeats to the last bit.

    For the whole process. On a GPU nothing is changed: the gradient of crop_and_resize has no
    deterministic kernel there and would raise, so runs repeat up to rounding.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def set_seed(seed: int) -> None:
    """Start every generator of random numbers in the process anew: Python, NumPy, TensorFlow."""
    keras.utils.set_random_seed(seed)
