"""The order of callbacks, and what they write."""

import keras
import numpy as np
import pytest

from mrcnn.engine.callbacks import BestCheckpoint, CheckpointSaver, all_callbacks
from mrcnn.engine.checkpoint_files import find_checkpoints
from mrcnn.engine.checkpoints import read_checkpoint_meta


def test_what_a_callback_logs_is_kept_in_the_checkpoint(tmp_path):
    class Judge(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_mAP"] = 0.5

    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="only")(inputs))
    model.compile(optimizer="sgd", loss="mse")
    saver = CheckpointSaver(
        str(tmp_path / "mask_rcnn_x_{epoch:04d}.h5"), _NoLimit(), ["BG", "thing"], "all"
    )
    order = keras.callbacks.CallbackList(
        all_callbacks(None, saver, str(tmp_path), [Judge()])[1:], model=model
    )
    order.on_epoch_end(0, {"loss": 1.0})
    meta = read_checkpoint_meta(tmp_path / "mask_rcnn_x_0001.h5")
    assert meta.logs == {"loss": 1.0, "val_mAP": 0.5}
    assert (meta.epoch, meta.layers, saver.epoch) == (1, "all", 1)


def best_after(folder, epochs, custom, keep=0, first=0):
    """Epoch and logs of the best checkpoint after epochs with these logs."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="only")(inputs))
    model.compile(optimizer="sgd", loss="mse")
    config = _NoLimit()
    config.CHECKPOINT_KEEP = keep
    saver = CheckpointSaver(str(folder / "mask_rcnn_x_{epoch:04d}.h5"), config, ["BG"], "all")
    order = keras.callbacks.CallbackList(
        all_callbacks(None, saver, str(folder), custom)[2:], model=model
    )
    for epoch, logs in enumerate(epochs, start=first):
        model.layers[1].bias.assign([epoch + 1.0])
        order.on_epoch_end(epoch, logs)
    meta = read_checkpoint_meta(folder / "mask_rcnn_x_best.h5")
    return meta.epoch, meta.logs


@pytest.mark.parametrize("custom, epochs, best", [
    (BestCheckpoint(), [{"loss": 3}, {"loss": 1}, {"loss": 2}], 2),
    (BestCheckpoint(), [{"loss": 3, "val_loss": 1}, {"loss": 1, "val_loss": 2}], 1),
    (BestCheckpoint(), [{"val_loss": 1, "val_mAP": 0.1}, {"val_loss": 2, "val_mAP": 0.2},
                        {"val_loss": 0, "val_mAP": 0.2}], 2),
    (BestCheckpoint(), [{"val_loss": 1}, {"val_loss": 2, "val_mAP": 0.2}, {"val_loss": 0}], 2),
    (BestCheckpoint(), [{"loss": float("nan")}, {"loss": 5}], 2),
    (BestCheckpoint("val_mAP75"), [{"val_mAP75": 0.1}, {"val_mAP75": 0.3}], 2),
    (BestCheckpoint("f1", "max"), [{"f1": 0.4}, {"f1": 0.3}], 1),
])
def test_the_best_checkpoint_has_a_name_of_its_own(tmp_path, custom, epochs, best):
    """Also where it is named first: what others log afterwards counts."""
    epoch, logs = best_after(tmp_path, epochs, [custom])
    assert epoch == best and logs == epochs[best - 1]
    assert len(find_checkpoints(tmp_path)) == len(epochs)


def test_the_best_stays_when_a_run_is_resumed_and_old_checkpoints_go(tmp_path):
    first = [{"val_mAP": 0.2}, {"val_mAP": 0.5}, {"val_mAP": 0.1}]
    assert best_after(tmp_path, first, [BestCheckpoint()], 1)[0] == 2
    later = [{"val_mAP": 0.4}, {"val_mAP": 0.45}]
    assert best_after(tmp_path, later, [BestCheckpoint()], 1, first=3)[0] == 2
    assert [path.stem[-4:] for path in find_checkpoints(tmp_path)] == ["0002", "0005"]
    assert best_after(tmp_path, [{"val_mAP": 0.6}], [BestCheckpoint()], 1, first=5)[0] == 6
    assert [path.stem[-4:] for path in find_checkpoints(tmp_path)] == ["0006"]


def test_best_checkpoint_says_what_it_needs():
    with pytest.raises(ValueError, match='mode: expected "min", "max" or None, received \'auto\''):
        BestCheckpoint(mode="auto")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="belongs into custom_callbacks of MaskRCNN.train"):
        model.fit(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0, callbacks=[BestCheckpoint()])


class _NoLimit:
    CHECKPOINT_KEEP = 0

    def to_dict(self):
        """A configuration of nothing."""
        return {}
