"""Config: defaults, derived values, near-miss warnings, checks, JSON."""

import json
import warnings

import numpy as np
import pytest

from mrcnn.config import DERIVED, KNOBS, Config

# Matterport's table of defaults: scripts rely on what they do not override.
DEFAULTS = {
    "NAME": None, "GPU_COUNT": 1, "IMAGES_PER_GPU": 2, "STEPS_PER_EPOCH": 1000,
    "VALIDATION_STEPS": 50, "BACKBONE": "resnet101", "COMPUTE_BACKBONE_SHAPE": None,
    "BACKBONE_STRIDES": [4, 8, 16, 32, 64], "FPN_CLASSIF_FC_LAYERS_SIZE": 1024,
    "TOP_DOWN_PYRAMID_SIZE": 256, "NUM_CLASSES": 1, "RPN_ANCHOR_SCALES": (32, 64, 128, 256, 512),
    "RPN_ANCHOR_RATIOS": [0.5, 1, 2], "RPN_ANCHOR_STRIDE": 1, "RPN_NMS_THRESHOLD": 0.7,
    "RPN_TRAIN_ANCHORS_PER_IMAGE": 256, "PRE_NMS_LIMIT": 6000, "POST_NMS_ROIS_TRAINING": 2000,
    "POST_NMS_ROIS_INFERENCE": 1000, "USE_MINI_MASK": True, "MINI_MASK_SHAPE": (56, 56),
    "IMAGE_RESIZE_MODE": "square", "IMAGE_MIN_DIM": 800, "IMAGE_MAX_DIM": 1024,
    "IMAGE_MIN_SCALE": 0, "IMAGE_CHANNEL_COUNT": 3, "MEAN_PIXEL": [123.7, 116.8, 103.9],
    "TRAIN_ROIS_PER_IMAGE": 200, "ROI_POSITIVE_RATIO": 0.33, "POOL_SIZE": 7,
    "MASK_POOL_SIZE": 14, "MASK_SHAPE": [28, 28], "MAX_GT_INSTANCES": 100,
    "RPN_BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2], "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.2],
    "DETECTION_MAX_INSTANCES": 100, "DETECTION_MIN_CONFIDENCE": 0.7,
    "DETECTION_NMS_THRESHOLD": 0.3, "LEARNING_RATE": 0.001, "LEARNING_MOMENTUM": 0.9,
    "WEIGHT_DECAY": 0.0001, "USE_RPN_ROIS": True, "TRAIN_BN": False, "GRADIENT_CLIP_NORM": 5.0,
    "LOSS_WEIGHTS": {"rpn_class_loss": 1.0, "rpn_bbox_loss": 1.0, "mrcnn_class_loss": 1.0,
                     "mrcnn_bbox_loss": 1.0, "mrcnn_mask_loss": 1.0},
    "BATCH_SIZE": 2, "IMAGE_SHAPE": [1024, 1024, 3], "IMAGE_META_SIZE": 13,
    "BACKBONE_SHAPES": [[256, 256], [128, 128], [64, 64], [32, 32], [16, 16]],
}

# The other school: off, which is Matterport's way.
OFF = {
    "PRESET": "matterport", "RESNET_STYLE": "matterport", "BATCH_NORM_EPSILON": 0.001,
    "HEADS_BATCH_NORM": True, "HEADS_SMALL_INIT": False, "FEATURES": "fpn", "FREEZE_BN": False,
    "FREEZE_AT": 0,
    "BOX_NORMALIZATION": "centers", "RPN_ANCHOR_ROUNDING": False, "RPN_LOW_QUALITY_MATCHES": True,
    "RPN_NMS_PER_LEVEL": False, "PRE_NMS_LIMIT_TRAINING": None, "RPN_MIN_SIZE": 0,
    "DETECTION_MIN_SIZE": 0, "BBOX_XFORM_CLIP": None, "ROI_ALIGN": "crop_and_resize",
    "ROI_ALIGN_SAMPLING_RATIO": 2, "ROI_ALIGN_ALIGNED": False, "PROPOSAL_APPEND_GT": False,
    "ROI_BALANCED_SAMPLER": False, "RPN_SMOOTH_L1_BETA": 1.0, "ROI_SMOOTH_L1_BETA": 1.0,
    "BBOX_LOSS_NORMALIZER": "positives", "WEIGHT_DECAY_MODE": "mean",
    "DETECTION_MULTI_LABEL": False, "MASK_PASTE_FRAME": False, "IMAGE_STD": 1.0,
    "LR_STEPS": (2 / 3, 11 / 12), "IMAGE_MEAN": [123.7, 116.8, 103.9], "LR_SCHEDULE": None,
}


class Shapes(Config):
    NAME = "shapes"
    NUM_CLASSES = 1 + 3
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128


def changed(**values):
    """An instance with `values` set and not yet validated."""
    config = Config()
    for name, value in values.items():
        setattr(config, name, value)
    return config


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_default_is_matterports(name):
    np.testing.assert_equal(getattr(Config(), name), DEFAULTS[name])


