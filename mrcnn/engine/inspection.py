"""Looking inside a graph: any tensor's value, for the inspection notebooks.

Shapes: B images, A anchors, K the best anchors before NMS, N proposals.
"""

import collections
import difflib
import warnings

import keras
from keras import ops

from mrcnn import kernels
from mrcnn.engine.console import log

# The inner names of Matterport's proposal layer, which its notebooks ask for.
PROPOSAL_STEPS = {
    "pre_nms_anchors": "pre_nms_anchors",
    "refined_anchors": "refined_anchors",
    "refined_anchors_clipped": "refined_anchors_clipped",
    "rpn_non_max_suppression": "post_nms_anchor_ix",
    "post_nms_anchor_ix": "post_nms_anchor_ix",
}


class ProposalStep(keras.layers.Layer):
    """One inner step of a proposal layer, computed by that layer's own code.

    The rows that NMS keeps come as Matterport's graph has them: [kept], of the first image
    alone and without padding. All other steps are [B, K, 4].

    Args:
        proposal_layer: the ProposalLayer.
        step: a key of its `steps`.

    Call: as the proposal layer.
    """

    def __init__(self, proposal_layer, step, **kwargs):
        super().__init__(**kwargs)
        self.proposal_layer, self.step = proposal_layer, step

    def call(self, inputs):
        """See the class."""
        steps = self.proposal_layer.steps(*inputs)
        if self.step != "post_nms_anchor_ix":
            return steps[self.step]
        return ops.take(steps["post_nms_anchor_ix"][0], ops.nonzero(steps["valid"][0])[0])


def find_tensor(keras_model, name):
    """The tensor that Matterport's graph has under a name.

    Args:
        keras_model: functional keras.Model.
        name: of a layer, for its output; or "ROI/" and one of `PROPOSAL_STEPS`, whatever
            follows ("ROI/rpn_non_max_suppression/NonMaxSuppressionV3"). A TensorFlow suffix
            such as ":0" is ignored.

    Returns:
        A tensor of the graph (a list of them from a layer that answers several), or None; then
        a name that is nearly right is named in a warning.
    """
    layers = {layer.name: layer for layer in keras_model.layers}
    layer_name, _, inner = name.split(":")[0].partition("/")
    step = PROPOSAL_STEPS.get(inner.split("/")[0])
    if layer_name in layers and not inner:
        return layers[layer_name].output
    if layer_name == "ROI" and layer_name in layers and step:
        return ProposalStep(layers["ROI"], step)(layers["ROI"].input)
    known = [*layers, *(f"ROI/{step}:0" for step in PROPOSAL_STEPS)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    if near:
        warnings.warn(f"the graph has no {name!r}; it has {near[0]!r}", stacklevel=3)
    return None


def run_graph(keras_model, inputs, outputs):
    """Values of tensors of a graph, and their shapes on the console.

    Args:
        keras_model: functional keras.Model.
        inputs: arrays for its inputs, [B, ...] each.
        outputs: list of (name, tensor of the graph or list of such).

    Returns:
        OrderedDict of name to numpy array (or list of arrays).

    Raises:
        ValueError: a tensor is None, its name is given; or too few or too many inputs.
        TypeError: what is given is no tensor of a graph.
    """
    outputs = collections.OrderedDict(outputs)
    _check(keras_model, inputs, outputs)
    graph = keras.Model(keras_model.inputs, dict(outputs))
    values = kernels.run_once(graph, inputs)
    answers = collections.OrderedDict((name, values[name]) for name in outputs)
    for name, value in answers.items():
        for part in keras.tree.flatten(value):
            log(name, part)
    return answers


def _check(keras_model, inputs, outputs):
    missing = [name for name, tensor in outputs.items() if tensor is None]
    if missing:
        raise ValueError(f"run_graph: no tensor given for {missing}; `ancestor` answers None to a "
                         "name that the graph does not have")
    for name, tensors in outputs.items():
        for tensor in keras.tree.flatten(tensors):
            if not isinstance(tensor, keras.KerasTensor):
                raise TypeError(
                    f"run_graph: {name!r}: expected a tensor of the graph, as "
                    "keras_model.get_layer(name).output or model.ancestor(tensor, name), "
                    f"received {type(tensor).__name__}"
                )
    wanted = [tensor.name for tensor in keras_model.inputs]
    if len(inputs) != len(wanted):
        raise ValueError(f"run_graph: expected an array for each of {wanted}, "
                         f"received {len(inputs)}")
