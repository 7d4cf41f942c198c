"""Config values to and from what JSON can hold."""

import json
import os

import numpy as np


class MissingCallable:
    """Stands for a function that a stored configuration can name but not contain.

    Args:
        knob: the knob it was the value of.
        reference: "module:name" of the function at the time.
    """

    def __init__(self, knob, reference):
        self.knob = knob
        self.reference = reference

    def __call__(self, *args, **kwargs):
        """Raises ValueError: the function has to be handed back first."""
        raise ValueError(
            f"{self.knob} was the callable {self.reference} when this configuration was stored, "
            f"and code is not stored with it: give it back with config.{self.knob} = ... "
            f"or from_checkpoint(path, {self.knob}=...)"
        )

    def __repr__(self):
        return f"<callable {self.reference}, to be given back>"


def _reference(value):
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"


def encode(value):
    """`value` in JSON types: arrays, tuples and numpy numbers unpacked, callables named."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [encode(entry) for entry in value]
    if isinstance(value, dict):
        return {str(key): encode(entry) for key, entry in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, MissingCallable):
        return {"callable": value.reference}
    return {"callable": _reference(value)} if callable(value) else value


def encode_values(values, required):
    """`encode` for a dict of values; what JSON cannot hold is left out unless `required`."""
    encoded = {}
    for name, value in values.items():
        plain = encode(value)
        try:
            json.dumps(plain)
        except (TypeError, ValueError):
            if name in required:
                raise TypeError(f"{name} = {value!r} cannot be stored as JSON") from None
        else:
            encoded[name] = plain
    return encoded


def decode_values(values, defaults):
    """The inverse of `encode_values`, with each knob in the type of its default."""
    return {name: _decode(name, value, defaults.get(name)) for name, value in values.items()}


def _decode(name, value, default):
    if isinstance(value, dict) and set(value) == {"callable"}:
        return MissingCallable(name, value["callable"])
    if isinstance(value, list):
        is_array = isinstance(default, np.ndarray) or name in ("IMAGE_SHAPE", "BACKBONE_SHAPES")
        if is_array:
            return np.array(value)
        return tuple(value) if isinstance(default, tuple) else value
    return value
