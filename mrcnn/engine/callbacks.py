"""What happens around each epoch and step of training."""

import importlib.util
import math
import os

import keras

from mrcnn.engine.checkpoints import prune_checkpoints, save_checkpoint

DRAWS_PER_EPOCH = 2**18  # more than an epoch makes


class CheckpointSaver(keras.callbacks.Callback):
    """Write a checkpoint after every epoch, whole or not at all.

    Args:
        pattern: path with a place for `epoch`.
        config: Config, kept in the file.
        class_names: list kept in the file.
        layers: the stage's layers, kept in the file.
    """

    def __init__(self, pattern, config, class_names, layers):
        super().__init__()
        self.pattern, self.config = pattern, config
        self.class_names, self.layers = class_names, layers
        self.epoch = 0  # the last one that is safe on disk

    def on_epoch_end(self, epoch, logs=None):
        """Save weights, configuration, optimizer state and this epoch's losses."""
        save_checkpoint(
            self.pattern.format(epoch=epoch + 1),
            self.model,
            config=self.config,
            class_names=self.class_names,
            epoch=epoch + 1,
            optimizer=self.model.optimizer,
            logs=logs,
            layers=self.layers,
        )
        self.epoch = epoch + 1
        if self.config.CHECKPOINT_KEEP:
            prune_checkpoints(os.path.dirname(self.pattern), self.config.CHECKPOINT_KEEP)


class RepeatableDraws(keras.callbacks.Callback):
    """Let what the layers draw at random follow from their seed and the epoch.

    Without it a resumed run would draw its rois as the first epoch did, and validation
    would change those of the epochs after it.
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Set the counter of every random generator of the model."""
        for variable in self.model.non_trainable_variables:
            if variable.name == "seed_generator_state":
                seed = int(keras.ops.convert_to_numpy(variable)[0])
                variable.assign([seed, epoch * DRAWS_PER_EPOCH])


class NonFiniteLoss(keras.callbacks.Callback):
    """Stop at the first loss that is NaN or infinite, and name the images that gave it.

    Args:
        feed: TrainingFeed, which knows the images of each batch.
    """

    def __init__(self, feed):
        super().__init__()
        self.feed = feed
        self.step = 0

    def on_train_batch_end(self, batch, logs=None):
        """Check the running losses."""
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if bad:
            images = ", ".join(self.feed.images_of_batch(self.step))
            raise FloatingPointError(
                f"step {self.step + 1}: {', '.join(bad)} became NaN or infinite on the images "
                f"{images}. Check their annotations; if they are sound, lower LEARNING_RATE "
                "or set WARMUP_STEPS."
            )
        self.step += 1


def all_callbacks(feed, saver, log_dir, custom=None):
    """Repeatable draws, the NaN guard, TensorBoard where it is installed, the caller's own, and
    last the checkpoint, which so holds what those before it logged."""
    callbacks = [RepeatableDraws(), NonFiniteLoss(feed)]
    if importlib.util.find_spec("tensorboard"):
        callbacks.append(keras.callbacks.TensorBoard(log_dir=log_dir, write_graph=False))
    return [*callbacks, *(custom or []), saver]
