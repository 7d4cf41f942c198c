"""Every command of every sample, start to end, with a network that needs a second."""

import csv
import functools
import os
import subprocess
import sys
from pathlib import Path

import made
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrcnn.commands.samples import sample as sample_file
from mrcnn.commands.samples.sample import stages_up_to
from mrcnn.engine.weights import save_weights
from mrcnn.model import MaskRCNN
from mrcnn.presets import with_preset

SAMPLES = {"shapes": "Shapes", "balloon": "Balloon", "coco": "Coco", "nucleus": "Nucleus",
           "voc": "Voc"}
FOLDERS = {
    "shapes": lambda folder: None,
    "balloon": made.balloon_folder,
    "coco": lambda folder: made.coco_folder(folder, [
        ("train", "2014"), ("minival", "2014"), ("valminusminival", "2014"), ("val", "2017"),
        ("train", "2017")]),
    "nucleus": lambda folder: made.nucleus_folder(folder, train=3),
    "voc": made.voc_folder,
}


@pytest.fixture(scope="module", autouse=True)
def compiled_again():
    """Leaves TensorFlow as it was: Run switches between eager and compiled."""
    yield
    tf.config.run_functions_eagerly(False)


class Run:
    """A sample with its data and a trained checkpoint."""

    def __init__(self, name, folder):
        self.name, self.folder, self.models = name, folder, {}
        self.data = folder / "data"
        self.data.mkdir()
        FOLDERS[name](self.data)
        self.checkpoint = self("train", "--weights=none", "--epochs=1", *self.dataset)

    @property
    def dataset(self):
        """The argument that names the data."""
        return [] if self.name == "shapes" else [f"--dataset={self.data}"]

    def __call__(self, *arguments):
        sample = made.tiny(getattr(made.script(self.name), SAMPLES[self.name])())
        if self.name == "shapes":
            sample.PLANS = {"train": (4, 1), "val": (2, 2), "evaluate": (2, 3), "detect": (2, 4)}
        sample.open_model = functools.partial(self.open_model, sample)
        return sample.main([*arguments, f"--logs={self.folder}/logs"])

    def open_model(self, sample, args):
        """The sample's own; to train, run layer by layer, and otherwise compiled only once."""
        tf.config.run_functions_eagerly(args.command == "train")
        if args.command == "train":
            return type(sample).open_model(sample, args)
        if args.weights not in self.models:
            self.models[args.weights] = type(sample).open_model(sample, args)
        return self.models[args.weights]


@pytest.fixture(scope="module", params=SAMPLES)
def trained(request, tmp_path_factory):
    return Run(request.param, tmp_path_factory.mktemp(request.param))


def test_train_writes_a_checkpoint(trained):
    assert os.path.basename(trained.checkpoint) == f"mask_rcnn_{trained.name}_0001.h5"
    assert os.path.isfile(trained.checkpoint)


def test_train_goes_on_from_the_last(tmp_path, capsys):
    trained = Run("nucleus", tmp_path)
    path = trained("--command", "train", "--weights=last", "--epochs=2", *trained.dataset)
    assert os.path.basename(path) == f"mask_rcnn_{trained.name}_0002.h5"
    assert os.path.dirname(path) == os.path.dirname(trained.checkpoint)
    assert "Optimizer state restored" in capsys.readouterr().out


def test_evaluate_and_its_older_name(trained, capsys):
    options = [f"--model={trained.checkpoint}", *trained.dataset]
    numbers = trained("evaluate", *options)
    assert set(numbers) >= {"bbox", "segm"}
    assert len(numbers["segm"]) == 12
    assert trained("--command=test", *options, "--limit=1")["segm"].keys() == numbers["segm"].keys()
    assert "1 of 1 images" in capsys.readouterr().out


def test_detect_in_an_image_and_a_video(trained, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    options = [f"--weights={trained.checkpoint}", f"--output={tmp_path}/o"]
    folder = trained("detect", f"--image={tmp_path}", *options)
    assert os.listdir(folder) == ["a.png"]
    assert Image.open(Path(folder, "a.png")).size == (70, 50)
    video = made.clip(tmp_path / "b.mp4", frames=2)
    trained("detect", f"--video={video}", *options)
    assert len(made.frames_of(tmp_path / "o" / "b.mp4")[0]) == 2


def test_splash_of_an_image_and_a_video(trained, tmp_path):
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "a.png")
    weights = f"--weights={trained.checkpoint}"
    path = trained("splash", f"--image={tmp_path}/a.png", weights)
    assert path == f"{tmp_path}/segment_a.png"
    assert Image.open(path).size == (64, 48)
    video = made.clip(tmp_path / "b.mp4", frames=3)
    path = trained("splash", f"--video={video}", weights)
    assert path == f"{tmp_path}/segmentation_b.mp4"
    assert len(made.frames_of(path)[0]) == 3


