"""Several devices that train one model, each on its share of the batch."""

import tensorflow as tf


def replica_count() -> int:
    """Devices that share a batch, where this is called."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(value):
    """Sum of a tensor over the devices that share a batch; without others the tensor itself."""
    context = tf.distribute.get_replica_context()
    if context is None or replica_count() == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
