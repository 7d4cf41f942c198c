"""The forward pass of a functional model as one compiled JAX function."""

import contextlib
import weakref

import jax
import keras
import numpy as np


class Forward:
    """A compiled forward pass; safe to call from several threads.

    Args:
        function: of weights and inputs, compiled once for every set of input shapes.
        weights: function that answers the weights of a call.
        dtypes: names of the inputs' types.
    """

    def __init__(self, function, weights, dtypes):
        self._function, self._weights, self._dtypes = function, weights, dtypes

    def __call__(self, *arrays):
        """Numpy arrays in, the list of the model's outputs as numpy arrays out."""
        arrays = [np.asarray(x, d) for x, d in zip(arrays, self._dtypes, strict=True)]
        return [np.asarray(x) for x in jax.device_get(self._function(self._weights(), *arrays))]

    def renew(self, weights):
        """Compute with other weights from now on: arrays of the shapes and types before."""
        fixed = [jax.numpy.asarray(array) for array in weights]
        self._weights = lambda: fixed

    @property
    def traces(self):
        """How often it has been compiled: once for each set of input shapes."""
        return self._function._cache_size()


def _with_weights(model, around=None):
    """Function (weights, *arrays) of a model, with the weights as arguments."""
    count = len(model.inputs)

    def forward(weights, *inputs):
        with contextlib.ExitStack() as scopes:
            if around:
                scopes.enter_context(around(*inputs[count:]))
            pairs = list(zip(model.variables, weights, strict=True))
            scopes.enter_context(keras.StatelessScope(state_mapping=pairs))
            return model(list(inputs[:count]), training=False)

    return forward


def _values(model):
    return [variable.value for variable in model.variables]


def compile_forward(model, more=(), around=None, weights=None):
    """One compiled forward pass of a functional model.

    JAX knows no open sizes: the first call with new input shapes compiles anew, which is kept.

    Args:
        model: functional keras.Model with a list of inputs.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        around: function of those arguments to a context manager, in which the model is called.
        weights: arrays in the order of `model.variables`, to compute with in place of the
            variables; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    dtypes = [x.dtype for x in model.inputs] + [dtype for _, dtype in more]
    function = jax.jit(_with_weights(model, around))
    compiled = Forward(function, lambda: _values(model), dtypes)
    if weights is not None:
        compiled.renew(weights)
    return compiled


def run_once(model, inputs):
    """One forward pass of a model that is not run again.

    Args:
        model: functional keras.Model with a list of inputs.
        inputs: arrays, one an input.

    Returns:
        The model's outputs as numpy arrays, in their structure.
    """
    arrays = [np.asarray(x, i.dtype) for x, i in zip(inputs, model.inputs, strict=True)]
    outputs = jax.jit(_with_weights(model))(_values(model), *arrays)
    return keras.tree.map_structure(np.asarray, outputs)


class Fingerprint:
    """What variables hold; equal to another one while none of them was assigned in between.

    JAX arrays never change, so a variable holds the same values while it holds the same array.

    Args:
        arrays: the values of the variables; not kept alive.
    """

    def __init__(self, arrays):
        self._arrays = [weakref.ref(array) for array in arrays]

    def __eq__(self, other):
        if not isinstance(other, Fingerprint) or len(self._arrays) != len(other._arrays):
            return False
        pairs = zip(self._arrays, other._arrays, strict=True)
        return all(mine() is theirs() is not None for mine, theirs in pairs)

    __hash__ = None


def fingerprint(variables):
    """The Fingerprint of Keras variables."""
    return Fingerprint([variable.value for variable in variables])
