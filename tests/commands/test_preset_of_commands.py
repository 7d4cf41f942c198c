"""Presets on the command line: PRESET in YAML, in KEY=VALUE, by --preset; and what wins."""

import numpy as np
import pytest
from commands.tiny_runs import labelme_folder, run
from data.formats import tiny_sets

from mrcnn.commands import opening, schools
from mrcnn.commands.coco_names import COCO_NAMES, COCO_NAMES_91
from mrcnn.commands.reading import DataSource
from mrcnn.commands.settings import load_config, read_settings
from mrcnn.commands.training import plan as training_plan
from mrcnn.commands.training import running, starting_weights
from mrcnn.commands.training.options import TrainConfig, TrainOptions
from mrcnn.config import Config
from mrcnn.data import augmenters
from mrcnn.engine.zoo.reading import ZooWeights
from mrcnn.presets import PaperConfig, TorchvisionConfig

CLASSES = """
from mrcnn.config import Config
from mrcnn.presets import PaperConfig

class Plain(Config):
    IMAGE_MIN_DIM = 512

class OnPaper(PaperConfig):
    IMAGE_MIN_DIM = 512
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "own_classes.py").write_text(CLASSES)
    (tmp_path / "paper.yaml").write_text("IMAGE_MIN_DIM: 640\nPRESET: paper\nWARMUP_STEPS: 5\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "words", "preset", "side"), [
    (None, ["PRESET=paper"], "paper", 800), ("paper.yaml", [], "paper", 640),
    ("paper.yaml", ["PRESET=torchvision"], "torchvision", 640),
    (None, ["IMAGE_MIN_DIM=700", "PRESET=voc+paper"], "voc+paper", 700),
    ("own_classes.py:Plain", ["PRESET=paper"], "paper", 512),
    ("own_classes.py:OnPaper", [], "paper", 512),
    ("own_classes.py:OnPaper", ["PRESET=paper"], "paper", 512),
    (None, ["PRESET=matterport"], "matterport", 800), (None, [], "matterport", 800),
])
def test_where_a_preset_may_be_said(folder, source, words, preset, side):
    config = load_config(source, words)
    assert (config.PRESET, config.IMAGE_MIN_DIM) == (preset, side)
    assert (config.ROI_ALIGN == "roi_align") == (preset != "matterport")


def test_a_preset_is_stronger_than_the_data_and_weaker_than_words(folder):
    settings = read_settings("paper.yaml", ["IMAGE_MAX_DIM=1000"])
    config = settings.config({"IMAGE_MAX_DIM": 256, "TRAIN_ROIS_PER_IMAGE": 8, "NAME": "x"},
                             {"IMAGE_MIN_DIM": 1, "FREEZE_AT": 0})
    assert (config.IMAGE_MAX_DIM, config.TRAIN_ROIS_PER_IMAGE, config.NAME) == (1000, 512, "x")
    assert (config.IMAGE_MIN_DIM, config.FREEZE_AT, config.WARMUP_STEPS) == (640, 0, 5)
    assert settings.said()["TRAIN_ROIS_PER_IMAGE"] == 512
    assert settings.said(of_preset=False) == {"IMAGE_MIN_DIM": 640, "WARMUP_STEPS": 5,
                                              "IMAGE_MAX_DIM": 1000}


def test_a_class_on_a_preset_lets_what_it_sets_itself_win(folder):
    settings = read_settings("own_classes.py:OnPaper", base=TrainConfig)
    config = settings.config({"IMAGE_MAX_DIM": 256}, {"FREEZE_AT": 0, "IMAGE_MIN_DIM": 64})
    assert (config.IMAGE_MAX_DIM, config.FREEZE_AT, config.IMAGE_MIN_DIM) == (1333, 0, 512)
    assert settings.preset == "paper" and "FREEZE_AT" in settings.of_preset


@pytest.mark.parametrize(("source", "words", "message"), [
    (None, ["PRESET=papper"], r"--set PRESET=papper: preset = 'papper': .*nearest valid: paper"),
    ("own_classes.py:OnPaper", ["PRESET=torchvision"],
     r"--set PRESET=torchvision: OnPaper is built on the preset 'paper'; it cannot be put on"),
    (None, ["PRESET=3"], r"--set PRESET=3: PRESET = 3: must be text"),
    (None, ["PRESET=null"], "expected one of matterport"),
])
def test_refusals(folder, source, words, message):
    with pytest.raises(ValueError, match=message):
        load_config(source, words)


# --- mrcnn train ------------------------------------------------------------------------------


@pytest.fixture
def pets(folder):
    tiny_sets.labelme(folder / "pets")
    labelme_folder(folder / "cats", 20)
    return str(folder / "cats")


def planned(data, **options):
    options = {"weights": "none", **options}
    return training_plan.make_plan(TrainOptions(data=data, **options))


def test_paper_trains_twelve_epochs_of_every_image(pets):
    plan = planned(pets, preset="paper")
    config = plan.config
    assert plan.stages() == [("all", 12, 1.0)] and config.PRESET == "paper"
    images = len(plan.data.train.image_ids)
    assert config.STEPS_PER_EPOCH == images // config.BATCH_SIZE
    assert (config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.BACKBONE) == (800, 1333, "resnet50")
    assert config.RPN_ANCHOR_SCALES == (32, 64, 128, 256, 512) and config.OPTIMIZER == "sgd"
    assert config.LEARNING_RATE == pytest.approx(0.00125 * config.BATCH_SIZE)
    assert config.WARMUP_STEPS == int(0.1 * 12 * config.STEPS_PER_EPOCH)
    assert config.NUM_CLASSES == 2
    [line] = [text for name, text in plan.lines if name == "preset"]
    assert line == "paper; but for FREEZE_AT, FREEZE_BN, LEARNING_RATE, WARMUP_STEPS"


@pytest.mark.parametrize(("options", "stages", "steps"), [
    ({"preset": "paper", "epochs": 5, "steps": 7}, [("all", 5, 1.0)], 7),
    ({"preset": "torchvision"}, [("all", 26, 1.0)], 18),
    ({"preset": "voc+paper"}, [("all", 24, 1.0)], 18),
    ({"preset": "voc", "small": False}, [("all", 24, 1.0)], 20),
    ({"assignments": ("PRESET=paper", "STAGES=[[heads, 2, 1], [all, 3, 0.5]]")},
     [("heads", 2, 1), ("all", 3, 0.5)], 18),
])
def test_what_is_said_wins_over_the_recipe(pets, options, stages, steps):
    plan = planned(pets, **options)
    assert (plan.stages(), plan.config.STEPS_PER_EPOCH) == (stages, steps)


@pytest.mark.parametrize(("options", "steps"), [
    ({"assignments": ("OPTIMIZER=adam",), "small": False, "epochs": 2}, 36),
    ({"assignments": ("STAGES=[[heads, 1, 1], [all, 2, 0.1]]", "STEPS_PER_EPOCH=100")}, 200),
    ({"small": True, "epochs": 1, "steps": 20}, 20), ({"epochs": 2, "steps": 10}, 20),
    ({"small": True, "epochs": 1, "steps": 20, "assignments": ("OPTIMIZER=sgd",)}, 20),
])
def test_the_warm_up_is_a_tenth_of_the_run_at_most(pets, options, steps):
    assert planned(pets, preset="paper", **options).config.WARMUP_STEPS == int(0.1 * steps)


def test_random_weights_are_not_frozen(pets):
    config = planned(pets, preset="paper").config
    assert (config.FREEZE_AT, config.FREEZE_BN, config.TRAIN_BN) == (0, False, None)
    config = planned(pets, preset="paper", assignments=("FREEZE_AT=1",)).config
    assert (config.FREEZE_AT, config.FREEZE_BN) == (1, False)


def test_a_light_network_under_a_school(pets):
    config = planned(pets, preset="paper", small=True).config
    assert (config.BACKBONE, config.PRESET, config.ROI_ALIGN) == ("resnet18", "paper", "roi_align")
    assert (config.OPTIMIZER, config.LEARNING_RATE, config.STAGES) == (
        "adamw", 0.001, [["all", 100, 1.0]])
    assert config.IMAGE_MIN_DIM == config.IMAGE_MAX_DIM == 128
    config.validate()


@pytest.mark.parametrize(("options", "asked"), [
    ({"preset": "paper"}, ("imagenet", "caffe", "resnet50")),
    ({"preset": "torchvision"}, ("imagenet", "pytorch", "resnet50")),
    ({"preset": "paper", "assignments": ("BACKBONE=resnet101",)},
     ("imagenet", "caffe", "resnet101")),
    ({"preset": "voc"}, ("coco", "matterport", "resnet50")),
    ({}, ("coco", "matterport", "resnet50")),
    ({"weights": "coco", "preset": "voc+paper"}, ("coco+paper", "caffe", "resnet50")),
    ({"weights": "coco+torchvision"}, ("coco+torchvision", "pytorch", "resnet50")),
])
def test_which_published_weights_a_school_starts_from(pets, monkeypatch, options, asked):
    received = []

    def found(*arguments):
        received.append(arguments)
        return starting_weights.Start("imagenet", "weights.h5")

    monkeypatch.setattr(training_plan, "find_weights", found)
    planned(pets, **{"weights": None, **options})
    assert received == [asked]


def test_weights_of_another_school_are_refused_before_they_are_fetched(pets):
    with pytest.raises(ValueError, match="preset 'paper': coco.torchvision was trained under"):
        planned(pets, weights="coco+torchvision", preset="paper")
    with pytest.raises(ValueError, match="coco.papper: expected .*nearest valid: coco.paper"):
        planned(pets, weights="coco+papper")
    with pytest.raises(ValueError, match="coco.voc: expected coco or one of"):
        planned(pets, weights="coco+voc")
    code, out = run("detect", "coco+papper", "a.jpg")
    assert code == 1 and "nearest valid: coco+paper" in out


def test_published_weights_of_a_school(pets, zoo_file, monkeypatch):
    path = zoo_file("published.pth", "torchvision", 91)
    monkeypatch.setattr(opening, "coco_weights_path", lambda *asked: str(path))
    assert opening.describe("coco+torchvision").path == str(path)
    plan = planned(pets, weights="coco", preset="torchvision")
    assert (plan.config.PRESET, plan.config.BACKBONE) == ("torchvision", "resnet50")
    assert plan.start.path == str(path) and "trained on COCO" in dict(plan.lines)["start"]


def test_a_school_keeps_what_its_backbone_has_learned(pets, monkeypatch):
    monkeypatch.setattr(training_plan, "find_weights",
                        lambda *asked: starting_weights.Start("imagenet", "weights.h5"))
    config = planned(pets, weights="imagenet", preset="paper").config
    assert (config.FREEZE_AT, config.FREEZE_BN, config.TRAIN_BN) == (2, True, False)


def test_without_a_preset_nothing_has_changed(pets):
    plan = planned(pets, small=False)
    assert plan.config.PRESET == "matterport"
    assert "preset" not in [name for name, _ in plan.lines]
    assert schools.school_of("voc") is None and schools.school_of("voc+paper") == "paper"


def test_the_words_on_the_command_line(pets):
    assert "--preset NAME" in run("train", "--help")[1]
    code, out = run("train", pets, "--preset", "papper", "--weights", "none")
    assert code == 1 and "nearest valid: paper" in out
    assert TrainOptions(data="a", preset="paper").argv() == ["mrcnn", "train", "a", "--preset",
                                                             "paper"]


@pytest.mark.parametrize(("preset", "asked", "kind"), [
    ("matterport", None, augmenters.Compose), ("paper", None, augmenters.FlipLeftRight),
    ("voc", None, augmenters.Compose), ("paper", "standard", augmenters.Compose),
    ("matterport", "mirror", augmenters.FlipLeftRight), ("paper", "none", type(None)),
])
def test_a_school_mirrors_alone(preset, asked, kind):
    config = load_config(assignments=[f"PRESET={preset}"])
    made = running._augmentation(config, TrainOptions(augment=asked))
    assert type(made) is kind


@pytest.mark.parametrize(("optimizer", "batch", "steps", "expected"), [
    ("sgd", 2, 90000, {"LEARNING_RATE": 0.0025, "WARMUP_STEPS": 1000}),
    ("sgd", 16, 90000, {"LEARNING_RATE": 0.02, "WARMUP_STEPS": 1000}),
    ("sgd", 1, 500, {"LEARNING_RATE": 0.00125, "WARMUP_STEPS": 50}),
    ("adamw", 4, 500, {"LEARNING_RATE": 0.001, "WARMUP_STEPS": 50}),
])
def test_the_rate_goes_with_the_batch(optimizer, batch, steps, expected):
    config = PaperConfig()
    config.OPTIMIZER, config.IMAGES_PER_GPU = optimizer, batch
    assert schools.run_knobs(config, steps) == pytest.approx(expected)


# --- weights that bring their preset ---------------------------------------------------------


@pytest.fixture
def zoo_file(folder, monkeypatch):
    """Writes a file that is read as another zoo's, of some classes."""
    def write(name, zoo, classes, epsilon=None):
        def array(*shape):
            return np.zeros(shape, np.float32)

        blocks = ["res4a_branch2c", *(f"res4{letter}_branch2a" for letter in "abcdef")]
        arrays = {("conv1", "conv1", "kernel"): array(7, 7, 3, 64),
                  **{(name, name, "kernel"): array(1, 1, 4, 4) for name in blocks},
                  ("mrcnn_class_logits", "mrcnn_class_logits", "bias"): array(classes),
                  ("mrcnn_mask", "mrcnn_mask", "bias"): array(classes)}
        path = folder / name
        path.write_bytes(b"\x80\x02 zoo")
        file = ZooWeights(str(path), [key[0] for key in arrays], arrays, {}, zoo=zoo,
                          epsilon=epsilon)
        monkeypatch.setattr(opening, "is_zoo_file", lambda one: str(one) == str(path))
        monkeypatch.setattr(opening, "read_zoo", lambda one: file)
        return path
    return write


