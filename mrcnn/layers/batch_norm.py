"""Batch normalisation that can keep its statistics frozen while training."""

import contextlib
import contextvars

import keras
from keras import ops

_folded = contextvars.ContextVar("what is left of folded BatchNorm layers", default=None)


@contextlib.contextmanager
def folded_norms(shifts):
    """Within it, some BatchNorm layers only add a shift: the layer before them did the rest.

    Args:
        shifts: {id of a layer: [C] tensor to add, or None for nothing}.
    """
    token = _folded.set(shifts)
    try:
        yield
    finally:
        _folded.reset(token)


def factor_and_shift(norm, value_of):
    """What batch-norm multiplies each channel by, and adds, on stored statistics.

    Args:
        norm: BatchNorm, or Keras' own layer.
        value_of: function from one of its variables to a tensor.

    Returns:
        (factor [C], shift [C]) in the type of the tensors.
    """
    factor = ops.rsqrt(value_of(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        factor = factor * value_of(norm.gamma)
    shift = -value_of(norm.moving_mean) * factor
    return factor, shift + value_of(norm.beta) if norm.center else shift


@keras.saving.register_keras_serializable(package="mrcnn")
class BatchNorm(keras.layers.BatchNormalization):
    """Keras' layer with Config.TRAIN_BN built in.

    Args:
        train_bn: False keeps the moving statistics frozen and normalises with them even
            in training (gamma and beta still learn): right for the small batches of
            detection. None or True learns them in training as usual.
    """

    def __init__(self, train_bn=None, **kwargs):
        super().__init__(**kwargs)
        self.train_bn = train_bn

    def call(self, inputs, training=None, mask=None):
        """inputs [..., C] -> same shape."""
        folded = _folded.get()
        if folded is not None and id(self) in folded:
            shift = folded[id(self)]
            return inputs if shift is None else ops.add(inputs, ops.cast(shift, inputs.dtype))
        training = self.takes_batch_statistics(training)
        if self.compute_dtype != "float32" and not training:
            return self._with_stored_statistics(inputs)
        return super().call(inputs, training=training, mask=mask)

    def takes_batch_statistics(self, training):
        """Whether a call normalises with the statistics of its batch, not with the stored ones."""
        frozen = self.train_bn is not None and not self.train_bn
        return bool(training) and self.trainable and not frozen

    def _with_stored_statistics(self, inputs):
        """One multiplication and one addition in low precision.

        Keras' own layer would widen the whole tensor to float32 and narrow it again. Only
        batch statistics need that.
        """
        shape = [1] * len(inputs.shape)
        shape[self.axis] = inputs.shape[self.axis]
        numbers = factor_and_shift(self, lambda variable: ops.cast(variable, "float32"))
        factor, shift = (ops.cast(ops.reshape(x, shape), self.compute_dtype) for x in numbers)
        return inputs * factor + shift

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "train_bn": self.train_bn}


def learns_statistics(layer):
    """Whether a layer is a batch-norm that counts its statistics while it trains."""
    if isinstance(layer, BatchNorm):
        return layer.takes_batch_statistics(True)
    return isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
