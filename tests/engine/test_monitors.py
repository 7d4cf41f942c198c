"""The caller's callbacks at the door of a training."""

import keras
import numpy as np
import pytest
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

from mrcnn.data.shapes import ShapesDataset
from mrcnn.engine.monitors import admit_callbacks, check_settable_rate
from mrcnn.engine.optimizers import WarmupSchedule
from mrcnn.engine.validation import MeanAveragePrecision


@pytest.fixture(scope="module")
def dataset():
    dataset = ShapesDataset()
    dataset.load_shapes(2, 64, 64)
    dataset.prepare()
    return dataset


def test_what_measures_comes_first_and_the_rest_keep_their_order(dataset):
    meter, first, last = MeanAveragePrecision(dataset), EarlyStopping(), keras.callbacks.Callback()
    assert admit_callbacks([first, last, meter], None) == [meter, first, last]
    assert admit_callbacks(None, None) == [] == admit_callbacks([], None)


def test_the_name_of_the_number_stands_for_the_callback(dataset):
    meter, stop = admit_callbacks([EarlyStopping("val_mAP50"), "val_mAP"], dataset)
    assert isinstance(meter, MeanAveragePrecision)
    assert meter.dataset is dataset
    with pytest.raises(ValueError, match='"val_mAP" needs a val_dataset'):
        admit_callbacks(["val_mAP"], None)


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceLROnPlateau, ModelCheckpoint])
def test_keras_is_told_that_higher_is_better(dataset, kind):
    """By itself it raises at the end of the first epoch, as it knows no metric of that name."""
    path = {"filepath": "x.weights.h5", "save_weights_only": True, "save_best_only": True}
    callback = kind(monitor="val_mAP", **(path if kind is ModelCheckpoint else {}))
    _, callback = admit_callbacks(["val_mAP", callback], dataset)
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    callback._set_monitor_op()
    assert callback._is_improvement(0.5, 0.4) and not callback._is_improvement(0.4, 0.5)


def test_a_number_that_nobody_measures_is_refused(dataset):
    for monitor in ("val_mAP", "val_mAP75"):
        with pytest.raises(ValueError, match=f"EarlyStopping monitors {monitor}, but nothing"):
            admit_callbacks([EarlyStopping(monitor, mode="max")], dataset)
    assert len(admit_callbacks([EarlyStopping("val_loss")], dataset)) == 1


def test_lower_is_not_better(dataset):
    with pytest.raises(ValueError, match='ReduceLROnPlateau .*mode="min", but higher is better'):
        admit_callbacks(["val_mAP", ReduceLROnPlateau("val_mAP", mode="min")], dataset)


def test_best_weights_that_would_be_overwritten_between_evaluations(dataset):
    """Keras saves "the best" whenever the value is missing."""
    best = ModelCheckpoint("x.weights.h5", "val_mAP", save_best_only=True, save_weights_only=True)
    every_second = MeanAveragePrecision(dataset, every=2)
    with pytest.raises(ValueError, match="every 2 epochs; it would overwrite.*BestCheckpoint"):
        admit_callbacks([best, every_second], dataset)
    assert len(admit_callbacks([best, every_second, MeanAveragePrecision(dataset)], None)) == 3
    assert len(admit_callbacks([EarlyStopping("val_mAP"), every_second], None)) == 2


@pytest.mark.parametrize("custom", ["val_mAP", EarlyStopping(), [EarlyStopping], ["val_map"], [3]])
def test_what_is_no_list_of_callbacks(dataset, custom):
    with pytest.raises(TypeError, match="custom_callbacks: expected"):
        admit_callbacks(custom, dataset)


@pytest.mark.parametrize("arguments, message", [
    ({"every": 0}, "every: expected a whole number of epochs from 1, received 0"),
    ({"every": 1.5}, "every: expected"), ({"every": True}, "every: expected"),
    ({"iou_type": "mask"}, "iou_type: expected one of"),
    ({"limit": -1}, "limit: expected"),
])
def test_arguments_that_cannot_work(dataset, arguments, message):
    with pytest.raises(ValueError, match=message):
        MeanAveragePrecision(dataset, **arguments)


def test_outside_of_our_train_it_says_where_it_belongs(dataset):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="belongs into custom_callbacks of MaskRCNN.train"):
        model.fit(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0,
                  callbacks=[MeanAveragePrecision(dataset)])


@pytest.mark.parametrize("callback", [ReduceLROnPlateau(),
                                      keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)])
def test_a_rate_on_a_schedule_cannot_be_set(callback):
    on_schedule = keras.optimizers.SGD(WarmupSchedule(0.1, 5))
    with pytest.raises(ValueError, match=f"{type(callback).__name__} cannot .*LR_SCHEDULE = None"):
        check_settable_rate([EarlyStopping(), callback], on_schedule)
    check_settable_rate([EarlyStopping()], on_schedule)
    constant = keras.optimizers.SGD(0.1)
    before = float(constant.learning_rate)
    check_settable_rate([callback], constant)
    assert float(constant.learning_rate) == before
