"""Which layers a stage of training touches: heads, 3+, 4+, 5+, all, or a regular expression."""

import re

import keras

HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)|(features\_c4)"
NAMED = {
    "heads": HEADS,
    "3+": r"(res[345].*)|(bn[345].*)|" + HEADS,
    "4+": r"(res[45].*)|(bn[45].*)|" + HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + HEADS,
    "all": ".*",
}


def unwrapped(layer):
    """The layer inside a wrapper, or the layer itself."""
    while isinstance(layer, keras.layers.Wrapper):
        layer = layer.layer
    return layer


def named_layers(model):
    """(name, layer) of every layer that holds weights, nested models opened, in order.

    A wrapper (TimeDistributed) gives its name, and the layer inside it.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from named_layers(layer)
        elif layer.weights:
            yield layer.name, unwrapped(layer)


def trainable_layers(model):
    """The layers that hold weights, as Matterport lists them: nested models and wrappers opened."""
    return [layer for _, layer in named_layers(model)]


def set_trainable(model, layers):
    """Freeze every layer but those whose name the expression matches whole.

    Args:
        model: keras.Model.
        layers: one of the names above, or a regular expression.

    Returns:
        Names of the layers that will be trained.

    Raises:
        ValueError: a stage that this backbone does not have, a bad expression, or one
            that matches no layer.
    """
    candidates = list(named_layers(model))
    if layers in ("3+", "4+", "5+") and not any(n.startswith("res5") for n, _ in candidates):
        raise ValueError(
            f"layers = {layers!r} names stages of the ResNets; with this BACKBONE use "
            "'heads', 'all' or a regular expression over layer names"
        )
    try:
        pattern = re.compile(NAMED.get(layers, layers))
    except re.error as error:
        raise ValueError(f"layers = {layers!r} is no regular expression: {error}") from None
    chosen = [name for name, _ in candidates if pattern.fullmatch(name)]
    if not chosen:
        names = [name for name, _ in candidates]
        raise ValueError(
            f"layers = {layers!r} matches no layer; use one of {sorted(NAMED)} or an "
            f"expression over names like {names[0]!r} ... {names[-1]!r}"
        )
    for name, layer in candidates:
        layer.trainable = name in chosen
    return chosen
