"""Presets: the published numbers, which class wins, JSON, display, refusals."""

import json
import math

import numpy as np
import pytest

from mrcnn import presets
from mrcnn.config import KNOBS, Config
from mrcnn.presets import (
    EPOCHS,
    PRESETS,
    PaperConfig,
    TorchvisionConfig,
    VocConfig,
    epochs_of,
    parts,
    preset,
    with_preset,
)

# What detectron2 and torchvision have in common: their configuration files and signatures.
BOTH = {
    "IMAGE_MIN_DIM": 800, "IMAGE_MAX_DIM": 1333,
    "RPN_ANCHOR_SCALES": (32, 64, 128, 256, 512), "RPN_ANCHOR_STRIDE": 1,
    "RPN_BBOX_STD_DEV": [1, 1, 1, 1],  # box weights (1, 1, 1, 1)
    "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],  # box weights (10, 10, 5, 5)
    "BBOX_XFORM_CLIP": 4.135166556742356,  # log(1000 / 16)
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 256, "RPN_NMS_THRESHOLD": 0.7,
    "RPN_LOW_QUALITY_MATCHES": True, "RPN_NMS_PER_LEVEL": True,
    "PRE_NMS_LIMIT_TRAINING": 2000, "PRE_NMS_LIMIT": 1000, "POST_NMS_ROIS_INFERENCE": 1000,
    "TRAIN_ROIS_PER_IMAGE": 512, "ROI_POSITIVE_RATIO": 0.25, "PROPOSAL_APPEND_GT": True,
    "ROI_BALANCED_SAMPLER": True, "POOL_SIZE": 7, "MASK_SHAPE": [28, 28],
    "ROI_ALIGN": "roi_align", "FPN_CLASSIF_FC_LAYERS_SIZE": 1024, "TOP_DOWN_PYRAMID_SIZE": 256,
    "RPN_CONV_CHANNELS": 256, "MASK_CONV_CHANNELS": 256, "HEADS_BATCH_NORM": False,
    "HEADS_SMALL_INIT": True,
    "DETECTION_MIN_CONFIDENCE": 0.05, "DETECTION_NMS_THRESHOLD": 0.5,
    "DETECTION_MAX_INSTANCES": 100, "DETECTION_MULTI_LABEL": True, "MASK_PASTE_FRAME": True,
    "FREEZE_BN": True, "FREEZE_AT": 2, "USE_MINI_MASK": False,
    "BBOX_LOSS_NORMALIZER": "sample", "BOX_NORMALIZATION": "edges", "FEATURES": "fpn",
    "LEARNING_MOMENTUM": 0.9, "WEIGHT_DECAY": 0.0001, "WEIGHT_DECAY_MODE": "l2",
    "WARMUP_STEPS": 1000, "LR_SCHEDULE": "steps", "OPTIMIZER": "sgd",
    "GRADIENT_CLIP_NORM": None,
    "LEARNING_RATE": 0.0025,  # 0.02 for 16 images a step, for the two of IMAGES_PER_GPU
    "IMAGES_PER_GPU": 2, "BACKBONE": "resnet50",
}
PAPER = {  # detectron2: Base-RCNN-FPN.yaml over its defaults
    "RESNET_STYLE": "caffe", "BATCH_NORM_EPSILON": 1e-5, "ROI_ALIGN_ALIGNED": True,
    "RPN_ANCHOR_ROUNDING": False, "RPN_MIN_SIZE": 0, "DETECTION_MIN_SIZE": 0,
    "POST_NMS_ROIS_TRAINING": 1000, "RPN_SMOOTH_L1_BETA": 0.0, "IMAGE_STD": 1.0,
    "MEAN_PIXEL": [123.675, 116.28, 103.53], "IMAGE_RESIZE_MODE": "shortest_edge",
}
TORCHVISION = {  # its signatures, and references/detection
    "RESNET_STYLE": "pytorch", "BATCH_NORM_EPSILON": 0.0, "ROI_ALIGN_ALIGNED": False,
    "ROI_ALIGN_SAMPLING_RATIO": 2, "RPN_ANCHOR_ROUNDING": True, "RPN_MIN_SIZE": 1e-3,
    "DETECTION_MIN_SIZE": 1e-2, "POST_NMS_ROIS_TRAINING": 2000, "RPN_SMOOTH_L1_BETA": 1 / 9,
    "ROI_SMOOTH_L1_BETA": 1 / 9, "IMAGE_STD": [58.395, 57.12, 57.375],  # 255 x 0.229 ...
    "MEAN_PIXEL": [123.675, 116.28, 103.53],  # 255 x 0.485, 0.456, 0.406
    "IMAGE_RESIZE_MODE": "shortest_edge_floor", "LR_STEPS": (16 / 26, 22 / 26),
}
VOC = {
    "NUM_CLASSES": 21, "STEPS_PER_EPOCH": 732, "WARMUP_STEPS": 100, "LR_STEPS": (2 / 3, 8 / 9),
    "IMAGE_MIN_DIM": 600, "IMAGE_MAX_DIM": 832, "FAULTY_IMAGES": "skip",
}