@pytest.mark.parametrize("name", sorted(OFF))
def test_the_other_school_is_off(name):
    np.testing.assert_equal(getattr(Config(), name), OFF[name])


# --- derived values -------------------------------------------------------------------------

@pytest.mark.parametrize(("knob", "value", "derived", "expected"), [
    ("GPU_COUNT", 3, "BATCH_SIZE", 6),
    ("NUM_CLASSES", 81, "IMAGE_META_SIZE", 93),
    ("IMAGE_MAX_DIM", 256, "IMAGE_SHAPE", [256, 256, 3]),
    ("IMAGE_CHANNEL_COUNT", 1, "IMAGE_SHAPE", [1024, 1024, 1]),
    ("IMAGE_RESIZE_MODE", "crop", "IMAGE_SHAPE", [800, 800, 3]),
    ("IMAGE_RESIZE_MODE", "pad64", "IMAGE_SHAPE", [1024, 1024, 3]),
    ("IMAGE_RESIZE_MODE", "none", "IMAGE_SHAPE", [1024, 1024, 3]),
    ("BACKBONE_STRIDES", [4, 8, 300], "BACKBONE_SHAPES", [[256, 256], [128, 128], [4, 4]]),
])
def test_derived_value_follows_its_knobs(knob, value, derived, expected):
    config = Config()
    setattr(config, knob, value)
    np.testing.assert_array_equal(getattr(config, derived), expected)


@pytest.mark.parametrize("name", DERIVED)
def test_derived_value_can_be_assigned_on_instance_and_class(name):
    value = {"IMAGE_META_SIZE": 13, "IMAGE_SHAPE": np.array([64, 128, 3]),
             "BACKBONE_SHAPES": np.array([[8, 9]] * 5)}.get(name, 7)
    sub = type("Sub", (Config,), {name: value})
    np.testing.assert_array_equal(getattr(sub(), name), value)
    config = changed(**{name: value})
    np.testing.assert_array_equal(getattr(config, name), value)
    assert config.is_assigned(name)
    assert sub().is_assigned(name)
    assert not Config().is_assigned(name)
    delattr(config, name)
    np.testing.assert_array_equal(getattr(config, name), getattr(Config(), name))


def test_assigned_batch_size_wins_over_the_product():
    config = Shapes()
    config.BATCH_SIZE = 1
    config.IMAGES_PER_GPU = 8
    np.testing.assert_equal(config.BATCH_SIZE, 1)


LINKED = {"MAX_GT_INSTANCES": 100, "DETECTION_MAX_INSTANCES": 100, "PRE_NMS_LIMIT": 6000,
          "POST_NMS_ROIS_TRAINING": 2000, "POST_NMS_ROIS_INFERENCE": 1000,
          "TRAIN_ROIS_PER_IMAGE": 200}


@pytest.mark.parametrize(("objects", "limits"), [
    (None, [100, 100, 6000, 2000, 1000, 200]),
    (20, [20, 20, 6000, 2000, 1000, 200]),
    (300, [300, 300, 9000, 3000, 1500, 300]),
    (np.int64(1000), [1000, 1000, 30000, 10000, 5000, 1000]),
])
def test_one_setting_moves_the_linked_limits(objects, limits):
    config = changed(MAX_OBJECTS_PER_IMAGE=objects)
    config.validate()
    sub = type("Crowded", (Config,), {"MAX_OBJECTS_PER_IMAGE": objects})
    for owner in (config, sub, sub(), Config.from_dict(json.loads(json.dumps(config.to_dict())))):
        assert [getattr(owner, name) for name in LINKED] == limits
    again = Config.from_dict(config.to_dict(), MAX_OBJECTS_PER_IMAGE=None)
    assert {name: getattr(again, name) for name in LINKED} == LINKED


@pytest.mark.parametrize("name", LINKED)
def test_a_limit_that_is_assigned_stays(name):
    config = changed(**{"MAX_OBJECTS_PER_IMAGE": 300, name: 11})
    assert getattr(config, name) == 11
    again = Config.from_dict(config.to_dict(), MAX_OBJECTS_PER_IMAGE=500)
    assert getattr(again, name) == 11
    others = [other for other in LINKED if other != name]
    assert [getattr(again, other) for other in others] == [
        getattr(changed(MAX_OBJECTS_PER_IMAGE=500), other) for other in others]


def test_own_init_may_set_knobs_before_and_after_the_base_class():
    class Late(Config):
        def __init__(self, classes):
            self.NUM_CLASSES = classes
            super().__init__()
            self.IMAGES_PER_GPU = 5

    config = Late(11)
    np.testing.assert_equal((config.IMAGE_META_SIZE, config.BATCH_SIZE), (23, 5))


