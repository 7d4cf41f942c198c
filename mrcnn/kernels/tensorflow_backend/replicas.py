"""Several devices that train one model, each on its share of the batch."""

import tensorflow as tf


def replica_count() -> int:
    """Devices that share a batch, where this is called; 1 outside of their common step."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def sum_over_replicas(value):
    """Sum of a tensor over the devices that share a batch; without others the tensor itself."""
    if replica_count() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


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
    start = tf.distribute.get_replica_context().replica_id_in_sync_group * rows
    return values[start : start + rows]
