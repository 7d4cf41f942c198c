"""The kernels on TensorFlow."""

from mrcnn.kernels.tensorflow_backend.devices import (
    JIT_TRAINING,
    TENSORBOARD,
    device_names,
    prepare_devices,
    repeat_exactly,
    set_seed,
)
from mrcnn.kernels.tensorflow_backend.forward import compile_forward, fingerprint, run_once
from mrcnn.kernels.tensorflow_backend.operations import (
    ADAPTIVE_ROI_ALIGN,
    crop_and_resize,
    crop_from_pyramid,
    non_max_suppression,
    roi_align,
    top_k,
)
from mrcnn.kernels.tensorflow_backend.replicas import (
    MORE_DEVICES,
    SPLITS_DETECTION,
    DataParallel,
    list_devices,
    on_device,
    own_rows,
    replica_count,
    share_of_loss,
    sharing_devices,
    sum_over_replicas,
    whole_losses,
)
from mrcnn.kernels.tensorflow_backend.workers import Workers

__all__ = [
    "ADAPTIVE_ROI_ALIGN",
    "JIT_TRAINING",
    "TENSORBOARD",
    "MORE_DEVICES",
    "SPLITS_DETECTION",
    "DataParallel",
    "Workers",
    "compile_forward",
    "crop_and_resize",
    "crop_from_pyramid",
    "device_names",
    "list_devices",
    "fingerprint",
    "non_max_suppression",
    "on_device",
    "own_rows",
    "prepare_devices",
    "repeat_exactly",
    "replica_count",
    "roi_align",
    "run_once",
    "share_of_loss",
    "sharing_devices",
    "set_seed",
    "sum_over_replicas",
    "top_k",
    "whole_losses",
]
