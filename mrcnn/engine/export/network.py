"""The network as `detect` computes it, with weights that belong to the file."""

import keras
from keras import ops

from mrcnn.engine.folding import FoldedModel
from mrcnn.kernels.functional import function_of


class ExportedNetwork:
    """The inference graph as a function, its batch-norm folded into the layers before it.

    Args:
        keras_model: the inference graph, with the config's detection knobs in its layers.

    Attributes:
        variables: Keras variables, all that it computes with; the graph's own may change.
    """

    def __init__(self, keras_model):
        folded = FoldedModel(keras_model)
        self._forward = function_of(folded.model)
        self.variables = [
            keras.Variable(array, trainable=False, dtype=array.dtype.name, autocast=False)
            for array in folded.weights()
        ]

    def __call__(self, molded, metas, anchors):
        """The graph's outputs, a list of tensors; arguments as `keras_model` takes them."""
        weights = [ops.convert_to_tensor(variable) for variable in self.variables]
        return self._forward(weights, molded, metas, anchors)
