"""Batch normalisation that can keep its statistics frozen while training."""

import keras
from keras import ops


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
        if self.train_bn is not None and not self.train_bn:
            training = False
        if self.compute_dtype != "float32" and not (training and self.trainable):
            return self._with_stored_statistics(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _with_stored_statistics(self, inputs):
        """One multiplication and one addition in low precision.

        Keras' own layer would widen the whole tensor to float32 and narrow it again. Only
        batch statistics need that.
        """
        factor = ops.rsqrt(ops.cast(self.moving_variance, "float32") + self.epsilon)
        if self.scale:
            factor = factor * ops.cast(self.gamma, "float32")
        offset = -ops.cast(self.moving_mean, "float32") * factor
        if self.center:
            offset = offset + ops.cast(self.beta, "float32")
        shape = [1] * len(inputs.shape)
        shape[self.axis] = inputs.shape[self.axis]
        factor, offset = (
            ops.cast(ops.reshape(x, shape), self.compute_dtype) for x in (factor, offset)
        )
        return inputs * factor + offset

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "train_bn": self.train_bn}
