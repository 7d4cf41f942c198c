"""Which devices share a batch, how a batch is split, and what is said where there are too few."""

import contextlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn import kernels
from mrcnn.config import Config
from mrcnn.engine import distribution

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.timeout(900)
NEAR = 1e-5  # sums in another order, over some steps


def config_of(gpus, images=1, **knobs):
    """A Config with GPU_COUNT and IMAGES_PER_GPU."""
    return type("Devices", (Config,), {
        "NAME": "devices", "NUM_CLASSES": 2, "GPU_COUNT": gpus, "IMAGES_PER_GPU": images, **knobs
    })()


@pytest.fixture
def machine(monkeypatch):
    """Function that puts some devices into the machine; answers the lists that were shared."""
    def of(*names):
        shared = []
        monkeypatch.setattr(kernels, "list_devices", lambda: list(names))
        monkeypatch.setattr(kernels, "DataParallel", shared.append)
        return shared

    return of


def test_one_gpu_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(kernels, "list_devices", lambda: pytest.fail("looked for devices"))
    assert isinstance(distribution.of_training(config_of(1)), distribution.OneDevice)


def test_as_many_devices_as_asked_for(machine):
    shared = machine("a", "b", "c", "d")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distribution.of_training(config_of(2, 4))
    assert shared == [["a", "b"]]


def test_one_device_takes_the_whole_batch_and_says_so(machine):
    shared = machine("cpu")
    with pytest.warns(UserWarning, match=r"GPU_COUNT = 2, but there is 1 device .*\(cpu\): the "
                                         "batch of 6 images goes to it.* IMAGES_PER_GPU = 6"):
        devices = distribution.of_training(config_of(2, 3))
    assert isinstance(devices, distribution.OneDevice)
    assert shared == []


@pytest.mark.parametrize(("gpus", "there", "used"), [(4, 3, 2), (8, 6, 4), (6, 4, 3), (8, 2, 2)])
def test_fewer_devices_take_equal_shares(machine, gpus, there, used):
    shared = machine(*"abcdefgh"[:there])
    with pytest.warns(UserWarning, match=f"there are {there} devices .* goes to {used} of them"):
        distribution.of_training(config_of(gpus))
    assert [len(names) for names in shared] == [used]


def test_a_batch_size_of_its_own_is_shared_evenly(machine):
    shared = machine("a", "b", "c", "d")
    config = config_of(4)
    config.BATCH_SIZE = 6
    with pytest.warns(UserWarning, match="batch of 6 images goes to 2"):
        distribution.of_training(config)
    assert shared == [["a", "b"]]


def test_torch_with_several_gpus_says_what_to_do():
    pytest.importorskip("torch")
    from mrcnn.kernels.torch_backend import replicas

    with pytest.raises(ValueError, match=r"GPU_COUNT: expected 1 .* received 2\. .*IMAGES_PER_GPU"):
        replicas.DataParallel(["cuda:0", "cuda:1"])


class Network:
    """Answers the doubled input, and notes what it was asked for."""

    class_count = 7

    def __init__(self):
        self.rows, self.prepared = [], 0

    def up_to_date(self, config):
        self.prepared += 1
        return self

    def __call__(self, config, *inputs, **options):
        assert self.prepared
        self.rows.append((len(inputs[0]), options))
        return [inputs[0] * 2, inputs[1] + 1]


@pytest.fixture
def used(monkeypatch):
    """The devices that `on_device` was asked for."""
    names = []

    def on_device(name):
        names.append(name)
        return contextlib.nullcontext()

    monkeypatch.setattr(kernels, "SPLITS_DETECTION", True)
    monkeypatch.setattr(kernels, "on_device", on_device)
    return names


@pytest.mark.parametrize(("rows", "shares"), [(1, [1]), (2, [1, 1]), (5, [3, 2]), (6, [3, 3])])
def test_a_batch_is_split_and_put_together(machine, used, rows, shares):
    machine("a", "b", "c")
    split = distribution.of_detection(config_of(2), Network)
    a, b = np.arange(rows * 3.0).reshape(rows, 3), np.arange(rows)
    doubled, more = split(None, a, b, classes=[1])
    np.testing.assert_array_equal(doubled, a * 2)
    np.testing.assert_array_equal(more, b + 1)
    asked = [network.rows for network in split.networks.values()]
    assert asked == [[(count, {"classes": [1]})] for count in shares] + [[]] * (2 - len(shares))
    assert used == ["a", "b"] + used[2:] and sorted(used[2:]) == ["a", "b"][: len(shares)]
    assert split.class_count == 7


def test_every_device_takes_over_what_changed(machine, used):
    machine("a", "b")
    split = distribution.of_detection(config_of(2), Network)
    assert split.up_to_date(None) is split.networks["a"]
    assert [network.prepared for network in split.networks.values()] == [1, 1]


def test_one_device_detects_as_before(machine, monkeypatch, used):
    machine("a", "b")
    assert isinstance(distribution.of_detection(config_of(1), Network), Network)
    monkeypatch.setattr(kernels, "SPLITS_DETECTION", False)
    assert isinstance(distribution.of_detection(config_of(2), Network), Network)
    monkeypatch.setattr(kernels, "SPLITS_DETECTION", True)
    machine("a")
    assert isinstance(distribution.of_detection(config_of(2), Network), Network)
    assert used == []


def test_an_error_on_a_device_is_raised(monkeypatch, used):
    def fails(config, *inputs):
        raise ValueError("no such luck")

    monkeypatch.setattr(Network, "__call__", fails)
    split = distribution.SplitNetwork({"a": Network(), "b": Network()})
    with pytest.raises(ValueError, match="no such luck"):
        split(None, np.zeros((2, 1)), np.zeros((2, 1)))


@pytest.fixture(scope="module")
def optimizers():
    """What `optimizers_on_two.py` prints."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the other backends have no MirroredStrategy")
    done = subprocess.run(
        [sys.executable, str(HERE / "optimizers_on_two.py")], capture_output=True, text=True,
        timeout=900, check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", ["sgd", "adamw", "accumulating", "scaled",
                                  "scaled and accumulating"])
def test_an_optimizer_does_on_two_devices_what_it_does_on_one(optimizers, case):
    apart, went = optimizers[case]
    assert went > 1e-3
    assert apart < NEAR


def test_keras_alone_would_clip_each_device_by_itself(optimizers):
    apart, _ = optimizers["not adopted"]
    assert apart > 1e-3
