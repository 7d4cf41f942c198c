"""Matterport's `mrcnn.parallel_model`, kept so that scripts importing it go on working."""

import warnings

__all__ = ["ParallelModel"]


class ParallelModel:
    """`ParallelModel(keras_model, gpu_count)` answers the very model it was given.

    Matterport copied the model to each GPU here. With Keras 3 a model cannot be split after it
    is built, so this class splits nothing: what comes back is `keras_model` itself, to compile,
    fit, save and predict with as before, on one device. Training on several devices comes later;
    until then `Config.GPU_COUNT` is no more than a factor of the batch size.

    Args:
        keras_model: a Keras model (of a MaskRCNN: its `keras_model`).
        gpu_count: devices the script hoped for; more than one gives a warning.

    Returns:
        `keras_model`.

    Raises:
        TypeError: `keras_model` is not a Keras model.
        ValueError: `gpu_count` is not a whole number of at least 1.
    """

    def __new__(cls, keras_model, gpu_count):
        if not hasattr(keras_model, "get_layer"):
            received = type(keras_model).__name__
            hint = " (pass its keras_model)" if hasattr(keras_model, "keras_model") else ""
            raise TypeError(f"ParallelModel expected a Keras model, received {received}{hint}")
        if int(gpu_count) != gpu_count or gpu_count < 1:
            raise ValueError(f"gpu_count: expected a whole number from 1, received {gpu_count!r}")
        if gpu_count > 1:
            warnings.warn(
                f"ParallelModel does not split a model: it stays on one device instead of "
                f"{gpu_count}. Config.GPU_COUNT, too, only multiplies the batch size so far.",
                stacklevel=2,
            )
        return keras_model

    def __init__(self, keras_model, gpu_count):
        """Not run, since the answer is no ParallelModel; it shows tools the parameters."""
