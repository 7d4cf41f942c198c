"""The forward pass of a functional model as one compiled JAX function."""

import jax
import keras
import numpy as np

from mrcnn.kernels.functional import Fingerprint, function_of


class Forward:
    """A compiled forward pass; safe to call from several threads.

    Args:
        function: of `function_of`; compiled once for every set of input shapes.
        dtypes: names of the types of inputs and arguments.
        variables: those to read at each call.
        weights: arrays to compute with in place of them, or None.

    Attributes:
        traces: how often it has been compiled.
    """

    def __init__(self, function, dtypes, variables, weights):
        self._dtypes, self._variables, self._weights = dtypes, variables, None
        self.traces = 0

        def traced(*arguments):
            self.traces += 1
            return function(*arguments)

        self._function = jax.jit(traced)
        if weights is not None:
            self.renew(weights)

    def __call__(self, *arrays):
        """Numpy arrays in, the list of the model's outputs as numpy arrays out."""
        weights = self._weights
        if weights is None:
            weights = _values(self._variables)
        outputs = self._function(weights, *_arrays(arrays, self._dtypes))
        return [np.asarray(x) for x in jax.device_get(outputs)]

    def renew(self, weights):
        """Compute with other weights of the same shapes and types; nothing is compiled."""
        self._weights = [jax.numpy.asarray(array) for array in weights]


def _arrays(arrays, dtypes):
    return [np.asarray(array, dtype) for array, dtype in zip(arrays, dtypes, strict=True)]


def _values(variables):
    return [variable.value for variable in variables]


def compile_forward(model, more=(), around=None, weights=None):
    """One compiled forward pass of a functional model.

    JAX knows no open sizes: the first call with new input shapes compiles anew, which is kept.

    Args:
        model, around: as of `function_of`.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        weights: arrays in the order of `model.variables`, to compute with in place of the
            variables, until `renew` is called; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    dtypes = [x.dtype for x in model.inputs] + [dtype for _, dtype in more]
    return Forward(function_of(model, around), dtypes, model.variables, weights)


def run_once(model, inputs):
    """One forward pass of a model that is not run again.

    Args:
        model: functional keras.Model with a list of inputs.
        inputs: arrays, one an input.

    Returns:
        The model's outputs as numpy arrays, in their structure.
    """
    arrays = _arrays(inputs, [x.dtype for x in model.inputs])
    outputs = jax.jit(function_of(model))(_values(model.variables), *arrays)
    return keras.tree.map_structure(np.asarray, outputs)


def fingerprint(variables):
    """The Fingerprint of Keras variables: JAX arrays never change, only variables get others."""
    values = _values(variables)
    return Fingerprint(values, [0] * len(values))
