"""What workers that train together have to agree on; threads stand for the processes."""

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from mrcnn.data.training_feed import TrainingFeed
from mrcnn.engine.callbacks import BestCheckpoint
from mrcnn.engine.validation import MeanAveragePrecision
from mrcnn.engine.worker_callbacks import CommonEnd, CommonLogs, own_callbacks
from mrcnn.engine.workers import Team, cluster_of, join, team_of
from mrcnn.kernels import whole_batch
from mrcnn.layers.batch_norm import BatchNorm

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
import tiny  # noqa: E402

TWO = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


class Threads:
    """`kernels.Workers` for threads that add their arrays up."""

    def __init__(self, index, table):
        self.count, self.index, self.table = 2, index, table
        self.reported = None

    def total(self, arrays):
        rows, barrier = self.table
        rows[self.index] = arrays
        barrier.wait()
        sums = [np.asarray(a + b) for a, b in zip(*rows, strict=True)]
        barrier.wait()
        return sums

    def why_lost(self, error):
        return "it is gone" if isinstance(error, TimeoutError) else None

    def report(self, message):
        self.reported = message


def together(work):
    """[what `work(team)` answers] in two workers; the first error is raised."""
    table = [None, None], threading.Barrier(2, timeout=60)
    answers, errors = [None, None], []

    def run(index):
        try:
            answers[index] = work(Team(Threads(index, table)))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


# --- TF_CONFIG ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("config", "expected"), [
    (TWO, (["a:1", "b:2"], 1)),
    ({"cluster": {"worker": ["b:2"], "chief": ["a:1"]}, "task": {"type": "chief", "index": 0}},
     (["a:1", "b:2"], 0)),
    ({"cluster": {"worker": ["b:2"], "chief": ["a:1"]}, "task": {"type": "worker", "index": 0}},
     (["a:1", "b:2"], 1)),
    ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}, None),
    ({}, None),
])
def test_cluster_of(config, expected):
    assert cluster_of(json.dumps(config)) == expected


def test_no_cluster():
    assert cluster_of("") is None


@pytest.mark.parametrize("text", [
    "worker 0", "[1]", json.dumps({**TWO, "task": {"type": "worker", "index": 2}}),
    json.dumps({**TWO, "task": {"type": "ps", "index": 0}}), json.dumps({**TWO, "task": {}}),
    json.dumps({**TWO, "task": {"type": "chief", "index": 0}}),
])
def test_a_cluster_that_cannot_be(text):
    with pytest.raises(ValueError, match='TF_CONFIG: expected {"cluster".*received'):
        cluster_of(text)


def test_the_number_of_workers_is_gpu_count(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO))
    with pytest.raises(ValueError, match="names 2 workers.*GPU_COUNT = 2, received 1"):
        join(tiny.tiny_config())


def test_without_tf_config_nobody_is_waited_for(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert join(tiny.tiny_config(GPU_COUNT=2)) is None


# --- what they share ---------------------------------------------------------------------------

@pytest.mark.parametrize("value", [None, {"epoch": 3, "name": "größer"}, "x" * 9000, [1.5, True]])
def test_share(value):
    assert together(lambda team: team.share(value if team.chief else "another")) == [value, value]


def test_share_variables():
    values = [np.array([1.5, -2.0], np.float32), np.array([7], np.uint32), np.array(3, np.int64),
              np.array([True, False])]
    given = [[keras.Variable(np.asarray(v * n, v.dtype), dtype=str(v.dtype), trainable=False)
              for v in values] for n in (1, 3)]
    together(lambda team: team.share_variables(given[team.index]))
    for variables in given:
        for variable, value in zip(variables, values, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)


def test_average():
    given = [keras.Variable(np.array([n, 4.0], np.float32)) for n in (1.0, 3.0)]
    together(lambda team: team.average([given[team.index]]))
    for variable in given:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), [2.0, 4.0])


def run_of(team, **knobs):
    """What `agree` looks at: a model of its own for each worker."""
    return SimpleNamespace(config=tiny.tiny_config(**knobs), epoch=4 if team.chief else 0,
                           log_dir=f"logs/{team.index}", checkpoint_path=f"logs/{team.index}/x.h5")


def agree(team, images=3, epochs=5, **knobs):
    """The seed and the model after `agree`."""
    model = run_of(team, **knobs)
    datasets = {"train_dataset": tiny.shapes(images), "val_dataset": None}
    return team.agree(model, datasets, {"epochs": epochs, "layers": "all"}), model


def test_the_chiefs_run_is_that_of_all():
    found = together(lambda team: agree(team, SEED=team.index + 7, LOADER_WORKERS=team.index))
    seeds, models = zip(*found, strict=True)
    assert seeds == (7, 7)
    for model in models:
        assert (model.epoch, model.log_dir, model.checkpoint_path) == (
            4, "logs/0", "logs/0/x.h5")


