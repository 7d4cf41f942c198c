"""Several devices that train one model, each on its share of the batch.

JAX sees one batch and one set of weights, however many devices hold them: sums and random numbers
are those of one device, so nothing has to be added here.
"""

import jax
import keras

# How to get more devices than there are, for a warning; a sentence without its full stop.
MORE_DEVICES = ("JAX finds an NVIDIA GPU where jax[cuda12] is installed and CUDA_VISIBLE_DEVICES "
                "does not hide it")
SPLITS_DETECTION = True  # `on_device` lets a compiled forward pass run on any device


def replica_count() -> int:
    """Devices that share a batch without seeing the whole of it: 1."""
    return 1


def sum_over_replicas(value):
    """The tensor itself, which is summed over all devices already."""
    return value


def whole_losses(losses):
    """Scalars as they are to be logged: as they are."""
    return list(losses)


def share_of_loss(loss, whole):
    """What `compute_loss` has to answer: the loss itself, `whole` being the same."""
    return loss


def own_rows(values):
    """All rows: see the module."""
    return values


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


class Workers:
    """Several processes that train one model: not on JAX.

    Args:
        addresses: of the processes.
        index: of this one.

    Raises:
        ValueError: always; it says what to do.
    """

    def __init__(self, addresses, index):
        raise ValueError(
            f"TF_CONFIG names {len(addresses)} workers, which train together with "
            "KERAS_BACKEND=tensorflow only; unset it to train in one process"
        )


def sharing_devices(model) -> int:
    """Devices that hold a copy of a model's weights and share its batches."""
    variables = model.variables
    return len(variables[0].value.sharding.device_set) if variables else 1
