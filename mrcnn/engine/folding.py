"""Batch-norm folded into the layer before it, for inference.

In inference batch-norm multiplies every channel by a number and adds another one. So does the
convolution or dense layer before it, once its kernel is multiplied by the first number and the
second one is added to its bias: one pass over the features less.
"""

import collections

import keras
import numpy as np
from keras import layers

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.time_distributed import TimeDistributed

NORMS = (layers.BatchNormalization, BatchNorm)
# Axis of the output channels in the kernel; the last two axes together in a depthwise one.
OUTPUT_AXIS = {
    layers.Dense: -1,
    layers.Conv1D: -1,
    layers.Conv2D: -1,
    layers.Conv3D: -1,
    layers.SeparableConv2D: -1,
    layers.Conv2DTranspose: -2,
    layers.DepthwiseConv2D: (-2, -1),
}


class Remainder(layers.Layer):
    """What is left of a folded batch-norm.

    Args:
        has_shift: whether it adds a number to each channel, as the convolution has no bias for
            it; otherwise nothing is left to do.

    Call: [..., C] -> same shape.
    """

    def __init__(self, has_shift, **kwargs):
        super().__init__(**kwargs)
        self.has_shift, self.shift = has_shift, None

    def build(self, input_shape):
        """The shift, one number a channel."""
        if self.has_shift:
            self.shift = self.add_weight((input_shape[-1],), "zeros", name="shift")

    def call(self, inputs, mask=None):
        """See the class; `mask` is of batch-norm's call, and None."""
        return inputs if self.shift is None else keras.ops.add(inputs, self.shift)

    def compute_output_shape(self, input_shape):
        """Unchanged."""
        return input_shape


class FoldedModel:
    """A functional model without the batch-norm that can be folded, on the same other layers.

    Folded is batch-norm of the last axis right behind a convolution or dense layer that nothing
    else reads, that has no activation and stands in the graph once; also in nested models and
    inside `TimeDistributed`. Other batch-norm stays a layer.

    Args:
        source: functional keras.Model; it is not changed, and answers as before.

    Attributes:
        model: keras.Model with the inputs and outputs of `source`. It is right only with the
            arrays of `weights` in place of its variables.
        folded: names of the batch-norm layers that are gone.
    """

    def __init__(self, source):
        self._pairs = _foldable(source)
        self._remainders = {}
        self.folded = [norm.name for norm in self._pairs]
        self.model = keras.models.clone_model(
            source, clone_function=self._counterpart, recursive=True)

    def _counterpart(self, layer):
        before = self._pairs.get(layer)
        if before is None:
            return layer
        self._remainders[layer] = Remainder(
            not _inner(before).use_bias, name=layer.name, dtype=_inner(layer).dtype_policy)
        return self._remainders[layer]

    def weights(self):
        """What the source's variables hold at present, folded.

        Returns:
            Arrays in the order of `model.variables`, of the type that their layer computes in.
        """
        values = {}
        for norm, before in self._pairs.items():
            factor, shift = _folded(_inner(norm), _inner(before))
            kernel = _kernel_of(_inner(before))
            values[id(kernel)] = np.asarray(kernel) * factor
            bias = _inner(before).bias if _inner(before).use_bias else self._remainders[norm].shift
            values[id(bias)] = shift
        computed = _computed_types(self.model)
        return [
            np.asarray(values.get(id(v), v), computed.get(id(v), v.dtype))
            for v in self.model.variables
        ]


def _foldable(model):
    """{batch-norm layer: the layer before it that can take it over}, nested models included."""
    nodes = _nodes(model)
    calls = collections.Counter(node.operation for node in nodes)
    maker = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    readers = collections.Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(tensor) for graph in _graphs(model) for tensor in graph.outputs)
    pairs = {}
    for node in nodes:
        norm, tensors = node.operation, node.input_tensors
        if len(tensors) != 1 or calls[norm] != 1 or not _is_norm(norm, len(tensors[0].shape)):
            continue
        before = maker.get(id(tensors[0]))
        if calls[before] == readers[id(tensors[0])] == 1 and _takes_over(_inner(before)):
            pairs[norm] = before
    return pairs


def _graphs(model):
    """The functional graph of a model and of those nested in it."""
    graph = getattr(model, "_functional", model)  # a Sequential model keeps it there
    yield graph
    for layer in graph.layers:
        if isinstance(layer, (keras.Sequential, type(graph))):
            yield from _graphs(layer)


def _nodes(model):
    """Every call of a layer in those graphs, once."""
    # Keras has no public way to ask which layer reads a tensor.
    graphs = {id(graph): graph for graph in _graphs(model)}.values()
    nodes = (node for graph in graphs for depth in graph._nodes_by_depth.values() for node in depth)
    return list(nodes)


def _inner(layer):
    return layer.layer if isinstance(layer, TimeDistributed) else layer


def _is_norm(layer, rank):
    """Whether this is batch-norm of the last axis of a tensor with so many axes."""
    norm = _inner(layer)
    rank -= layer is not norm  # TimeDistributed folds two axes into one
    return type(norm) in NORMS and norm.axis in (-1, rank - 1)


def _takes_over(layer):
    """Whether the kernel and bias of this layer alone make its answer."""
    plain = (type(layer) in OUTPUT_AXIS and layer.activation is keras.activations.linear
             and layer.quantization_mode is None and not getattr(layer, "lora_enabled", False))
    return plain and getattr(layer, "data_format", "channels_last") == "channels_last"


def _kernel_of(layer):
    if isinstance(layer, layers.SeparableConv2D):
        return layer.pointwise_kernel
    return layer.kernel


def _folded(norm, layer):
    """(factor that broadcasts against the kernel of `layer`, its new bias [C]), float32."""
    def number(variable):
        return np.asarray(variable, np.float64)

    factor = 1.0 / np.sqrt(number(norm.moving_variance) + norm.epsilon)
    factor = factor * number(norm.gamma) if norm.scale else factor
    bias = number(layer.bias) if layer.use_bias else 0.0
    shift = (bias - number(norm.moving_mean)) * factor
    shift = shift + number(norm.beta) if norm.center else shift
    shape = _kernel_of(layer).shape
    axes = np.atleast_1d(OUTPUT_AXIS[type(layer)])
    shape = [n if i - len(shape) in axes else 1 for i, n in enumerate(shape)]
    return factor.reshape(shape).astype(np.float32), shift.astype(np.float32)


def _computed_types(model):
    """{id of a variable: type name} where a layer narrows its variables to compute."""
    types = {}
    for layer in _leaves(model):
        if layer.autocast and layer.compute_dtype != layer.variable_dtype:
            narrowed = (v for v in layer.variables if getattr(v, "_autocast", False))
            types.update((id(v), layer.compute_dtype) for v in narrowed)
    return types


def _leaves(model):
    """Layers with variables, wrappers and nested models opened."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        elif layer.variables:
            yield _inner(layer)
