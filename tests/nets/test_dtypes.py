"""PRECISION: which layers compute low, and what must not."""

import keras
import numpy as np
import pytest
from tiny_models import inference_batch, output_names, tiny_config, training_batch, values

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.time_distributed import TimeDistributed
from mrcnn.nets.assembly import build_model
from mrcnn.nets.precision import POLICIES, policy_of

LOW = [name for name in POLICIES if name != "float32"]
EPSILON = {"bfloat16": 2.0**-8, "float16": 2.0**-11}  # of one rounding
# Layers of both graphs that place boxes, rank or judge.
EXACT = ("ROI", "mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask",
         "rpn_class", "rpn_bbox", "roi_align_classifier", "roi_align_mask")
EXACT_OF = {"inference": ("mrcnn_detection", "detection_boxes"),
            "training": ("rpn_class_logits", "proposal_targets", "anchors", "gt_boxes_normalized",
                         "positive_rois", "output_rois", "active_class_ids", "rpn_class_loss",
                         "mrcnn_mask_loss")}
COMPUTING = ("conv1", "bn_conv1", "res5b_branch2b", "res5b_out", "fpn_p2", "fpn_p3add",
             "mrcnn_class_conv1", "mrcnn_class_bn2", "mrcnn_mask_conv4", "mrcnn_mask_deconv")


@pytest.fixture(scope="module", params=LOW)
def precision(request):
    return request.param


@pytest.fixture(scope="module", params=["inference", "training"])
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def graph(precision, mode):
    return build_model(mode, tiny_config(PRECISION=precision))


def test_layers_compute_in_their_precision(graph, mode, precision):
    dtypes = {layer.name: layer.compute_dtype for layer in graph.layers}
    assert {name: dtypes[name] for name in COMPUTING} == dict.fromkeys(COMPUTING, precision)
    exact = EXACT + EXACT_OF[mode]
    assert {name: dtypes[name] for name in exact} == dict.fromkeys(exact, "float32")
    rpn = {layer.name: layer.compute_dtype for layer in graph.get_layer("rpn_model").layers}
    assert rpn["rpn_conv_shared"] == precision
    assert rpn["rpn_class_raw"] == rpn["rpn_class_xxx"] == rpn["rpn_bbox_pred"] == "float32"


def test_a_wrapper_computes_as_what_it_wraps(graph):
    wrappers = [layer for layer in graph.layers if isinstance(layer, TimeDistributed)]
    assert wrappers
    assert all(w.dtype_policy.name == w.layer.dtype_policy.name for w in wrappers)


def test_variables_and_names_are_those_of_float32(graph, mode):
    plain = build_model(mode, tiny_config())
    assert [v.name for v in graph.variables] == [v.name for v in plain.variables]
    assert [v.shape for v in graph.variables] == [v.shape for v in plain.variables]
    assert {v.dtype for v in graph.trainable_variables} == {"float32"}
    assert output_names(graph) == output_names(plain)
    assert [tensor.dtype for tensor in graph.outputs] == [t.dtype for t in plain.outputs]
    assert {layer.compute_dtype for layer in plain.layers} == {"float32"}


def test_answers_are_near_those_of_float32(graph, mode, precision):
    plain = build_model(mode, tiny_config())
    graph.set_weights(plain.get_weights())
    batch = inference_batch if mode == "inference" else training_batch
    inputs = batch(tiny_config())
    low, exact = values(graph, inputs), values(plain, inputs)
    for name in ("rpn_class", "rpn_bbox"):  # what comes after them may keep other boxes
        assert low[name].dtype == np.float32
        spread = np.abs(exact[name]).max()
        assert 0 < np.abs(low[name] - exact[name]).max() < 20 * EPSILON[precision] * spread


def test_boxes_of_the_ground_truth_are_not_rounded(precision):
    """In bfloat16 a box of 1000 pixels would move by up to 4."""
    graph = build_model("training", tiny_config(PRECISION=precision))
    normalize = graph.get_layer("gt_boxes_normalized")
    boxes, images = np.float32([[[3, 5, 1001, 999]]]), np.zeros((1, 1024, 1024, 3), np.float32)
    np.testing.assert_allclose(np.asarray(normalize([boxes, images]))[0, 0],
                               np.float32([3, 5, 1000, 998]) / 1023, rtol=1e-6)


def test_the_caller_finds_the_global_policy_as_it_was():
    before = keras.config.dtype_policy().name
    build_model("inference", tiny_config(PRECISION="bfloat16"))
    assert keras.config.dtype_policy().name == before
    with pytest.raises(ValueError, match="BACKBONE"):
        build_model("inference", tiny_config(PRECISION="bfloat16", BACKBONE=lambda image: [image]))
    assert keras.config.dtype_policy().name == before


def test_a_global_policy_does_not_reach_the_graph():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        graph = build_model("inference", tiny_config())
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in graph.layers} == {"float32"}


def foreign(dtype=None):
    """A backbone of somebody's own, made without a thought of precision, or with one."""
    image = keras.Input((None, None, 3))
    x, maps = image, []
    for strides in (4, 2, 2, 2):
        x = keras.layers.Conv2D(8, 3, strides=strides, padding="same", dtype=dtype)(x)
        maps.append(x)
    return keras.Model(image, maps)


@pytest.mark.parametrize(("own", "expected"), [(None, "bfloat16"), ("mixed_float16", "float16")])
def test_a_keras_model_as_backbone(own, expected):
    backbone = foreign(own)
    graph = build_model("inference", tiny_config(PRECISION="bfloat16", BACKBONE=backbone))
    inside = graph.get_layer("backbone").layers
    convolutions = [layer for layer in inside if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.compute_dtype for layer in convolutions} == {expected}
    given = backbone.layers[1:]
    assert {layer.compute_dtype for layer in given} == {expected if own else "float32"}
    for ours, theirs in zip(convolutions, given, strict=True):
        np.testing.assert_array_equal(ours.get_weights()[0], theirs.get_weights()[0])


def test_a_callable_backbone_is_called_under_the_policy():
    seen = []

    def backbone(image):
        seen.append(keras.config.dtype_policy().name)
        return foreign()

    build_model("inference", tiny_config(PRECISION="float16", BACKBONE=backbone))
    assert seen == [POLICIES["float16"]]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}], ids=str)
def test_low_batch_norm_on_stored_statistics(precision, options):
    rng = np.random.default_rng(0)
    with policy_of(tiny_config(PRECISION=precision)):
        layer = BatchNorm(train_bn=False, **options)
    inputs = rng.normal(0, 1, (2, 3, 3, 5)).astype(np.float32)
    layer.build(inputs.shape)
    for variable in layer.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    answer = layer(inputs, training=True)
    assert keras.backend.standardize_dtype(answer.dtype) == precision
    plain = BatchNorm(train_bn=False, **options)
    plain.build(inputs.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(np.asarray(keras.ops.cast(answer, "float32")), plain(inputs),
                               atol=16 * EPSILON[precision])
