"""Batch-norm that the layer before it can do, and with which kernel and bias.

On stored statistics batch-norm multiplies each channel by a number and adds another. So does the
convolution or dense layer before it, once its kernel is multiplied by the first number and the
second one is added to its bias: one pass over the features less, in both directions.
"""

import collections

import keras
from keras import layers, ops

from mrcnn.layers.batch_norm import BatchNorm, factor_and_shift
from mrcnn.layers.time_distributed import TimeDistributed

NORMS = (layers.BatchNormalization, BatchNorm)
ABSORBERS = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.SeparableConv2D,
             layers.Conv2DTranspose, layers.DepthwiseConv2D)
GRAPH_WALK = "keras.src.models.functional"  # where Keras' functional models find their `call`


def foldable_pairs(model):
    """Batch-norm layers of a functional model, each with the layer that can do its work.

    Those are on the last axis, right behind a convolution or dense layer that nothing else reads,
    that has no activation and stands in the graph once; also in nested models and inside
    `TimeDistributed`. Subclasses of any of these layers are left alone.

    Args:
        model: functional keras.Model.

    Returns:
        {batch-norm layer: layer before it}, in no order, wrappers not opened.
    """
    nodes = _nodes(model)
    calls = collections.Counter(id(unwrapped(node.operation)) for node in nodes)
    maker = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    readers = collections.Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(tensor) for graph in graphs_of(model) for tensor in graph.outputs)
    pairs = {}
    for node in nodes:
        norm = node.operation
        if calls[id(unwrapped(norm))] != 1 or not _is_norm(norm, node.input_tensors):
            continue
        before = maker.get(id(node.input_tensors[0]))
        alone = calls[id(unwrapped(before))] == readers[id(node.input_tensors[0])] == 1
        if alone and _takes_over(unwrapped(before)):
            pairs[norm] = before
    return pairs


def graphs_of(model):
    """The functional graph of a model, and of every model in it that does nothing but run one."""
    graph = getattr(model, "_functional", model)  # a Sequential model keeps it there
    yield graph
    for layer in graph.layers:
        if runs_a_graph(layer):
            yield from graphs_of(layer)


def runs_a_graph(layer):
    """Whether a layer is a model whose call is Keras' own walk through a graph."""
    graph = getattr(layer, "_functional", layer)
    own = type(layer) is keras.Sequential or type(layer).call.__module__ == GRAPH_WALK
    return isinstance(layer, keras.Model) and own and hasattr(graph, "_nodes_by_depth")


def _nodes(model):
    """Every call of a layer in those graphs, once."""
    # Keras has no public way to ask which layer reads a tensor.
    graphs = {id(graph): graph for graph in graphs_of(model)}.values()
    return [node for graph in graphs for depth in graph._nodes_by_depth.values() for node in depth]


def unwrapped(layer):
    """The layer inside `TimeDistributed`, or the layer itself."""
    return layer.layer if isinstance(layer, TimeDistributed) else layer


def _is_norm(layer, tensors):
    """Whether this is batch-norm of the last axis of its input."""
    norm = unwrapped(layer)
    if type(norm) not in NORMS or len(tensors) != 1:
        return False
    rank = len(tensors[0].shape) - (layer is not norm)  # TimeDistributed folds two axes into one
    return norm.axis in (-1, rank - 1)


def _takes_over(layer):
    """Whether the kernel and bias of this layer alone make its answer."""
    plain = (type(layer) in ABSORBERS and layer.activation is keras.activations.linear
             and layer.quantization_mode is None and not getattr(layer, "lora_enabled", False))
    return plain and getattr(layer, "data_format", "channels_last") == "channels_last"


def folded_values(values, pairs):
    """Values of variables with some batch-norm folded into them.

    Args:
        values: {id of a variable: its tensor}, of all variables of the pairs.
        pairs: (batch-norm, layer before it), of `foldable_pairs`.

    Returns:
        (`values` with new kernels and biases, {id of a batch-norm, unwrapped: shift [C] that is
        left to add, or None where the bias has taken it up}).
    """
    values, shifts = dict(values), {}
    for norm, before in pairs:
        norm, before = unwrapped(norm), unwrapped(before)
        factor, shift = factor_and_shift(norm, lambda variable: values[id(variable)])
        kernel = _kernel_of(before)
        values[id(kernel)] = values[id(kernel)] * _per_output(factor, before, kernel)
        if before.use_bias:
            values[id(before.bias)], shift = values[id(before.bias)] * factor + shift, None
        shifts[id(norm)] = shift
    return values, shifts


def _kernel_of(layer):
    if isinstance(layer, layers.SeparableConv2D):
        return layer.pointwise_kernel
    return layer.kernel


def _per_output(factor, layer, kernel):
    """A factor [C] in the shape that broadcasts against the kernel's output channels."""
    if isinstance(layer, layers.Conv2DTranspose):
        return factor[:, None]
    if isinstance(layer, layers.DepthwiseConv2D):
        return ops.reshape(factor, kernel.shape[-2:])
    return factor
