"""Several machines: processes that train one model, each with one device and its share of a batch.

The environment variable TF_CONFIG names them, as TensorFlow has it. The same script runs in each,
with another index:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}' python train.py

GPU_COUNT is the number of all of them and BATCH_SIZE, GPU_COUNT * IMAGES_PER_GPU, that of a common
step: the run is that of one process with the same Config. The first worker, the chief, gives the
others its weights, its epoch and its optimizer, so they need no checkpoint; and it alone writes.
The data set has to be there for each. Where one worker ends, all end with an error, and go on from
the last checkpoint when they are started again.
"""

import contextlib
import hashlib
import json
import os

import keras
import numpy as np

from mrcnn import kernels
from mrcnn.data.batches import first_seed

VARIABLE = "TF_CONFIG"
KINDS = ("chief", "worker")
# Knobs of a machine; and the chief's SEED is that of all.
MAY_DIFFER = ("LOADER_WORKERS", "IMAGE_CACHE_MB", "IMAGE_CACHE_DIR", "SEED")
BLOCK = 4096  # letters of a message travel in such numbers, so that few shapes are compiled
_joined = {}  # the Workers of this process, by its place: it can join them only once


class Team:
    """This process among the workers that train together; alone where there are no others.

    Args:
        workers: `kernels.Workers`, or None.

    Attributes:
        count: number of workers, `index` that of this one.
        chief: whether this one writes the files.
    """

    def __init__(self, workers=None):
        self._workers = workers
        self.count, self.index = (workers.count, workers.index) if workers else (1, 0)
        self.chief = self.index == 0
        self.alone = workers is None

    def building(self):
        """Context manager in which the model is built and compiled."""
        return self._workers.building()

    def fitting(self):
        """Context manager in which `fit` runs."""
        return self._workers.fitting()

    def adopt(self, model):
        """Let `fit` update a compiled keras.Model by the gradients of all."""
        self._workers.adopt(model)

    @contextlib.contextmanager
    def guarded(self):
        """Context manager: an error here ends the others too, and one of theirs is said clearly.

        Raises:
            ConnectionError: another worker is gone, or ended with an error.
        """
        if self.alone:
            yield
            return
        try:
            yield
        except BaseException as error:
            reason = self._workers.why_lost(error)
            if reason is None:
                self._workers.report(f"{type(error).__name__}: {error}")
                raise
            raise ConnectionError(
                f"worker {self.index} of {self.count} has lost another one ({reason}). "
                "Start all workers again, with the chief's last checkpoint: training goes on "
                "from there."
            ) from error

    def sum(self, arrays):
        """Sum of each of some arrays over the workers; all have to call this together.

        Args:
            arrays: list of float32 or int64 arrays, of equal shapes everywhere.
        """
        return list(arrays) if self.alone else self._workers.total(arrays)

    def share(self, value):
        """The chief's value of what JSON holds; all have to call this together."""
        if self.alone:
            return value
        text = json.dumps(value).encode() if self.chief else b""
        (length,) = self.sum([np.array(len(text), np.int64)])
        letters = np.zeros(-(-int(length) // BLOCK) * BLOCK, np.int64)
        letters[: len(text)] = np.frombuffer(text, np.uint8)
        (letters,) = self.sum([letters])
        return json.loads(letters[:length].astype(np.uint8).tobytes())

    def share_variables(self, variables):
        """Give all workers the chief's values of the same list of keras.Variables."""
        if self.alone:
            return
        arrays = [np.asarray(keras.ops.convert_to_numpy(v)) for v in variables]
        wide = [a.astype(np.float32 if keras.backend.is_float_dtype(v.dtype) else np.int64)
                for v, a in zip(variables, arrays, strict=True)]
        wide = wide if self.chief else [np.zeros_like(array) for array in wide]
        for variable, array, total in zip(variables, arrays, self.sum(wide), strict=True):
            variable.assign(total.astype(array.dtype))

    def average(self, variables):
        """Give all workers the mean of their values of some float32 keras.Variables."""
        arrays = [np.asarray(keras.ops.convert_to_numpy(v), np.float32) for v in variables]
        for variable, total in zip(variables, self.sum(arrays), strict=True):
            variable.assign(total / np.float32(self.count))

    def agree(self, model, datasets, settings):
        """Take up the chief's run; refuse to train with other data or settings than it has.

        Args:
            model: MaskRCNN. Its epoch and its paths become the chief's.
            datasets: {name: prepared Dataset or None}.
            settings: {name: value} of what else has to be equal, such as the epochs.

        Returns:
            The seed of the feeds; None for a process alone, whose feeds find their own.

        Raises:
            ValueError: naming what differs.
        """
        if self.alone:
            return None
        mine = _described(model.config, datasets, settings)
        state = {"epoch": model.epoch, "log_dir": model.log_dir,
                 "checkpoint_path": model.checkpoint_path}
        common = self.share({"described": mine, "state": state, "seed": first_seed(model.config)})
        for name, value in common["described"].items():
            if mine.get(name) != value:
                raise ValueError(
                    f"the workers have to train alike, but {name} is {mine.get(name)!r} for worker "
                    f"{self.index} and {value!r} for the chief")
        vars(model).update(common["state"])
        return common["seed"]


def team_of(model):
    """The Team of a MaskRCNN in training mode."""
    return model.devices if isinstance(model.devices, Team) else Team()


def join(config):
    """The workers that TF_CONFIG names, as soon as all of them are there.

    Args:
        config: a validated Config.

    Returns:
        Team, or None where TF_CONFIG names no others.

    Raises:
        ValueError: a TF_CONFIG that cannot be read, or one for another number than GPU_COUNT; or
            a backend on which one process trains alone.
        RuntimeError: TensorFlow has been used before in this process.
    """
    found = cluster_of(os.environ.get(VARIABLE, ""))
    if found is None:
        return None
    addresses, index = found
    if config.GPU_COUNT != len(addresses):
        raise ValueError(
            f"{VARIABLE} names {len(addresses)} workers, with one device each: expected GPU_COUNT "
            f"= {len(addresses)}, received {config.GPU_COUNT}")
    key = (*addresses, index)
    if key not in _joined:
        print(f"Worker {index} of {len(addresses)} ({addresses[index]}) waits for the others.",
              flush=True)
        _joined[key] = kernels.Workers(addresses, index)
    return Team(_joined[key])


def cluster_of(text):
    """What a TF_CONFIG says.

    Args:
        text: JSON, or "".

    Returns:
        (addresses "host:port", the chief first; place of this process among them), or None for
        one process alone.

    Raises:
        ValueError: no such JSON, or a process that is neither chief nor worker.
    """
    if not text.strip():
        return None
    try:
        read = json.loads(text)
        cluster, task = read.get("cluster") or {}, read.get("task") or {}
        addresses = [str(address) for kind in KINDS for address in cluster.get(kind, ())]
        if len(addresses) < 2:
            return None
        kind, place = task["type"], int(task["index"])
        index = place + (len(cluster.get("chief", ())) if kind == "worker" else 0)
        if kind not in KINDS or not 0 <= place < len(cluster[kind]):
            raise ValueError(f"no task {kind} {place}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f'{VARIABLE}: expected {{"cluster": {{"worker": ["host:port", ...]}}, "task": '
            f'{{"type": "worker", "index": 0}}}}, received {text} ({error})') from error
    return addresses, index


def _described(config, datasets, settings):
    """{name: what JSON holds} of all that has to be equal in every worker."""
    knobs = {name: value for name, value in config.to_dict().items() if name not in MAY_DIFFER}
    sets = {name: dataset and f"{len(dataset.image_ids)} images, {_digest(dataset)}"
            for name, dataset in datasets.items()}
    return json.loads(json.dumps({**knobs, **settings, **sets}, default=_plain))


def _plain(value):
    """A number of numpy as one of Python; anything else, such as a schedule, as its kind."""
    return value.item() if hasattr(value, "item") else type(value).__name__


def _digest(dataset):
    """A few letters that differ where the images, their order or the classes do."""
    rows = [(info["source"], str(info["id"])) for info in
            (dataset.image_info[image_id] for image_id in dataset.image_ids)]
    text = json.dumps([rows, list(dataset.class_names)], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
