"""What happens around each epoch and step of training."""

import importlib.util
import math
import os
import shutil

import keras

from mrcnn import kernels
from mrcnn._atomic import atomic_path
from mrcnn.engine.checkpoint_files import best_of
from mrcnn.engine.checkpoints import prune_checkpoints, read_checkpoint_meta, save_checkpoint

DRAWS_PER_EPOCH = 2**18  # more than an epoch makes


def beside_checkpoints(pattern, word):
    """Path of a file that `find_last` takes for no checkpoint: `mask_rcnn_<name>_<word>.h5`."""
    return pattern.replace("{epoch:04d}", word)


class CheckpointSaver(keras.callbacks.Callback):
    """Write a checkpoint after every epoch, whole or not at all.

    Args:
        pattern: path with a place for `epoch`.
        config: Config, kept in the file.
        class_names: list kept in the file.
        layers: the stage's layers, kept in the file.

    Attributes:
        epoch: the last one that is safe on disk; 0 for none.
        running: the one that runs, counted from 0.
        steps: steps done of it that no checkpoint holds.
    """

    def __init__(self, pattern, config, class_names, layers):
        super().__init__()
        self.pattern, self.config = pattern, config
        self.class_names, self.layers = class_names, layers
        self.epoch = self.running = self.steps = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Count anew."""
        self.running, self.steps = epoch, 0

    def on_train_batch_end(self, batch, logs=None):
        """Count."""
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        """Save weights, configuration, optimizer state and this epoch's losses."""
        self._save(self.pattern.format(epoch=epoch + 1), epoch + 1, logs)
        self.epoch, self.steps = epoch + 1, 0
        if self.config.CHECKPOINT_KEEP:
            prune_checkpoints(os.path.dirname(self.pattern), self.config.CHECKPOINT_KEEP)

    def _save(self, path, epoch, logs=None):
        save_checkpoint(
            path,
            self.model,
            config=self.config,
            class_names=self.class_names,
            epoch=epoch,
            optimizer=self.model.optimizer,
            logs=logs,
            layers=self.layers,
        )

    def save_interrupted(self, advise=True):
        """Save what an interrupted epoch has learned, and print where it is and how to go on.

        Args:
            advise: False leaves out how to go on from Python, for callers that say it themselves.

        If the epoch had all its steps, it becomes a checkpoint like any other. Otherwise the
        last whole epoch is what training goes on from, exactly as if unbroken, and the state
        goes into a file beside it, `mask_rcnn_<name>_interrupted.h5`. A run without any whole
        epoch has nothing to go on from but this state: then it is the run's checkpoint.
        """
        done, of = self.steps, self.config.STEPS_PER_EPOCH
        where = f" in epoch {self.running + 1}, after {done} of {of} steps" if done else ""
        print(f"\nInterrupted{where}.")
        last = self.pattern.format(epoch=self.epoch or self.running)
        if done >= of:
            self.on_epoch_end(self.running)
            last = self.pattern.format(epoch=self.epoch)
        elif done and os.path.exists(last):
            path = beside_checkpoints(self.pattern, "interrupted")
            self._save(path, self.running)
            print(f"What it has learned in this epoch, for detection: {path}")
        elif done:
            self._save(last, self.running)
            print("No epoch of this run is whole, so training goes on from its present state.")
        if not os.path.exists(last):
            print("There is nothing to save yet.", flush=True)
        elif advise:
            print(f"To go on, load {last}, which `find_last` names, and train again.", flush=True)


class BestCheckpoint(keras.callbacks.Callback):
    """Keep a copy of the best checkpoint as `mask_rcnn_<name>_best.h5` in the run's folder.

    For `custom_callbacks` of `MaskRCNN.train`. `from_checkpoint` and `load_weights` read it like
    any checkpoint; `find_last` passes it over. It stays the best over all stages and when a run
    is resumed. An epoch in which `monitor` was not measured is never the best.

    Args:
        monitor: the logged value to judge by; None for `val_mAP`, where nothing logs that
            `val_loss`, and without validation `loss`.
        mode: "max" or "min"; None for "max" with `val_mAP...`, "min" with all else.

    Raises:
        ValueError: another mode.
    """

    def __init__(self, monitor=None, mode=None):
        super().__init__()
        if mode not in (None, "min", "max"):
            raise ValueError(f'mode: expected "min", "max" or None, received {mode!r}')
        self.monitor, self.mode = monitor, mode
        self.pattern = None

    def attach(self, pattern):
        """Take the path of the run's checkpoints, with a place for `epoch`."""
        self.pattern = pattern

    def on_train_begin(self, logs=None):
        """ValueError where `attach` was not called: outside of `MaskRCNN.train`."""
        if self.pattern is None:
            raise ValueError("BestCheckpoint belongs into custom_callbacks of MaskRCNN.train")

    def on_epoch_end(self, epoch, logs=None):
        """Copy the epoch's checkpoint, just written, if it is the best."""
        path = self.pattern.format(epoch=epoch + 1)
        best = beside_checkpoints(self.pattern, "best")
        found = [read_checkpoint_meta(p) for p in (best, path) if os.path.exists(p)]
        winner = best_of(found, self.monitor, self.mode)
        if winner is not None and winner.path == path:
            with atomic_path(best) as unfinished:
                shutil.copyfile(path, unfinished)


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
    """Callbacks in the order in which they run.

    Args:
        feed: TrainingFeed.
        saver: CheckpointSaver.
        log_dir: folder of the run.
        custom: the caller's, those first that put values into the logs.

    Returns:
        Repeatable draws, the NaN guard, the caller's own, TensorBoard where it is installed and
        the backend is TensorFlow, and last the checkpoint, which so holds what those before it
        logged, and BestCheckpoint, which copies it.
    """
    callbacks = [RepeatableDraws(), NonFiniteLoss(feed)]
    copying = [c for c in custom or () if isinstance(c, BestCheckpoint)]
    callbacks += [c for c in custom or () if not isinstance(c, BestCheckpoint)]
    if kernels.TENSORBOARD and importlib.util.find_spec("tensorboard"):
        callbacks.append(keras.callbacks.TensorBoard(log_dir=log_dir, write_graph=False))
    for callback in copying:
        callback.attach(saver.pattern)
    return [*callbacks, saver, *copying]
