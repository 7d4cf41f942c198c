"""Anything that can be a backbone, and clear errors for what cannot."""

import keras
import numpy as np
import pytest
from tiny_models import inference_batch, tiny_config, values
from tolerances import NETWORK

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.nets.assembly import build_model
from mrcnn.nets.backbones import build_backbone
from mrcnn.nets.resnet import BLOCKS, build_resnet

MEAN = (123.7, 116.8, 103.9)


def taps(backbone, channels=3, train_bn=False, **arguments):
    """A model from images to the four taps."""
    images = keras.Input((None, None, channels))
    arguments = {"mean_pixel": MEAN[:channels], "train_bn": train_bn, **arguments}
    return keras.Model(images, build_backbone(backbone, images, **arguments))


def sizes(model, height, width, channels=3):
    outputs = model(np.zeros((1, height, width, channels), np.float32))
    return [tuple(t.shape[1:3]) for t in outputs]


def small_model(strides=(2, 4, 8, 16, 32), channels=3, with_bn=True):
    """Convolutions of two; a stride left out is jumped over."""
    x = inputs = keras.Input((None, None, channels))
    stride = 1
    for goal in strides:
        x = keras.layers.Conv2D(4, 3, strides=goal // stride, padding="same")(x)
        x = keras.layers.BatchNormalization()(x) if with_bn else x
        x = keras.layers.ReLU(name=f"stride{goal}")(x)
        stride = goal
    return keras.Model(inputs, x, name="small")


@pytest.mark.parametrize("name", BLOCKS)
def test_resnet_taps(name):
    images = keras.Input((None, None, 3))
    features = build_resnet(images, name, stage5=True, train_bn=False)
    expansion = 1 if name in ("resnet18", "resnet34") else 4
    widths = [64 * expansion, 128 * expansion, 256 * expansion, 512 * expansion]
    assert [f.shape[-1] for f in features] == [64, *widths]
    assert build_resnet(images, name, stage5=False)[4] is None


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (100, 75), (33, 65)])
def test_resnet_maps_are_the_ceiling_of_size_over_stride(size):
    expected = [tuple(-(-n // stride) for n in size) for stride in (4, 8, 16, 32)]
    assert sizes(taps("resnet18"), *size) == expected


def test_unknown_name_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match=r"resnet19.*resnet101.*resnet50"):
        taps("resnet19")


def test_keras_application_with_its_own_preprocessing():
    keras.utils.set_random_seed(0)
    model = taps(keras.applications.MobileNetV2)
    assert sizes(model, 64, 96) == [(16, 24), (8, 12), (4, 6), (2, 3)]
    preprocess = model.get_layer("preprocess")
    rgb = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    answer = np.asarray(preprocess(rgb - np.array(MEAN, np.float32)))
    expected = keras.applications.mobilenet_v2.preprocess_input(rgb.copy())
    np.testing.assert_allclose(answer, expected, atol=NETWORK)
    assert -1 <= answer.min() < -0.9 and 0.9 < answer.max() <= 1


def test_deepest_map_of_each_stride_is_taken():
    model = taps(keras.applications.MobileNetV2)
    assert [t.shape[-1] for t in model.outputs] == [144, 192, 576, 1280]


def test_keras_model_keeps_its_weights_and_takes_no_preprocessing_unasked():
    keras.utils.set_random_seed(0)
    backbone = small_model()
    images = np.random.default_rng(0).normal(0, 1, (1, 64, 64, 3)).astype(np.float32)
    expected = keras.Model(backbone.inputs, [backbone.get_layer(f"stride{s}").output
                                             for s in (4, 8, 16, 32)])([images])
    for answer, want in zip(taps(backbone)(images), expected, strict=True):
        np.testing.assert_allclose(answer, want, atol=NETWORK)


def test_preprocessing_asked_for():
    backbone = small_model(with_bn=False)
    images = np.full((1, 64, 64, 3), 10, np.float32)
    model = taps(backbone, preprocessing=lambda rgb: rgb / 255)
    expected = taps(backbone)((images + np.array(MEAN, np.float32)) / 255)
    np.testing.assert_allclose(model(images)[0], expected[0], atol=NETWORK)


@pytest.mark.parametrize("train_bn", [False, None, True])
def test_train_bn_rules_a_foreign_models_batch_norm(train_bn):
    inner = taps(small_model(), train_bn=train_bn).get_layer("backbone")
    norms = [x for x in inner.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 5
    assert all(isinstance(x, BatchNorm) and x.train_bn is train_bn for x in norms)


def test_models_nested_in_a_backbone_are_ruled_and_named_too():
    def block(channels):
        return keras.Sequential([keras.layers.Conv2D(channels, 3, strides=2, padding="same"),
                                 keras.layers.BatchNormalization(), keras.layers.ReLU()])

    shared = keras.layers.Conv2D(4, 1)
    found = []
    for _ in range(2):
        inputs = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(4, 1)(inputs)
        for _ in range(5):
            x = block(4)(shared(x))
        backbone = keras.Model(inputs, x)
        model = taps(backbone)
        inner = [x for x in model._flatten_layers() if x.weights and x.name.startswith("auto")]
        norms = [x for x in inner if isinstance(x, keras.layers.BatchNormalization)]
        assert len(norms) == 5
        assert all(isinstance(x, BatchNorm) and x.train_bn is False for x in norms)
        found.append(sorted(x.name for x in inner))
        images = np.random.default_rng(0).normal(0, 1, (1, 64, 64, 3)).astype(np.float32)
        np.testing.assert_allclose(model(images)[-1], backbone(images), atol=NETWORK)
    assert found[0] == found[1] and len(set(found[0])) == len(found[0])


def test_matterport_style_callable_gets_stage5_and_train_bn():
    seen = {}

    def graph(input_image, stage5=False, train_bn=None):
        seen.update(stage5=stage5, train_bn=train_bn)
        return build_resnet(input_image, "resnet18", stage5, train_bn)

    assert sizes(taps(graph), 64, 64) == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert seen == {"stage5": True, "train_bn": False}


def test_plain_callable_may_answer_maps_or_a_model():
    expected = [(16, 16), (8, 8), (4, 4), (2, 2)]

    def maps(images):
        x, answer = images, []
        for _ in range(5):
            x = keras.layers.AveragePooling2D(2)(x)
            answer.append(x)
        return answer

    assert sizes(taps(maps), 64, 64) == expected
    assert sizes(taps(lambda images: small_model()), 64, 64) == expected


@pytest.mark.parametrize(("strides", "missing", "found"), [
    ((2, 4, 8, 16), 32, r"\[1, 2, 4, 8, 16\]"),
    ((2, 8, 16, 32), 4, r"\[1, 2, 8, 16, 32\]"),
])
def test_missing_stride_is_named(strides, missing, found):
    with pytest.raises(ValueError, match=rf"no feature map of stride {missing}.*{found}"):
        taps(small_model(strides))


def test_missing_stride_of_a_callable_is_named():
    with pytest.raises(ValueError, match="no feature map of stride 16"):
        taps(lambda images: build_resnet(images, "resnet18")[:3])


def test_channels_must_match():
    with pytest.raises(ValueError, match="'small' takes 3 channels; IMAGE_CHANNEL_COUNT is 5"):
        taps(small_model(), channels=5, mean_pixel=[0] * 5)


@pytest.mark.parametrize("backbone", [keras.applications.MobileNetV2, small_model],
                         ids=["MobileNetV2", "callable answering a model"])
def test_whole_model_on_another_backbone(backbone):
    config = tiny_config()
    config.BACKBONE = backbone if backbone is not small_model else (lambda images: small_model())
    outputs = values(build_model("inference", config), inference_batch(config))
    assert outputs["mrcnn_detection"].shape == (2, 10, 6)
    assert (outputs["ROI"] != 0).any()


def unnamed_backbone(image, stage5=True, train_bn=None):
    """A callable in Matterport's manner whose layers have no names."""
    maps, x = [], image
    for _ in range(5):
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(x)
        maps.append(x)
    return maps


def test_unnamed_layers_get_names_that_do_not_depend_on_earlier_models():
    names = []
    for _ in range(2):
        model = taps(unnamed_backbone)
        names.append([layer.name for layer in model.layers if layer.weights])
        keras.layers.Conv2D(1, 1)  # moves Keras' own count
    assert names[0] == names[1] == [f"auto_conv2d_{i}" for i in range(1, 6)]


def test_unnamed_layers_of_a_keras_model_too():
    inner = []
    for _ in range(2):
        model = taps(small_model()).get_layer("backbone")
        inner.append([layer.name for layer in model.layers if layer.weights])
    assert inner[0] == inner[1]
    assert inner[0][:2] == ["auto_conv2d_1", "auto_batchnormalization_1"]


def test_a_model_of_fixed_size_takes_any_size():
    fixed = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(96, 96, 3), alpha=0.35
    )
    assert sizes(taps(fixed), 64, 128) == [(16, 32), (8, 16), (4, 8), (2, 4)]
