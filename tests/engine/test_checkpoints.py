"""Checkpoints: exact resume, all-or-nothing writes, metadata, pruning."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from small_network import build_small, randomise, values_of

from mrcnn import _atomic as atomic
from mrcnn.config import Config
from mrcnn.engine import checkpoint_files
from mrcnn.engine.checkpoints import (
    check_writable,
    find_checkpoints,
    prune_checkpoints,
    read_checkpoint_meta,
    restore_optimizer,
    save_checkpoint,
)
from mrcnn.engine.legacy_h5 import read_legacy_h5
from mrcnn.engine.weights import load_weights_by_name, save_weights

REPO = Path(__file__).resolve().parents[2]
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.002, momentum=0.9, global_clipnorm=5.0),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.002, 6), momentum=0.9, global_clipnorm=5.0
    ),
    "ema": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.002, momentum=0.9, clipnorm=1.0), initial_scale=8.0
    ),
}


class SmallConfig(Config):
    """A config with values of its own."""

    NAME = "small"
    NUM_CLASSES = 4
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64


def compiled(optimizer, graph=False):
    """A fresh small model; its weights are the same each time. Eager steps start sooner."""
    model = randomise(build_small(), seed=2)
    model.compile(optimizer, loss="mse", jit_compile=False, run_eagerly=not graph)
    return model


def train(model, steps):
    """`steps` batches; the data are those of the step's number."""
    start = int(model.optimizer.iterations)
    for step in range(start, start + steps):
        rng = np.random.default_rng(step)
        image = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
        targets = [rng.normal(size=(2, *out.shape[1:])) for out in model.outputs[:3]]
        targets += [rng.normal(size=(2, 4, 4, 6)) for _ in range(2)]
        model.train_on_batch(image, targets)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_resume_is_exact(tmp_path, kind):
    """3 + 3 steps in one go, and with a save, a fresh model and a load in between."""
    straight = compiled(OPTIMIZERS[kind](), graph=kind == "sgd")
    train(straight, 3)
    path = tmp_path / "mask_rcnn_small_0003.h5"
    save_checkpoint(path, straight, epoch=3, optimizer=straight.optimizer)
    train(straight, 3)

    resumed = compiled(OPTIMIZERS[kind](), graph=kind == "sgd")
    load_weights_by_name(resumed, path)
    assert restore_optimizer(path, resumed.optimizer, resumed) is True
    assert int(resumed.optimizer.iterations) == 3
    train(resumed, 3)
    for mine, theirs in zip(values_of(resumed), values_of(straight), strict=True):
        np.testing.assert_array_equal(mine, theirs)

    # the test can fail: without the optimizer's state the outcome differs
    fresh = compiled(OPTIMIZERS[kind](), graph=kind == "sgd")
    load_weights_by_name(fresh, path)
    train(fresh, 3)
    pairs = zip(values_of(fresh), values_of(straight), strict=True)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in pairs)


def test_learning_rate_is_the_callers(tmp_path):
    """The rate in the file comes back only on request."""
    model = compiled(OPTIMIZERS["sgd"]())
    train(model, 1)
    save_checkpoint(tmp_path / "c.h5", model, optimizer=model.optimizer)
    for wanted, expected in ((False, 0.5), (True, 0.002)):
        other = compiled(keras.optimizers.SGD(0.5, momentum=0.9))
        assert restore_optimizer(tmp_path / "c.h5", other.optimizer, other,
                                 learning_rate=wanted) is True
        np.testing.assert_allclose(float(other.optimizer.learning_rate), expected, rtol=1e-6)


def test_refused_state_is_not_applied(tmp_path):
    """Another optimizer, other layers, another head: a reason, and nothing changes."""
    model = compiled(OPTIMIZERS["sgd"]())
    train(model, 2)
    path = tmp_path / "c.h5"
    save_checkpoint(path, model, optimizer=model.optimizer)
    save_weights(model, tmp_path / "plain.h5")
    heads = compiled(OPTIMIZERS["sgd"]())
    heads.get_layer("conv1").trainable = False
    wide = build_small(classes=7)
    cases = (
        (compiled(OPTIMIZERS["adamw"]()), path, "trained with SGD, not AdamW"),
        (heads, path, "covers other weights.*conv1/conv1/.*same `layers`"),
        (wide, path, "mrcnn_.*has shape .*16.*, now .*28"),
        (compiled(keras.optimizers.SGD(0.1)), path, "momentum"),
        (compiled(OPTIMIZERS["sgd"]()), tmp_path / "plain.h5", "no optimizer state"),
    )
    for other, file, reason in cases:
        optimizer = getattr(other, "optimizer", None) or OPTIMIZERS["sgd"]()
        answer = restore_optimizer(file, optimizer, other)
        assert isinstance(answer, str)
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(answer)
        assert int(optimizer.iterations) == 0
        for variable in optimizer.variables:
            if "momentum" in variable.path:
                np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), 0)


