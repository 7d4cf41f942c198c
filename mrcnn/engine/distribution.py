"""Several devices of one machine under one model: what GPU_COUNT asks for.

Shapes: B images of a batch.
"""

import contextlib
import math
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mrcnn import kernels
from mrcnn.engine import workers


class OneDevice:
    """The device that Keras computes on; it takes whole batches."""

    def building(self):
        """Context manager in which the model is built and compiled."""
        return contextlib.nullcontext()

    def fitting(self):
        """Context manager in which `fit` runs."""
        return contextlib.nullcontext()

    def adopt(self, model):
        """Nothing to prepare in a compiled model."""


def of_training(config):
    """The devices that share the batches of training.

    Where fewer than GPU_COUNT are there, as many take part as divide the batch evenly.

    Args:
        config: a validated Config.

    Returns:
        OneDevice, the DataParallel of the backend, or the Team of several processes.

    Raises:
        ValueError: several GPUs on a backend that cannot share a batch; and see `workers.join`.
    """
    team = workers.join(config)
    if team is not None:
        return team
    if config.GPU_COUNT == 1:
        return OneDevice()
    found = kernels.list_devices()
    devices = _evenly(found, config)
    if len(devices) < config.GPU_COUNT:
        warnings.warn(_fewer(len(devices), found, config), stacklevel=3)
    return kernels.DataParallel(devices) if len(devices) > 1 else OneDevice()


def _fewer(count, found, config):
    """The words to say when only `count` devices share a batch."""
    batch, one = config.BATCH_SIZE, len(found) == 1
    words = (
        f"GPU_COUNT = {config.GPU_COUNT}, but there {'is' if one else 'are'} {len(found)} "
        f"device{'' if one else 's'} to train on ({', '.join(found)}): the batch of {batch} images "
        f"goes to {count} of them. {kernels.MORE_DEVICES}."
    )
    if count > 1:
        return words
    return f"{words} GPU_COUNT = 1 and IMAGES_PER_GPU = {batch} train the same in silence."


def _evenly(found, config):
    """As many of the devices found as take equal shares of GPU_COUNT and of a batch."""
    whole = math.gcd(config.GPU_COUNT, config.BATCH_SIZE)
    most = min(config.GPU_COUNT, len(found))
    return found[: max(n for n in range(1, most + 1) if whole % n == 0)]


def of_detection(config, network):
    """The compiled network on as many devices as GPU_COUNT asks for and are there.

    Args:
        config: Config.
        network: CompiledNetwork.

    Returns:
        `network` itself, or a SplitNetwork.
    """
    if config.GPU_COUNT == 1:
        return network
    devices = kernels.list_devices()[: config.GPU_COUNT] if kernels.SPLITS_DETECTION else []
    return SplitNetwork(network, devices) if len(devices) > 1 else network


class SplitNetwork:
    """A compiled network that runs a batch in shares, one a device, at the same time.

    It is called as the CompiledNetwork is, and answers the same.

    Args:
        network: CompiledNetwork.
        devices: names, of `kernels.list_devices`.
    """

    def __init__(self, network, devices):
        self.network, self.devices = network, list(devices)

    @property
    def class_count(self):
        """Classes of the network, with the background."""
        return self.network.class_count

    @property
    def traces(self):
        """That of the CompiledNetwork."""
        return self.network.traces

    def up_to_date(self, config):
        """As the CompiledNetwork."""
        return self.network.up_to_date(config)

    def __call__(self, config, *inputs, **options):
        """Arrays of B rows in, the list of the graph's outputs as numpy arrays out."""
        shares = [np.array_split(x, min(len(self.devices), len(x))) for x in inputs]
        shares = list(zip(*shares, strict=True))
        if len(shares) == 1:
            return self.network(config, *inputs, **options)
        self.network.up_to_date(config)  # once, and not in all threads

        def run(device, share):
            with kernels.on_device(device):
                return self.network(config, *share, **options)

        with ThreadPoolExecutor(len(shares)) as pool:
            parts = list(pool.map(run, self.devices, shares))
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]