def test_compute_backbone_shape_is_asked():
    class Odd(Config):
        COMPUTE_BACKBONE_SHAPE = lambda shape: [[shape[0] // 2, 3]]  # noqa: E731

    np.testing.assert_array_equal(Odd().BACKBONE_SHAPES, [[512, 3]])


def test_function_in_a_class_body_is_the_value_not_a_method():
    def backbone(image):
        return image

    class Own(Config):
        BACKBONE = backbone

    assert Own().BACKBONE is backbone


@pytest.mark.parametrize(("mean", "channels", "expected"), [
    ([1.0, 2.0, 3.0], 3, [1, 2, 3]),
    (5, 4, [5, 5, 5, 5]),
    ([1.0, 2.0, 3.0], 1, [2]),
    ([1.0, 2.0, 3.0], 2, [2, 2]),
    ([1.0, 2.0, 3.0], 5, [1, 2, 3, 2, 2]),
    ([1.0, 2.0], 2, [1, 2]),
])
def test_mean_pixel_has_one_number_a_channel(mean, channels, expected):
    config = changed(MEAN_PIXEL=np.array(mean), IMAGE_CHANNEL_COUNT=channels)
    config.validate()
    np.testing.assert_array_equal(config.mean_pixel, expected)
    assert config.mean_pixel.dtype == np.float64


@pytest.mark.parametrize(("std", "channels", "expected"), [
    ([1.0, 2.0, 3.0], 3, [1, 2, 3]), (5, 4, [5, 5, 5, 5]), ([1.0, 2.0, 3.0], 1, [2]),
    ([1.0, 2.0, 3.0], 5, [1, 2, 3, 2, 2]),
])
def test_image_std_has_one_number_a_channel(std, channels, expected):
    config = changed(IMAGE_STD=std, IMAGE_CHANNEL_COUNT=channels)
    config.validate()
    np.testing.assert_array_equal(config.image_std, expected)


def test_image_mean_is_mean_pixel_until_it_is_assigned():
    config = changed(MEAN_PIXEL=np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(config.IMAGE_MEAN, [1, 2, 3])
    assert not config.is_assigned("IMAGE_MEAN")
    config.IMAGE_MEAN = [4.0, 5, 6]
    np.testing.assert_array_equal(config.mean_pixel, [4, 5, 6])
    np.testing.assert_array_equal(config.MEAN_PIXEL, [1, 2, 3])
    again = Config.from_dict(json.loads(json.dumps(config.to_dict())))
    np.testing.assert_array_equal(again.mean_pixel, [4, 5, 6])


def test_box_edges():
    assert not Config().box_edges and changed(BOX_NORMALIZATION="edges").box_edges


@pytest.mark.parametrize(("mode", "longest", "side"), [
    ("shortest_edge", 1333, 1344), ("shortest_edge_floor", 800, 800), ("shortest_edge", 65, 96),
    ("square", 1024, 1024),
])
def test_the_largest_image_of_a_mode(mode, longest, side):
    config = changed(IMAGE_RESIZE_MODE=mode, IMAGE_MAX_DIM=longest, IMAGE_MIN_DIM=64)
    config.validate()
    np.testing.assert_array_equal(config.IMAGE_SHAPE, [side, side, 3])


def test_shapes_of_one_level():
    config = changed(FEATURES="c4", BACKBONE_STRIDES=[16], RPN_ANCHOR_SCALES=(64, 128, 256))
    config.validate()
    np.testing.assert_array_equal(config.BACKBONE_SHAPES, [[64, 64]])


def test_mask_pool_is_half_the_mask():
    assert changed(MASK_SHAPE=[56, 112]).mask_pool_shape == (28, 56)


# --- near misses ----------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "meant"), [
    ("NUM_CLASES", "NUM_CLASSES"), ("STEPS_PER_EPOCHS", "STEPS_PER_EPOCH"),
    ("IMAGE_PER_GPU", "IMAGES_PER_GPU"), ("LEARNING_RAET", "LEARNING_RATE"),
    ("learning_rate", "LEARNING_RATE"), ("BATCHSIZE", "BATCH_SIZE"),
])
def test_near_miss_is_warned_about_once(name, meant):
    sub = type("Slip", (Config,), {name: 1})
    with pytest.warns(UserWarning, match=rf"Slip.{name} .*did you mean {meant}\?"):
        sub()
    other = type("Other", (Config,), {})()
    with pytest.warns(UserWarning, match=rf"Other.{name} .*did you mean {meant}\?"):
        setattr(other, name, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sub()
        setattr(other, name, 2)


def test_near_miss_in_a_parent_class_is_seen():
    class Parent(Config):
        NUM_CLASSS = 3

    class Child(Parent):
        pass

    with pytest.warns(UserWarning, match="NUM_CLASSES"):
        Child()


def test_own_attributes_are_silent():
    class Own(Config):
        SHAPES_ROOT = "x"
        LR_DECAY = 0.1
        DATA_DIR = "d"
        CLASS_NAMES = ["a"]
        LEARNING_RATE_HEADS = 0.1
        TRAIN_STEPS = 10
        _NUM_CLASES = 3

        def helper(self):
            return 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = Own()
        config.epochs = 3
        config.NUM_CLASSES = 3
        config.BATCH_SIZE = 3
    assert config.LR_DECAY == 0.1


# --- checks ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("values", "message"), [
    ({"IMAGE_MAX_DIM": 1000}, r"IMAGE_MAX_DIM = 1000: must be a multiple of 64.*valid: 1024$"),
    ({"IMAGE_MAX_DIM": 30}, r"IMAGE_MAX_DIM = 30: .*valid: 64$"),
    ({"IMAGE_MAX_DIM": 512.0}, r"IMAGE_MAX_DIM = 512.0: must be a whole number.*valid: 512$"),
    ({"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 500}, r"IMAGE_MIN_DIM = 500: .*valid: 512$"),
    ({"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 90}, r"IMAGE_MIN_DIM = 90: .*valid: 64$"),
    ({"IMAGE_RESIZE_MODE": "pad_64"}, r"IMAGE_RESIZE_MODE = 'pad_64': must be one of .*: pad64$"),
    ({"BACKBONE": "ResNet-50"}, r"BACKBONE = 'ResNet-50': must be one of .*: resnet50$"),
    ({"BACKBONE": 50}, r"BACKBONE = 50: must be one of resnet18"),
    ({"NUM_CLASSES": 0}, r"NUM_CLASSES = 0: must be a whole number of at least 1; .*: 1$"),
    ({"NUM_CLASSES": True}, r"NUM_CLASSES = True: must be a whole number"),
    ({"STEPS_PER_EPOCH": "10"}, r"STEPS_PER_EPOCH = '10': must be a whole number"),
    ({"VALIDATION_STEPS": -1}, r"VALIDATION_STEPS = -1: .*valid: 0$"),
    ({"DETECTION_MIN_CONFIDENCE": 1.5}, r"DETECTION_MIN_CONFIDENCE = 1.5: .*valid: 1$"),
    ({"RPN_NMS_THRESHOLD": -0.1}, r"RPN_NMS_THRESHOLD = -0.1: .*valid: 0$"),
    ({"DETECTION_NMS_ACROSS_CLASSES": 1.5}, r"DETECTION_NMS_ACROSS_CLASSES = 1.5: .*valid: 1$"),
    ({"MAX_OBJECTS_PER_IMAGE": 0}, r"^MAX_OBJECTS_PER_IMAGE = 0: must be a whole number .*: 1$"),
    ({"MAX_OBJECTS_PER_IMAGE": 2.5}, r"^MAX_OBJECTS_PER_IMAGE = 2.5: must be a whole number"),
    ({"DETECTION_NMS_THRESHOLD": float("nan")}, r"DETECTION_NMS_THRESHOLD = nan: must be"),
    ({"ROI_POSITIVE_RATIO": 0}, r"ROI_POSITIVE_RATIO = 0: must be a number above 0"),
    ({"LEARNING_RATE": -1}, r"LEARNING_RATE = -1: must be a number at least 0; .*: 0$"),
    ({"GRADIENT_CLIP_NORM": 0}, r"GRADIENT_CLIP_NORM = 0: must be a number above 0"),
    ({"USE_MINI_MASK": "yes"}, r"USE_MINI_MASK = 'yes': must be True or False"),
    ({"TRAIN_BN": 2}, r"TRAIN_BN = 2: must be True or False or None"),
    ({"TRAIN_BN": "False"}, r"TRAIN_BN = 'False': must be True or False or None"),
    ({"BACKBONE_WIDTH": 8}, r"BACKBONE_WIDTH = 8: must be a whole number of at least 16; .*: 16$"),
    ({"MASK_SHAPE": [27, 28]}, r"MASK_SHAPE = \[27, 28\]: must be two even .*\[28, 28\]$"),
    ({"MASK_SHAPE": 28}, r"MASK_SHAPE = 28: must be two even"),
    ({"MASK_POOL_SIZE": 20}, r"MASK_POOL_SIZE = 20: .*MASK_SHAPE = \[28, 28\].*\[40, 40\]$"),
    ({"MINI_MASK_SHAPE": (56, 0)}, r"MINI_MASK_SHAPE = \(56, 0\): must be two positive"),
    ({"RPN_ANCHOR_SCALES": (8, 16)}, r"RPN_ANCHOR_SCALES = \(8, 16\): .*5 in all; received 2"),
    ({"RPN_ANCHOR_RATIOS": []}, r"RPN_ANCHOR_RATIOS = \[\]: must be a list of positive"),
    ({"BACKBONE_STRIDES": [8, 4, 16, 32, 64]}, r"STRIDES = \[8, .*must be \[4, 8, 16, 32, 64\]"),
    ({"BACKBONE_STRIDES": [4, 8, 16]}, r"^BACKBONE_STRIDES = \[4, 8, 16\]: .*RPN_ANCHOR_SCALES"),
    ({"BACKBONE_STRIDES": [8, 16, 32, 64, 128]}, r"BACKBONE_STRIDES = .*the network builds"),
    ({"BACKBONE_SHAPES": [[8, 9], [4, 5]]}, r"BACKBONE_SHAPES = \[\[8, 9\], .*must be 5 pairs"),
    ({"BACKBONE_SHAPES": np.zeros((5, 2), int)}, r"BACKBONE_SHAPES = \[\[0, 0\], .*pairs"),
    ({"BACKBONE_SHAPES": np.full((5, 2), 4.0)}, r"BACKBONE_SHAPES = .*positive whole numbers"),
    ({"BACKBONE_SHAPES": [[4, 4, 4]] * 5}, r"BACKBONE_SHAPES = .*pairs \[height, width\]"),
    ({"BACKBONE_SHAPES": [4] * 10}, r"BACKBONE_SHAPES = .*must be pairs"),
    ({"IMAGE_META_SIZE": 93}, r"IMAGE_META_SIZE = 93: must be 12 \+ NUM_CLASSES = 13"),
    ({"MEAN_PIXEL": [1, 2]}, r"MEAN_PIXEL = \[1, 2\]: must be one number, three"),
    ({"MEAN_PIXEL": "grey"}, r"MEAN_PIXEL = 'grey': must be one number"),
    ({"BBOX_STD_DEV": [0.1, 0.1, 0.2]}, r"BBOX_STD_DEV = .*four positive"),
    ({"LOSS_WEIGHTS": {"mask_loss": 1}},
     r"^LOSS_WEIGHTS: unknown loss 'mask_loss'; nearest valid: mrcnn_mask_loss$"),
    ({"LOSS_WEIGHTS": {"rpn_bbox_loss": -1}}, r"LOSS_WEIGHTS\['rpn_bbox_loss'\] = -1: .*: 0$"),
    ({"LOSS_WEIGHTS": [1]}, r"LOSS_WEIGHTS = \[1\]: must be a dict"),
    ({"PRECISION": "bf16"}, r"PRECISION = .bf16.: must be one of .*nearest valid: bfloat16"),
    ({"GRADIENT_ACCUMULATION": 0}, r"GRADIENT_ACCUMULATION = 0: must be .* at least 1"),
    ({"REMATERIALIZE": 1.5}, r"REMATERIALIZE = 1.5: must be"),
    ({"CLASS_WEIGHTS": [1, 2]}, r"CLASS_WEIGHTS = \[1, 2\]: must be one .* 1 .*; received 2$"),
    ({"CLASS_WEIGHTS": [-1]}, r"CLASS_WEIGHTS = \[-1\]: must be None or a list of numbers"),
    ({"CLASS_WEIGHTS": [0]}, r"CLASS_WEIGHTS = \[0\]: must be .* not all 0"),
    ({"CLASS_WEIGHTS": {"cat": 2}}, r"CLASS_WEIGHTS = \{'cat': 2\}: must be None or a list"),
    ({"OPTIMIZER": "Adam"}, r"OPTIMIZER = 'Adam': must be one of .*valid: adam$"),
    ({"LR_SCHEDULE": "cos"}, r"LR_SCHEDULE = 'cos': .*valid: cosine$"),
    ({"FAULTY_IMAGES": "skp"}, r"FAULTY_IMAGES = 'skp': must be one of .*valid: skip$"),
    ({"COMPUTE_BACKBONE_SHAPE": 3}, r"COMPUTE_BACKBONE_SHAPE = 3: must be a callable or None"),
    ({"NAME": 3}, r"NAME = 3: must be text or None"),
    ({"NAME": "../a"}, r"NAME = '../a': must be a part of a file name; nearest valid: a"),
    ({"IMAGE_CACHE_MB": -1}, r"IMAGE_CACHE_MB = -1: must be a whole number of at least 0"),
    ({"IMAGE_CACHE_DIR": 3}, r"IMAGE_CACHE_DIR = 3: must be text or None"),
    ({"GROUP_BY_ASPECT": "yes"}, r"GROUP_BY_ASPECT = 'yes': must be True or False"),
    ({"SEED": -1}, r"SEED = -1: must be a whole number of at least 0"),
    ({"BATCH_SIZE": 0}, r"BATCH_SIZE = 0: must be a whole number of at least 1"),
    ({"IMAGE_SHAPE": [64, 64]}, r"IMAGE_SHAPE = \[64, 64\]: must be three positive"),
    # the other school
    ({"RESNET_STYLE": "pytorh"}, r"RESNET_STYLE = 'pytorh': must be one of .*: pytorch$"),
    ({"BATCH_NORM_EPSILON": -1e-5}, r"BATCH_NORM_EPSILON = -1e-05: .*at least 0; .*: 0$"),
    ({"HEADS_BATCH_NORM": "no"}, r"HEADS_BATCH_NORM = 'no': must be True or False"),
    ({"HEADS_SMALL_INIT": "no"}, r"HEADS_SMALL_INIT = 'no': must be True or False"),
    ({"FEATURES": "c5"}, r"FEATURES = 'c5': must be one of fpn, c4; nearest valid: c4$"),
    ({"FEATURES": "c4"}, r"BACKBONE_STRIDES = \[4, 8, 16, 32, 64\]: must be \[16\]"),
    ({"FREEZE_BN": 2}, r"FREEZE_BN = 2: must be True or False"),
    ({"FREEZE_AT": 6}, r"FREEZE_AT = 6: must be at most 5, .*: 5$"),
    ({"FREEZE_AT": -1}, r"FREEZE_AT = -1: must be a whole number of at least 0; .*: 0$"),
    ({"BOX_NORMALIZATION": "edge"}, r"BOX_NORMALIZATION = 'edge': must be one of .*: edges$"),
    ({"RPN_ANCHOR_ROUNDING": 0.5}, r"RPN_ANCHOR_ROUNDING = 0.5: must be True or False"),
    ({"RPN_LOW_QUALITY_MATCHES": None}, r"RPN_LOW_QUALITY_MATCHES = None: must be True or"),
    ({"RPN_NMS_PER_LEVEL": "yes"}, r"RPN_NMS_PER_LEVEL = 'yes': must be True or False"),
    ({"PRE_NMS_LIMIT_TRAINING": 0}, r"PRE_NMS_LIMIT_TRAINING = 0: .*at least 1; .*: 1$"),
    ({"RPN_MIN_SIZE": -1}, r"RPN_MIN_SIZE = -1: must be a number at least 0; .*: 0$"),
    ({"DETECTION_MIN_SIZE": float("inf")}, r"DETECTION_MIN_SIZE = inf: must be a number"),
    ({"BBOX_XFORM_CLIP": 0}, r"BBOX_XFORM_CLIP = 0: must be a number above 0"),
    ({"ROI_ALIGN": "align"}, r"ROI_ALIGN = 'align': must be one of .*: roi_align$"),
    ({"ROI_ALIGN_SAMPLING_RATIO": 1.5}, r"ROI_ALIGN_SAMPLING_RATIO = 1.5: must be a whole"),
    ({"ROI_ALIGN_SAMPLING_RATIO": -1}, r"ROI_ALIGN_SAMPLING_RATIO = -1: .*: 0$"),
    ({"ROI_ALIGN_ALIGNED": "half"}, r"ROI_ALIGN_ALIGNED = 'half': must be True or False"),
    ({"PROPOSAL_APPEND_GT": 3}, r"PROPOSAL_APPEND_GT = 3: must be True or False"),
    ({"ROI_BALANCED_SAMPLER": None}, r"ROI_BALANCED_SAMPLER = None: must be True or False"),
    ({"RPN_SMOOTH_L1_BETA": -0.1}, r"RPN_SMOOTH_L1_BETA = -0.1: .*at least 0"),
    ({"ROI_SMOOTH_L1_BETA": "1/9"}, r"ROI_SMOOTH_L1_BETA = '1/9': must be a number"),
    ({"BBOX_LOSS_NORMALIZER": "samples"}, r"BBOX_LOSS_NORMALIZER = 'samples': .*: sample$"),
    ({"WEIGHT_DECAY_MODE": "L2"}, r"WEIGHT_DECAY_MODE = 'L2': must be one of mean, l2; .*: l2$"),
    ({"DETECTION_MULTI_LABEL": 2}, r"DETECTION_MULTI_LABEL = 2: must be True or False"),
    ({"MASK_PASTE_FRAME": 1.5}, r"MASK_PASTE_FRAME = 1.5: must be True or False"),
    ({"IMAGE_STD": 0}, r"IMAGE_STD = 0: must be one number.*above 0"),
    ({"IMAGE_STD": [1, 2]}, r"IMAGE_STD = \[1, 2\]: must be one number, three, or one per chan"),
    ({"IMAGE_MEAN": [1, 2]}, r"IMAGE_MEAN = \[1, 2\]: must be one number, three"),
    ({"LR_SCHEDULE": "step"}, r"LR_SCHEDULE = 'step': must be one of .*: steps$"),
    ({"LR_STEPS": (0.9, 0.5)}, r"LR_STEPS = \(0.9, 0.5\): must be rising numbers between 0 and"),
    ({"LR_STEPS": (0.5, 0.5)}, r"LR_STEPS = .*rising"), ({"LR_STEPS": [1]}, r"LR_STEPS = .*rising"),
    ({"LR_STEPS": []}, r"LR_STEPS = \[\]: must be rising numbers"),
    ({"IMAGE_RESIZE_MODE": "shortest"}, r"IMAGE_RESIZE_MODE = 'shortest': .*: shortest_edge$"),
    ({"IMAGE_RESIZE_MODE": "shortest_edge", "IMAGE_MIN_DIM": 1100},
     r"IMAGE_MIN_DIM = 1100: must be at least 1 and at most IMAGE_MAX_DIM = 1024 .*: 1024$"),
    ({"IMAGE_RESIZE_MODE": "shortest_edge_floor", "IMAGE_MIN_DIM": 0}, r"IMAGE_MIN_DIM = 0: "),
])
def test_bad_value_names_knob_value_and_cure(values, message):
    with pytest.raises(ValueError, match=message):
        changed(**values).validate()
    with pytest.raises(ValueError, match=message):
        type("Bad", (Config,), dict(values))()


def test_all_problems_are_told_at_once():
    with pytest.raises(ValueError, match=r"(?s)(?=.*NUM_CLASSES = 0)(?=.*IMAGE_MAX_DIM = 100)"):
        changed(NUM_CLASSES=0, IMAGE_MAX_DIM=100).validate()


@pytest.mark.parametrize("values", [
    {"NUM_CLASSES": np.int64(4), "LEARNING_RATE": np.float32(0.01), "USE_MINI_MASK": np.True_},
    {"IMAGE_RESIZE_MODE": "none", "IMAGE_MIN_DIM": 99, "IMAGE_MAX_DIM": 1001},
    {"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": None},
    {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 192, "IMAGE_MAX_DIM": 100},
    {"MASK_SHAPE": [56, 56]}, {"MASK_SHAPE": (56, 56), "MASK_POOL_SIZE": 28},
    {"TRAIN_BN": None}, {"GRADIENT_CLIP_NORM": None}, {"RPN_ANCHOR_RATIOS": np.array([1, 2.5])},
    {"CLASS_WEIGHTS": [1, 0.5, 0], "NUM_CLASSES": 3}, {"CLASS_WEIGHTS": np.array([2.0])},
    {"LOSS_WEIGHTS": {"rpn_class_loss": 2}}, {"LR_SCHEDULE": len, "OPTIMIZER": max},
    {"BACKBONE": len}, {"MEAN_PIXEL": 0}, {"IMAGE_MAX_DIM": 512, "IMAGE_MIN_DIM": 800},
    {"BACKBONE_STRIDES": (4, 8, 16, 32, 64)}, {"BACKBONE_STRIDES": np.array([4, 8, 16, 32, 64])},
    {"BACKBONE_SHAPES": np.full((5, 2), 3)}, {"BACKBONE_SHAPES": [(8, np.int64(9))] * 5},
    {"IMAGE_META_SIZE": 16, "NUM_CLASSES": 4}, {"BACKBONE_WIDTH": 16},
    {"MAX_OBJECTS_PER_IMAGE": np.int64(3)}, {"DETECTION_NMS_ACROSS_CLASSES": 0.8},
    # the other school
    {"RESNET_STYLE": "caffe", "BATCH_NORM_EPSILON": 0, "HEADS_BATCH_NORM": False},
    {"HEADS_SMALL_INIT": True},
    {"FEATURES": "c4", "BACKBONE_STRIDES": (16,), "RPN_ANCHOR_SCALES": (128, 256, 512)},
    {"FREEZE_AT": 5, "FREEZE_BN": np.True_}, {"BOX_NORMALIZATION": "edges"},
    {"RPN_ANCHOR_ROUNDING": True, "RPN_LOW_QUALITY_MATCHES": False, "RPN_NMS_PER_LEVEL": True},
    {"PRE_NMS_LIMIT_TRAINING": 2000, "RPN_MIN_SIZE": 1e-3, "DETECTION_MIN_SIZE": np.float32(0.01)},
    {"BBOX_XFORM_CLIP": 4.1, "ROI_ALIGN": "roi_align", "ROI_ALIGN_SAMPLING_RATIO": 0},
    {"ROI_ALIGN_ALIGNED": True, "PROPOSAL_APPEND_GT": True, "ROI_BALANCED_SAMPLER": True},
    {"RPN_SMOOTH_L1_BETA": 0, "ROI_SMOOTH_L1_BETA": 1 / 9, "BBOX_LOSS_NORMALIZER": "sample"},
    {"WEIGHT_DECAY_MODE": "l2", "DETECTION_MULTI_LABEL": True, "MASK_PASTE_FRAME": True},
    {"IMAGE_STD": np.array([58.4, 57.1, 57.4]), "IMAGE_MEAN": [1, 2, 3]}, {"IMAGE_STD": 255},
    {"IMAGE_STD": [2.0], "IMAGE_CHANNEL_COUNT": 1}, {"LR_SCHEDULE": "steps", "LR_STEPS": [0.5]},
    {"IMAGE_RESIZE_MODE": "shortest_edge", "IMAGE_MIN_DIM": 800, "IMAGE_MAX_DIM": 1333},
    {"IMAGE_RESIZE_MODE": "shortest_edge_floor", "IMAGE_MIN_DIM": 99, "IMAGE_MAX_DIM": 99},
])
def test_usable_values_pass(values):
    changed(**values).validate()


@pytest.mark.parametrize(("value", "expected"), [
    (0, False), (1, True), (np.bool_(False), False), (np.True_, True), (None, None), (True, True),
])
def test_train_bn_is_a_bool_or_none_after_the_check(value, expected):
    config = changed(TRAIN_BN=value)
    config.validate()
    assert config.TRAIN_BN is expected
    assert type("Numeric", (Config,), {"TRAIN_BN": value})().TRAIN_BN is expected


def test_every_knob_is_checked():
    for knob in KNOBS:
        with pytest.raises(ValueError, match=knob):
            changed(**{knob: object()}).validate()


# --- display and JSON -----------------------------------------------------------------------

def test_display_prints_a_sorted_table(capsys):
    config = Shapes()
    config.LR_DECAY = 0.5
    config.display()
    lines = capsys.readouterr().out.strip().splitlines()[1:]
    names = [line.split()[0] for line in lines if line[0].isupper()]
    assert names == sorted(names)
    assert {"NAME", "LR_DECAY", "BATCH_SIZE"} <= set(names)
    assert any(line.split() == ["NUM_CLASSES", "4"] for line in lines)
    assert "validate" not in names


def test_round_trip_through_json():
    config = Shapes()
    config.MEAN_PIXEL = np.array([1.5, 2, 3])
    config.BATCH_SIZE = 5
    config.ROOT = "data"
    config.LOCK = object()  # not storable, and the script's own business
    stored = json.loads(json.dumps(config.to_dict()))
    again = Config.from_dict(stored)
    for knob in KNOBS:
        np.testing.assert_equal(getattr(again, knob), getattr(config, knob), err_msg=knob)
        assert type(getattr(again, knob)) is type(getattr(config, knob)), knob
    assert again.ROOT == "data"
    assert not hasattr(again, "LOCK")
    assert again.is_assigned("BATCH_SIZE")


def test_computed_values_stay_computed_after_a_round_trip():
    again = Config.from_dict(Shapes().to_dict())
    again.NUM_CLASSES = 10
    again.IMAGES_PER_GPU = 4
    np.testing.assert_equal((again.IMAGE_META_SIZE, again.BATCH_SIZE), (22, 4))


@pytest.mark.parametrize(("given", "derived", "expected"), [
    ({"IMAGES_PER_GPU": 1}, "BATCH_SIZE", 1),
    ({"IMAGE_MAX_DIM": 256}, "IMAGE_SHAPE", [256, 256, 3]),
    ({"IMAGE_MAX_DIM": 256}, "BACKBONE_SHAPES", [[64, 64], [32, 32], [16, 16], [8, 8], [4, 4]]),
    ({"NUM_CLASSES": 9}, "IMAGE_META_SIZE", 21),
    ({"BATCH_SIZE": 3, "IMAGES_PER_GPU": 1}, "BATCH_SIZE", 3),
])
def test_derived_values_follow_what_is_given_in_place_of_the_stored(given, derived, expected):
    again = Config.from_dict(Shapes().to_dict(), **given)
    np.testing.assert_array_equal(getattr(again, derived), expected)
    assert again.is_assigned(derived) == (derived in given)


def test_assigned_derived_value_stays_whatever_is_given():
    stored = changed(BATCH_SIZE=5, IMAGE_SHAPE=np.array([64, 128, 3])).to_dict()
    again = Config.from_dict(stored, IMAGES_PER_GPU=1, IMAGE_MAX_DIM=256)
    np.testing.assert_equal(again.BATCH_SIZE, 5)
    np.testing.assert_array_equal(again.IMAGE_SHAPE, [64, 128, 3])
    assert not again.is_assigned("BACKBONE_SHAPES")


def test_shapes_of_a_lost_function_stay_only_while_they_hold():
    stored = changed(COMPUTE_BACKBONE_SHAPE=lambda shape: [[3, 4]] * 5).to_dict()
    kept = Config.from_dict(stored, NUM_CLASSES=3)
    np.testing.assert_array_equal(kept.BACKBONE_SHAPES, [[3, 4]] * 5)
    back = Config.from_dict(stored, COMPUTE_BACKBONE_SHAPE=lambda shape: [[5, 6]] * 5)
    np.testing.assert_array_equal(back.BACKBONE_SHAPES, [[5, 6]] * 5)
    assert not back.is_assigned("BACKBONE_SHAPES")
    other_size = Config.from_dict(stored, IMAGE_MAX_DIM=256)
    with pytest.raises(ValueError, match=r"from_checkpoint\(path, COMPUTE_BACKBONE_SHAPE=\.\.\.\)"):
        _ = other_size.BACKBONE_SHAPES
    given = Config.from_dict(stored, IMAGE_MAX_DIM=256, BACKBONE_SHAPES=[[1, 2]] * 5)
    np.testing.assert_array_equal(given.BACKBONE_SHAPES, [[1, 2]] * 5)


def test_lost_callable_is_asked_for_when_it_is_used():
    def backbone(image):
        return image

    config = changed(BACKBONE=backbone, COMPUTE_BACKBONE_SHAPE=lambda shape: [[3, 4]] * 5)
    stored = json.loads(json.dumps(config.to_dict()))
    assert stored["BACKBONE"] == {"callable": f"{__name__}:{backbone.__qualname__}"}
    again = Config.from_dict(stored)
    cures = r"config\.BACKBONE = \.\.\. or from_checkpoint\(path, BACKBONE=\.\.\.\)"
    with pytest.raises(ValueError, match=f"BACKBONE was the callable .*{cures}"):
        again.BACKBONE(None)
    np.testing.assert_array_equal(again.BACKBONE_SHAPES, [[3, 4]] * 5)
    assert again.to_dict()["BACKBONE"] == stored["BACKBONE"]
    assert Config.from_dict(stored, BACKBONE=backbone).BACKBONE is backbone


def test_knob_json_cannot_hold_is_named():
    with pytest.raises(TypeError, match="BACKBONE_SHAPES"):
        changed(BACKBONE_SHAPES=object()).to_dict()


def test_from_dict_refuses_bad_input():
    with pytest.raises(TypeError, match="expects a dict, received list"):
        Config.from_dict([])
    with pytest.raises(ValueError, match="NUM_CLASSES = 0"):
        Config.from_dict({"NUM_CLASSES": 0})