class Fruit(Config):
    NAME = "fruit"
    NUM_CLASSES = 1 + 5
    TRAIN_ROIS_PER_IMAGE = 64


def check(config, expected):
    for knob, value in expected.items():
        np.testing.assert_allclose(
            getattr(config, knob), value, rtol=1e-12, err_msg=knob) if isinstance(
                value, (float, list, tuple)) else np.testing.assert_equal(
                    getattr(config, knob), value, err_msg=knob)


@pytest.mark.parametrize(("name", "expected"), [
    ("paper", {**BOTH, **PAPER}), ("torchvision", {**BOTH, **TORCHVISION}), ("voc", VOC),
    ("voc+paper", {**BOTH, **PAPER, **VOC}), ("voc+torchvision", {**BOTH, **TORCHVISION, **VOC}),
])
def test_numbers_of_the_recipes(name, expected):
    config = preset(name)()
    assert config.PRESET == name
    check(config, expected)


def test_anchors_are_in_the_order_of_the_published_files():
    """Their ratios are height over width, 0.5 first; here they are width over height."""
    assert [1 / ratio for ratio in PaperConfig.RPN_ANCHOR_RATIOS] == [0.5, 1, 2]


def test_matterport_is_the_default_and_sets_nothing():
    assert preset("matterport") is Config and Config().PRESET == "matterport"
    assert Config().differences() == {}


def test_a_preset_sets_knobs_alone():
    for cls in PRESETS.values():
        own = {name for owner in cls.__mro__ if owner is not Config
               for name in vars(owner) if name[:1].isupper()}
        assert own - {"PRESET"} <= set(KNOBS) - {"PRESET"} if cls is not Config else True


@pytest.mark.parametrize("name", ["paper", "torchvision", "voc+paper"])
def test_the_mean_of_a_class_counts_more(name):
    class Infrared(Config):
        MEAN_PIXEL = [10.0, 20, 30]

    config = with_preset(Infrared, name)()
    np.testing.assert_array_equal(config.mean_pixel, [10, 20, 30])
    np.testing.assert_array_equal(config.IMAGE_MEAN, [10, 20, 30])
    config = preset(name)()
    config.MEAN_PIXEL = 5.0
    np.testing.assert_array_equal(config.mean_pixel, [5, 5, 5])
    assert with_preset(Infrared, name) is with_preset(Infrared, name)


def test_limits_of_a_preset_follow_the_number_of_objects():
    config = PaperConfig()
    config.MAX_OBJECTS_PER_IMAGE = 1500
    for limit, least in (("DETECTION_MAX_INSTANCES", 1500), ("POST_NMS_ROIS_INFERENCE", 7500),
                         ("POST_NMS_ROIS_TRAINING", 15000), ("TRAIN_ROIS_PER_IMAGE", 1500),
                         ("PRE_NMS_LIMIT", 9000), ("PRE_NMS_LIMIT_TRAINING", 9000)):
        assert getattr(config, limit) == least, limit
    again = Config.from_dict(config.to_dict())
    assert again.to_dict() == config.to_dict()
    assert PaperConfig().differences()["PRE_NMS_LIMIT"] == (1000, 6000)


def test_epochs():
    assert EPOCHS == {"paper": 12, "torchvision": 26, "voc": 24}
    names = ("matterport", "paper", "torchvision", "voc", "voc+paper")
    assert [epochs_of(name) for name in names] == [None, 12, 26, 24, 24]
    assert 24 * VocConfig.STEPS_PER_EPOCH == 17568


# --- on top of one another ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["paper", "torchvision"])
def test_what_a_class_sets_itself_counts_more(name):
    config = with_preset(Fruit, name)()
    assert (config.NAME, config.NUM_CLASSES, config.TRAIN_ROIS_PER_IMAGE) == ("fruit", 6, 64)
    assert (config.ROI_ALIGN, config.PRESET) == ("roi_align", name)
    assert type(config).__name__ == "Fruit" and type(config).__module__ == __name__
    assert Fruit().ROI_ALIGN == "crop_and_resize"  # the class itself is as it was


