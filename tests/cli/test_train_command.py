"""`mrcnn train`: what it refuses, how soon, and in which words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands.tiny_runs import labelme_folder, run
from data.formats import tiny_sets

from mrcnn.commands import opening
from mrcnn.commands.training import defaults as training_defaults
from mrcnn.commands.training import plan as training_plan
from mrcnn.commands.training import starting_weights
from mrcnn.commands.training.options import TrainOptions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cats(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return labelme_folder(tmp_path / "cats", 3)


def test_help_teaches():
    code, out = run("train", "--help")
    assert code == 0
    for word in ("Examples:", "--resume", "history.csv", "--weights START", "Exit code 130"):
        assert word in out
    assert run("train")[1].startswith("Usage:")


@pytest.mark.parametrize(("words", "code", "message"), [
    (["--epochs", "3"], 2, "DATA is missing"),
    (["cats", "--epochs", "0"], 2, "0 is not in the range"),
    (["cats", "--resume", "x", "--weights", "none", "--val", "y"], 2,
     "--val, --weights: a run goes on as it began"),
    (["cats", "--set", "NUM_CLASES=2"], 1, "did you mean NUM_CLASSES?"),
    (["cats", "--set", "STAGES=[[all, 5, 1], [heads, 3, 1]]"], 1, "STAGES: expected rows of"),
    (["cats", "--config", "none.yaml"], 1, "no such file: none.yaml"),
    (["cats", "--weights", "none.h5"], 1, "none.h5: no such file or folder"),
    (["cats", "--weights", "cats/0.png"], 1, "cats/0.png: expected a legacy Keras .h5 file"),
    (["cats", "--weights", "none", "--set", "NUM_CLASSES=5"], 1,
     "NUM_CLASSES = 5 is set, but the data have 2 with the background: cat"),
    (["dogs", "--weights", "none"], 1, "no such file or folder: dogs"),
    (["cats", "--weights", "none", "--format", "viaa"], 1, "did you mean 'via'?"),
    (["cats", "--weights", "none", "--val", "dogs"], 1, "no such file or folder: dogs"),
    (["empty", "--weights", "none"], 1, "no annotations of a known format found"),
    (["--resume"], 1, "--resume: no run with a checkpoint in logs"),
    (["cats", "--resume"], 1, "no run called 'cats' with a checkpoint in logs"),
    (["--resume", "cats"], 1, "cats: no checkpoint in this folder"),
    (["cats", "--weights", "none", "--name", "../dogs"], 1, "nearest valid: dogs"),
    (["bare", "--weights", "none"], 1, "not one object in 3 images of the training set"),
])
def test_refusals(cats, words, code, message):
    (cats.parent / "empty").mkdir()
    for number in range(3):
        tiny_sets.image(cats.parent / "bare" / f"{number}.png", number)
    tiny_sets.write(cats.parent / "bare" / "coco.json", {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 24, "height": 24}
                   for i in range(3)],
        "annotations": [], "categories": [{"id": 1, "name": "cat"}]})
    answer, out = run("train", *words)
    assert (answer, message in out) == (code, True), out
    assert "Traceback" not in out and not (cats.parent / "logs").exists()


def test_faults_stop_it_and_the_way_on_is_named(cats):
    (cats / "1.png").write_bytes(b"")
    code, out = run("train", cats, "--weights", "none")
    assert code == 1 and "image-unreadable" in out and "--faulty skip" in out
    options = TrainOptions(data=str(cats), weights="none", faulty="skip")
    plan = training_plan.make_plan(options)
    assert len(plan.data.train.image_ids) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(cats):
    (cats.parent / "locked").mkdir(mode=0o500)
    code, out = run("train", cats, "--weights", "none", "--output", cats.parent / "locked")
    assert code == 1 and "--output" in out


def test_a_file_where_the_output_folder_should_be(cats):
    (cats.parent / "file").write_text("")
    code, out = run("train", cats, "--weights", "none", "--output", "file")
    assert code == 2 and "is a file" in out


def test_coco_weights_that_cannot_be_had(cats, monkeypatch):
    def offline(path):
        raise ConnectionError("no connection to the publisher")

    monkeypatch.setattr(opening, "download_trained_weights", offline)
    code, out = run("train", cats)
    assert code == 1 and "--weights coco: no connection" in out
    assert "--weights FILE" in out and "--weights none" in out


def test_it_refuses_without_loading_tensorflow(cats):
    code = ("import sys\nfrom mrcnn.cli import main\n"
            "try:\n    main(['train', 'cats', '--weights', 'none', '--set', 'NUM_CLASSES=5'])\n"
            "except SystemExit as end:\n"
            "    sys.exit(end.code if 'tensorflow' not in sys.modules else 99)")
    done = subprocess.run([sys.executable, "-c", code], cwd=cats.parent, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1, done
    assert done.stderr.startswith("Error: NUM_CLASSES = 5")


# --- what is chosen -------------------------------------------------------------------------

@pytest.mark.parametrize(("asked", "weights", "said", "gpu", "small"), [
    (None, None, {}, False, False), (None, "none", {}, False, True),
    (None, "none", {}, True, False), (None, "none", {"BACKBONE": "resnet50"}, False, False),
    (True, None, {}, True, True), (False, "none", {}, False, False)])
def test_which_network(asked, weights, said, gpu, small):
    assert training_defaults.is_small(asked, weights, said, gpu)[0] is small


def test_the_plan_of_a_small_run(cats):
    tiny_sets.labelme(cats.parent / "pets")
    plan = training_plan.make_plan(TrainOptions(data=str(cats.parent / "pets"), small=True))
    config = plan.config
    assert (config.NAME, config.NUM_CLASSES, config.BACKBONE) == ("pets", 3, "resnet18")
    assert config.IMAGE_MIN_DIM == config.IMAGE_MAX_DIM == 128  # of images of 24 px
    assert (config.STEPS_PER_EPOCH, config.STAGES) == (20, [["all", 100, 1.0]])
    assert plan.start.kind == "none" and plan.counts == {"cat": 5, "dog": 3}
    assert isinstance(config.SEED, int)
    names = [name for name, _ in plan.lines]
    assert names == ["train", "validate", "network", "start", "anchors", "stages"]


def test_what_is_said_wins(cats):
    options = TrainOptions(
        data=str(cats), small=True, steps=7, epochs=3, name="whiskers", val="none",
        assignments=("RPN_ANCHOR_SCALES=[8, 16, 32, 64, 128]", "IMAGE_MAX_DIM=192", "SEED=4"))
    plan = training_plan.make_plan(options)
    config = plan.config
    assert (config.STEPS_PER_EPOCH, config.NAME, config.SEED) == (7, "whiskers", 4)
    assert config.RPN_ANCHOR_SCALES == (8, 16, 32, 64, 128)
    assert (config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM) == (192, 192)
    assert plan.stages() == [("all", 3, 1.0)] and plan.epochs == 3
    assert "anchors" not in [name for name, _ in plan.lines]


def test_stages_from_trained_weights(cats, tmp_path, monkeypatch):
    from commands.test_opening import heads

    monkeypatch.setattr(starting_weights, "coco_weights",
                        lambda *school: str(heads(tmp_path / "coco.h5", 81)))
    monkeypatch.setattr(training_plan, "has_gpu", lambda: True)
    plan = training_plan.make_plan(TrainOptions(data=str(cats), epochs=10))
    assert plan.stages() == [("heads", 4, 1.0), ("all", 10, 0.1)]
    assert plan.config.IMAGES_PER_GPU == 2 and plan.config.OPTIMIZER == "sgd"
    monkeypatch.setattr(training_plan, "has_gpu", lambda: False)
    plan = training_plan.make_plan(TrainOptions(data=str(cats)))
    assert plan.config.IMAGES_PER_GPU == 1 and plan.config.STEPS_PER_EPOCH == 20


def test_the_command_line_is_written_as_it_can_be_given():
    options = TrainOptions(data="a b", val="c", small=False, epochs=3, assignments=("X=1",),
                           map_every=2)
    assert options.argv() == ["mrcnn", "train", "a b", "--val", "c", "--epochs", "3",
                              "--no-small", "--map-every", "2", "--set", "X=1"]
