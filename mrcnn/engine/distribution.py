"""Several devices of one machine under one model: what GPU_COUNT asks for.

Shapes: B images of a batch.
"""

import contextlib
import math
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mrcnn import kernels
from mrcnn._text import counted
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
        f"GPU_COUNT = {config.GPU_COUNT}, but there {'is' if one else 'are'} "
        f"{counted(len(found), 'device')} to train on ({', '.join(found)}): the batch of {batch} "
        f"images goes to {'it' if one else f'{count} of them'}. {kernels.MORE_DEVICES}."
    )
    if count > 1:
        return words
    return f"{words} GPU_COUNT = 1 and IMAGES_PER_GPU = {batch} train the same in silence."


def _evenly(found, config):
    """As many of the devices found as take equal shares of GPU_COUNT and of a batch."""
    whole = math.gcd(config.GPU_COUNT, config.BATCH_SIZE)
    most = min(config.GPU_COUNT, len(found))
    return found[: max(n for n in range(1, most + 1) if whole % n == 0)]


def of_detection(config, make_network):
    """The compiled network, on as many devices as GPU_COUNT asks for and are there.

    Args:
        config: Config.
        make_network: function without arguments that answers a new CompiledNetwork.

    Returns:
        CompiledNetwork or SplitNetwork.
    """
    if config.GPU_COUNT == 1 or not kernels.SPLITS_DETECTION:
        return make_network()
    devices = kernels.list_devices()[: config.GPU_COUNT]
    if len(devices) == 1:
        return make_network()
    return SplitNetwork({device: make_network() for device in devices})


class SplitNetwork:
    """Runs a batch in shares, one a device, at the same time.

    It is called as a CompiledNetwork is, and answers the same.

    Args:
        networks: {name of a device, of `kernels.list_devices`: CompiledNetwork}, all of one graph.
    """

    def __init__(self, networks):
        self.networks = dict(networks)
        self._lock = threading.Lock()

    @property
    def class_count(self):
        """Classes of the network, with the background."""
        return self._first.class_count

    @property
    def traces(self):
        """That of the first device's network, which takes part in every batch."""
        return self._first.traces

    @property
    def _first(self):
        return next(iter(self.networks.values()))

    def up_to_date(self, config):
        """As of the CompiledNetwork: the first device's function, once all are ready."""
        functions = []
        with self._lock:
            for device, network in self.networks.items():
                with kernels.on_device(device):
                    functions.append(network.up_to_date(config))
        return functions[0]

    def __call__(self, config, *inputs, **options):
        """Arrays of B rows in, the list of the graph's outputs as numpy arrays out."""
        count = min(len(self.networks), len(inputs[0]))
        shares = zip(*(np.array_split(x, count) for x in inputs), strict=True)
        self.up_to_date(config)

        def run(device, share):
            with kernels.on_device(device):
                return self.networks[device](config, *share, **options)

        with ThreadPoolExecutor(count) as pool:
            parts = list(pool.map(run, self.networks, shares))
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]
