"""The kernels on torch."""

from mrcnn.kernels.torch_backend.devices import (
    JIT_TRAINING,
    TENSORBOARD,
    device_names,
    prepare_devices,
    repeat_exactly,
    set_seed,
)
from mrcnn.kernels.torch_backend.forward import compile_forward, fingerprint, run_once
from mrcnn.kernels.torch_backend.operations import (
    ADAPTIVE_ROI_ALIGN,
    crop_and_resize,
    crop_from_pyramid,
    non_max_suppression,
    roi_align,
    top_k,
)
from mrcnn.kernels.torch_backend.replicas import (
    MORE_DEVICES,
    SPLITS_DETECTION,
    DataParallel,
    list_devices,
    on_device,
    sharing_devices,
)
from mrcnn.kernels.whole_batch import (
    Workers,
    own_rows,
    replica_count,
    share_of_loss,
    sum_over_replicas,
    whole_losses,
)

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
    "fingerprint",
    "list_devices",
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
