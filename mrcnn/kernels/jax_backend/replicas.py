"""Several devices that train one model, each on its share of the batch.

JAX sees one batch and one set of weights, however many devices hold them: see `whole_batch`.
"""

import jax
import keras

# How to get more devices than there are, for a warning; a sentence without its full stop.
MORE_DEVICES = ("JAX finds an NVIDIA GPU where jax[cuda12] is installed and CUDA_VISIBLE_DEVICES "
                "does not hide it")
SPLITS_DETECTION = True  # `on_device` lets a compiled forward pass run on any device


def list_devices() -> list[str]:
    """Names of the devices that can share a batch: the GPUs, or without any the CPU devices."""
    return list(_devices())


def _devices():
    """{name: jax.Device}, of this process alone."""
    return {f"{device.platform}:{device.id}": device for device in jax.local_devices()}


def on_device(name):
    """Context manager in which this thread computes on a device of `list_devices`."""
    return jax.default_device(_devices()[name])


class DataParallel:
    """A batch shared by several devices of this machine, with `keras.distribution.DataParallel`.

    Args:
        devices: their names, of `list_devices`.
    """

    def __init__(self, devices):
        self._distribution = keras.distribution.DataParallel(devices=list(devices))

    def building(self):
        """Context manager in which the model is built and compiled."""
        return self._distribution.scope()

    def fitting(self):
        """Context manager in which `fit` runs."""
        return self._distribution.scope()

    def adopt(self, model):
        """Nothing to prepare in a compiled model."""


def sharing_devices(model) -> int:
    """Devices that hold a copy of a model's weights and share its batches."""
    variables = model.variables
    return len(variables[0].value.sharding.device_set) if variables else 1
