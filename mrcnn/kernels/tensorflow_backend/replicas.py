"""Several devices that train one model, each on its share of the batch.

A replica is a device with its own copy of the weights. All do the same step, each on its rows.
They belong to one process, or each to a process of its own: see `workers`.
"""

import functools

import tensorflow as tf

from mrcnn.kernels.tensorflow_backend.gradients import add_first
from mrcnn.kernels.tensorflow_backend.workers import working_together


def replica_count() -> int:
    """Devices that share a batch, where this is called; 1 outside of their common step."""
    if working_together():
        return working_together().count
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(value):
    """Sum of a tensor over the devices that share a batch; without others the tensor itself."""
    if replica_count() == 1:
        return value
    if working_together():
        return working_together().add([value])[0]
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def whole_losses(losses):
    """Scalars as they are to be logged.

    Args:
        losses: list of scalars; the mean over the devices is the loss of the whole batch.

    Returns:
        List of scalars: over processes that mean. Over the devices of one process Keras itself
        takes the mean of what is logged, so there they stay.
    """
    if not working_together():
        return list(losses)
    return [total / replica_count() for total in working_together().add(list(losses))]


def share_of_loss(loss, whole):
    """What `compute_loss` has to answer: its gradient, added over the devices, is the batch's.

    Args:
        loss: scalar; the mean over the devices is the loss of the whole batch.
        whole: the same of `whole_losses`. Keras logs the answer: over processes it is this value,
            and in one process Keras multiplies it by the number of devices.
    """
    share = loss / replica_count()
    return share + tf.stop_gradient(whole - share) if working_together() else share


def own_rows(values):
    """The rows of this device among those of all devices that share a batch.

    Args:
        values: [replica_count() * B, ...], for each device B rows, in the order of the devices.

    Returns:
        [B, ...].
    """
    if replica_count() == 1:
        return values
    rows = tf.shape(values)[0] // replica_count()
    if working_together():
        index = working_together().index
    else:
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
    start = index * rows
    return values[start : start + rows]


# How to get more devices than there are, for a warning; a sentence without its full stop.
MORE_DEVICES = ("TensorFlow finds an NVIDIA GPU where tensorflow[and-cuda] is installed and "
                "CUDA_VISIBLE_DEVICES does not hide it")
SPLITS_DETECTION = True  # `on_device` lets a compiled forward pass run on any device


def list_devices() -> list[str]:
    """Names of the devices that can share a batch: the GPUs, without any the logical CPUs."""
    gpus = tf.config.list_logical_devices("GPU")
    return [device.name for device in gpus or tf.config.list_logical_devices("CPU")]


def on_device(name):
    """Context manager in which this thread computes on a device of `list_devices`."""
    return tf.device(name)


@functools.cache
def _strategy(devices):
    """The one strategy of these devices.

    Strategies number their sums alike, and TensorFlow keeps the size of each by its number: a
    model that trains on a second strategy would be refused for the first one's sizes.
    """
    return tf.distribute.MirroredStrategy(devices)


class DataParallel:
    """A batch shared by several devices of this machine, with `tf.distribute.MirroredStrategy`.

    Args:
        devices: their names, of `list_devices`.
    """

    def __init__(self, devices):
        self._strategy = _strategy(tuple(devices))

    def building(self):
        """Context manager in which the model is built and compiled."""
        return self._strategy.scope()

    def fitting(self):
        """Context manager in which `fit` runs."""
        return self._strategy.scope()

    def adopt(self, model):
        """Let `fit` train a compiled model as one device would that had the whole batch.

        Args:
            model: keras.Model, built and compiled within `building`.
        """
        with self.building():
            model.optimizer.build(model.trainable_variables)
        # Keras reads a batch ahead, to build what is not built, and so disturbs the feed's order.
        model._maybe_symbolic_build = lambda *args, **kwargs: None
        add_first(model.optimizer)


def sharing_devices(model) -> int:
    """Devices that hold a copy of a model's weights and share its batches."""
    return model.distribute_strategy.num_replicas_in_sync
