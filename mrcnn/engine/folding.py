"""A graph without the batch-norm that can be folded into the layer before it, for inference."""

import keras
import numpy as np
from keras import layers, ops

from mrcnn.layers.foldable_norms import (
    foldable_pairs,
    folded_values,
    graphs_of,
    runs_a_graph,
    unwrapped,
)


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
        return inputs if self.shift is None else ops.add(inputs, self.shift)

    def compute_output_shape(self, input_shape):
        """Unchanged."""
        return input_shape


class FoldedModel:
    """A functional model without the batch-norm that can be folded, on the same other layers.

    `foldable_pairs` says which that is. Other batch-norm stays a layer.

    Args:
        source: functional keras.Model; it is not changed, and answers as before.

    Attributes:
        model: keras.Model with the inputs and outputs of `source`. It is right only with the
            arrays of `weights` in place of its variables.
        folded: names of the batch-norm layers that are gone.
    """

    def __init__(self, source):
        self._pairs = foldable_pairs(source)
        self.folded = [norm.name for norm in self._pairs]
        self._remainders = {
            norm: Remainder(not unwrapped(before).use_bias, name=norm.name,
                            dtype=unwrapped(norm).dtype_policy)
            for norm, before in self._pairs.items()
        }
        self._nested = {}  # clones of models in the model
        self.model = self._clone(source)

    def _clone(self, model):
        return keras.models.clone_model(model, clone_function=self._counterpart)

    def _counterpart(self, layer):
        if layer in self._remainders:
            return self._remainders[layer]
        if layer not in self._nested:
            changes = runs_a_graph(layer) and any(
                one in self._pairs for graph in graphs_of(layer) for one in graph.layers)
            self._nested[layer] = self._clone(layer) if changes else layer
        return self._nested[layer]

    def weights(self):
        """What the source's variables hold at present, folded.

        Returns:
            Arrays in the order of `model.variables`, of the type that their layer computes in.
        """
        variables = [v for pair in self._pairs.items() for layer in pair for v in layer.variables]
        before = {id(v): ops.cast(v, "float32") for v in variables}
        after, shifts = folded_values(before, self._pairs.items())
        changed = {key: value for key, value in after.items() if value is not before[key]}
        for norm, remainder in self._remainders.items():
            if remainder.has_shift:
                changed[id(remainder.shift)] = shifts[id(unwrapped(norm))]
        changed = {key: ops.convert_to_numpy(value) for key, value in changed.items()}
        computed = _computed_types(self.model)
        return [np.asarray(changed.get(id(v), v), computed.get(id(v), v.dtype))
                for v in self.model.variables]


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
            yield unwrapped(layer)
