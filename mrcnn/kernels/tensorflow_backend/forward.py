"""The forward pass of a functional model as one compiled TensorFlow function."""

import contextlib

import keras
import numpy as np
import tensorflow as tf


class Forward:
    """A compiled forward pass; safe to call from several threads.

    Args:
        function: tf.function with an input signature.
    """

    def __init__(self, function):
        self._function = function

    def __call__(self, *arrays):
        """Numpy arrays in, the list of the model's outputs as numpy arrays out."""
        return [np.asarray(output) for output in self._function(*arrays)]

    @property
    def traces(self):
        """How often it has been traced: once for images of any size."""
        return self._function.experimental_get_tracing_count()


def compile_forward(model, more=(), around=None, weights=None):
    """One compiled forward pass of a functional model, for inputs of any size.

    The function is traced once, with every size unknown that the model's inputs leave
    open, so images of many sizes neither retrace nor grow memory.

    Args:
        model: functional keras.Model with a list of inputs.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        around: function of those arguments to a context manager, in which the model is called.
        weights: arrays in the order of `model.variables`, which become constants of the compiled
            function; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    signature = [tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in model.inputs]
    signature += [tf.TensorSpec(shape, dtype) for shape, dtype in more]
    count = len(model.inputs)

    @tf.function(input_signature=signature, jit_compile=False)
    def forward(*inputs):
        with contextlib.ExitStack() as scopes:
            if around:
                scopes.enter_context(around(*inputs[count:]))
            if weights is not None:
                scopes.enter_context(_with_constants(model.variables, weights))
            return model(list(inputs[:count]), training=False)

    return Forward(forward)


def _with_constants(variables, arrays):
    """Scope in which the variables have these values, in the arrays' own types."""
    scope = keras.StatelessScope()
    for variable, array in zip(variables, arrays, strict=True):
        scope.add_update((variable, tf.constant(array)))
    return scope


def run_once(model, inputs):
    """One forward pass of a model that is not run again.

    Args:
        model: functional keras.Model with a list of inputs.
        inputs: arrays, one an input.

    Returns:
        The model's outputs as numpy arrays, in their structure.
    """
    signature = [tf.TensorSpec(x.shape, x.dtype) for x in model.inputs]
    tensors = [tf.convert_to_tensor(x, s.dtype) for x, s in zip(inputs, signature, strict=True)]
    # The concrete function: TensorFlow warns of many `tf.function`s that are called once each.
    function = tf.function(lambda *x: model(list(x), training=False), jit_compile=False)
    outputs = function.get_concrete_function(*signature)(*tensors)
    return keras.tree.map_structure(np.asarray, outputs)
