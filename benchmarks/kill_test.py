"""Kill a training with SIGKILL again and again; count what is lost.

    python benchmarks/kill_test.py --kills 20

Hardware: two CPU cores; 20 kills take 3 to 6 minutes.
Measured: 20 kills, 11 of them during a write, 40 epochs done: none lost, no checkpoint damaged or
gone, every process went on from the newest.

A process trains a tiny model in epochs of one step and says when an epoch is finished. It is
killed at a random moment; every second time while it writes a checkpoint. After each kill every
checkpoint is read to the last byte, those of earlier rounds are compared with what they were,
and the next process goes on from the newest. Layers run eagerly: that spares the tracing and
changes nothing about the files. POSIX only.
"""

import argparse
import hashlib
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_LIMIT = 300  # seconds until the first epoch is finished


# ---- the process that gets killed ---------------------------------------------------------


def train_until_killed(folder):
    """Go on with the run in `folder`, or begin it, and print every finished epoch."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "e2e")]
    import keras
    import tensorflow as tf
    import tiny

    tf.config.run_functions_eagerly(True)

    class Report(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch > first:  # the one before is over, its checkpoint written
                print(f"\nfinished {epoch}", flush=True)  # a line of its own below the bar

    model = tiny.training_model(folder, STEPS_PER_EPOCH=1, IMAGES_PER_GPU=1)
    try:
        model.load_weights(model.find_last())
    except FileNotFoundError:
        pass
    first = model.epoch
    print(f"begins {first}", flush=True)
    tiny.train(model, 10**6, custom_callbacks=[Report()])


# ---- the process that kills ---------------------------------------------------------------


def follow(process):
    """Queue of a process's lines, filled by a thread; None at the end."""
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line.strip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def wait_for(lines, word, limit=START_LIMIT):
    """The number in the next line "<word> <number>"."""
    while True:
        line = lines.get(timeout=limit)
        if line is None:
            raise RuntimeError("training ended by itself")
        if line.startswith(word + " "):
            return int(line.split()[1])


def wait_for_writing(folder, limit=30.0):
    """Return when a checkpoint is being written."""
    end = time.monotonic() + limit
    while time.monotonic() < end and not leftovers(folder):
        time.sleep(0.0005)


def leftovers(folder):
    """Temporary files of checkpoints that are being written, or were when a kill came."""
    return list(Path(folder).glob("*/.*.tmp"))


def one_round(folder, chance, while_writing):
    """Start, wait, kill.

    Returns:
        (epoch it began at, last epoch it said to have finished).
    """
    command = [sys.executable, __file__, "--train", str(folder)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    errors = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True,
                               env=environment)
    lines = follow(process)
    try:
        began = wait_for(lines, "begins")
        finished = wait_for(lines, "finished")
        time.sleep(chance.uniform(0.0, 2.0))
        if while_writing:
            wait_for_writing(folder)
            time.sleep(chance.uniform(0.0, 0.02))
    except RuntimeError as error:
        errors.seek(0)
        raise RuntimeError(f"{error}:\n{errors.read()[-3000:]}") from None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    while (line := lines.get(timeout=10)) is not None:
        if line.startswith("finished "):
            finished = int(line.split()[1])
    return began, finished


def checkpoints(folder):
    """{epoch: (path, digest)} of all checkpoints, each read to the last byte.

    Raises:
        ValueError: one is damaged.
    """
    sys.path[:0] = [str(ROOT)]
    import h5py
    import numpy as np

    from mrcnn.engine.checkpoint_files import find_checkpoints, read_checkpoint_meta
    from mrcnn.engine.legacy_h5 import read_legacy_h5

    found = {}
    for run in sorted(Path(folder).iterdir()):
        for path in find_checkpoints(run):
            for key, array in read_legacy_h5(path).items():
                if not np.isfinite(array).all():
                    raise ValueError(f"{path}: {key} is not finite")
            meta = read_checkpoint_meta(path)
            with h5py.File(path) as file:
                state = [np.asarray(array) for array in file["mrcnn_checkpoint/optimizer"].values()]
            if len(state) != len(meta.optimizer["variables"]):
                raise ValueError(f"{path}: {len(state)} optimizer arrays")
            found[meta.epoch] = path, hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def kill_again_and_again(folder, kills, seed=0):
    """Kill a training `kills` times.

    Returns:
        A list of dicts, one a kill: "began", "finished" (the last epoch announced), "newest"
        (the newest checkpoint), "lost" (epochs announced and not on disk), "vanished" (epochs
        whose checkpoint of an earlier round is gone or changed), "writing" (the kill left a
        half-written file behind).
    """
    chance, before, rounds = random.Random(seed), {}, []
    for number in range(kills):
        old_leftovers = set(leftovers(folder))
        began, finished = one_round(folder, chance, while_writing=number % 2 == 1)
        after = checkpoints(folder)
        newest = max(after)
        rounds.append({
            "began": began,
            "finished": finished,
            "newest": newest,
            "lost": max(0, finished - newest),
            "vanished": [epoch for epoch, file in before.items() if after.get(epoch) != file],
            "writing": bool(set(leftovers(folder)) - old_leftovers),
        })
        before = after
    return rounds


def main():
    """Kill, and print a line a kill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", metavar="FOLDER", help="for its own use: be the victim")
    args = parser.parse_args()
    if args.train:
        train_until_killed(args.train)
        return
    with tempfile.TemporaryDirectory() as folder:
        rounds = kill_again_and_again(folder, args.kills, args.seed)
    for number, facts in enumerate(rounds, 1):
        print(f"kill {number:2}: {facts}")
    begun_anew = [r["began"] != s["newest"] for r, s in zip(rounds[1:], rounds, strict=False)]
    print(f"\n{len(rounds)} kills, {sum(r['writing'] for r in rounds)} of them during a write; "
          f"{rounds[-1]['newest']} epochs done; most epochs lost at a kill: "
          f"{max(r['lost'] for r in rounds)}; checkpoints damaged or gone: "
          f"{sum(len(r['vanished']) for r in rounds)}; resumed elsewhere than at the newest: "
          f"{sum(begun_anew)}")


if __name__ == "__main__":
    main()
