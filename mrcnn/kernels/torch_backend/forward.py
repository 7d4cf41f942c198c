"""The forward pass of a functional model on torch."""

import contextlib

import keras
import torch


class Forward:
    """A forward pass without gradients; safe to call from several threads.

    Args:
        function: of the weights or None, of the model's inputs and of further arguments.
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
            tensors = [
                keras.ops.convert_to_tensor(x, dtype=dtype)
                for x, dtype in zip(arrays, self._dtypes, strict=True)
            ]
            return [x.numpy(force=True) for x in self._function(self._weights, *tensors)]

    def renew(self, weights):
        """Compute with other weights of the same shapes."""
        with torch.inference_mode():
            self._weights = [keras.ops.convert_to_tensor(array) for array in weights]


def compile_forward(model, more=(), around=None, weights=None):
    """The forward pass of a functional model, for inputs of any size.

    Args:
        model: functional keras.Model with a list of inputs.
        more: (shape, dtype name) of further arguments, after the model's inputs.
        around: function of those arguments to a context manager, in which the model is called.
        weights: arrays in the order of `model.variables`, to compute with in place of the
            variables, until `renew` is called; None reads the variables at each call.

    Returns:
        Forward, a function of the model's inputs (numpy arrays) and `more`.
    """
    count, dtypes = len(model.inputs), [x.dtype for x in model.inputs]

    def forward(values, *inputs):
        with contextlib.ExitStack() as scopes:
            if around:
                scopes.enter_context(around(*inputs[count:]))
            if values is not None:
                scope = scopes.enter_context(keras.StatelessScope())
                for variable, value in zip(model.variables, values, strict=True):
                    scope.add_update((variable, value))  # in the value's own type
            return model(list(inputs[:count]), training=False)

    return Forward(forward, dtypes + [dtype for _, dtype in more], weights)


def run_once(model, inputs):
    """One forward pass of a model that is not run again.

    Args:
        model: functional keras.Model with a list of inputs.
        inputs: arrays, one an input.

    Returns:
        The model's outputs as numpy arrays, in their structure.
    """
    with torch.inference_mode():
        tensors = [
            keras.ops.convert_to_tensor(x, dtype=i.dtype)
            for x, i in zip(inputs, model.inputs, strict=True)
        ]
        outputs = model(tensors, training=False)
        return keras.tree.map_structure(lambda x: x.numpy(force=True), outputs)


def fingerprint(variables):
    """What tells whether one of some Keras variables was changed: equal while none was.

    torch counts the changes of every tensor in place.
    """
    tensors = [variable.value for variable in variables]
    return [(id(tensor), tensor._version) for tensor in tensors]
