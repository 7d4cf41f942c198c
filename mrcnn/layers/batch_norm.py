"""Batch normalisation that can keep its statistics frozen while training."""

import keras


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
        return super().call(inputs, training=training, mask=mask)

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "train_bn": self.train_bn}
