"""The order of callbacks."""

import keras

from mrcnn.engine.callbacks import CheckpointSaver, all_callbacks
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


class _NoLimit:
    CHECKPOINT_KEEP = 0

    def to_dict(self):
        """A configuration of nothing."""
        return {}
