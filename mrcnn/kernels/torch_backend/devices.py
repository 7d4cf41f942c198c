"""torch's devices and how it computes on them."""

import random

import numpy as np
import torch

# The step is sent off operation by operation: compiling it is left to the user.
JIT_TRAINING = False
TENSORBOARD = False  # Keras' callback would load TensorFlow


def device_names() -> list[str]:
    """Names of the accelerators that torch can use; none where it computes on the processor."""
    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ["Apple GPU"] if torch.backends.mps.is_available() else []


def prepare_devices() -> None:
    """Nothing to prepare: torch takes GPU memory on demand."""


def repeat_exactly() -> None:
    """Let operations add in a fixed order, so that a seeded run repeats to the last bit.

    For the whole process. On a GPU nothing is changed: some gradients have no deterministic
    kernel there, so runs repeat up to rounding.
    """
    if not torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)


def set_seed(seed: int) -> None:
    """Start every generator of random numbers in the process anew: Python, NumPy, torch.

    Keras' own function would load TensorFlow where it is installed.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
