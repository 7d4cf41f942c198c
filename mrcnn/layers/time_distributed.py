"""One layer applied to every roi of every image."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mrcnn")
class TimeDistributed(keras.layers.Wrapper):
    """Fold [B, N, ...] into [B * N, ...], run the wrapped layer once, fold back.

    Keras' own layer of this name unrolls a Python loop over N and takes batch
    statistics a roi. The class name and the weights' names are the same, so checkpoints
    do not see the difference.
    """

    def build(self, input_shape):
        """Build the wrapped layer on the folded shape."""
        if not self.layer.built:
            self.layer.build((None, *input_shape[2:]))
        self.built = True

    def compute_output_shape(self, input_shape):
        """[B, N, *output of the wrapped layer]."""
        inner = self.layer.compute_output_shape((None, *input_shape[2:]))
        return (input_shape[0], input_shape[1], *inner[1:])

    def call(self, inputs):
        """inputs [B, N, ...] -> [B, N, ...]; the wrapped layer knows by itself if it trains."""
        shape = ops.shape(inputs)
        outputs = self.layer(ops.reshape(inputs, (-1, *inputs.shape[2:])))
        return ops.reshape(outputs, (shape[0], shape[1], *outputs.shape[1:]))
