"""Features of each roi, from the pyramid level that fits its size.

Shapes: B images, R rois, h/w a feature map's size, C channels.
"""

import keras
from keras import ops

from mrcnn import kernels
from mrcnn.layers.tensor_boxes import norm_boxes, pixel_boxes

FINEST_LEVEL, COARSEST_LEVEL = 2, 5
# A roi of this size in pixels (the size ResNets see on ImageNet) belongs to P4.
CANONICAL_SIZE, CANONICAL_LEVEL = 224.0, 4
# Keeps a roi of exactly 112, 224 or 448 pixels on its level where a side is rounded down.
LEVEL_MARGIN = 1e-6


def roi_levels(boxes_norm, image_shape, rounded_down=False):
    """The pyramid level of each roi (FPN, equation 1).

    Args:
        boxes_norm: [B, R, 4] normalised.
        image_shape: [B, (height, width)] pixels of the network's input.
        rounded_down: as the paper does; False rounds to the nearest, as Matterport does.

    Returns:
        [B, R] int32 in 2..5, also for boxes without area and for NaN.
    """
    y1, x1, y2, x2 = ops.unstack(boxes_norm, 4, axis=-1)
    area = ops.cast(image_shape[:, 0] * image_shape[:, 1], "float32")
    canonical = CANONICAL_SIZE / ops.sqrt(area)[:, None]
    box_area = (y2 - y1) * (x2 - x1)
    size = ops.sqrt(ops.where(box_area > 1e-20, box_area, 1e-20))  # a NaN goes to 2, too
    level = ops.log(size / canonical) / ops.log(2.0)
    level = ops.floor(level + LEVEL_MARGIN) if rounded_down else ops.round(level)
    level = CANONICAL_LEVEL + level
    return ops.cast(ops.clip(level, FINEST_LEVEL, COARSEST_LEVEL), "int32")


@keras.saving.register_keras_serializable(package="mrcnn")
class PyramidROIAlign(keras.layers.Layer):
    """Crop each roi out of its pyramid level and resize it to a fixed shape.

    By default this is Matterport's behaviour (`tf.image.crop_and_resize`, samples from corner to
    corner), which its checkpoints depend on. With `align` it is RoIAlign (Mask R-CNN, section 3),
    out of the level that FPN's equation 1 says when rounded down; see `kernels.portable_align`.

    Args:
        pool_shape: (height, width) of the output.
        align: RoIAlign.
        sampling_ratio: points of a bin along each axis with `align`; 0: as many as the bin has
            cells, on TensorFlow and torch.
        aligned: half a cell's shift with `align`.
        edges: what 0 and 1 mean in the boxes, see `geometry.boxes`. A box in pixels is treated
            alike in either frame.

    Call: [boxes [B, R, 4] normalised, image_meta [B, M], P2, P3, P4, P5] ->
        [B, R, height, width, C]. A single feature map takes all rois.

    Raises:
        ValueError: `sampling_ratio` 0 on JAX, or below 0.
    """

    def __init__(self, pool_shape, align=False, sampling_ratio=2, aligned=False, edges=False,
                 **kwargs):
        super().__init__(**kwargs)
        self.pool_shape = tuple(int(n) for n in pool_shape)
        self.align, self.aligned, self.edges = bool(align), bool(aligned), bool(edges)
        self.sampling_ratio = int(sampling_ratio)
        self.supports_jit = kernels.JIT_TRAINING
        if self.align:
            check_sampling_ratio(self.sampling_ratio)

    def call(self, inputs):
        """See the class."""
        boxes, image_meta, *feature_maps = inputs
        shape = image_meta[:, 4:6]
        boxes = self._in_the_frame_of_crops(ops.stop_gradient(boxes), shape)
        levels = roi_levels(boxes, shape, self.align) - FINEST_LEVEL
        levels = ops.minimum(levels, len(feature_maps) - 1)
        if not self.align:
            return kernels.crop_from_pyramid(feature_maps, boxes, levels, self.pool_shape)
        return kernels.roi_align(feature_maps, boxes, levels, self.pool_shape,
                                 self.sampling_ratio, self.aligned)

    def _in_the_frame_of_crops(self, boxes, shape):
        """Boxes from edge to edge for RoIAlign, over the centres of pixels for crops."""
        if self.align == self.edges:
            return boxes
        shape = shape[:, None]
        return norm_boxes(pixel_boxes(boxes, shape, self.edges), shape, self.align)

    def compute_output_shape(self, input_shape):
        """[B, R, height, width, C]."""
        return (*input_shape[0][:2], *self.pool_shape, input_shape[2][-1])

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            **super().get_config(),
            "pool_shape": self.pool_shape,
            "align": self.align,
            "sampling_ratio": self.sampling_ratio,
            "aligned": self.aligned,
            "edges": self.edges,
        }


def check_sampling_ratio(ratio):
    """Raises ValueError for a number of points that this backend cannot compute with."""
    if ratio < 0:
        raise ValueError(f"sampling_ratio: expected 0 or more, received {ratio}")
    if ratio == 0 and not kernels.ADAPTIVE_ROI_ALIGN:
        raise ValueError(
            "ROI_ALIGN_SAMPLING_RATIO = 0 takes a number of points that depends on each roi, which "
            "this backend cannot compile: expected 1 or more, as a rule 2"
        )