def test_detect_in_the_data(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subset = {"nucleus": ["--subset=stage1_test"], "coco": ["--subset=val", "--year=2017"]}
    answer = trained("detect", "--weights=last", *trained.dataset, *subset.get(trained.name, []))
    if trained.name == "shapes":
        assert answer == "shapes.png" and min(Image.open("shapes.png").size) > 200
        return
    assert Path(answer).parts[0] == "results"
    pictures = sorted(path.stem for path in Path(answer).glob("*.png"))
    assert len(pictures) == 2
    if trained.name == "nucleus":
        rows = list(csv.reader(open(Path(answer, "submit.csv"), encoding="utf-8")))
        assert rows[0] == ["ImageId", "EncodedPixels"]
        assert {row[0] for row in rows[1:]} == {"test000", "test001"} == set(pictures)


def test_weights_that_do_not_fit_end_in_one_line(tmp_path):
    trained = Run("shapes", tmp_path)
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "w.h5").write_bytes(b"no weights")
    with pytest.raises(SystemExit, match="^error: .*w.h5"):
        trained("splash", f"--image={tmp_path}/a.png", f"--weights={tmp_path}/w.h5")


def test_coco_of_both_years_and_its_own_weights(tmp_path, monkeypatch):
    run = Run("coco", tmp_path)
    dataset = made.script("coco").Coco().load(
        type("Args", (), {"dataset": run.data, "command": "train", "subset": None, "year": "2014",
                          "download": None}), "train")
    names = {Path(info["path"]).name for info in dataset.image_info}
    assert names == {"train0.jpg", "train1.jpg", "valminusminival0.jpg", "valminusminival1.jpg"}
    monkeypatch.chdir(tmp_path)
    os.rename(run.checkpoint, "mask_rcnn_coco.h5")  # found here, so nothing is downloaded
    Image.new("RGB", (64, 48)).save("a.png")
    assert run("splash", "--image=a.png", "--weights=coco") == "segment_a.png"


def test_coco_weights_serve_another_sample_without_their_heads(tmp_path, monkeypatch, capsys):
    run = Run("coco", tmp_path)
    monkeypatch.chdir(tmp_path)
    os.rename(run.checkpoint, "mask_rcnn_coco.h5")
    (tmp_path / "other").mkdir()
    balloon = Run("balloon", tmp_path / "other")
    balloon("train", "--weights=coco", "--epochs=1", *balloon.dataset)
    out = capsys.readouterr().out
    assert "Weights: mask_rcnn_coco.h5" in out and "mrcnn_class_logits" in out


@pytest.mark.parametrize(("name", "preset", "asked", "heads_known"), [
    ("coco", "paper", ("paper", "resnet50"), True),
    ("coco", "torchvision", ("torchvision", "resnet50"), False),  # 91 classes
    ("balloon", "paper", ("paper", "resnet50"), False),
])
def test_a_school_has_coco_weights_of_its_own(monkeypatch, name, preset, asked, heads_known):
    sample = getattr(made.script(name), SAMPLES[name])()
    monkeypatch.setattr(sample_file, "coco_weights_path", lambda *received: received)
    config = with_preset(sample.config, preset)()
    assert sample._coco_weights(config) == (asked, heads_known)


def test_bad_data_end_in_one_line(tmp_path):
    sample = made.script("balloon").Balloon()
    with pytest.raises(SystemExit, match="error: .*No such file.*via_region_data.json"):
        sample.main(["train", f"--dataset={tmp_path}", "--weights=none"])
    made.balloon_folder(tmp_path / "b")
    path = tmp_path / "b/train/via_region_data.json"
    for text, message in (('{"a": ', "Expecting value"),
                          (path.read_text().replace("polygon", "circle"), "received .'circle'")):
        path.write_text(text)
        with pytest.raises(SystemExit, match=f"error: train: .*{message}"):
            sample.main(["train", f"--dataset={tmp_path}/b", "--weights=none"])


def test_a_script_in_a_process_of_its_own(tmp_path):
    config = made.script("voc").SmallVocConfig()
    save_weights(MaskRCNN("inference", config, str(tmp_path)).keras_model, tmp_path / "w.h5")
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "a.png")
    command = [sys.executable, str(made.ROOT / "samples/voc/voc.py"), "--command", "splash",
               "--small", "--weights=w.h5", "--image=a.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400,
                          env={**os.environ, "PYTHONPATH": str(made.ROOT)}, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1].endswith("instances, written to segment_a.png")
    assert Image.open(tmp_path / "segment_a.png").size == (64, 48)


@pytest.mark.parametrize(("epochs", "expected"), [
    (None, [("heads", 40, 1.0), ("4+", 120, 1.0), ("all", 160, 0.1)]),
    (30, [("heads", 30, 1.0)]), (40, [("heads", 40, 1.0)]),
    (50, [("heads", 40, 1.0), ("4+", 50, 1.0)]),
    (200, [("heads", 40, 1.0), ("4+", 120, 1.0), ("all", 200, 0.1)]),
])
def test_stages(epochs, expected):
    stages = (("heads", 40, 1.0), ("4+", 120, 1.0), ("all", 160, 0.1))
    assert stages_up_to(stages, epochs) == expected