def test_metadata(tmp_path):
    """Everything given comes back, through JSON; the config makes a Config again."""
    model = compiled(OPTIMIZERS["adamw"]())
    train(model, 2)
    path = tmp_path / "run" / "mask_rcnn_small_0007.h5"
    config = SmallConfig()
    save_checkpoint(
        path, model, config=config, class_names=["BG", "a", "b", "ç"], epoch=7, layers="heads",
        optimizer=model.optimizer, logs={"loss": np.float32(1.5), "val_loss": float("nan")},
    )
    meta = read_checkpoint_meta(path)
    assert (meta.path, meta.epoch, meta.layers) == (str(path), 7, "heads")
    assert meta.class_names == ["BG", "a", "b", "ç"]
    assert meta.logs["loss"] == 1.5 and np.isnan(meta.logs["val_loss"])
    assert meta.config == json.loads(json.dumps(config.to_dict()))
    assert Config.from_dict(meta.config).IMAGE_MAX_DIM == 64
    assert meta.versions["keras"] == keras.__version__ and "mrcnn" in meta.versions
    assert meta.optimizer["class"] == "AdamW" and meta.optimizer["iterations"] == 2
    np.testing.assert_allclose(meta.optimizer["learning_rate"], 0.01, rtol=1e-6)
    np.testing.assert_allclose(meta.optimizer["config"]["weight_decay"], 0.01, rtol=1e-6)
    assert "mrcnn_mask/mrcnn_mask/kernel|velocity" in meta.optimizer["variables"]


def test_metadata_of_other_files(tmp_path, golden_dir):
    """None for weights only; errors for the missing, the damaged and the too new."""
    assert read_checkpoint_meta(golden_dir / "matterport_layout_shapes_r50.h5") is None
    with pytest.raises(FileNotFoundError, match="no.h5"):
        read_checkpoint_meta(tmp_path / "no.h5")
    path = tmp_path / "c.h5"
    for text, message in (('{"format": 99}', "c.h5: checkpoint format 99"), ("{", "metadata")):
        with h5py.File(path, "w") as file:
            file.create_dataset(f"{checkpoint_files.GROUP}/meta", data=text)
        with pytest.raises(ValueError, match=message):
            read_checkpoint_meta(path)


def test_unbuilt_optimizer_and_plain_dict(tmp_path):
    """Nothing to save is fine; without a config too."""
    save_checkpoint(tmp_path / "c.h5", build_small(), config={"A": 1}, epoch=1,
                    optimizer=keras.optimizers.SGD(0.1))
    meta = read_checkpoint_meta(tmp_path / "c.h5")
    assert meta.optimizer is None and meta.config == {"A": 1} and meta.class_names is None


def test_failed_save_keeps_the_old_checkpoint(tmp_path):
    """A config that JSON cannot hold fails the save, not the file that was there."""
    path = tmp_path / "c.h5"
    save_checkpoint(path, build_small(), epoch=1)
    with pytest.raises(TypeError):
        save_checkpoint(path, build_small(), epoch=2, config={"x": object()})
    assert read_checkpoint_meta(path).epoch == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c.h5"]


def write_meta_files(folder, losses, name="small", key="val_loss"):
    """Checkpoint files with metadata and no weights, one an epoch."""
    paths = []
    for epoch, loss in enumerate(losses, start=1):
        path = folder / f"mask_rcnn_{name}_{epoch:04d}.h5"
        with h5py.File(path, "w") as file:
            meta = checkpoint_files.CheckpointMeta(str(path), epoch=epoch, logs={key: loss})
            checkpoint_files.write_meta(file, meta)
        paths.append(path)
    return paths


def epochs_in(folder):
    """Epoch numbers of the checkpoints left."""
    return [int(path.stem[-4:]) for path in find_checkpoints(folder)]


@pytest.mark.parametrize(
    ("losses", "keep", "left"),
    [
        ([5, 1, 4, 3, 2], 2, [2, 4, 5]),
        ([5, 4, 3, 2, 1], 2, [4, 5]),
        ([5, 1, 4, 3, 2], 1, [2, 5]),
        ([5, 1, 4, 3, 2], 0, [1, 2, 3, 4, 5]),
        ([5, 1, 4, 3, 2], 9, [1, 2, 3, 4, 5]),
        ([float("nan"), 2, float("nan"), 3], 1, [2, 4]),
        ([float("nan")] * 3, 1, [3]),
    ],
)
@pytest.mark.parametrize("key", ["val_loss", "loss"])
def test_prune_keeps_best_and_last(tmp_path, losses, keep, left, key):
    """By val_loss, or by loss where there was no validation."""
    paths = write_meta_files(tmp_path, losses, key=key)
    removed = prune_checkpoints(tmp_path, keep)
    assert epochs_in(tmp_path) == left
    assert sorted(set(paths) - set(removed)) == find_checkpoints(tmp_path)


