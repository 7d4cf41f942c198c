"""Two devices of one machine do what one device does with the same batch.

A process of its own has two CPU devices, see `two_devices.py`. On JAX the same runs with
KERAS_BACKEND=jax.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from tolerances import NETWORK

HERE = Path(__file__).resolve().parent
BACKEND = keras.backend.backend()
LOSSES = ("loss", "rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss",
          "mrcnn_mask_loss")
# Two models that train compile for a minute, and for far longer where the machine is busy.
pytestmark = pytest.mark.timeout(1800)
STRAY = 1e-3  # of the way that training went: sums in another order, over some steps


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the process found, with its folder."""
    if BACKEND == "torch":
        pytest.skip("torch trains on one device")
    folder = tmp_path_factory.mktemp("two_devices")
    done = subprocess.run(
        [sys.executable, str(HERE / "two_devices.py"), BACKEND, str(folder)],
        cwd=HERE.parents[1], capture_output=True, text=True, timeout=1800, check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((folder / "seen.json").read_text())
    return {**found, "folder": folder, "printed": done.stdout}


def arrays_of(path):
    """{name: array} of all floating arrays of a checkpoint: weights and the optimizer's."""
    arrays = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            arrays[name] = np.asarray(item)

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return arrays


def distance(a, b):
    return sum(float(np.abs(a[name] - b[name]).sum()) for name in b)


def test_both_devices_hold_the_model(seen):
    assert len(seen["devices"]) == 2
    assert seen["sharing"] == 2


@pytest.mark.parametrize("name", LOSSES)
def test_the_losses_are_those_of_one_device(seen, name):
    for prefix in ("", "val_"):
        expected, (both,) = seen["one"][prefix + name], seen["both"]
        np.testing.assert_allclose(both[prefix + name], expected[0], rtol=NETWORK)
    np.testing.assert_allclose(seen["resumed"][0][name], seen["one"][name][1], rtol=NETWORK)
    assert seen["one"]["loss"][0] > 0


def test_another_schools_losses_are_those_of_one_device(seen):
    one, both = seen["school"]
    for name in (*LOSSES, *(f"val_{name}" for name in LOSSES)):
        np.testing.assert_allclose(both[name], one[name], rtol=NETWORK, err_msg=name)


def test_resumed_weights_and_optimizer_are_those_of_one_unbroken_device(seen):
    start, one, both = (arrays_of(seen["checkpoints"][n]) for n in ("start", "one", "both"))
    assert both.keys() == one.keys()
    assert any("/optimizer/" in name for name in one)
    assert distance(both, one) < STRAY * distance(one, start)


def test_ctrl_c_leaves_the_last_whole_epoch(seen):
    assert seen["checkpoints"]["last"].endswith("_0001.h5")
    assert "Interrupted" in seen["printed"]


def test_map_is_measured_on_the_shared_weights(seen):
    (epoch,) = seen["resumed"]
    assert 0.0 <= epoch["val_mAP"] <= 1.0


def test_a_nan_names_the_images_of_the_whole_batch(seen):
    assert "became NaN or infinite on the images" in seen["nan"]
    assert seen["nan"].count("shapes.") == 4


def test_detect_asks_both_devices_and_answers_as_one(seen):
    assert seen["split"]
    assert set(seen["asked"]) == set(seen["devices"])
    one, both = (np.load(seen["folder"] / f"detected_{n}.npz") for n in (1, 2))
    assert sum(len(one[f"rois{i}"]) for i in range(3)) > 0
    for name in one.files:
        np.testing.assert_allclose(both[name], one[name], atol=NETWORK, err_msg=name)


def test_a_device_computes_where_it_is_asked_to(seen):
    name, place = seen["placed"]
    assert name == seen["devices"][1]
    assert place.lower().replace("_", ":").rstrip(")").endswith(name[-5:].lower())
