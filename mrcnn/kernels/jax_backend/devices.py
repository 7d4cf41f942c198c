"""JAX's devices and how it computes on them."""

import random

import jax
import numpy as np

# Keras trains a compiled step; without it every operation would be sent off alone.
JIT_TRAINING = True
TENSORBOARD = False  # Keras' callback would load TensorFlow


def device_names() -> list[str]:
    """Names of the accelerators that JAX can use; none where it computes on the processor."""
    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]


def prepare_devices() -> None:
    """Nothing to prepare: XLA_PYTHON_CLIENT_PREALLOCATE decides how JAX takes GPU memory."""


def repeat_exactly() -> None:
    """Nothing to set: compiled steps repeat to the last bit on a processor.

    On a GPU they repeat up to rounding; XLA_FLAGS=--xla_gpu_deterministic_ops=true makes them
    exact and has to be set before JAX starts.
    """


def set_seed(seed: int) -> None:
    """Start the generators of random numbers of Python and NumPy anew; JAX itself has none.

    Keras' own function would load TensorFlow where it is installed.
    """
    random.seed(seed)
    np.random.seed(seed)