def test_without_a_seed_all_have_one():
    seeds = together(lambda team: agree(team, SEED=None)[0])
    assert seeds[0] == seeds[1] is not None


@pytest.mark.parametrize(("differing", "words"), [
    (lambda team: {"LEARNING_MOMENTUM": 0.5 + 0.1 * team.index},
     "LEARNING_MOMENTUM is 0.6 for worker 1 and 0.5 for the chief"),
    (lambda team: {"images": 3 + team.index}, "train_dataset is '4 images.*and '3 images"),
    (lambda team: {"epochs": 5 + team.index}, "epochs is 6 for worker 1 and 5 for the chief"),
])
def test_what_differs_is_named(differing, words):
    with pytest.raises(ValueError, match=words):
        together(lambda team: agree(team, **differing(team)))


def test_a_process_alone_agrees_with_itself():
    team = team_of(SimpleNamespace(devices=object()))
    assert (team.chief, team.count, team.index) == (True, 1, 0)
    assert team.agree(None, {}, {}) is None
    assert team.share("word") == "word"


# --- errors ------------------------------------------------------------------------------------

def lone_worker():
    """(Team, its Threads) without a partner."""
    workers = Threads(0, ([None, None], None))
    return Team(workers), workers


def test_an_error_of_this_worker_is_reported():
    team, workers = lone_worker()
    with pytest.raises(KeyError), team.guarded():
        raise KeyError("mine")
    assert workers.reported == "KeyError: 'mine'"


def test_a_lost_worker_is_said_clearly():
    team, workers = lone_worker()
    with pytest.raises(ConnectionError, match=r"worker 0 of 2 .* \(it is gone\)"), team.guarded():
        raise TimeoutError
    assert workers.reported is None


# --- callbacks ---------------------------------------------------------------------------------

def test_the_chief_measures_and_writes():
    stop = keras.callbacks.EarlyStopping("loss")
    meter = MeanAveragePrecision(tiny.shapes(1))
    custom = [meter, stop, BestCheckpoint(), keras.callbacks.CSVLogger("x.csv")]
    kinds = together(lambda team: [type(c) for c in own_callbacks(team, custom)])
    assert kinds[0] == [MeanAveragePrecision, CommonLogs, keras.callbacks.EarlyStopping,
                        BestCheckpoint, keras.callbacks.CSVLogger, CommonEnd]
    assert kinds[1] == [CommonLogs, keras.callbacks.EarlyStopping, CommonEnd]
    assert own_callbacks(Team(), custom) is custom


def statistics_model(train_bn, mean):
    """A model of one batch-norm with this moving mean."""
    model = keras.Sequential([keras.Input((2,)), BatchNorm(train_bn=train_bn)])
    model.layers[0].moving_mean.assign([mean, mean])
    return model


@pytest.mark.parametrize(("train_bn", "expected"), [(None, [2.0, 2.0]), (False, [1.0, 3.0])])
def test_logs_and_statistics_become_common(train_bn, expected):
    models = [statistics_model(train_bn, mean) for mean in (1.0, 3.0)]
    logs = [{"loss": 1.0, "val_mAP": 0.5}, {"loss": 1.0}]

    def end_epoch(team):
        callback = CommonLogs(team)
        callback.set_model(models[team.index])
        callback.on_epoch_end(0, logs[team.index])

    together(end_epoch)
    assert logs[0] == logs[1] == {"loss": 1.0, "val_mAP": 0.5}
    means = [float(keras.ops.convert_to_numpy(m.layers[0].moving_mean)[0]) for m in models]
    assert means == expected


def test_all_stop_with_the_chief():
    models = [SimpleNamespace(stop_training=flag) for flag in (True, False)]

    def end_epoch(team):
        callback = CommonEnd(team)
        callback.set_model(models[team.index])
        callback.on_epoch_end(0, {})

    together(end_epoch)
    assert [model.stop_training for model in models] == [True, True]


# --- shares of a batch -------------------------------------------------------------------------

def test_shares_make_the_batch():
    config = tiny.tiny_config(IMAGES_PER_GPU=4)
    whole, *parts = [TrainingFeed(tiny.shapes(5), config, workers=0, share=share)
                     for share in ((0, 1), (0, 2), (1, 2))]
    for index in (0, 3):
        rows = [part[index] for part in parts]
        for name, array in whole[index].items():
            np.testing.assert_array_equal(np.concatenate([row[name] for row in rows]), array, name)
            assert len(rows[0][name]) == 2
        for part in parts:
            assert part.images_of_batch(index) == whole.images_of_batch(index)


def test_a_batch_without_equal_shares():
    with pytest.raises(ValueError, match="2 images have no 3 equal shares"):
        TrainingFeed(tiny.shapes(1), tiny.tiny_config(), share=(0, 3))


def test_other_backends_have_no_workers():
    with pytest.raises(ValueError, match="names 2 workers.*KERAS_BACKEND=tensorflow"):
        whole_batch.Workers(["a:1", "b:1"], 0)
