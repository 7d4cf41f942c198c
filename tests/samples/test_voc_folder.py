"""A small folder in Pascal VOC's layout, through check, train, evaluate and detect by commands."""

import json
from pathlib import Path

import made
import numpy as np
import pytest
import tensorflow as tf
from commands.tiny_runs import run, tiny_yaml
from PIL import Image

from mrcnn.commands.training.run_files import read_run
from mrcnn.data.check.checking import check_dataset
from mrcnn.data.formats.loading import load_dataset
from mrcnn.data.formats.voc import VOC_CLASSES
from mrcnn.engine.evaluation_truth import void_of
from mrcnn.presets import VocConfig

voc = made.script("voc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """VOC2012 with 4 images to train on and 2 to validate on, each with a hidden object."""
    root = made.voc_folder(tmp_path_factory.mktemp("voc"), train=4, val=2, hidden=True)
    return root / "VOCdevkit" / "VOC2012"


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """The run folder of `mrcnn train --preset voc`, two steps with a tiny network."""
    place = tmp_path_factory.mktemp("run")
    tf.config.run_functions_eagerly(True)
    try:
        code, out = run("train", folder, "--preset", "voc", "--weights", "none", "--config",
                        tiny_yaml(place), "--epochs", 1, "--steps", 2, "--output", place / "logs",
                        "--map-every", 0, "--name", "tiny")
    finally:
        tf.config.run_functions_eagerly(False)
    assert code == 0, out
    assert "preset  voc; but for" in out and "4 images (voc, train)" in out
    [logs] = (place / "logs").iterdir()
    return logs


# --- what is read -----------------------------------------------------------------------------


def test_the_lists_and_the_classes(folder):
    for subset, count in (("train", 4), ("val", 2), ("trainval", 6)):
        dataset = load_dataset(folder, subset=subset)
        assert len(dataset.image_ids) == count
        assert dataset.class_names[1:] == list(VOC_CLASSES)
    assert list(VOC_CLASSES) == voc.CLASSES
    assert VocConfig.NUM_CLASSES == dataset.num_classes == voc.VocConfig().NUM_CLASSES


def test_void_is_no_object_and_no_part_of_one(folder):
    dataset = load_dataset(folder, subset="train")
    for image_id in dataset.image_ids:
        info = dataset.image_info[image_id]
        labels = np.array(Image.open(folder / "SegmentationObject" / f"{info['id']}.png"))
        classes = np.array(Image.open(folder / "SegmentationClass" / f"{info['id']}.png"))
        masks, class_ids = dataset.load_mask(image_id)
        assert not masks[labels == 255].any() and (labels[:9, :9] == 255).all()
        assert masks.any(2).sum() == ((labels > 0) & (labels < 255)).sum()
        for k, class_id in enumerate(class_ids):  # the two kinds of label images agree
            assert set(classes[masks[..., k]]) == {class_id}
        from pycocotools import mask as rle

        np.testing.assert_array_equal(rle.decode(void_of(dataset, image_id)), labels == 255)


def test_a_hidden_object_is_told_and_its_image_trains(folder):
    report = check_dataset(load_dataset(folder, subset="train"), cache=False)
    kinds = [finding.kind for finding in report.findings if finding.is_error]
    assert kinds == []
    hidden = [finding for finding in report.findings if finding.kind == "entry-ignored"]
    assert len(hidden) == 4 and "hides it under void" in hidden[0].message


def test_an_object_that_nothing_hides_is_a_fault(tmp_path):
    root = made.voc_folder(tmp_path, train=1, val=1, hidden=True) / "VOCdevkit/VOC2012"
    for path in (root / "SegmentationObject").glob("*.png"):
        labels = np.array(Image.open(path))
        Image.fromarray(np.where(labels == 255, 0, labels).astype(np.uint8)).save(path)
    report = check_dataset(load_dataset(root, subset="train"), cache=False)
    assert [finding.kind for finding in report.findings if finding.is_error] == ["mask-empty"]


# --- the commands -----------------------------------------------------------------------------


def test_check(folder):
    code, out = run("check", folder, "--subset", "train")
    assert code == 0, out
    assert "entry-ignored" in out


def test_train_keeps_the_preset(trained):
    config = (trained / "config.yaml").read_text()
    assert "PRESET: voc\n" in config and "NUM_CLASSES: 21\n" in config
    assert read_run(trained)["options"]["preset"] == "voc"
    code, out = run("info", trained)
    assert code == 0 and "preset  voc" in out
    assert json.loads(run("info", trained, "--json")[1])["preset"] == "voc"


def test_resume_under_the_same_preset_alone(trained):
    code, out = run("train", "--resume", trained, "--preset", "voc")
    assert code == 2 and "--preset: a run goes on as it began" in out
    code, out = run("train", "--resume", trained, "--set", "PRESET=paper")
    assert code == 1 and "was trained under 'voc'" in out
    code, out = run("train", "--resume", trained, "--set", "PRESET=voc")
    assert code == 0 and "Nothing left to train" in out


def test_evaluate_has_vocs_numbers(trained, folder, tmp_path):
    code, out = run("evaluate", trained, folder, "--output", tmp_path / "out")
    assert code == 0, out
    assert "Pascal VOC, AP of masks" in out and "IoU 0.7" in out
    numbers = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert set(numbers["voc"]) == {"0.5", "0.7"} and 0 <= numbers["voc"]["0.5"]["mAP"] <= 1
    assert numbers["images_evaluated"] == 2
    assert "VOC AP at IoU 0.7" in (tmp_path / "out/report.html").read_text()


def test_detect(trained, folder, tmp_path):
    [image] = (folder / "JPEGImages").glob("*_000005.jpg")
    code, out = run("detect", trained, image, "--output", tmp_path / "out")
    assert code == 0, out
    assert any(path.is_file() for path in Path(tmp_path, "out").rglob("*"))


def test_another_preset_than_the_checkpoints_is_refused(trained, folder):
    code, out = run("evaluate", trained, folder, "--set", "PRESET=torchvision")
    assert code == 1 and "preset 'torchvision'" in out and "was trained under 'voc'" in out


# --- the sample -------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "preset", "stages", "rate"), [
    ([], "voc", (("heads", 10, 1.0), ("4+", 25, 1.0), ("all", 35, 0.1)), 0.001),
    (["--preset=matterport"], "voc", (("heads", 10, 1.0), ("4+", 25, 1.0), ("all", 35, 0.1)),
     0.001),
    (["--preset=paper"], "voc+paper", (("all", 35, 1.0),), 0.0025),
    (["--preset=voc+torchvision", "--epochs=3"], "voc+torchvision", (("all", 3, 1.0),), 0.0025),
    (["--preset=paper", "--small"], "voc+paper", (("all", 10, 1.0),), 0.001),
])
def test_the_samples_preset(folder, words, preset, stages, rate):
    sample = voc.Voc()
    args = voc.commands.samples.options.parse(
        sample, ["train", f"--dataset={folder}", "--weights=none", *words])
    config = sample.make_config(args)
    assert (config.PRESET, config.STAGES, config.LEARNING_RATE) == (preset, stages, rate)
    assert config.FREEZE_AT == 0 and config.FREEZE_BN is False  # from random weights
    assert config.WARMUP_STEPS <= 100
    assert (config.ROI_ALIGN == "roi_align") == ("+" in preset)
    config.validate()


def test_the_sample_evaluates_its_own_way(folder, capsys):
    dataset = voc.Voc().load(
        type("Args", (), {"dataset": folder, "year": "2012", "download": None}), "val")
    numbers = voc.commands.evaluate(made.Knowing(dataset), dataset)
    assert numbers["voc_ap50"] == numbers["voc_ap70"] == 1.0
    assert "(3 classes)" in capsys.readouterr().out


def test_the_sample_trains_and_evaluates_under_a_school(folder, tmp_path, capsys):
    sample = made.tiny(voc.Voc())
    words = [f"--dataset={folder}", "--preset=paper", f"--logs={tmp_path}"]
    tf.config.run_functions_eagerly(True)
    try:
        path = sample.main(["train", *words, "--weights=none", "--epochs=1"])
        assert "Preset voc+paper: what differs" in capsys.readouterr().out
        numbers = sample.main(["evaluate", *words, f"--weights={path}"])
    finally:
        tf.config.run_functions_eagerly(False)
    assert set(numbers) >= {"bbox", "segm", "voc_ap50", "voc_ap70"}
    code, out = run("info", path)
    assert code == 0 and "preset  voc+paper" in out
