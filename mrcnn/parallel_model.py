"""Matterport's `mrcnn.parallel_model`, kept so that scripts importing it go on working."""

import warnings

__all__ = ["ParallelModel"]


class ParallelModel:
    """`ParallelModel(keras_model, gpu_count)` answers the very model it was given.

    Matterport copied the model to each GPU here. Now `Config.GPU_COUNT` does it, when MaskRCNN
    builds the model: its batches are shared by that many devices. So this class splits nothing,
    and what comes back is `keras_model` itself, to compile, fit, save and predict with as before.
    It warns where the model was built for fewer devices than the script counts on.

    Args:
        keras_model: a Keras model (of a MaskRCNN: its `keras_model`).
        gpu_count: devices the script counts on.

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
        _warn_of_fewer(keras_model, int(gpu_count))
        return keras_model

    def __init__(self, keras_model, gpu_count):
        """Not run, since the answer is no ParallelModel; it shows tools the parameters."""


def _warn_of_fewer(keras_model, gpu_count):
    if gpu_count == 1:
        return
    from mrcnn import kernels

    count = kernels.sharing_devices(keras_model)
    if count < gpu_count:
        warnings.warn(
            f"ParallelModel does not split a model that is built: this one stays on {count} of "
            f"{gpu_count} devices. Set GPU_COUNT = {gpu_count} in the Config before MaskRCNN is "
            "built, on a machine with that many GPUs: then its devices share each batch.",
            stacklevel=3,
        )
