"""Both graphs as a whole, small: names, shapes, sizes, gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import (
    inference_batch,
    output_names,
    pixel_anchors,
    tiny_config,
    training_batch,
    values,
)
from tolerances import NETWORK

from mrcnn.layers.time_distributed import TimeDistributed
from mrcnn.nets.assembly import build_model
from mrcnn.nets.losses import LOSSES

INFERENCE_OUTPUTS = ["mrcnn_detection", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "ROI",
                     "rpn_class", "rpn_bbox"]
TRAINING_OUTPUTS = ["rpn_class_logits", "rpn_class", "rpn_bbox", "mrcnn_class_logits",
                    "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "ROI", "output_rois", *LOSSES]
TRAINING_INPUTS = ["input_image", "input_image_meta", "input_rpn_match", "input_rpn_bbox",
                   "input_gt_class_ids", "input_gt_boxes", "input_gt_masks"]


@pytest.fixture(scope="module")
def inference():
    keras.utils.set_random_seed(1)
    return build_model("inference", tiny_config())


@pytest.fixture(scope="module")
def training():
    keras.utils.set_random_seed(1)
    return build_model("training", tiny_config())


def test_names_of_inputs_and_order_of_outputs(inference, training):
    assert [x.name for x in inference.inputs] == ["input_image", "input_image_meta",
                                                  "input_anchors"]
    assert [x.name for x in training.inputs] == TRAINING_INPUTS
    assert output_names(inference) == INFERENCE_OUTPUTS
    assert output_names(training) == TRAINING_OUTPUTS
    assert inference.name == training.name == "mask_rcnn"


@pytest.mark.parametrize("shape", [(64, 64), (128, 64), (100, 75), (65, 127)])
def test_any_height_and_width_run_in_inference(inference, shape):
    config = tiny_config()
    outputs = values(inference, inference_batch(config, shape=shape))
    anchors = len(pixel_anchors(config, shape))
    assert {name: value.shape for name, value in outputs.items()} == {
        "mrcnn_detection": (2, 10, 6), "mrcnn_class": (2, 30, 3), "mrcnn_bbox": (2, 30, 3, 4),
        "mrcnn_mask": (2, 10, 28, 28, 3), "ROI": (2, 30, 4), "rpn_class": (2, anchors, 2),
        "rpn_bbox": (2, anchors, 4)}
    for value in outputs.values():
        assert np.isfinite(value).all()


@pytest.mark.parametrize("shape", [(64, 64), (128, 64), (100, 75)])
def test_any_height_and_width_run_in_training(training, shape):
    config = tiny_config()
    outputs = values(training, training_batch(config, shape=shape), training=True)
    assert outputs["mrcnn_class"].shape == (2, 12, 3)
    assert outputs["mrcnn_mask"].shape == (2, int(12 * 0.33), 28, 28, 3)
    assert outputs["output_rois"].shape == (2, 12, 4)
    for name in LOSSES:
        assert outputs[name].shape == ()
        assert 0 < outputs[name] < 100, name


def test_probabilities_sum_to_one_and_masks_lie_between(inference):
    outputs = values(inference, inference_batch(tiny_config()))
    for name in ("mrcnn_class", "rpn_class"):
        np.testing.assert_allclose(outputs[name].sum(axis=-1), 1, atol=NETWORK)
    assert 0 <= outputs["mrcnn_mask"].min() < outputs["mrcnn_mask"].max() <= 1


def test_an_image_answers_the_same_alone_and_in_a_batch(inference):
    batch = inference_batch(tiny_config(), batch=3)
    together = values(inference, batch)
    alone = values(inference, [x[1:2] for x in batch])
    for name, value in alone.items():
        np.testing.assert_allclose(value[0], together[name][1], atol=NETWORK, err_msg=name)


@pytest.mark.parametrize("mask_shape", [(56, 56), (14, 28)])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_mask_shape_drives_the_mask_head(mode, mask_shape):
    config = tiny_config(MASK_SHAPE=list(mask_shape))
    make = training_batch if mode == "training" else inference_batch
    outputs = values(build_model(mode, config), make(config))
    assert outputs["mrcnn_mask"].shape[2:4] == mask_shape


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("channels", [1, 5])
def test_other_channel_counts(mode, channels):
    config = tiny_config(IMAGE_CHANNEL_COUNT=channels)
    make = training_batch if mode == "training" else inference_batch
    outputs = values(build_model(mode, config), make(config))
    assert np.isfinite(outputs["mrcnn_class"]).all()


def test_anchor_stride_two():
    config = tiny_config(RPN_ANCHOR_STRIDE=2)
    for mode, make in (("inference", inference_batch), ("training", training_batch)):
        outputs = values(build_model(mode, config), make(config, shape=(100, 75)))
        assert outputs["rpn_class"].shape[1] == len(pixel_anchors(config, (100, 75)))


def test_no_object_gives_zero_box_and_mask_loss_in_the_whole_graph(training):
    outputs = values(training, training_batch(tiny_config(), objects=0), training=True)
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"):
        assert outputs[name] == 0
    for name in ("rpn_class_loss", "mrcnn_class_loss"):
        assert outputs[name] > 0
    assert (outputs["output_rois"][0] != 0).any(), "negatives are drawn all the same"


def test_full_size_masks_train_too():
    config = tiny_config(USE_MINI_MASK=False)
    outputs = values(build_model("training", config), training_batch(config, shape=(64, 128)))
    assert outputs["mrcnn_mask_loss"] > 0


def gradients(model, batch):
    with tf.GradientTape() as tape:
        total = sum(model(batch, training=True)[-len(LOSSES):])
    return tape.gradient(total, [w.value for w in model.trainable_weights])


def test_a_gradient_reaches_every_trainable_weight(training):
    found = gradients(training, training_batch(tiny_config()))
    for weight, gradient in zip(training.trainable_weights, found, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


def test_rois_of_the_scripts_own():
    """USE_RPN_ROIS = False: an eighth input, in pixels, feeds the heads."""
    config = tiny_config(USE_RPN_ROIS=False)
    model = build_model("training", config)
    assert [x.name for x in model.inputs] == [*TRAINING_INPUTS, "input_roi"]
    batch = training_batch(config)
    rois = np.zeros((2, config.POST_NMS_ROIS_TRAINING, 4), np.float32)
    rois[:, :3] = batch[5][:, :3]
    rois[:, 3] = 1, 2, 5, 9
    outputs = values(model, [*batch, rois], training=True)
    used = (outputs["output_rois"] != 0).any(axis=-1).sum(axis=1)
    np.testing.assert_array_equal(used, 4)
    assert outputs["mrcnn_bbox_loss"] > 0


def test_the_class_weights_of_the_config_reach_the_class_loss():
    """A network that always answers the background is right about it alone, so the loss tells
    which classes count."""
    found = []
    for weights in (None, [1.0, 0.0, 0.0], np.array([0.0, 1.0, 0.0])):
        keras.utils.set_random_seed(1)
        model = build_model("training", tiny_config(CLASS_WEIGHTS=weights, SEED=3))
        head = model.get_layer("mrcnn_class_logits").layer
        head.kernel.assign(np.zeros(head.kernel.shape))
        head.bias.assign([2.0, 0.0, 0.0])
        batch = training_batch(tiny_config())
        found.append(float(values(model, batch, training=True)["mrcnn_class_loss"]))
    scale = np.log(np.exp(2) + 2)
    assert scale - 2 < found[0] < scale
    np.testing.assert_allclose(found[1:], [scale - 2, scale], rtol=NETWORK)


def test_diverged_weights_give_a_nan_loss_not_a_crash(training):
    """Training names the images of a NaN loss; it can only do so when the step ends."""
    kernel = training.get_layer("fpn_p2").kernel
    before = kernel.numpy()
    try:
        for bad in (np.nan, np.inf):
            kernel.assign(np.full_like(before, bad))
            outputs = values(training, training_batch(tiny_config()), training=True)
            assert np.isnan(outputs["mrcnn_class_loss"]), bad
    finally:
        kernel.assign(before)


def weights_by_layer(model):
    result = {}
    for layer in model.layers:
        for part in layer.layers if isinstance(layer, keras.Model) else [layer]:
            if part.weights and not part.name.startswith("proposal_targets"):
                result[part.name] = [w.numpy() for w in part.weights]
    return result


@pytest.mark.parametrize("pattern", [r"mrcnn_.*|rpn_.*|fpn_.*", "res5b_.*|rpn_bbox_pred"])
def test_one_fit_step_changes_only_the_chosen_layers(training, pattern):
    from mrcnn.engine.layer_selection import set_trainable

    before_all = training.get_weights()
    chosen = set_trainable(training, pattern)
    training.configure_losses({}, 0.0)
    training.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    before = weights_by_layer(training)
    config = tiny_config()
    names = [x.name for x in training.inputs]
    batch = dict(zip(names, training_batch(config), strict=True))
    history = training.fit(batch, batch_size=2, epochs=1, verbose=0)
    after = weights_by_layer(training)
    changed = {name for name in before
               if any((a != b).any() for a, b in zip(before[name], after[name], strict=True))}
    assert changed == set(chosen)
    assert set(LOSSES) <= set(history.history)
    total = sum(history.history[name][0] for name in LOSSES)
    np.testing.assert_allclose(history.history["loss"][0], total, rtol=NETWORK)
    training.set_weights(before_all)
    set_trainable(training, "all")


def test_weight_decay_is_on_kernels_and_biases_of_trained_layers_only(training):
    from mrcnn.engine.layer_selection import set_trainable

    set_trainable(training, "mrcnn_class_bn1|mrcnn_bbox_fc")
    training.configure_losses({"rpn_class_loss": 2.0}, 0.5)
    fc = training.get_layer("mrcnn_bbox_fc")
    expected = 0.5 * sum((w.numpy() ** 2).mean() for w in fc.weights)
    np.testing.assert_allclose(float(training.decay_loss()), expected, rtol=NETWORK)
    outputs = [None] * 9 + [np.float32(i) for i in (1, 2, 3, 4, 5)]
    total = training.compute_loss(y_pred=outputs)
    np.testing.assert_allclose(float(total), 2 + 2 + 3 + 4 + 5 + expected, rtol=NETWORK)
    set_trainable(training, "all")
    training.configure_losses({}, 0.0)


def test_l2_weight_decay_is_half_the_sum_of_the_squares(training):
    from mrcnn.engine.layer_selection import set_trainable

    set_trainable(training, "mrcnn_class_bn1|mrcnn_bbox_fc|rpn_conv_shared")
    training.configure_losses({}, 0.5, "l2")
    decayed = [training.get_layer("mrcnn_bbox_fc"),
               training.get_layer("rpn_model").get_layer("rpn_conv_shared")]
    expected = 0.0
    for weights in (w for layer in decayed for w in layer.weights):
        for value in keras.ops.convert_to_numpy(weights).ravel():
            expected += 0.5 * 0.5 * float(value) ** 2
    np.testing.assert_allclose(float(training.decay_loss()), expected, rtol=NETWORK)
    set_trainable(training, "all")
    training.configure_losses({}, 0.0)
    assert training.decay_mode == "mean"


def test_heads_are_wrapped_and_the_rpn_is_one_nested_model(inference):
    assert isinstance(inference.get_layer("mrcnn_mask_conv1"), TimeDistributed)
    assert inference.get_layer("mrcnn_mask_conv1").layer.name == "mrcnn_mask_conv1"
    assert isinstance(inference.get_layer("rpn_model"), keras.Model)
    nested = [x for x in inference.layers if isinstance(x, keras.Model)]
    assert [x.name for x in nested] == ["rpn_model"]
