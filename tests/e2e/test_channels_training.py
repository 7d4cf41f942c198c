"""Training and detection on images of 1, 4 and 6 channels of 8 bits, 16 bits and floats; VOC."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from channel_files import channel_set
from PIL import Image

from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.voc import read_voc
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


def test_a_voc_folder_trains_with_masks_and_with_boxes(tmp_path):
    made, _ = channel_set(tmp_path / "set", 3)
    root = tmp_path / "VOC2012"
    for part in ("Annotations", "JPEGImages", "SegmentationObject"):
        (root / part).mkdir(parents=True)
    for image_id, info in enumerate(made.image_info):
        mask, _ = made.load_mask(image_id)
        labels = np.where(mask[..., 1], 2, mask[..., 0]).astype(np.uint8)
        if image_id % 2:  # the others are boxes alone
            Image.fromarray(labels).save(root / "SegmentationObject" / f"{info['id']}.png")
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{x + 23}</xmax><ymax>{y + 21}</ymax></bndbox></object>"
            for name, (x, y) in (("cat", (9, 7)), ("dog", (31, 37))))
        (root / "Annotations" / f"{info['id']}.xml").write_text(
            f"<annotation><size><width>64</width><height>64</height></size>{objects}</annotation>")
        Image.fromarray(made.load_image(0)).save(root / "JPEGImages" / f"{info['id']}.jpg")
    dataset = AnnotatedDataset()
    read_voc(dataset, root)
    dataset.prepare()
    assert [one.kind for one in dataset.findings] == ["box-only"]
    model = tiny.training_model(tmp_path / "runs", NUM_CLASSES=3, STEPS_PER_EPOCH=3)
    history = tiny.train(model, dataset=dataset)
    assert np.isfinite(history.history["loss"]).all()
