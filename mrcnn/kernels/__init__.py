"""What Keras lacks or leaves to the backend; a folder a backend, each with the same names.

Everything else in the package is written in `keras.ops`.
"""

import contextlib
import contextvars

from mrcnn._versions import check_versions

check_versions()

import keras  # noqa: E402 (after the check)

from mrcnn.kernels import keras_modules, portable  # noqa: E402

if keras.backend.backend() == "jax":
    from mrcnn.kernels import jax_backend as backend
    from mrcnn.kernels.jax_backend import *  # noqa: F403
elif keras.backend.backend() == "torch":
    from mrcnn.kernels import torch_backend as backend
    from mrcnn.kernels.torch_backend import *  # noqa: F403
else:
    from mrcnn.kernels import tensorflow_backend as backend
    from mrcnn.kernels.tensorflow_backend import *  # noqa: F403

if backend.__name__ != "mrcnn.kernels.tensorflow_backend":
    keras_modules.leave_tensorflow_out()

_only_portable = contextvars.ContextVar("portable kernels only", default=False)


@contextlib.contextmanager
def portable_only():
    """Within it, layers compute with the kernels of `portable`, as export needs it."""
    token = _only_portable.set(True)
    try:
        yield
    finally:
        _only_portable.reset(token)


def _now():
    return portable if _only_portable.get() else backend


def crop_and_resize(images, boxes, box_indices, crop_shape):
    """Bilinear crops out of images; see `portable_crops`."""
    return _now().crop_and_resize(images, boxes, box_indices, crop_shape)


def crop_from_pyramid(feature_maps, boxes, levels, crop_shape):
    """Crops out of the level each box belongs to; see `portable_crops`."""
    return _now().crop_from_pyramid(feature_maps, boxes, levels, crop_shape)


def roi_align(feature_maps, boxes, levels, crop_shape, sampling_ratio, aligned):
    """RoIAlign out of the level each box belongs to; see `portable_align`."""
    return _now().roi_align(feature_maps, boxes, levels, crop_shape, sampling_ratio, aligned)


def non_max_suppression(boxes, scores, limit, iou_threshold):
    """Greedy suppression in each image; see `portable.non_max_suppression`."""
    return _now().non_max_suppression(boxes, scores, limit, iou_threshold)
