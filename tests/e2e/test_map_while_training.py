"""val_mAP while training: the right number, seen by every callback, and nothing else changed."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

from mrcnn.engine.callbacks import BestCheckpoint
from mrcnn.engine.checkpoint_files import find_checkpoints, read_checkpoint_meta
from mrcnn.engine.legacy_h5 import read_legacy_h5
from mrcnn.engine.validation import MeanAveragePrecision
from mrcnn.evaluation.coco import coco_evaluate
from mrcnn.model import MaskRCNN


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Remembered(tiny.ShapesDataset):
    """Its objects are what a model once found, so that another model does well or badly."""

    def remember(self, results):
        """Every second detection that has a pixel."""
        self.answers = []
        for result in results:
            rows = np.flatnonzero(result["masks"].any(axis=(0, 1)))[::2]
            self.answers.append((result["masks"][:, :, rows], result["class_ids"][rows]))

    def load_mask(self, image_id):
        return self.answers[image_id]


class Seen(keras.callbacks.Callback):
    """The logs that a callback of the caller gets, and the rate at each epoch's end."""

    def __init__(self):
        super().__init__()
        self.logs, self.rates = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        self.rates.append(float(self.model.optimizer.learning_rate))


def detections_of(path, dataset):
    model = MaskRCNN.from_checkpoint(path, model_dir=Path(path).parent)
    return model.detect([dataset.load_image(i) for i in dataset.image_ids])


