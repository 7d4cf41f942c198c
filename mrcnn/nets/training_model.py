"""The training graph as a Keras model whose loss is the weighted sum of its loss outputs."""

import keras
import numpy as np
from keras import ops

from mrcnn import kernels
from mrcnn.nets.frozen_norms import FrozenNorms, call_with
from mrcnn.nets.losses import LOSSES
from mrcnn.nets.precision import FLOAT32
from mrcnn.nets.rematerialized import RematerializedStages

NOT_DECAYED = ("gamma", "beta")


@keras.saving.register_keras_serializable(package="mrcnn")
class TrainingModel(keras.Model):
    """Functional model that has the five losses, layers named as in `LOSSES`, among its outputs.

    `fit` needs no targets: they are among the inputs. Each loss is shown under its own
    name in the progress bar, the history and TensorBoard.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):  # as Functional, to be loaded again
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        missing = [name for name in LOSSES if name not in self.output_names]
        if missing:
            raise ValueError(f"the training graph has no output named {', '.join(missing)}")
        self.dtype_policy = FLOAT32  # that of the whole: its layers have their own
        self._norms = FrozenNorms(self)
        self._stages = None
        self.loss_weights = dict.fromkeys(LOSSES, 1.0)
        self.weight_decay, self.decay_mode = 0.0, "mean"
        self.loss_trackers = {name: keras.metrics.Mean(name=name) for name in LOSSES}

    def call(self, inputs, training=None, mask=None):
        """The graph's outputs, batch-norm on frozen statistics folded (see `frozen_norms`)."""
        variables = self.variables
        values, shifts = self._norms.fold(variables, training)
        if training and self._stages is not None:
            return self._stages.run(inputs, values, shifts)
        graph = super().call
        return call_with(lambda: graph(inputs, training, mask), variables, values, shifts)

    def rematerialize(self, wanted):
        """Set before `compile` whether the backward pass computes the backbone's features anew.

        Raises:
            ValueError: wanted, but batch-norm learns its statistics, which it would do twice.
        """
        self._stages = RematerializedStages(self) if wanted else None

    def configure_losses(self, loss_weights, weight_decay, decay_mode="mean"):
        """Set before `compile`.

        Args:
            loss_weights: factor of each loss by name; one left out counts 1.
            weight_decay: of every trained tensor but gamma and beta.
            decay_mode: what of their squares it counts, see Config.WEIGHT_DECAY_MODE.
        """
        self.loss_weights = {name: float(loss_weights.get(name, 1.0)) for name in LOSSES}
        self.weight_decay, self.decay_mode = float(weight_decay), decay_mode

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Weighted sum of the five losses and the weight decay: a scalar.

        Where several devices share a batch, it is this device's share of the sum: Keras adds
        the devices' gradients. What is logged is that of the whole batch.
        """
        losses = [y_pred[self.output_names.index(name)] * self.loss_weights[name]
                  for name in LOSSES]
        total = sum(losses) + self.decay_loss()
        *shown, whole = kernels.whole_losses([*losses, total])
        for name, loss in zip(LOSSES, shown, strict=True):
            self.loss_trackers[name].update_state(loss)
        return kernels.share_of_loss(total, whole)

    def decay_loss(self):
        """The weight decay, summed over the tensors.

        "mean" is Matterport's, decay * sum(w^2) / size(w); "l2" is decay / 2 * sum(w^2), whose
        gradient is decay * w.
        """
        if not self.weight_decay:
            return 0.0
        terms = [
            ops.sum(ops.square(w)) / self._decay_divisor(w)
            for w in self.trainable_variables
            if w.name not in NOT_DECAYED
        ]
        return self.weight_decay * sum(terms, 0.0)

    def _decay_divisor(self, weights):
        return 2.0 if self.decay_mode == "l2" else float(np.prod(weights.shape))
