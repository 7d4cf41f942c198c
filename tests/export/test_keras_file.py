"""`.keras` files: `keras.models.load_model` gives the same network in both modes."""

import keras
import numpy as np
from e2e.tiny import tiny_config
from nets.tiny_models import inference_batch, training_batch

from mrcnn import kernels
from mrcnn.engine.keras_models import DetectionModel, LearningModel
from mrcnn.engine.mask_rcnn import MaskRCNN

KNOBS = {
    "DETECTION_NMS_ACROSS_CLASSES": 0.6, "DETECTION_MAX_INSTANCES": 7, "MASK_SHAPE": (20, 28),
    "RPN_ANCHOR_RATIOS": [0.5, 1, 3], "RPN_ANCHOR_STRIDE": 2, "TRAIN_BN": None,
    "CLASS_WEIGHTS": [1, 2, 3, 4], "LOSS_WEIGHTS": {"mrcnn_mask_loss": 2.0},
    "RPN_BBOX_STD_DEV": np.array([0.2, 0.1, 0.3, 0.2]), "ROI_POSITIVE_RATIO": 0.5,
}


def spread(model, seed=0):
    """Moves every weight a little, so that none is what a new layer would have."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(variable + rng.normal(0, 0.01, variable.shape).astype(np.float32))


def check_same_answers(model, loaded, inputs):
    expected, found = kernels.run_once(model, inputs), kernels.run_once(loaded, inputs)
    assert len(expected) == len(found)
    for name, one, other in zip(model.output_names, expected, found, strict=True):
        np.testing.assert_array_equal(other, one, err_msg=name)


def test_inference(tmp_path):
    config = tiny_config(**KNOBS)
    model = MaskRCNN("inference", config, tmp_path)
    spread(model.keras_model)
    config.DETECTION_MIN_CONFIDENCE = 0.01  # after the graph was built
    path = tmp_path / "tiny.keras"
    assert model.export(path) == str(path)
    loaded = keras.models.load_model(path)
    assert isinstance(loaded, DetectionModel)
    settings = loaded.get_layer("mrcnn_detection").get_config()
    assert settings["min_confidence"] == 0.01 and settings["across_classes"] == 0.6
    check_same_answers(model.keras_model, loaded, inference_batch(config))


def test_training(tmp_path):
    config = tiny_config(**KNOBS)
    model = MaskRCNN("training", config, tmp_path)
    spread(model.keras_model)
    for is_compiled in (False, True):
        if is_compiled:
            model.compile(0.01, 0.9)
        model.keras_model.save(tmp_path / "tiny.keras")
        loaded = keras.models.load_model(tmp_path / "tiny.keras")
        assert isinstance(loaded, LearningModel)
        assert loaded.loss_weights == model.keras_model.loss_weights
        assert loaded.weight_decay == model.keras_model.weight_decay
        assert (loaded.loss_weights["mrcnn_mask_loss"] == 2.0) == is_compiled
    check_same_answers(model.keras_model, loaded, training_batch(config))


def test_the_twin_of_a_model_that_trains(tmp_path):
    model = MaskRCNN("training", tiny_config(), tmp_path)
    spread(model.keras_model)
    twin = model.inference_twin()
    twin.export(tmp_path / "twin.keras")
    loaded = keras.models.load_model(tmp_path / "twin.keras")
    check_same_answers(twin.keras_model, loaded, inference_batch(model.config))


def small_backbone():
    """A keras.Model with maps of strides 4 to 32."""
    image = x = keras.Input((None, None, 3))
    for channels in (4, 4, 8, 8, 8):
        x = keras.layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
        x = keras.layers.BatchNormalization()(x)
    return keras.Model(image, x, name="small")


def test_a_backbone_of_ones_own_and_its_preprocessing(tmp_path):
    config = tiny_config(
        BACKBONE=small_backbone(),
        BACKBONE_PREPROCESSING=keras.applications.mobilenet_v2.preprocess_input)
    model = MaskRCNN("inference", config, tmp_path)
    model.export(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras")
    check_same_answers(model.keras_model, loaded, inference_batch(config))