def coco_numbers(path, dataset):
    """By pycocotools on arrays, from a model that was opened from the file."""
    truth = []
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        boxes = [[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
                 for rows, columns in (np.nonzero(masks[:, :, i]) for i in range(len(class_ids)))]
        truth.append({"rois": np.array(boxes), "class_ids": class_ids, "masks": masks})
    return coco_evaluate(truth, detections_of(path, dataset), dataset.class_names, "segm")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of three epochs, and the same one measured by what the first found after epoch 1."""
    folder = tmp_path_factory.mktemp("runs")
    plain = tiny.training_model(folder / "plain")
    plain_history = tiny.train(plain, 3, learning_rate=0.001).history
    dataset = tiny.shapes(3, seed=9, kind=Remembered)
    files = find_checkpoints(plain.log_dir)
    dataset.remember(detections_of(files[0], dataset))

    seen, path = Seen(), str(folder / "best.weights.h5")
    measured = tiny.training_model(folder / "measured", CHECKPOINT_KEEP=1)
    tf.config.run_functions_eagerly(True)
    history = tiny.train(measured, 3, learning_rate=0.001, custom_callbacks=[
        seen,
        EarlyStopping("val_mAP", patience=9, restore_best_weights=True),
        ModelCheckpoint(path, "val_mAP", save_best_only=True, save_weights_only=True),
        BestCheckpoint(),
        MeanAveragePrecision(dataset, per_class=True, verbose=0),
    ]).history
    return {"plain": plain, "plain_history": plain_history, "files": files, "dataset": dataset,
            "measured": measured, "history": history, "seen": seen, "keras_file": path}


def test_the_numbers_are_those_of_the_checkpoints(runs):
    first, last = (coco_numbers(runs["files"][i], runs["dataset"]) for i in (0, 2))
    for name, key in (("val_mAP", "AP"), ("val_mAP50", "AP50"), ("val_mAP75", "AP75")):
        logged = runs["history"][name]
        np.testing.assert_array_equal([logged[0], logged[2]], [first[key], last[key]], name)
    assert first["AP"] > 0.4 > last["AP"]  # the first epoch's own detections


def test_classes_have_numbers_too(runs):
    names = runs["dataset"].class_names[1:]
    present = {int(i) for _, class_ids in runs["dataset"].answers for i in class_ids}
    values = [runs["history"][f"val_mAP_{names[i - 1]}"] for i in sorted(present)]
    np.testing.assert_allclose(np.mean(values, axis=0), runs["history"]["val_mAP"])


def test_training_is_the_same_with_and_without_it(runs):
    for name, values in runs["plain_history"].items():
        assert runs["history"][name] == values, name
    first = read_legacy_h5(runs["files"][2])
    second = read_legacy_h5(find_checkpoints(runs["measured"].log_dir)[-1])
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key], err_msg=str(key))


def test_callbacks_named_before_it_see_it(runs):
    values = [logs["val_mAP"] for logs in runs["seen"].logs]
    assert values == runs["history"]["val_mAP"]


def test_the_best_epoch_is_kept_by_its_number(runs):
    """By val_mAP it is the first, while the loss would choose another."""
    assert np.argmin(runs["history"]["loss"]) != 0
    kept = find_checkpoints(runs["measured"].log_dir)
    assert [path.stem[-4:] for path in kept] == ["0001", "0003"]
    meta = read_checkpoint_meta(kept[0])
    assert meta.logs["val_mAP"] == runs["history"]["val_mAP"][0]


def test_the_best_weights_are_restored_and_saved(runs, tmp_path):
    measured = runs["measured"]
    best = Path(measured.log_dir) / "mask_rcnn_tiny_best.h5"
    reopened = tiny.training_model(tmp_path)
    reopened.load_weights(best, by_name=True)
    first = tiny.weights_of(reopened)
    tiny.assert_same_weights(tiny.weights_of(measured), first)  # EarlyStopping's
    reopened.load_weights(runs["files"][0], by_name=True)
    tiny.assert_same_weights(tiny.weights_of(reopened), first)
    reopened.load_weights(runs["files"][2], by_name=True)
    reopened.keras_model.load_weights(runs["keras_file"])  # ModelCheckpoint's
    tiny.assert_same_weights(tiny.weights_of(reopened), first)
    assert MaskRCNN.from_checkpoint(best, model_dir=tmp_path).epoch == 1
    assert measured.find_last().endswith("mask_rcnn_tiny_0003.h5")


def test_the_twin_shares_every_variable_and_answers_as_the_checkpoint(runs):
    model = runs["plain"]
    twin = model.inference_twin()
    own = {id(variable) for variable in model.keras_model.variables}
    assert len(twin.keras_model.variables) > 150
    assert not [v.path for v in twin.keras_model.variables if id(v) not in own]
    dataset = runs["dataset"]
    found = twin.detect([dataset.load_image(i) for i in dataset.image_ids])
    expected = detections_of(model.find_last(), dataset)
    assert sum(len(result["scores"]) for result in expected) > 0
    for result, wanted in zip(found, expected, strict=True):
        for key in ("rois", "class_ids", "scores", "masks"):
            np.testing.assert_array_equal(result[key], wanted[key], err_msg=key)


def test_every_second_epoch_and_a_plateau(runs, tmp_path, recwarn):
    """The value is absent between; patience counts evaluations; the rate falls."""
    model, seen = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1), Seen()
    dataset = tiny.shapes(1, seed=9)  # a model of few steps finds nothing in it
    meter = MeanAveragePrecision(dataset, every=2, verbose=0)
    history = tiny.train(model, 9, "heads", custom_callbacks=[
        ReduceLROnPlateau("val_mAP", factor=0.5, patience=1),
        EarlyStopping("val_mAP", patience=2), meter, seen]).history
    assert ["val_mAP" in logs for logs in seen.logs] == [False, True] * 3
    assert history["val_mAP"] == [0.0] * 3
    np.testing.assert_allclose(seen.rates, [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025])
    assert not [w for w in recwarn if "not available" in str(w.message)]
    assert model.epoch == 6


def test_a_set_that_cannot_be_measured_is_refused_before_training(tmp_path):
    model = tiny.training_model(tmp_path)
    blank = tiny.shapes(2, kind=tiny.BlankShapes)
    with pytest.raises(ValueError, match="no object in 2 images, so there is no val_mAP"):
        tiny.train(model, custom_callbacks=[MeanAveragePrecision(blank)])
    other = tiny.ShapesDataset()
    other.add_class("shapes", 1, "circle")
    other.add_image("shapes", 0, None)
    other.prepare()
    with pytest.raises(ValueError, match="the model's classes are 3: circle, square, triangle"):
        tiny.train(model, custom_callbacks=[MeanAveragePrecision(other)])
    with pytest.raises(ValueError, match="ReduceLROnPlateau cannot change a learning rate"):
        tiny.train(model, learning_rate=keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.5),
                   custom_callbacks=[ReduceLROnPlateau("loss")])
    assert model.epoch == 0 and not find_checkpoints(model.log_dir)
