"""The few operations Keras lacks, one file a backend.

Everything else in the package is written in `keras.ops`. A backend file offers:
`crop_and_resize`, `crop_from_pyramid`, `non_max_suppression`, `compile_forward`,
`prepare_devices` and `repeat_exactly`.
"""

from mrcnn._versions import check_versions

check_versions()

from mrcnn.kernels.tensorflow_kernels import (  # noqa: E402 (after the check)
    compile_forward,
    crop_and_resize,
    crop_from_pyramid,
    non_max_suppression,
    prepare_devices,
    repeat_exactly,
)

__all__ = [
    "compile_forward",
    "crop_and_resize",
    "crop_from_pyramid",
    "non_max_suppression",
    "prepare_devices",
    "repeat_exactly",
]
