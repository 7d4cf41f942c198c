"""Several processes that train one model, on one machine or on many, each on its share of a batch.

They meet in TensorFlow's `MultiWorkerMirroredStrategy`, which adds tensors over the processes and
notices when one of them is gone. Keras' `fit` fails inside of its scope. So every process has a
plain model of its own, and only the sums of a step run through `Strategy.run`.
"""

import contextlib

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context as eager_context

ABORTED = 10  # TensorFlow's code of the error that reaches the other processes
LOST = "Collective ops is aborted by:"  # stands before the reason in TensorFlow's error
MOST_LETTERS = 200  # of that reason
_in_step = None  # the Workers whose common step is being built or run


def working_together():
    """The Workers that share the batch where this is called; None outside of their `fitting`."""
    return _in_step


class Workers:
    """This process among those that train one model; made once a process, before any tensor.

    It waits until all of them are there.

    Args:
        addresses: "host:port" of each, the chief first.
        index: the place of this process among them.

    Raises:
        RuntimeError: TensorFlow has computed something already in this process.
    """

    def __init__(self, addresses, index):
        self.count, self.index = len(addresses), int(index)
        cluster = tf.train.ClusterSpec({"worker": list(addresses)})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=self.index, rpc_layer="grpc")
        try:
            _take_own_gpu(addresses, self.index)
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
        except RuntimeError as error:
            raise RuntimeError(
                "workers can meet only before TensorFlow computes anything: make the training "
                f"model first in this process ({error})") from error
        self._totals = {}  # shapes and dtypes -> compiled sum of such arrays

    def building(self):
        """Context manager in which the model is built and compiled."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def fitting(self):
        """Context manager in which `fit` runs: within it `kernels.sum_over_replicas` adds."""
        global _in_step
        _in_step = self
        try:
            yield
        finally:
            _in_step = None

    def adopt(self, model):
        """Let `fit` update a compiled model by the sum of all workers' gradients.

        Args:
            model: keras.Model.
        """
        optimizer = model.optimizer
        optimizer.build(model.trainable_variables)
        apply = optimizer.apply

        def apply_sum(grads, trainable_variables=None):
            present = iter(self.add([grad for grad in grads if grad is not None]))
            return apply([None if grad is None else next(present) for grad in grads],
                         trainable_variables)

        optimizer.apply = apply_sum

    def add(self, tensors):
        """Sum of each of some tensors over the workers; all of them must call this.

        Args:
            tensors: list of floating or int64 tensors, of the same shapes in every worker.
        """
        kinds = sorted({tensor.dtype.name for tensor in tensors})
        places = {kind: [i for i, t in enumerate(tensors) if t.dtype.name == kind]
                  for kind in kinds}
        sums = list(tensors)

        def together(*values):
            context = tf.distribute.get_replica_context()
            values = [tf.identity(value) for value in values]  # on the device of this worker
            return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

        for kind in kinds:  # those of a kind travel as one
            of_kind = self._strategy.run(together, args=tuple(tensors[i] for i in places[kind]))
            for place, total in zip(places[kind], of_kind, strict=True):
                sums[place] = total
        return sums

    def total(self, arrays):
        """`add` of arrays, outside of a step.

        Args:
            arrays: list of float32 or int64 arrays.

        Returns:
            List of numpy arrays.
        """
        signature = tuple((array.shape, array.dtype.name) for array in arrays)
        if signature not in self._totals:
            function = tf.function(lambda *tensors: self.add(list(tensors)), autograph=False)
            specs = [tf.TensorSpec(*row) for row in signature]
            self._totals[signature] = function.get_concrete_function(*specs)
        return [np.asarray(total) for total in self._totals[signature](*map(tf.constant, arrays))]

    def why_lost(self, error):
        """Why an error means that another process is gone, in a few words; None where it does not.

        Args:
            error: BaseException.
        """
        text = str(error)
        if not isinstance(error, tf.errors.OpError) or LOST not in text:
            return None
        return " ".join(text.rpartition(LOST)[2].split())[:MOST_LETTERS]

    def report(self, message):
        """Let the others end with an error that holds this message; nothing can be added after.

        Args:
            message: what happened here.
        """
        with contextlib.suppress(tf.errors.OpError):  # where they are gone as well
            eager_context.context().report_error_to_cluster(ABORTED, message)


def _take_own_gpu(addresses, index):
    """Of several GPUs of a machine each of its workers sees one."""
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) < 2:
        return
    hosts = [address.rpartition(":")[0] for address in addresses]
    tf.config.set_visible_devices(gpus[hosts[:index].count(hosts[index]) % len(gpus)], "GPU")
