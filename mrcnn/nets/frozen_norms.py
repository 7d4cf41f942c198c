"""Batch-norm on frozen statistics, folded into the layer before it at every training step.

It gives the same features and the same gradients of all weights, gamma and beta included, without
a pass over the features in either direction, and without keeping them for the backward pass.
"""

import contextlib

import keras
from keras import ops

from mrcnn.layers.batch_norm import BatchNorm, folded_norms
from mrcnn.layers.foldable_norms import foldable_pairs, folded_values, unwrapped


class FrozenNorms:
    """The batch-norm of a training graph that can be folded, where Keras looks for no layers.

    Left alone is batch-norm of single positions (the class head's), where the kernel is larger
    than the features, and Keras' own layer, which takes no part in `folded_norms`.

    Attributes:
        pairs: list of (BatchNorm, layer before it), wrappers not opened.
    """

    def __init__(self, model):
        self.pairs = [
            (norm, before) for norm, before in foldable_pairs(model).items()
            if type(unwrapped(norm)) is BatchNorm and norm.input.shape[-3:-1] != (1, 1)
        ]

    def fold(self, variables, training):
        """Fold those that a call with this `training` gives stored statistics.

        Args:
            variables: all of the model.
            training: of the model's call.

        Returns:
            Two dicts for `call_with`, see `folded_values`.
        """
        pairs = [(norm, before) for norm, before in self.pairs
                 if not unwrapped(norm).takes_batch_statistics(training)]
        return folded_values({id(v): ops.convert_to_tensor(v) for v in variables}, pairs)


@contextlib.contextmanager
def other_values(variables, values, shifts):
    """Within it, variables have other values and some batch-norm is done already.

    Args:
        variables: list of keras.Variable.
        values: {id of a variable: tensor}.
        shifts: {id of a BatchNorm: what is left to add}, see `folded_norms`.

    Yields:
        keras.StatelessScope, which takes up what is assigned to variables.
    """
    given = [(variable, values[id(variable)]) for variable in variables]
    with keras.StatelessScope(state_mapping=given) as scope, folded_norms(shifts):
        yield scope


def call_with(function, variables, values, shifts):
    """`function()` within `other_values` of all the variables that it reads.

    What it assigns to variables (seeds of random numbers) is assigned in earnest afterwards.
    """
    with other_values(variables, values, shifts) as scope:
        before = [scope.get_current_value(variable) for variable in variables]
        answer = function()
    for variable, old in zip(variables, before, strict=True):
        new = scope.get_current_value(variable)
        if new is not old:
            variable.assign(new)
    return answer
