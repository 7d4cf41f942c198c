"""What every layer of the package promises: configuration, copies, saving, shapes."""

import json

import keras
import numpy as np
import pytest
from loop_oracles import random_boxes
from tolerances import TWINS

from mrcnn.layers.anchors import AnchorLayer
from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.detection import DetectionLayer
from mrcnn.layers.detection_target import DetectionTargetLayer
from mrcnn.layers.proposal import ProposalLayer
from mrcnn.layers.roi_align import PyramidROIAlign
from mrcnn.layers.slices import ActiveClasses, BoxesOfDetections, FirstRows, NormalizeBoxes
from mrcnn.layers.time_distributed import TimeDistributed
from mrcnn.nets.backbones import BackbonePreprocessing
from mrcnn.nets.fpn import CropToMatch
from mrcnn.nets.losses import LossLayer

RNG = np.random.default_rng(8)


def floats(*shape):
    return RNG.uniform(0, 1, shape).astype(np.float32)


def metas():
    rows = np.ones((2, 16), np.float32)
    rows[:, 4:12] = 64, 64, 3, 4, 4, 60, 64, 1
    return rows


def as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def call(layer, inputs):
    arrays = inputs if len(inputs) > 1 else inputs[0]
    return [np.asarray(t) for t in as_list(layer(arrays))]


def assert_same(answers, expected, in_any_order):
    assert len(answers) == len(expected)
    for answer, want in zip(answers, expected, strict=True):
        if in_any_order:  # rows are drawn at random; which rows there are is not
            answer, want = np.sort(answer, axis=None), np.sort(want, axis=None)
        np.testing.assert_allclose(answer, want, atol=TWINS)


def check_layer(layer_class, arguments, inputs, tmp_path, in_any_order=False):
    """Runs a layer through all that a saved model relies on.

    Args:
        layer_class: the class.
        arguments: constructor arguments, none of them the default.
        inputs: list of arrays, batch first.
        tmp_path: folder to save in.
        in_any_order: whether the layer draws its rows at random.
    """
    layer = layer_class(**arguments)
    expected = call(layer, inputs)
    config = layer.get_config()
    text = json.dumps(config)
    for name, value in arguments.items():
        if not isinstance(value, keras.layers.Layer) and not callable(value):
            assert name in config, f"get_config leaves out {name}"
            assert json.dumps(config[name]) == json.dumps(value), name

    copy = layer_class.from_config(json.loads(text))
    call(copy, [np.zeros_like(x) for x in inputs])  # builds it
    copy.set_weights(layer.get_weights())
    assert_same(call(copy, inputs), expected, in_any_order)
    assert json.dumps(copy.get_config()) == text

    shapes = [x.shape for x in inputs]
    answered = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    answered = answered if isinstance(answered, tuple) and answered and isinstance(
        answered[0], tuple) else (answered,)
    assert [tuple(shape) for shape in answered] == [t.shape for t in expected]

    symbols = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    outputs = layer(symbols if len(symbols) > 1 else symbols[0])
    model = keras.Model(symbols, outputs)
    for symbol, want in zip(as_list(outputs), expected, strict=True):
        assert symbol.shape[1:] == want.shape[1:]
        assert symbol.dtype == want.dtype.name
    model.save(tmp_path / "layer.keras")
    loaded = keras.models.load_model(tmp_path / "layer.keras")
    assert_same([np.asarray(t) for t in as_list(loaded(inputs))], expected, in_any_order)


BOXES = random_boxes(RNG, 2, 12)
PYRAMID = [floats(2, n, n, 3) for n in (16, 8, 4, 2)]
CLASS_IDS = np.array([[1, 2, 0, 0], [3, 0, 0, 0]], np.int32)
GT_BOXES = np.where(CLASS_IDS[..., None] > 0, BOXES[:, :4], 0)

