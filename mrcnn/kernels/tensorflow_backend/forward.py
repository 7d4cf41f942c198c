"""The forward pass of a functional model as one compiled TensorFlow function."""

import keras
import numpy as np
import tensorflow as tf

from mrcnn.kernels.functional import function_of


class Forward:
    """A compiled forward pass; safe to call from several threads.

    Args:
        function: tf.function of a list of weights, and of arrays.
        weights: arrays to compute with; none where the function reads variables.
    """

    def __init__(self, function, weights=()):
        self._function = function
        self.renew(weights)

    def __call__(self, *arrays):
        """Numpy arrays in, the list of the model's outputs as numpy arrays out."""
        return [np.asarray(output) for output in self._function(self._weights, *arrays)]

    def renew(self, weights):
        """Compute with other weights from now on; nothing is traced again.

        Args:
            weights: arrays of the shapes and types of those before.
        """
        self._weights = [tf.constant(array) for array in weights]

    @property
    def traces(self):
        """How often it has been traced: once for images of any size."""
        return self._function.experimental_get_tracing_count()


def compile_forward(model, more=(), around=None, weights=None):
    """One compiled forward pass of a functional model, for inputs of any size.

    The function is traced once, with every size unknown that the model's inputs leave
    open, so images of many sizes neither retrace nor grow memory.

    Args:
        model, around: as of `function_of`.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        weights: arrays in the order of `model.variables`, to compute with in place of the
            variables, until `renew` is called; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    weights = [] if weights is None else weights
    signature = [[tf.TensorSpec(array.shape, array.dtype) for array in weights]]
    signature += [tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in model.inputs]
    signature += [tf.TensorSpec(shape, dtype) for shape, dtype in more]
    function = tf.function(
        function_of(model, around), input_signature=signature, jit_compile=False)
    return Forward(function, weights)


class Fingerprint:
    """What variables held at one time; equal to another one that holds the same values.

    TensorFlow never changes a tensor that somebody still holds: whatever assigns to the variable
    then gives it new memory. So the same memory means that nothing was assigned, and only what
    lies elsewhere is compared, number by number.

    Args:
        tensors: the values of the variables, which are kept.
    """

    def __init__(self, tensors):
        self._tensors = tensors
        self._places = [_place(tensor) for tensor in tensors]

    def __eq__(self, other):
        if not isinstance(other, Fingerprint) or len(self._tensors) != len(other._tensors):
            return False
        moved = [i for i, place in enumerate(self._places)
                 if place is None or place != other._places[i]]
        return all(_equal(self._tensors[i], other._tensors[i]) for i in moved)

    __hash__ = None


def _place(tensor):
    """Address of a tensor in this computer's memory, or None on another device."""
    if "CPU" not in tensor.device or not tensor.shape.num_elements():
        return None
    return np.asarray(memoryview(tensor)).__array_interface__["data"][0]


def _equal(tensor, other):
    return tensor.shape == other.shape and bool(tf.reduce_all(tf.equal(tensor, other)))


def fingerprint(variables):
    """The Fingerprint of Keras variables: milliseconds, as nothing is copied on a CPU."""
    return Fingerprint([_read(variable.value) for variable in variables])


def _read(variable):
    if isinstance(variable, tf.distribute.DistributedValues):
        return tf.convert_to_tensor(variable)
    # What `read_value` does, without its checks, which take longer than the reading.
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)


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
