"""ImageNet weights of other backbones become a file that loads by name."""

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.engine import imagenet
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.engine.weights import variable_table


def tiny_application(include_top=True, weights="imagenet", input_shape=(None, None, 3)):
    """A network with maps of stride 4 to 32, as keras.applications functions build them.

    Its "ImageNet" weights are those of a fixed seed.
    """
    seed = 1 if weights == "imagenet" else 2
    x = image = keras.Input(input_shape)
    for stride in (2, 4, 8, 16, 32):
        init = keras.initializers.GlorotUniform(seed=seed + stride)
        x = keras.layers.Conv2D(8, 3, 2, "same", name=f"conv_{stride}", kernel_initializer=init)(x)
        x = keras.layers.BatchNormalization(name=f"norm_{stride}")(x)
        x = keras.layers.ReLU(name=f"relu_{stride}")(x)
    return keras.Model(image, x)


def small_config(backbone):
    config = Config()
    config.NAME, config.BACKBONE, config.NUM_CLASSES = "tiny", backbone, 2
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = 64
    config.TOP_DOWN_PYRAMID_SIZE = config.RPN_CONV_CHANNELS = config.MASK_CONV_CHANNELS = 8
    config.FPN_CLASSIF_FC_LAYERS_SIZE = 8
    return config


def test_weights_of_an_application_load_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model = MaskRCNN("training", small_config(tiny_application), str(tmp_path))
    report = model.load_weights(model.get_imagenet_weights(), by_name=True)
    assert len(report.loaded) == 5 * (2 + 4)
    wanted = {
        (layer.name, weight.name): weight.numpy()
        for layer in tiny_application(include_top=False).layers
        for weight in layer.weights
    }
    loaded = {
        (leaf, weight): variable.numpy()
        for (layer, leaf, weight), variable in variable_table(model.keras_model)
        if layer == "backbone"
    }
    assert loaded.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_array_equal(loaded[key], value, err_msg=str(key))


def test_a_failed_download_says_so(tmp_path, monkeypatch):
    def offline(include_top=True, weights="imagenet"):
        raise Exception("URL fetch failure: no route to host")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ConnectionError, match="offline.*no route to host"):
        imagenet.backbone_weights_path(offline)


def test_a_plain_callable_has_no_imagenet_weights():
    with pytest.raises(ValueError, match="load your own file"):
        imagenet.backbone_weights_path(lambda image: [image])
