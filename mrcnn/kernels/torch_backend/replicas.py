"""On torch one device trains a model, on whole batches."""

import torch

# How to get more devices than there are, for a warning; a sentence without its full stop.
MORE_DEVICES = "On torch one device takes it all; KERAS_BACKEND=tensorflow and =jax share batches"
SPLITS_DETECTION = False


def list_devices() -> list[str]:
    """Names of the GPUs, or without any the CPU."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def on_device(name):
    """Context manager in which this thread computes on a device of `list_devices`."""
    return torch.device(name)


class DataParallel:
    """There is none on torch.

    Args:
        devices: names of several devices.

    Raises:
        ValueError: always; it says what to do.
    """

    def __init__(self, devices):
        raise ValueError(
            f"GPU_COUNT: expected 1 on the torch backend, received {len(devices)}. "
            f"{MORE_DEVICES}; or set GPU_COUNT = 1 and raise IMAGES_PER_GPU."
        )


def sharing_devices(model) -> int:
    """Devices that share a model's batches: 1."""
    return 1