@pytest.mark.parametrize(("zoo", "classes", "preset", "names"), [
    ("torchvision", 91, TorchvisionConfig, COCO_NAMES_91),
    ("detectron2", 81, PaperConfig, COCO_NAMES), ("torchvision", 3, TorchvisionConfig, None),
])
def test_what_another_zoos_file_is(zoo_file, zoo, classes, preset, names):
    path = zoo_file("model.pth", zoo, classes, epsilon=1e-5)
    found = opening.describe(path)
    assert (found.zoo, found.num_classes, found.backbone) == (zoo, classes, "resnet50")
    assert found.config.PRESET == preset.PRESET and found.config.NUM_CLASSES == classes
    assert found.config.BATCH_NORM_EPSILON == 1e-5 and found.config.ROI_ALIGN == "roi_align"
    assert found.config.ROI_ALIGN_SAMPLING_RATIO == (0 if zoo == "detectron2" else 2)
    assert found.class_names == (list(names) if names else None)
    config = opening.inference_config(found, None, ["DETECTION_MIN_CONFIDENCE=0.3"])
    assert (config.DETECTION_MIN_CONFIDENCE, config.PRESET) == (0.3, preset.PRESET)
    with pytest.raises(ValueError, match="preset 'voc': .*model.pth was trained under"):
        opening.inference_config(found, None, ["PRESET=voc"])
    code, out = run("info", path)
    assert code == 0 and f"weights of {zoo}" in out and f"preset  {preset.PRESET}" in out