def test_prune_keeps_the_highest_map(tmp_path):
    """It beats every loss; epochs in which it was not measured are never the best."""
    for epoch, logs in enumerate(
        [{"val_loss": 2}, {"val_loss": 3, "val_mAP": 0.7}, {"val_loss": 1},
         {"val_loss": 4, "val_mAP": 0.6}, {"val_loss": 5}], start=1
    ):
        path = tmp_path / f"mask_rcnn_small_{epoch:04d}.h5"
        with h5py.File(path, "w") as file:
            meta = checkpoint_files.CheckpointMeta(str(path), epoch=epoch, logs=logs)
            checkpoint_files.write_meta(file, meta)
    prune_checkpoints(tmp_path, 2)
    assert epochs_in(tmp_path) == [2, 4, 5]


def test_prune_spares_other_files(tmp_path, golden_dir):
    """A Matterport file, a damaged one, another name's run, and what is no checkpoint."""
    write_meta_files(tmp_path, [3, 2, 1])
    write_meta_files(tmp_path, [1, 2], name="other")
    others = ["mask_rcnn_small_0000.h5", "mask_rcnn_coco.h5", "notes.h5"]
    with h5py.File(golden_dir / "matterport_layout_shapes_r50.h5") as file:
        with h5py.File(tmp_path / others[0], "w") as copy:
            copy.attrs["layer_names"] = file.attrs["layer_names"]
    for name in others[1:]:
        (tmp_path / name).write_bytes(b"mine")
    prune_checkpoints(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {
        *others, "mask_rcnn_small_0003.h5", "mask_rcnn_other_0001.h5", "mask_rcnn_other_0002.h5"
    }


def test_find_checkpoints(tmp_path):
    """In the order of epochs, also past 9999; a folder that is not there is empty."""
    for name in ("mask_rcnn_a_b_10000.h5", "mask_rcnn_a_b_9999.h5", "mask_rcnn_a_b_0002.h5",
                 "mask_rcnn_coco.h5", ".mask_rcnn_a_b_0003.h5.host-1.tmp", "x.h5"):
        (tmp_path / name).touch()
    assert [path.name[-7:-3] for path in find_checkpoints(tmp_path)] == ["0002", "9999", "0000"]
    assert find_checkpoints(tmp_path / "none") == []


def test_check_writable(tmp_path, monkeypatch):
    """Creates the folder; a file in the way or no permission is a clear error."""
    check_writable(tmp_path / "new" / "run")
    assert list((tmp_path / "new" / "run").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"cannot write checkpoints to {tmp_path}/file/run"):
        check_writable(tmp_path / "file" / "run")

    def denied(self, data):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", denied)
    with pytest.raises(PermissionError, match="Read-only file system.*another model_dir"):
        check_writable(tmp_path)


def test_check_writable_without_permission(tmp_path):
    """The real thing, where permissions bind the user."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot write checkpoints"):
        check_writable(tmp_path)


def test_leftovers(tmp_path):
    """Files of dead processes go; those of the living, of other machines and users stay."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = atomic._host()
    gone = tmp_path / f".mask_rcnn_a_0001.h5.{host}-{dead.pid}.tmp"
    old = tmp_path / ".mask_rcnn_a_0001.h5.elsewhere-1.tmp"
    stay = [
        tmp_path / f".mask_rcnn_a_0001.h5.{host}-{os.getpid()}.tmp",
        tmp_path / ".mask_rcnn_a_0001.h5.elsewhere-2.tmp",
        tmp_path / ".other.tmp",
    ]
    for path in (gone, old, *stay):
        path.touch()
    os.utime(old, (0, time.time() - atomic.STALE_SECONDS - 60))
    check_writable(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(stay)


WRITER = """
import sys
import numpy as np
from mrcnn.engine.legacy_h5 import write_legacy_h5
weights = [(f"a/w{i}:0", np.full((64, 64, 8), i, np.float32)) for i in range(40)]
print("ready", flush=True)
for epoch in range(1, 10000):
    write_legacy_h5(f"{sys.argv[1]}/mask_rcnn_x_{epoch % 3:04d}.h5", [("a", weights)])
    print(epoch, flush=True)
"""


def test_kill_never_leaves_half_a_checkpoint(tmp_path):
    """kill -9 at any moment: each file with a checkpoint's name is whole."""
    for moment in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=REPO
        )
        process.stdout.readline()
        for _ in range(2):
            process.stdout.readline()
        time.sleep(0.011 * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        paths = find_checkpoints(tmp_path)
        assert len(paths) >= 2
        for path in paths:
            weights = read_legacy_h5(path)
            assert len(weights) == 40
            assert all(float(weights["a", "a", f"w{i}"].min()) == i for i in range(40))
    check_writable(tmp_path)
    assert not list(tmp_path.glob(".*"))
