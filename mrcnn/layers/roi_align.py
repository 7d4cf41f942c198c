"""Features of each roi, from the pyramid level that fits its size.

Shapes: B images, R rois, h/w a feature map's size, C channels.
"""

import keras
from keras import ops

from mrcnn import kernels

FINEST_LEVEL, COARSEST_LEVEL = 2, 5
# A roi of this size in pixels (the size ResNets see on ImageNet) belongs to P4.
CANONICAL_SIZE, CANONICAL_LEVEL = 224.0, 4


def roi_levels(boxes_norm, image_shape):
    """The pyramid level of each roi (FPN, equation 1).

    Args:
        boxes_norm: [B, R, 4] normalised.
        image_shape: [B, (height, width)] pixels of the network's input.

    Returns:
        [B, R] int32 in 2..5, also for boxes without area and for NaN.
    """
    y1, x1, y2, x2 = ops.unstack(boxes_norm, 4, axis=-1)
    area = ops.cast(image_shape[:, 0] * image_shape[:, 1], "float32")
    canonical = CANONICAL_SIZE / ops.sqrt(area)[:, None]
    box_area = (y2 - y1) * (x2 - x1)
    size = ops.sqrt(ops.where(box_area > 1e-20, box_area, 1e-20))  # a NaN goes to 2, too
    level = CANONICAL_LEVEL + ops.round(ops.log(size / canonical) / ops.log(2.0))
    return ops.cast(ops.clip(level, FINEST_LEVEL, COARSEST_LEVEL), "int32")


@keras.saving.register_keras_serializable(package="mrcnn")
class PyramidROIAlign(keras.layers.Layer):
    """Crop each roi out of its pyramid level and resize it to a fixed shape.

    This is Matterport's behaviour (`tf.image.crop_and_resize`, samples from corner to
    corner), which trained checkpoints depend on; it is not the paper's RoIAlign.

    Args:
        pool_shape: (height, width) of the output.

    Call: [boxes [B, R, 4] normalised, image_meta [B, M], P2, P3, P4, P5] ->
        [B, R, height, width, C].
    """

    def __init__(self, pool_shape, **kwargs):
        super().__init__(**kwargs)
        self.pool_shape = tuple(int(n) for n in pool_shape)
        self.supports_jit = kernels.JIT_TRAINING

    def call(self, inputs):
        """See the class."""
        boxes, image_meta, *feature_maps = inputs
        levels = roi_levels(boxes, image_meta[:, 4:6]) - FINEST_LEVEL
        return kernels.crop_from_pyramid(
            feature_maps, ops.stop_gradient(boxes), levels, self.pool_shape
        )

    def compute_output_shape(self, input_shape):
        """[B, R, height, width, C]."""
        return (*input_shape[0][:2], *self.pool_shape, input_shape[2][-1])

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "pool_shape": self.pool_shape}
