"""The kernels on TensorFlow."""

from mrcnn.kernels.tensorflow_backend.devices import prepare_devices, repeat_exactly
from mrcnn.kernels.tensorflow_backend.forward import compile_forward, run_once
from mrcnn.kernels.tensorflow_backend.operations import (
    crop_and_resize,
    crop_from_pyramid,
    non_max_suppression,
)
from mrcnn.kernels.tensorflow_backend.replicas import replica_count, sum_over_replicas

__all__ = [
    "compile_forward",
    "crop_and_resize",
    "crop_from_pyramid",
    "non_max_suppression",
    "prepare_devices",
    "repeat_exactly",
    "replica_count",
    "run_once",
    "sum_over_replicas",
]
