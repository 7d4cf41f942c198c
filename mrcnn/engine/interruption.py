"""Ctrl-C while a model trains."""

import signal
import threading

import keras


class Interruption(keras.callbacks.Callback):
    """Let the first Ctrl-C end training between two steps, the second one at once.

    A context manager around `fit`, and the last of its callbacks. While a step runs, the first
    Ctrl-C is only noted: the weights and the optimizer are never left in the middle of an update.
    Everything else (validation, writing a checkpoint) ends where it is. Either way
    KeyboardInterrupt is raised.

    Attributes:
        presses: how often Ctrl-C came.
    """

    def __init__(self):
        super().__init__()
        self.presses = 0
        self._in_step = False
        self._before = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # signals go to no other one
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, number, frame):
        self.presses += 1
        if self.presses > 1 or not self._in_step:
            raise KeyboardInterrupt
        print("\nCtrl-C: ending after this step. Once more ends at once.", flush=True)

    def on_train_batch_begin(self, batch, logs=None):
        """From here on a step runs."""
        self._in_step = True

    def on_train_batch_end(self, batch, logs=None):
        """The step is whole: end here if that was asked for.

        Raises:
            KeyboardInterrupt: Ctrl-C came during the step.
        """
        self._in_step = False
        if self.presses:
            raise KeyboardInterrupt
