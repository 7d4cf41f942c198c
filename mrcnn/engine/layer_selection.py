"""Which layers a stage of training touches: heads, 3+, 4+, 5+, all, or a regular expression."""

import re

import keras

HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
NAMED = {
    "heads": HEADS,
    "3+": r"(res[345].*)|(bn[345].*)|" + HEADS,
    "4+": r"(res[45].*)|(bn[45].*)|" + HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + HEADS,
    "all": ".*",
}


def trainable_layers(model):
    """The layers that hold weights, nested models opened, in order.

    Args:
        model: keras.Model.

    Returns:
        List of layers; a wrapper (TimeDistributed) stands for the layer inside it.
    """
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found.extend(trainable_layers(layer))
        elif layer.weights:
            found.append(layer)
    return found


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
    candidates = trainable_layers(model)
    if layers in ("3+", "4+", "5+") and not any(c.name.startswith("res5") for c in candidates):
        raise ValueError(
            f"layers = {layers!r} names stages of the ResNets; with this BACKBONE use "
            "'heads', 'all' or a regular expression over layer names"
        )
    try:
        pattern = re.compile(NAMED.get(layers, layers))
    except re.error as error:
        raise ValueError(f"layers = {layers!r} is no regular expression: {error}") from None
    chosen = [c for c in candidates if pattern.fullmatch(c.name)]
    if not chosen:
        names = [c.name for c in candidates]
        raise ValueError(
            f"layers = {layers!r} matches no layer; use one of {sorted(NAMED)} or an "
            f"expression over names like {names[0]!r} ... {names[-1]!r}"
        )
    for layer in candidates:
        layer.trainable = layer in chosen
    return [c.name for c in chosen]
