"""The caller's callbacks at the door of a training: what would fail or mislead hours later."""

import keras

from mrcnn.engine.validation import METRIC, MeanAveragePrecision

SETS_THE_RATE = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)


def admit_callbacks(custom, val_dataset):
    """The caller's callbacks, those that measure first.

    Args:
        custom: list of callbacks, or None. The text "val_mAP" stands for
            `MeanAveragePrecision(val_dataset)`.
        val_dataset: of the training, or None.

    Returns:
        New list. A `mode="auto"` of a callback that monitors `val_mAP` has become "max":
        Keras cannot know.

    Raises:
        ValueError: `val_mAP` is monitored and not measured, or as if lower were better; or would
            be missed by ModelCheckpoint.
        TypeError: no list, or no callback in it.
    """
    if not isinstance(custom or [], (list, tuple)):
        raise TypeError(f"custom_callbacks: expected a list, received {type(custom).__name__}")
    callbacks = [_made(callback, val_dataset) for callback in custom or ()]
    meters = [c for c in callbacks if isinstance(c, MeanAveragePrecision)]
    others = [c for c in callbacks if not isinstance(c, MeanAveragePrecision)]
    for callback in others:
        if str(getattr(callback, "monitor", "")).startswith(METRIC):
            _admit_monitor(callback, meters)
    return [*meters, *others]


def _made(callback, val_dataset):
    if isinstance(callback, str) and callback == METRIC:
        if val_dataset is None:
            raise ValueError(f'custom_callbacks: "{METRIC}" needs a val_dataset')
        return MeanAveragePrecision(val_dataset)
    if isinstance(callback, type) or not hasattr(callback, "on_epoch_end"):
        raise TypeError(f"custom_callbacks: expected callbacks of Keras or \"{METRIC}\", "
                        f"received {callback!r}")
    return callback


def _admit_monitor(callback, meters):
    """See `admit_callbacks`; `meters` are the MeanAveragePrecision of the same list."""
    what = f"{type(callback).__name__} monitors {callback.monitor}"
    if not meters:
        raise ValueError(f"{what}, but nothing measures it: put MeanAveragePrecision(dataset) or "
                         f'"{METRIC}" into custom_callbacks as well')
    mode = getattr(callback, "mode", "max")
    if mode == "min":
        raise ValueError(f'{what} with mode="min", but higher is better: mode="max"')
    if mode == "auto":
        callback.mode = "max"
    saves_best = getattr(callback, "save_best_only", False)
    if saves_best and isinstance(callback, keras.callbacks.ModelCheckpoint):
        if all(meter.every > 1 for meter in meters):
            raise ValueError(f"{what}, which is measured every {meters[0].every} epochs; it would "
                             "overwrite the best weights in the epochs between. Take "
                             "BestCheckpoint, or every=1")


def check_settable_rate(callbacks, optimizer):
    """Refuse a callback that sets the learning rate where a schedule already does.

    Args:
        callbacks: the caller's callbacks.
        optimizer: the compiled one.

    Raises:
        ValueError: naming both.
    """
    setting = [c for c in callbacks if isinstance(c, SETS_THE_RATE)]
    if not setting:
        return
    try:
        optimizer.learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    except TypeError:
        raise ValueError(
            f"{type(setting[0]).__name__} cannot change a learning rate that follows a schedule: "
            "leave it out, or set LR_SCHEDULE = None, WARMUP_STEPS = 0 and give `train` a number "
            "as learning_rate"
        ) from None