def test_the_order_of_the_classes():
    class Base(Config):
        LEARNING_RATE = 0.5
        WARMUP_STEPS = 7

    class Leaf(Base):
        LEARNING_RATE = 0.25

    config = with_preset(Leaf, "paper")()
    assert (config.LEARNING_RATE, config.WARMUP_STEPS) == (0.25, 7)
    assert config.TRAIN_ROIS_PER_IMAGE == 512


def test_a_data_set_counts_more_than_a_school():
    config = preset("voc+torchvision")()
    assert (config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.WARMUP_STEPS) == (600, 832, 100)
    assert config.RESNET_STYLE == "pytorch"

    class Own(VocConfig):
        IMAGE_MIN_DIM = 512

    config = with_preset(Own, "paper")()
    assert (config.PRESET, config.IMAGE_MIN_DIM, config.NUM_CLASSES) == ("voc+paper", 512, 21)


def test_nothing_is_built_twice():
    paper = with_preset(Fruit, "paper")
    assert with_preset(paper, "paper") is paper
    assert with_preset(Fruit, "matterport") is Fruit
    assert with_preset(PaperConfig, "paper") is with_preset(Config, "paper") is PaperConfig
    assert with_preset(Config, "voc+paper") is preset("voc+paper")
    both = with_preset(VocConfig, "paper")
    assert both is preset("voc+paper") is with_preset(both, "voc") is with_preset(both, "paper")
    assert with_preset(VocConfig, "matterport") is VocConfig is preset("voc+matterport")
    assert with_preset(Fruit, "voc+paper").PRESET == "voc+paper"


@pytest.mark.parametrize(("cls", "name"), [
    (PaperConfig, "torchvision"), (PaperConfig, "matterport"), (PaperConfig, "voc"),
    (TorchvisionConfig, "voc+paper"), (TorchvisionConfig, "voc+torchvision"),
])
def test_two_schools_are_refused(cls, name):
    with pytest.raises(ValueError, match=rf"{cls.__name__} is built on the preset '{cls.PRESET}'; "
                                         rf"it cannot be put on '{name}' too".replace("+", r"\+")):
        with_preset(cls, name)
    with pytest.raises(ValueError, match="cannot be put on 'torchvision'"):
        with_preset(preset("voc+paper"), "torchvision")


@pytest.mark.parametrize(("name", "near"), [
    ("papper", "paper"), ("torch", "torchvision"), ("voc+papr", r"voc\+paper"), ("paper+voc", ""),
    ("voc+", ""), ("", ""), (None, ""), ("voc+voc", ""),
])
def test_unknown_names_are_refused(name, near):
    for use in (preset, parts, epochs_of, lambda one: with_preset(Fruit, one)):
        with pytest.raises(ValueError, match=f"preset = .*matterport, .*nearest valid: {near}"):
            use(name)


def test_setting_the_name_alone_is_refused():
    with pytest.raises(ValueError, match="Own.PRESET: it names the preset"):
        type("Own", (Config,), {"PRESET": "paper"})


# --- kept and shown -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PRESETS, "voc+paper"])
def test_round_trip_through_json(name):
    config = with_preset(Fruit, name)()
    again = Config.from_dict(json.loads(json.dumps(config.to_dict())))
    for knob in KNOBS:
        np.testing.assert_equal(getattr(again, knob), getattr(config, knob), err_msg=knob)
    assert again.PRESET == name
    np.testing.assert_array_equal(again.mean_pixel, config.mean_pixel)
    np.testing.assert_array_equal(again.image_std, config.image_std)


def test_display_shows_the_preset_and_what_differs(capsys):
    with_preset(Fruit, "torchvision")().display()
    table, _, more = capsys.readouterr().out.partition("\nPreset torchvision: ")
    assert "PRESET " in table and "torchvision" in table
    names = [line.split()[0] for line in more.splitlines()[1:] if line.strip()]
    assert {"ROI_ALIGN", "IMAGE_STD", "NUM_CLASSES", "TRAIN_ROIS_PER_IMAGE"} <= set(names)
    assert "BACKBONE_STRIDES" not in names and "BATCH_SIZE" not in names
    [line] = [line for line in more.splitlines() if line.split()[:1] == ["ROI_ALIGN"]]
    assert line.split(None, 1)[1] == "roi_align  (not crop_and_resize)"


def test_display_of_the_default_is_matterports_table(capsys):
    Fruit().display()
    out = capsys.readouterr().out
    assert "Preset" not in out and out.count("\n\n") == 1
    assert any(line.split() == ["PRESET", "matterport"] for line in out.splitlines())


def test_one_bound_for_boxes():
    assert presets.PaperConfig.BBOX_XFORM_CLIP == math.log(1000 / 16)
