"""Keras callbacks of `mrcnn train`: the table on the screen, and history.csv."""

import time

import keras

from mrcnn.commands.training import epoch_table
from mrcnn.commands.training.run_files import add_to_history


def learning_rate(model):
    """The rate of the present step as a float."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


class TableOfEpochs(keras.callbacks.Callback):
    """Shows each step, and keeps a line an epoch.

    Args:
        screen: epoch_table.Screen.
        steps: of an epoch.
        epochs: of the whole run, for the time left.
    """

    def __init__(self, screen, steps, epochs):
        super().__init__()
        self.screen, self.steps, self.epochs = screen, steps, epochs
        self.clock = epoch_table.Clock(steps, epochs)
        self.epoch, self.is_first = 0, True

    def on_train_begin(self, logs=None):
        """A stage begins; its first step compiles the network."""
        self.is_first = True

    def on_epoch_begin(self, epoch, logs=None):
        """Begins the line of an epoch."""
        self.epoch = epoch
        self.clock.begin_epoch()
        if self.is_first:
            self.screen.move(f"epoch {epoch + 1}: the first step takes longer, half a minute to a "
                             "few, for the network is compiled in it")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the line on."""
        self.clock.end_step(self.is_first)
        self.is_first = False
        self.screen.move(self._line(batch + 1, logs))

    def on_test_begin(self, logs=None):
        """Says what the pause is for."""
        self.screen.move(f"epoch {self.epoch + 1}/{self.epochs}: validating")

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the line, with one of the validation below it."""
        logs = logs or {}
        self.screen.keep(self._line(self.steps, logs))
        below = epoch_table.validation_row(logs)
        if below:
            self.screen.keep(below)

    def _line(self, step, logs):
        return epoch_table.row(
            f"{self.epoch + 1}/{self.epochs}", f"{step}/{self.steps}",
            self.clock.left(self.epoch, step), self.clock.seconds, logs,
            learning_rate(self.model))


class HistoryFile(keras.callbacks.Callback):
    """A row an epoch in history.csv.

    Args:
        folder: of the run.
        layers: of the stage.
    """

    def __init__(self, folder, layers):
        super().__init__()
        self.folder, self.layers = folder, layers
        self.started = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the watch."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the row."""
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        add_to_history(self.folder, {
            "epoch": epoch + 1, "layers": self.layers,
            "seconds": round(time.perf_counter() - self.started, 1),
            "learning_rate": learning_rate(self.model), **numbers})