LAYERS = {
    "anchors": (AnchorLayer, {"scales": [8.0, 20.0], "ratios": [0.5, 2.0], "strides": [4, 8],
                              "anchor_stride": 2},
                [floats(2, 30, 46, 3), floats(2, 8, 12, 1), floats(2, 4, 6, 1)]),
    "anchors, several scales, rounded": (
        AnchorLayer, {"scales": [[8.0, 13.0], [20.0, 31.0]], "ratios": [0.5, 2.0],
                      "strides": [4, 8], "anchor_stride": 2, "rounded": True, "edges": True},
        [floats(2, 30, 46, 3), floats(2, 8, 12, 1), floats(2, 4, 6, 1)]),
    "batch norm": (BatchNorm, {"train_bn": False, "epsilon": 0.01, "momentum": 0.5},
                   [floats(2, 5, 3)]),
    "proposals": (ProposalLayer, {"proposal_count": 7, "nms_threshold": 0.4, "pre_nms_limit": 9,
                                  "bbox_std_dev": [0.2, 0.3, 0.1, 0.4]},
                  [floats(2, 12, 2), floats(2, 12, 4), BOXES]),
    "proposals of each level": (
        ProposalLayer, {"proposal_count": 7, "nms_threshold": 0.4, "pre_nms_limit": 5,
                        "bbox_std_dev": [0.2, 0.3, 0.1, 0.4], "per_level": True,
                        "min_size": 2.0, "xform_clip": 0.3, "edges": True},
        [floats(2, 12, 2), floats(2, 12, 4), BOXES, metas(), floats(2, 8, 2), floats(2, 4, 2)]),
    "roi align": (PyramidROIAlign, {"pool_shape": [3, 5]}, [BOXES, metas(), *PYRAMID]),
    "roi align of bins": (PyramidROIAlign, {"pool_shape": [3, 5], "align": True, "aligned": True,
                                            "sampling_ratio": 3, "edges": True},
                          [BOXES, metas(), *PYRAMID]),
    "detections": (DetectionLayer, {"max_instances": 9, "min_confidence": 0.2,
                                    "nms_threshold": 0.6, "bbox_std_dev": [0.2, 0.3, 0.1, 0.4],
                                    "across_classes": 0.7},
                   [BOXES, floats(2, 12, 4), floats(2, 12, 4, 4), metas()]),
    "detections of several classes": (
        DetectionLayer, {"max_instances": 9, "min_confidence": 0.2, "nms_threshold": 0.6,
                         "bbox_std_dev": [0.2, 0.3, 0.1, 0.4], "across_classes": 0.7,
                         "multi_label": True, "min_size": 2.0, "xform_clip": 0.3, "edges": True},
        [BOXES, floats(2, 12, 4), floats(2, 12, 4, 4), metas()]),
    "targets": (DetectionTargetLayer, {"rois_per_image": 8, "positive_ratio": 0.5,
                                       "bbox_std_dev": [0.2, 0.3, 0.1, 0.4],
                                       "mask_shape": [6, 10], "use_mini_mask": False, "seed": 4},
                [np.concatenate([BOXES[:, :1], 1 - 0.1 * floats(2, 1, 1) * [[[1, 1, 0, 0]]]],
                                axis=1).astype(np.float32), CLASS_IDS, GT_BOXES,
                 RNG.integers(0, 2, (2, 40, 30, 4)).astype(np.uint8)]),
    "time distributed": (TimeDistributed, {"layer": keras.layers.Dense(3, use_bias=False)},
                         [floats(2, 5, 4)]),
    "normalise": (NormalizeBoxes, {}, [BOXES * 50, floats(2, 64, 40, 3)]),
    "normalise from edge to edge": (NormalizeBoxes, {"edges": True},
                                    [BOXES * 50, floats(2, 64, 40, 3)]),
    "boxes of detections": (BoxesOfDetections, {}, [floats(2, 9, 6)]),
    "first rows": (FirstRows, {"count": 3}, [floats(2, 9, 6)]),
    "first rows of fewer": (FirstRows, {"count": 30}, [floats(2, 9, 6)]),
    "active classes": (ActiveClasses, {}, [metas()]),
    "crop to match": (CropToMatch, {}, [floats(2, 8, 6, 3), floats(2, 7, 5, 2)]),
    "preprocessing": (BackbonePreprocessing,
                      {"mean_pixel": [1.0, 2.0, 3.0],
                       "function": keras.applications.mobilenet_v2.preprocess_input},
                      [floats(2, 8, 8, 3) * 255]),
    "loss over the sample": (
        LossLayer, {"name": "mrcnn_bbox_loss", "options": {"beta": 0.25}},
        [floats(2, 6, 4), RNG.integers(0, 3, (2, 6)).astype(np.int32), floats(2, 6, 3, 4),
         floats(2, 6, 4)]),
    "loss": (LossLayer, {"name": "mrcnn_bbox_loss"},
             [floats(2, 6, 4), RNG.integers(0, 3, (2, 6)).astype(np.int32), floats(2, 6, 3, 4)]),
    "weighted loss": (LossLayer, {"name": "mrcnn_class_loss",
                                  "options": {"class_weights": [1.0, 2.0, 0.5]}},
                      [RNG.integers(0, 3, (2, 6)).astype(np.int32), floats(2, 6, 3),
                       np.ones((2, 3), np.float32)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_keeps_its_contract(name, tmp_path):
    layer_class, arguments, inputs = LAYERS[name]
    check_layer(layer_class, arguments, inputs, tmp_path, in_any_order=name == "targets")


def test_the_check_itself_catches_a_forgotten_argument(tmp_path):
    class Forgetful(FirstRows):
        def get_config(self):
            return {**super().get_config(), "count": 1}

    with pytest.raises(AssertionError, match="count"):
        check_layer(Forgetful, {"count": 3}, [floats(2, 9, 6)], tmp_path)


def test_every_layer_of_the_package_is_in_the_table():
    """A new layer gets a row."""
    import mrcnn.nets.assembly  # noqa: F401 (registers them all)

    registered = keras.saving.get_custom_objects()
    ours = {cls for name, cls in registered.items() if name.startswith("mrcnn>")
            and isinstance(cls, type) and issubclass(cls, keras.layers.Layer)
            and not issubclass(cls, keras.Model)}
    assert {cls.__name__ for cls in ours} == {row[0].__name__ for row in LAYERS.values()}
