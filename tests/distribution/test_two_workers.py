"""Two processes on this machine train one model: as one process would, and one of them killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tolerances import NETWORK

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "e2e"))
import one_worker  # noqa: E402
import tiny  # noqa: E402

PATIENCE = 900  # seconds: a busy machine is slow, a process that hangs is found all the same

pytestmark = [pytest.mark.timeout(3 * PATIENCE),
              pytest.mark.filterwarnings("ignore:GPU_COUNT = 2, but")]


def free_ports(count):
    """Port numbers that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start(run, folder, index, ports):
    """One process of `one_worker.py`; what it prints goes to FOLDER/<run>_<index>.log."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    paths = [str(HERE.parents[1]), str(HERE.parent / "e2e"), str(HERE.parent)]
    environment = {**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
                   "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3",
                   "PYTHONPATH": os.pathsep.join(paths)}
    with open(folder / f"{run}_{index}.log", "w") as log:
        return subprocess.Popen([sys.executable, HERE / "one_worker.py", run, folder],
                                env=environment, stdout=log, stderr=subprocess.STDOUT)


def both(run, folder, expected=(0, 0)):
    """Both processes from beginning to end: [what each has seen, or None]."""
    ports = free_ports(2)
    processes = [start(run, folder, index, ports) for index in range(2)]
    deadline = time.monotonic() + PATIENCE
    try:
        codes = tuple(p.wait(max(1, deadline - time.monotonic())) for p in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    logs = [(folder / f"{run}_{index}.log").read_text() for index in range(2)]
    assert codes == expected, "\n\n".join(log[-3000:] for log in logs)
    paths = [folder / f"{run}_{index}.json" for index in range(2)]
    return [json.loads(path.read_text()) if path.exists() else None for path in paths]


def weights(folder, run, index):
    """{name: array} that a process has ended with."""
    with np.load(folder / f"{run}_{index}.npz") as file:
        return dict(file)


def files(folder):
    """Names of the checkpoints below the model_dir of each process."""
    return [sorted(path.name for path in (folder / str(index)).rglob("*") if path.is_file())
            for index in range(2)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """(history, start, end) of the same two epochs in one process."""
    model = tiny.training_model(tmp_path_factory.mktemp("alone"), **one_worker.KNOBS)
    begin = tiny.weights_of(model)
    history = one_worker.measured(model, 2)
    tf.config.run_functions_eagerly(False)
    return history.history, begin, tiny.weights_of(model)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """(folder, what the chief has seen) of a run whose second worker is killed."""
    folder = tmp_path_factory.mktemp("killed")
    chief, nothing = both("killed", folder, expected=(0, -signal.SIGKILL))
    assert nothing is None
    return folder, chief


def assert_same_run(folder, run, seen, history, alone):
    """Both workers ended alike, and as one process does."""
    begin, end = alone[1:]
    assert seen[0]["history"] == seen[1]["history"]
    assert seen[0]["history"].keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(seen[0]["history"][name], values, rtol=NETWORK, err_msg=name)
    ends = [weights(folder, run, index) for index in range(2)]
    tiny.assert_same_weights(*ends)
    assert tiny.difference(ends[0], end, begin) < 0.001


def test_two_workers_train_as_one_process_does(tmp_path, alone):
    seen = both("unbroken", tmp_path)
    losses = {name: row for name, row in alone[0].items() if not name.startswith("val_")}
    assert_same_run(tmp_path, "unbroken", seen, losses, alone)
    ours, others = files(tmp_path)
    assert ours == ["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"]
    assert others == []


def test_a_killed_worker_ends_the_other_with_a_clear_error(killed):
    folder, chief = killed
    assert "worker 0 of 2 has lost another one" in chief["error"]
    assert "Start all workers again" in chief["error"]
    assert chief["epoch"] == 1
    assert files(folder) == [["mask_rcnn_tiny_0001.h5"], []]


def test_a_killed_run_goes_on_from_its_checkpoint(killed, alone):
    """The other worker has no checkpoint: it gets weights, epoch and optimizer from the chief."""
    folder, _ = killed
    seen = both("resumed", folder)
    history = {name: row[1:] for name, row in alone[0].items()}
    assert "val_mAP" in history and "val_mrcnn_mask_loss" in history
    assert_same_run(folder, "resumed", seen, history, alone)
    assert seen[0]["epochs"] == [1]
    assert seen[0]["log_dir"] == seen[1]["log_dir"]
    assert files(folder) == [["mask_rcnn_tiny_0001.h5", "mask_rcnn_tiny_0002.h5"], []]
    # and then the second worker met an image that is none
    assert seen[1]["error"].startswith("DataError: image")
    assert "the file is torn" in seen[1]["error"]
    assert seen[0]["error"].startswith("ConnectionError: worker 0 of 2 has lost another one")
    assert "the file is torn" in seen[0]["error"]