def test_classes_by_their_number_in_coco():
    """torchvision counts by COCO's ids: 1 person, 13 stop sign, 90 toothbrush."""
    assert len(COCO_NAMES_91) == 91 and len(set(COCO_NAMES_91)) == 91
    assert [COCO_NAMES_91[i] for i in (0, 1, 13, 90)] == ["BG", "person", "stop sign",
                                                          "toothbrush"]
    assert [name for name in COCO_NAMES_91 if not name.startswith("unused")] == [*COCO_NAMES]


def test_a_coco_set_is_read_by_the_names_of_the_file(zoo_file, coco_dir):
    found = opening.describe(zoo_file("model.pth", "torchvision", 91))
    dataset = DataSource(str(coco_dir), subset="val2017").load_for(found, "val2017")
    assert dataset.class_names == list(COCO_NAMES_91)
    usual = DataSource(str(coco_dir), subset="val2017").load("val2017")
    assert usual.num_classes == 81
    seen = 0
    for image_id in usual.image_ids:
        for mine, theirs in zip(dataset.instances(image_id), usual.instances(image_id),
                                strict=True):
            assert mine.class_id == usual.class_info[theirs.class_id]["id"]  # COCO's number
            seen += 1
    assert seen > 50


def test_training_goes_on_under_the_preset_of_the_weights(pets, zoo_file):
    path = zoo_file("model.pth", "torchvision", 91)
    plan = planned(pets, weights=str(path))
    config = plan.config
    assert (config.PRESET, config.RESNET_STYLE, config.NUM_CLASSES) == ("torchvision", "pytorch", 2)
    assert (config.FREEZE_AT, config.FREEZE_BN, config.BACKBONE) == (2, True, "resnet50")
    assert plan.stages() == [("all", 26, 1.0)]
    assert "for other classes" in dict(plan.lines)["start"]
    sizes = ("IMAGE_MIN_DIM=128", "IMAGE_MAX_DIM=160")  # what the other mode would refuse
    assert planned(pets, weights=str(path), assignments=sizes).config.IMAGE_MAX_DIM == 160
    with pytest.raises(ValueError, match="preset 'paper': .*trained under 'torchvision'"):
        planned(pets, weights=str(path), preset="paper")
    assert planned(pets, weights=str(path), preset="voc+torchvision").config.PRESET == (
        "voc+torchvision")


def test_every_knob_that_weights_bring_is_a_knob():
    assert all(hasattr(Config, name) for name in starting_weights.ARCHITECTURE)
