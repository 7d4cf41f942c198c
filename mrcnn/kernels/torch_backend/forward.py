"""The forward pass of a functional model on torch."""

import keras
import torch

from mrcnn.kernels.functional import Fingerprint, function_of


class Forward:
    """A forward pass without gradients; safe to call from several threads.

    Args:
        function: of `function_of`.
        dtypes: names of the types of inputs and arguments.
        weights: arrays to compute with in place of the variables, or None.
    """

    traces = 0  # nothing is compiled

    def __init__(self, function, dtypes, weights):
        self._function, self._dtypes, self._weights = function, dtypes, None
        if weights is not None:
            self.renew(weights)

    def __call__(self, *arrays):
        """Numpy arrays in, the list of the model's outputs as numpy arrays out."""
        with torch.inference_mode():
            tensors = _tensors(arrays, self._dtypes)
            return [x.numpy(force=True) for x in self._function(self._weights, *tensors)]

    def renew(self, weights):
        """Compute with other weights of the same shapes."""
        with torch.inference_mode():
            self._weights = [keras.ops.convert_to_tensor(array) for array in weights]


def _tensors(arrays, dtypes):
    pairs = zip(arrays, dtypes, strict=True)
    return [keras.ops.convert_to_tensor(array, dtype=dtype) for array, dtype in pairs]


def compile_forward(model, more=(), around=None, weights=None):
    """The forward pass of a functional model, for inputs of any size.

    Args:
        model, around: as of `function_of`.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        weights: arrays in the order of `model.variables`, to compute with in place of the
            variables, until `renew` is called; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    dtypes = [x.dtype for x in model.inputs] + [dtype for _, dtype in more]
    return Forward(function_of(model, around), dtypes, weights)


def run_once(model, inputs):
    """One forward pass of a model that is not run again.

    Args:
        model: functional keras.Model with a list of inputs.
        inputs: arrays, one an input.

    Returns:
        The model's outputs as numpy arrays, in their structure.
    """
    with torch.inference_mode():
        outputs = model(_tensors(inputs, [x.dtype for x in model.inputs]), training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def fingerprint(variables):
    """The Fingerprint of Keras variables.

    torch counts the changes of a tensor in place, but not those made through its `data`.
    """
    tensors = [variable.value for variable in variables]
    return Fingerprint(tensors, map(_version, tensors))


def _version(tensor):
    # Made in inference mode it has no count, so it may have changed.
    return object() if tensor.is_inference() else tensor._version
