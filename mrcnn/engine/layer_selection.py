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
# Layers of a ResNet's stages, the first convolution being stage 1.
STAGES = [r"(bn_)?conv1", *(rf"(res|bn){stage}.*" for stage in (2, 3, 4, 5))]


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


def set_trainable(model, layers, config=None):
    """Freeze every layer but those whose name the expression matches whole.

    Args:
        model: keras.Model.
        layers: one of the names above, or a regular expression.
        config: Config whose FREEZE_BN and FREEZE_AT hold whatever `layers` says; or None.

    Returns:
        Names of the layers that will be trained.

    Raises:
        ValueError: a stage that this backbone does not have, a bad expression, or one
            that matches no layer, or none that may be trained.
    """
    candidates = list(named_layers(model))
    first = f"res{layers[:1]}"
    if layers in ("3+", "4+", "5+") and not any(n.startswith(first) for n, _ in candidates):
        raise ValueError(
            f"layers = {layers!r} names stages of the ResNets (up to 4 with FEATURES = 'c4'); with "
            "this network use 'heads', 'all' or a regular expression over layer names"
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
    kept = kept_as_loaded(candidates, config)
    if kept.issuperset(chosen):
        raise ValueError(
            f"layers = {layers!r} matches only layers that FREEZE_AT = {config.FREEZE_AT} and "
            f"FREEZE_BN = {config.FREEZE_BN} keep as they are; set them to 0 and False to train "
            f"{chosen[0]!r}"
        )
    chosen = [name for name in chosen if name not in kept]
    for name, layer in candidates:
        layer.trainable = name in chosen
    return chosen


def kept_as_loaded(candidates, config):
    """Names of the backbone's layers that FREEZE_BN and FREEZE_AT keep from training.

    Args:
        candidates: (name, layer) pairs, as of `named_layers`.
        config: Config, or None.
    """
    if config is None:
        return set()
    early = re.compile("|".join(STAGES[: config.FREEZE_AT]) or "(?!)")
    backbone = [(name, layer) for name, layer in candidates if not re.fullmatch(HEADS, name)]
    return {name for name, layer in backbone if early.fullmatch(name)
            or (config.FREEZE_BN and isinstance(layer, keras.layers.BatchNormalization))}


def kept_layers(model, config):
    """What `train` adds to the number of trained layers: how many these knobs keep, or ""."""
    kept = kept_as_loaded(named_layers(model), config)
    if not kept:
        return ""
    return (f"; {len(kept)} of the backbone's stay as they are "
            f"(FREEZE_AT = {config.FREEZE_AT}, FREEZE_BN = {config.FREEZE_BN})")
