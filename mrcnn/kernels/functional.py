"""A Keras model as a function of its weights, and what tells that they were changed."""

import contextlib
import weakref

import keras


def function_of(model, around=None):
    """The inference of a functional model as a function (weights, *arrays).

    Args:
        model: functional keras.Model with a list of inputs.
        around: function of the arguments behind the model's inputs to a context manager, in
            which the model is called.

    Returns:
        Function of a list of tensors in the order of `model.variables`, which stand for them in
        types of their own, or nothing to read the variables; of the model's inputs; and of what
        `around` takes. It answers the model's outputs.
    """
    count = len(model.inputs)

    def forward(weights, *arrays):
        with contextlib.ExitStack() as scopes:
            if around:
                scopes.enter_context(around(*arrays[count:]))
            if weights:
                scope = scopes.enter_context(keras.StatelessScope())
                for variable, value in zip(model.variables, weights, strict=True):
                    scope.add_update((variable, value))  # `state_mapping` would convert it
            return model(list(arrays[:count]), training=False)

    return forward


class Fingerprint:
    """Which tensors variables hold; equal to another one while none of them was changed.

    Args:
        tensors: the values of the variables; not kept alive.
        versions: for each a number that changes where it is changed in place.
    """

    def __init__(self, tensors, versions):
        self._tensors = [weakref.ref(tensor) for tensor in tensors]
        self._versions = list(versions)

    def __eq__(self, other):
        if not isinstance(other, Fingerprint) or self._versions != other._versions:
            return False
        pairs = zip(self._tensors, other._tensors, strict=True)
        return all(mine() is theirs() is not None for mine, theirs in pairs)

    __hash__ = None
