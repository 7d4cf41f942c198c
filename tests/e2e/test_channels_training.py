"""Training and detection on images of 1, 4 and 6 channels, of 8 and 16 bits and of floats."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from channel_files import channel_set

from mrcnn.model import MaskRCNN


@pytest.fixture(autouse=True)
def eager():
    """Layers run one by one: a new model trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("bands", [1, 4, 6])
def test_channels_train_and_detect(tmp_path, bands):
    dataset, arrays = channel_set(tmp_path / "set", bands)
    knobs = {"IMAGE_CHANNEL_COUNT": bands, "NUM_CLASSES": 2, "STEPS_PER_EPOCH": 3}
    model = tiny.training_model(tmp_path / "runs", **knobs)
    before = tiny.weights_of(model)
    history = tiny.train(model, dataset=dataset)
    assert np.isfinite(history.history["loss"]).all()
    assert "conv1" in tiny.changed_layers(before, tiny.weights_of(model))
    kernel = next(array for name, array in before.items() if name.endswith("conv1/kernel"))
    assert kernel.shape[2] == bands
    inference = MaskRCNN("inference", tiny.tiny_config(**knobs), tmp_path / "runs")
    inference.load_weights(model.find_last())
    for array in arrays[::2]:  # one of each type
        found = inference.detect([array, array])[1]
        assert found["masks"].shape[:2] == array.shape[:2]
        assert len(found["rois"]) == len(found["class_ids"])
    with pytest.raises(ValueError, match=rf"images\[0\]: expected {bands} channels"):
        inference.detect([np.zeros((64, 64, 5), np.uint8)])
