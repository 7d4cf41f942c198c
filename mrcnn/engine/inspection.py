"""Looking inside a graph: any tensor's value, for the inspection notebooks."""

import collections

import keras

from mrcnn.engine.console import log


def layer_output(keras_model, name):
    """Output of the layer called `name` (a TensorFlow suffix such as `:0` is ignored), or None."""
    wanted = name.split(":")[0]
    return next((layer.output for layer in keras_model.layers if layer.name == wanted), None)


def run_graph(keras_model, inputs, outputs):
    """Values of tensors of a graph, and their shapes on the console.

    Args:
        keras_model: functional keras.Model.
        inputs: arrays for its inputs, [B, ...] each.
        outputs: list of (name, tensor of the graph).

    Returns:
        OrderedDict of name to numpy array.

    Raises:
        ValueError: a tensor is None; its name is given.
    """
    outputs = collections.OrderedDict(outputs)
    missing = [name for name, tensor in outputs.items() if tensor is None]
    if missing:
        raise ValueError(f"run_graph: no tensor given for {missing}")
    graph = keras.Model(keras_model.inputs, list(outputs.values()))
    values = graph.predict(inputs, batch_size=len(inputs[0]), verbose=0)
    answers = collections.OrderedDict(zip(outputs, values, strict=True))
    for name, value in answers.items():
        log(name, value)
    return answers
