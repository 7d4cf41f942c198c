"""Batch-norm on frozen statistics, folded into the convolution before it at every step.

Such batch-norm multiplies each channel by a number and adds another. Multiplying the kernel by
the first and adding the second to the bias gives the same features and the same gradients of all
weights, gamma and beta included, without a pass over the features in either direction, and
without keeping them for the backward pass.
"""

import collections

import keras
from keras import layers

from mrcnn.layers.batch_norm import BatchNorm, folded_norms
from mrcnn.layers.time_distributed import TimeDistributed


class FoldableNorms:
    """Keeps `foldable_pairs` of a model where Keras does not look for layers to save.

    Attributes:
        pairs: list of (BatchNorm, Conv2D).
    """

    def __init__(self, model):
        self.pairs = foldable_pairs(model)


def foldable_pairs(model):
    """The batch-norm layers of a functional model that can be folded.

    Those are on the last axis, right behind a convolution without activation that stands in the
    graph once and that nothing else reads. Left alone is batch-norm of single positions (the
    class head's), where the kernel is larger than the features.

    Returns:
        List of (BatchNorm, Conv2D), wrappers opened.
    """
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    calls = collections.Counter(id(node.operation) for node in nodes)
    maker = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    readers = collections.Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(tensor) for tensor in model.outputs)
    pairs = []
    for node in nodes:
        norm = _inner(node.operation)
        if not isinstance(norm, BatchNorm) or calls[id(node.operation)] != 1:
            continue
        (tensor,) = node.input_tensors
        before = maker.get(id(tensor))
        alone = calls[id(before)] == readers[id(tensor)] == 1
        if alone and _is_plain(_inner(before)) and _is_on_channels(norm, tensor):
            pairs.append((norm, _inner(before)))
    return pairs


def _inner(layer):
    return layer.layer if isinstance(layer, TimeDistributed) else layer


def _is_plain(layer):
    plain = type(layer) is layers.Conv2D and layer.activation is keras.activations.linear
    return plain and layer.data_format == "channels_last" and not layer.lora_enabled


def _is_on_channels(norm, tensor):
    return norm.axis in (-1, 3) and tensor.shape[-3:-1] != (1, 1)


def folded_values(values, pairs):
    """Values of a model's variables with the batch-norm of some pairs folded into them.

    Args:
        values: {id of a variable: its tensor}, of all variables of the pairs.
        pairs: of `foldable_pairs`, without those that take the statistics of the batch.

    Returns:
        (`values` with new kernels and biases, {id of a BatchNorm: shift [C] that is left to add,
        or None}).
    """
    values, shifts = dict(values), {}
    for norm, convolution in pairs:
        factor, shift = norm.factor_and_shift(lambda variable: values[id(variable)])
        kernel, bias = convolution.kernel, convolution.bias if convolution.use_bias else None
        values[id(kernel)] = values[id(kernel)] * factor
        if bias is not None:
            values[id(bias)], shift = values[id(bias)] * factor + shift, None
        shifts[id(norm)] = shift
    return values, shifts


def call_with(function, variables, values, shifts):
    """`function()` while variables have other values and some batch-norm is done already.

    What it assigns to variables (seeds of random numbers) is assigned in earnest afterwards.

    Args:
        function: without arguments.
        variables: list of keras.Variable, all that it reads.
        values: {id of a variable: tensor}.
        shifts: of `folded_values`.
    """
    given = [(variable, values[id(variable)]) for variable in variables]
    with keras.StatelessScope(state_mapping=given) as scope, folded_norms(shifts):
        before = [scope.get_current_value(variable) for variable in variables]
        answer = function()
    for variable, old in zip(variables, before, strict=True):
        new = scope.get_current_value(variable)
        if new is not old:
            variable.assign(new)
    return answer
