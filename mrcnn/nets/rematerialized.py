"""The training graph with the backbone's features computed twice in place of being kept.

Between the forward and the backward pass only C2..C5 stay in memory; the backward pass computes
the features inside a stage again when it comes to that stage (Chen et al. 2016).
"""

import itertools

import keras
from keras import ops

from mrcnn.layers.batch_norm import learns_statistics
from mrcnn.nets.frozen_norms import call_with, other_values

TAPS = ("fpn_c2p2", "fpn_c3p3", "fpn_c4p4", "fpn_c5p5")  # the layers that read C2..C5
SINGLE = "features_c4"  # what reads C4 where there is no pyramid
SEED = "seed_generator_state"  # Keras' name of the variables that random numbers are drawn from


class RematerializedStages:
    """A training graph cut at C2..C5, on the same layers.

    A backbone whose features do not follow from one another, stage by stage, is one stage.

    Args:
        model: functional keras.Model of `build_training_model`.

    Raises:
        ValueError: a batch-norm layer of the backbone learns its statistics.
    """

    def __init__(self, model):
        images = model.get_layer("input_image").output
        names = {layer.name for layer in model.layers}
        readers = [SINGLE] if SINGLE in names else TAPS
        taps = [model.get_layer(name).input for name in readers]
        self.names = [tensor.name for tensor in model.inputs]
        try:
            ends = itertools.pairwise([images, *taps])
            self.stages = [keras.Model(start, [end]) for start, end in ends]
        except ValueError:  # Keras' word for "not reached from here"
            self.stages = [keras.Model(images, taps)]
        self.rest = keras.Model([*model.inputs, *taps], model.outputs)
        for stage in self.stages:
            _refuse_learning_norms(stage)

    def run(self, inputs, values, shifts):
        """Outputs in training mode.

        Args:
            inputs: as `fit` and callers give them: by name or in order.
            values, shifts: of `FrozenNorms.fold`.
        """
        if isinstance(inputs, dict):
            inputs = [inputs[name] for name in self.names]
        feature, taps = inputs[self.names.index("input_image")], []
        for stage in self.stages:
            answer = _rematerialized(stage, values, shifts)(feature)
            _draw_anew(stage)
            taps += answer
            feature = answer[-1]
        rest = self.rest
        return call_with(lambda: rest.call([*inputs, *taps], training=True), rest.variables,
                         values, shifts)


def _rematerialized(stage, values, shifts):
    """Function of a stage's input to its outputs that keeps nothing in between."""
    variables = stage.variables
    floats = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]
    # Seeds as they are now: the backward pass comes after `_draw_anew`.
    seeds = {id(v): ops.copy(values[id(v)]) for v in variables if v.name == SEED}
    inside = {id(layer) for layer in stage._flatten_layers()}
    added = [norm for norm, shift in shifts.items() if norm in inside and shift is not None]

    def run(feature, *arrays):
        # Weights and shifts are arguments: what a function closes over gets no gradient.
        weights = dict(zip(map(id, floats), arrays[:len(floats)], strict=True))
        rest = dict(zip(added, arrays[len(floats):], strict=True))
        with other_values(variables, {**values, **seeds, **weights}, {**shifts, **rest}):
            return keras.tree.flatten(stage.call(feature, training=True))

    arrays = [values[id(variable)] for variable in floats] + [shifts[norm] for norm in added]
    return lambda feature: keras.remat(run)(feature, *arrays)


def _draw_anew(stage):
    """Move the seeds of a stage on: both of its passes draw alike, the next step does not."""
    for variable in stage.variables:
        if variable.name == SEED:
            variable.assign(variable + ops.convert_to_tensor([0, 1], variable.dtype))


def _refuse_learning_norms(stage):
    for layer in stage._flatten_layers():
        if learns_statistics(layer):
            raise ValueError(
                f"REMATERIALIZE = True computes {layer.name!r} twice a step, so this batch-norm "
                "cannot learn its statistics: set TRAIN_BN = False, which rules mrcnn's own "
                "BatchNorm"
            )
