"""A checkpoint in a model of another school: it fits by its shapes, and answers wrongly."""

import json

import numpy as np
import pytest
from e2e.schools import small_config
from e2e.tiny import TinyConfig

from mrcnn.config import Config
from mrcnn.engine.checkpoints import save_checkpoint
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.engine.weights_advice import differences, other_settings

OLD = ("RESNET_STYLE", "BATCH_NORM_EPSILON", "BOX_NORMALIZATION", "ROI_ALIGN", "ROI_ALIGN_ALIGNED",
       "RPN_ANCHOR_ROUNDING", "IMAGE_MEAN", "IMAGE_STD", "PRESET", "FEATURES", "FREEZE_AT")


def test_a_checkpoint_of_another_school_says_what_differs(tmp_path, recwarn):
    paper = MaskRCNN("inference", small_config("paper"), tmp_path)
    path = str(tmp_path / "mask_rcnn_tiny_0001.h5")
    save_checkpoint(path, paper.keras_model, config=paper.config, epoch=1)
    paper.load_weights(path)
    assert not [w for w in recwarn if "was trained with" in str(w.message)]
    other = MaskRCNN("inference", small_config("torchvision"), tmp_path)
    with pytest.warns(UserWarning, match="RESNET_STYLE = 'caffe', here 'pytorch'") as caught:
        report = other.load_weights(path)
    text = next(str(w.message) for w in caught if "was trained with" in str(w.message))
    assert text in report.notes and path in text and "from_checkpoint" in text
    for knob in ("BATCH_NORM_EPSILON", "ROI_ALIGN_ALIGNED", "RPN_ANCHOR_ROUNDING", "IMAGE_STD"):
        assert f"{knob} = " in text


def through_json(config, without=()):
    stored = json.loads(json.dumps(config.to_dict()))
    return {knob: value for knob, value in stored.items() if knob not in without}


def test_what_an_older_version_stored_is_the_default():
    config = TinyConfig()
    assert other_settings("x.h5", through_json(config, OLD), config) is None
    config.ROI_ALIGN = "roi_align"
    found = other_settings("x.h5", through_json(TinyConfig(), OLD), config)
    assert "ROI_ALIGN = 'crop_and_resize', here 'roi_align'" in found
    assert other_settings("x.h5", None, config) is None


@pytest.mark.parametrize("knobs", [
    {"MEAN_PIXEL": [1.0, 2.0, 3.0]}, {"IMAGE_STD": [58.0, 57.0, 57.0]},
    {"BBOX_STD_DEV": np.array([0.2, 0.2, 0.2, 0.2])}, {"RPN_ANCHOR_SCALES": (4, 8, 16, 32, 64)},
    {"RPN_ANCHOR_RATIOS": [2, 1, 0.5]}, {"BOX_NORMALIZATION": "edges"},
])
def test_each_setting_counts(knobs):
    config = type("Own", (Config,), knobs)()
    stored = through_json(config)
    assert other_settings("x.h5", stored, config) is None
    knob = next(iter(knobs)).replace("MEAN_PIXEL", "IMAGE_MEAN")
    assert f"{knob} = " in other_settings("x.h5", stored, Config())


def test_what_only_the_answers_are_made_from_does_not_count():
    config = type("Own", (Config,), {"IMAGE_MIN_DIM": 512, "DETECTION_MIN_CONFIDENCE": 0.1,
                                     "LEARNING_RATE": 1.0, "DETECTION_MULTI_LABEL": True})()
    assert other_settings("x.h5", through_json(config), Config()) is None


def test_weights_alone_name_the_knob_that_differs():
    biased = {("conv1", "conv1", "kernel"): (7, 7, 3, 64), ("conv1", "conv1", "bias"): (64,),
              ("mrcnn_class_conv1", "mrcnn_class_conv1", "bias"): (8,),
              ("rpn_model", "rpn_conv_shared", "bias"): (8,),
              ("mrcnn_class_bn1", "mrcnn_class_bn1", "gamma"): (8,)}
    plain = {key: shape for key, shape in biased.items()
             if key[0] != "mrcnn_class_bn1" and key[1:] != ("conv1", "bias")}
    assert not differences(biased, biased) and not differences(plain, plain)
    text = "\n".join(differences(plain, biased))
    assert "no biases (RESNET_STYLE" in text and "HEADS_BATCH_NORM = False" in text
    c4 = {**plain, ("features_c4", "features_c4", "bias"): (8,)}
    assert differences(c4, plain) == ["FEATURES is 'c4' in the file, 'fpn' in this model"]
    assert differences(plain, c4) == ["FEATURES is 'fpn' in the file, 'c4' in this model"]
