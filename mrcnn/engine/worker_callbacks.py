"""Callbacks of a training by several workers: who writes, and what all have to know alike."""

import keras

from mrcnn.engine.callbacks import BestCheckpoint, CheckpointSaver
from mrcnn.engine.layer_selection import trainable_layers
from mrcnn.engine.validation import MeanAveragePrecision
from mrcnn.layers.batch_norm import learns_statistics

# What only the chief runs: it measures for all, and writes files.
OF_THE_CHIEF = (MeanAveragePrecision, BestCheckpoint, keras.callbacks.TensorBoard,
                keras.callbacks.ModelCheckpoint, keras.callbacks.CSVLogger,
                keras.callbacks.BackupAndRestore)
STATISTICS = ("moving_mean", "moving_variance")


class CommonLogs(keras.callbacks.Callback):
    """Before others look at them, the chief's logs of an epoch become those of every worker.

    So an mAP that the chief has measured stops all, and a validation sees the same statistics of
    batch-norm everywhere: their mean over the workers, each of which saw its own images.

    Args:
        team: Team.
    """

    def __init__(self, team):
        super().__init__()
        self.team = team

    def on_test_begin(self, logs=None):
        """Average the statistics before a validation."""
        self._average_statistics()

    def on_epoch_end(self, epoch, logs=None):
        """Average the statistics, before they are saved, and share the logs."""
        self._average_statistics()
        values = {name: float(value) for name, value in logs.items()}
        logs.update(self.team.share(values))

    def _average_statistics(self):
        if any(learns_statistics(layer) for layer in trainable_layers(self.model)):
            variables = self.model.non_trainable_variables
            self.team.average([v for v in variables if v.name in STATISTICS])


class CommonEnd(keras.callbacks.Callback):
    """Where the chief ends training after an epoch, all do.

    Args:
        team: Team.
    """

    def __init__(self, team):
        super().__init__()
        self.team = team

    def on_epoch_end(self, epoch, logs=None):
        """Take up the chief's word."""
        self.model.stop_training = self.team.share(bool(self.model.stop_training))


class SilentSaver(CheckpointSaver):
    """Counts epochs as the chief's saver does, and writes nothing."""

    def on_epoch_end(self, epoch, logs=None):
        """Count."""
        self.epoch, self.steps = epoch + 1, 0

    def save_interrupted(self, advise=True):
        """Say no more than that it ended."""
        print("\nInterrupted.", flush=True)


def saver_of(team):
    """The class of checkpoint saver for this worker."""
    return CheckpointSaver if team.chief else SilentSaver


def those_of(team, callbacks):
    """The callbacks without what only the chief runs, where this worker is another."""
    return [c for c in callbacks if team.chief or not isinstance(c, OF_THE_CHIEF)]


def own_callbacks(team, custom):
    """The caller's callbacks that this worker runs, with those that keep the workers alike.

    Args:
        team: Team.
        custom: list of callbacks, those that measure first.
    """
    if team.alone:
        return custom
    own = those_of(team, custom)
    first = sum(isinstance(c, MeanAveragePrecision) for c in own)
    return [*own[:first], CommonLogs(team), *own[first:], CommonEnd(team)]
