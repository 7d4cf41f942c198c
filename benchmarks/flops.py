"""What a Keras model has to compute and to move: its convolutions and dense layers, counted.

One forward pass is run layer by layer, and each layer's shapes are written down. What is not
counted (normalisation, activations, cropping, suppression) is below two hundredths of the FLOP.
"""

import contextlib
import dataclasses
from unittest import mock

import keras
import numpy as np

# First words of a layer's name -> part of the network; the rest is the backbone.
PARTS = (("fpn_", "pyramid"), ("rpn_", "proposals"), ("mrcnn_mask", "mask head"),
         ("mrcnn_", "class and box head"))


@dataclasses.dataclass(frozen=True)
class Work:
    """One call of a layer.

    Attributes:
        name: of the layer.
        flops: two for each multiplication with its addition.
        numbers: values that are read (inputs, weights) and written (outputs), each once.
    """

    name: str
    flops: float
    numbers: float

    @property
    def part(self):
        """Part of the network by the layer's name."""
        return next((part for start, part in PARTS if self.name.startswith(start)), "backbone")


def _size(shape):
    return float(np.prod([int(side) for side in shape]))


def _work_of(layer, inputs, outputs):
    kernel = [int(side) for side in layer.kernel.shape]
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    places = inputs if transposed else outputs  # each place of it meets the whole kernel
    flops = 2 * _size(places.shape[:-1]) * _size(kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        flops = 2 * _size(outputs.shape) * _size(kernel[:2])
    return Work(layer.name, flops, _size(inputs.shape) + _size(kernel) + _size(outputs.shape))


@contextlib.contextmanager
def recorded():
    """List of Work that fills while models run layer by layer inside it."""
    found, patches = [], []
    base = [keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.Dense,
            keras.layers.DepthwiseConv2D]
    for kind in base:
        def call(self, inputs, *args, _call=kind.call, **kwargs):
            outputs = _call(self, inputs, *args, **kwargs)
            found.append(_work_of(self, inputs, outputs))
            return outputs

        patches.append(mock.patch.object(kind, "call", call))
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield found


def count(model, inputs):
    """Work of one forward pass in inference mode.

    Args:
        model: functional keras.Model.
        inputs: list of its inputs as numpy arrays.

    Returns:
        List of Work, one a call of a layer.
    """
    with recorded() as found:
        model([keras.ops.convert_to_tensor(x) for x in inputs], training=False)
    return found


def total(work):
    """FLOP of a list of Work."""
    return sum(one.flops for one in work)


def by_part(work):
    """{part: (FLOP, numbers moved, layers called)}."""
    parts = {}
    for one in work:
        flops, numbers, calls = parts.get(one.part, (0.0, 0.0, 0))
        parts[one.part] = flops + one.flops, numbers + one.numbers, calls + 1
    return parts
