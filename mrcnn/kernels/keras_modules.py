"""Keras without TensorFlow, where another backend computes."""

import sys

from keras.src.utils import module_utils


class LoadedElsewhere(module_utils.LazyModule):
    """A module that counts as there only once somebody else has loaded it."""

    @property
    def available(self):
        """Whether it can be used; asking loads nothing."""
        return self.name in sys.modules and super().available


def leave_tensorflow_out() -> None:
    """Let Keras take no object for TensorFlow's while TensorFlow is not loaded.

    Wherever Keras writes down a configuration (of a layer, of an optimizer in a checkpoint) it
    asks this, and would load TensorFlow to know the answer: seconds, hundreds of megabytes, and
    on a GPU the memory that the backend needs.
    """
    module_utils.tensorflow.__class__ = LoadedElsewhere
