"""Ctrl-C while a model trains."""

import keras

from mrcnn._ctrl_c import CtrlC


class Interruption(keras.callbacks.Callback):
    """Let the first Ctrl-C end training between two steps, the second one at once.

    A context manager around `fit`, and the last of its callbacks. While a step runs, the first
    Ctrl-C is only noted: the weights and the optimizer are never left in the middle of an update.
    Everything else (validation, writing a checkpoint) ends where it is. Either way
    KeyboardInterrupt is raised.
    """

    def __init__(self):
        super().__init__()
        self._ctrl_c = CtrlC(
            waiting=False, notice="\nCtrl-C: ending after this step. Once more ends at once.")

    def __enter__(self):
        self._ctrl_c.__enter__()
        return self

    def __exit__(self, *error):
        self._ctrl_c.__exit__(*error)

    @property
    def presses(self):
        """How often Ctrl-C came."""
        return self._ctrl_c.presses

    def on_train_batch_begin(self, batch, logs=None):
        """From here on a step runs."""
        self._ctrl_c.waiting = True

    def on_train_batch_end(self, batch, logs=None):
        """The step is whole: KeyboardInterrupt if Ctrl-C came during it."""
        self._ctrl_c.waiting = False
        self._ctrl_c.check()
