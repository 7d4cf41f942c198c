"""The pyramid's anchors as a tensor, for feature maps of any size.

Shapes: B images, A anchors in all, K anchors a cell, h/w a feature map's size.
"""

import keras
import numpy as np
from keras import ops

from mrcnn.geometry.anchors import half_sides
from mrcnn.layers.tensor_boxes import norm_boxes


@keras.saving.register_keras_serializable(package="mrcnn")
class AnchorLayer(keras.layers.Layer):
    """Normalised anchors of a batch; the twin of `geometry.anchors.generate_pyramid_anchors`.

    Nothing here is a variable: a variable that held anchors became a trainable weight in
    other ports, and went into their checkpoints.

    Args:
        scales: anchor side in pixels, one a level, or a list of them for each level.
        ratios: width / height of the anchors of a cell.
        strides: pixels between cells, one a level.
        anchor_stride: cells between anchors (1: anchors in every cell).
        rounded: half the height and half the width in whole pixels, and cells at the spacing of
            image side // cells in place of `strides`.
        edges: what 0 and 1 mean, see `geometry.boxes`.

    Call: [images [B, H, W, C], feature map of each level [B, h, w, F]] ->
        [B, A, 4] normalised to the images' height and width.
    """

    def __init__(self, scales, ratios, strides, anchor_stride=1, rounded=False, edges=False,
                 **kwargs):
        super().__init__(**kwargs)
        self.scales = [_plain(scale) for scale in scales]
        self.ratios = [float(r) for r in ratios]
        self.strides = [int(s) for s in strides]
        self.anchor_stride = int(anchor_stride)
        self.rounded, self.edges = bool(rounded), bool(edges)

    def call(self, inputs):
        """See the class."""
        images, *feature_maps = inputs
        shape = ops.shape(images)
        levels = []
        for feature_map, scale, stride in zip(
            feature_maps, self.scales, self.strides, strict=True
        ):
            cells, strides = ops.shape(feature_map)[1:3], (stride, stride)
            if self.rounded:
                strides = [side // n for side, n in zip(shape[1:3], cells, strict=True)]
            levels.append(self.level_anchors(cells, scale, strides))
        size = ops.stack([ops.cast(n, "float32") for n in shape[1:3]])
        anchors = norm_boxes(ops.concatenate(levels, axis=0), size, self.edges)
        return ops.broadcast_to(anchors[None], (shape[0], ops.shape(anchors)[0], 4))

    def level_anchors(self, feature_shape, scale, strides):
        """Anchors of one level in pixels, [h * w * K, 4], cell by cell, row by row.

        Args:
            feature_shape: (height, width) in cells.
            scale: anchor side or a list of them.
            strides: (y, x) pixels between cells.
        """
        half = half_sides(scale, self.ratios, self.rounded)
        corners = np.concatenate([-half, half], axis=-1).astype(np.float32)
        ys, xs = (
            ops.cast(ops.arange(0, n, self.anchor_stride, dtype="int32") * stride, "float32")
            for n, stride in zip(feature_shape, strides, strict=True)
        )
        ys, xs = ops.meshgrid(ys, xs, indexing="ij")
        centers = ops.stack([ys, xs, ys, xs], axis=-1)[:, :, None, :]
        return ops.reshape(centers + ops.convert_to_tensor(corners), (-1, 4))

    def compute_output_shape(self, input_shape):
        """[B, A, 4]; A is unknown where a feature map's size is."""
        count = 0
        for scale, (_, height, width, _) in zip(self.scales, input_shape[1:], strict=True):
            if count is None or height is None or width is None:
                count = None
            else:
                cells = -(-height // self.anchor_stride) * -(-width // self.anchor_stride)
                count += cells * np.size(scale) * len(self.ratios)
        return (input_shape[0][0], count, 4)

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            **super().get_config(),
            "scales": self.scales,
            "ratios": self.ratios,
            "strides": self.strides,
            "anchor_stride": self.anchor_stride,
            "rounded": self.rounded,
            "edges": self.edges,
        }


def _plain(scale):
    """A number as float, several as a list of floats."""
    return float(scale) if np.ndim(scale) == 0 else [float(one) for one in scale]
