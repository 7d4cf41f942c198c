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
        dtypes: names of the inputs' types.
        variables: those to read at each call.
        weights: arrays to compute with in place of them, or None.
    """

    def __init__(self, function, dtypes, variables, weights):
        self._function, self._dtypes, self._variables = function, dtypes, variables
        self._weights = None
        if weights is not None:
            self.renew(weights)

    def __call__(self, *arrays):
        """Numpy arrays in, the list of the model's outputs as numpy arrays out."""
        weights = self._weights
        if weights is None:
            weights = _values(self._variables)
        arrays = [np.asarray(x, d) for x, d in zip(arrays, self._dtypes, strict=True)]
        return [np.asarray(x) for x in jax.device_get(self._function(weights, *arrays))]

    def renew(self, weights):
        """Compute with other weights of the same shapes and types; nothing is compiled."""
        self._weights = [jax.numpy.asarray(array) for array in weights]

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
            scope = scopes.enter_context(keras.StatelessScope())
            for variable, value in zip(model.variables, weights, strict=True):
                scope.add_update((variable, value))  # in the value's own type
            return model(list(inputs[:count]), training=False)

    return forward


def _values(variables):
    return [variable.value for variable in variables]


def compile_forward(model, more=(), around=None, weights=None):
    """One compiled forward pass of a functional model.

    JAX knows no open sizes: the first call with new input shapes compiles anew, which is kept.

    Args:
        model: functional keras.Model with a list of inputs.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        around: function of those arguments to a context manager, in which the model is called.
        weights: arrays in the order of `model.variables`, to compute with in place of the
            variables, until `renew` is called; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    dtypes = [x.dtype for x in model.inputs] + [dtype for _, dtype in more]
    function = jax.jit(_with_weights(model, around))
    return Forward(function, dtypes, model.variables, weights)


def run_once(model, inputs):
    """One forward pass of a model that is not run again.

    Args:
        model: functional keras.Model with a list of inputs.
        inputs: arrays, one an input.

    Returns:
        The model's outputs as numpy arrays, in their structure.
    """
    arrays = [np.asarray(x, i.dtype) for x, i in zip(inputs, model.inputs, strict=True)]
    outputs = jax.jit(_with_weights(model))(_values(model.variables), *arrays)
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
