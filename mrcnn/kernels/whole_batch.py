"""Sharing a batch where one process computes its step: nothing is added, nothing is divided.

On JAX a step sees one batch and one set of weights, however many devices hold them; on torch one
device takes all. So sums and random numbers are those of the whole batch as they are.
"""


def replica_count() -> int:
    """Devices that share a batch without seeing the whole of it: 1."""
    return 1


def sum_over_replicas(value):
    """The tensor itself, which is of the whole batch already."""
    return value


def whole_losses(losses):
    """Scalars as they are to be logged: as they are."""
    return list(losses)


def share_of_loss(loss, whole):
    """What `compute_loss` has to answer: the loss itself, `whole` being the same."""
    return loss


def own_rows(values):
    """The rows of this step: all."""
    return values


class Workers:
    """Several processes that train one model: with TensorFlow only.

    Args:
        addresses: of the processes.
        index: of this one.

    Raises:
        ValueError: always; it says what to do.
    """

    def __init__(self, addresses, index):
        raise ValueError(
            f"TF_CONFIG names {len(addresses)} workers, which train together with "
            "KERAS_BACKEND=tensorflow only; unset it to train in one process"
        )
