"""From PyTorch's layouts of weights to those here.

Shapes: I channels in, O channels out, h/w the kernel, K anchors a cell, C classes with background.
Their boxes are (dx, dy, dw, dh), ours (dy, dx, dh, dw).
"""

import math

import numpy as np

ORDER = (1, 0, 3, 2)  # of box deltas


def _conv(array):
    """[O, I, h, w] -> [h, w, I, O]; the same turns a deconvolution's [I, O, h, w]."""
    return array.transpose(2, 3, 1, 0)


def _reordered(array, first):
    """Rows [first * K * 4, ...] of box deltas, in our order."""
    boxes = array.reshape(-1, 4, *array.shape[1:])[:, ORDER]
    return np.concatenate([first, boxes]).reshape(-1, *array.shape[1:])


def _nothing(array):
    """No class before the first."""
    return np.zeros((0, 4, *array.shape[1:]), array.dtype)


def _background(array):
    """Zeros for the background, which has no boxes there."""
    return np.zeros((1, 4, *array.shape[1:]), array.dtype)


def _two_scores(array):
    """[K, ...] scores of objects -> [2 * K, ...]: 0 for the background, then the score.

    The softmax over both is the sigmoid of the score.
    """
    return np.stack([np.zeros_like(array), array], axis=1).reshape(-1, *array.shape[1:])


def _zero_first(array):
    """[C - 1, ...] -> [C, ...]."""
    return np.concatenate([np.zeros_like(array[:1]), array])


def _last_first(array):
    """The last class, background, becomes the first."""
    return np.roll(array, 1, axis=0)


def _patch(array, channels):
    """[O, I * h * w] of a square patch -> [h, w, I, O]."""
    side = math.isqrt(array.shape[1] // channels) if channels else 0
    if not side or side * side * channels != array.shape[1]:
        raise ValueError(f"a dense layer of shape {array.shape} on {channels} channels; expected "
                         "a square patch of them")
    return _conv(array.reshape(-1, channels, side, side))


def _as_conv(array):
    """[O, I] -> [1, 1, I, O]."""
    return array.T[None, None]


def _deltas(array):
    return _reordered(array, _nothing(array))


def _foreground_deltas(array):
    return _reordered(array, _background(array))


def _same(array):
    return array


# {layout: (kernel to ours, bias to ours)}
LAYOUTS = {
    "conv": (_conv, _same),
    "conv on BGR": (lambda array: _conv(array[:, ::-1]), _same),
    "conv, no background": (lambda array: _conv(_zero_first(array)), _zero_first),
    "deconv": (_conv, _same),
    "dense": (np.transpose, _same),
    "dense, background last": (lambda array: _last_first(array).T, _last_first),
    "dense as conv": (_as_conv, _same),
    "dense on a patch": (_patch, _same),
    "objectness": (lambda array: _conv(_two_scores(array)), _two_scores),
    "anchor deltas": (lambda array: _conv(_deltas(array)), _deltas),
    "box deltas": (lambda array: _deltas(array).T, _deltas),
    "box deltas, no background": (lambda array: _foreground_deltas(array).T, _foreground_deltas),
}
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
        "running_var": "moving_variance"}
RANKS = {"conv": 4, "deconv": 4, "dense": 2, "box": 2, "objectness": 4, "anchor": 4}


def to_ours(array, layout, weight, channels):
    """One weight in our layout.

    Args:
        array: theirs.
        layout: key of LAYOUTS, or "norm".
        weight: their name of it: "weight", "bias", "running_mean" or "running_var".
        channels: of the pyramid, which "dense on a patch" needs.

    Returns:
        (our name of the weight, array).

    Raises:
        ValueError: a name or shape that this layout does not have.
    """
    if layout == "norm":
        if weight not in NORM or array.ndim != 1:
            raise ValueError(f"batch-norm with {weight!r} of shape {array.shape}")
        return NORM[weight], array
    rank = 1 if weight == "bias" else RANKS[layout.split(",")[0].split()[0]]
    if weight not in ("weight", "bias") or array.ndim != rank:
        raise ValueError(f"{weight!r} of shape {array.shape}; expected {rank} dimensions")
    kernel, bias = LAYOUTS[layout]
    if weight == "bias":
        return "bias", bias(array)
    if layout == "dense on a patch":
        return "kernel", _patch(array, channels)
    return "kernel", kernel(array)
