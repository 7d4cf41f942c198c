"""The pyramid's anchors as a tensor, for feature maps of any size.

Shapes: B images, A anchors in all, K anchors a cell, h/w a feature map's size.
"""

import keras
import numpy as np
from keras import ops

from mrcnn.layers.tensor_boxes import norm_boxes


@keras.saving.register_keras_serializable(package="mrcnn")
class AnchorLayer(keras.layers.Layer):
    """Normalised anchors of a batch; the twin of `geometry.anchors.generate_pyramid_anchors`.

    Nothing here is a variable: a variable that held anchors became a trainable weight in
    other ports, and went into their checkpoints.

    Args:
        scales: anchor side in pixels, one a level.
        ratios: width / height of the anchors of a cell.
        strides: pixels between cells, one a level.
        anchor_stride: cells between anchors (1: anchors in every cell).

    Call: [images [B, H, W, C], feature map of each level [B, h, w, F]] ->
        [B, A, 4] normalised to the images' height and width.
    """

    def __init__(self, scales, ratios, strides, anchor_stride=1, **kwargs):
        super().__init__(**kwargs)
        self.scales = [float(s) for s in scales]
        self.ratios = [float(r) for r in ratios]
        self.strides = [int(s) for s in strides]
        self.anchor_stride = int(anchor_stride)

    def call(self, inputs):
        """See the class."""
        images, *feature_maps = inputs
        shape = ops.shape(images)
        levels = [
            self.level_anchors(ops.shape(feature_map)[1:3], scale, stride)
            for feature_map, scale, stride in zip(
                feature_maps, self.scales, self.strides, strict=True
            )
        ]
        size = ops.stack([ops.cast(n, "float32") for n in shape[1:3]])
        anchors = norm_boxes(ops.concatenate(levels, axis=0), size)
        return ops.broadcast_to(anchors[None], (shape[0], ops.shape(anchors)[0], 4))

    def level_anchors(self, feature_shape, scale, stride):
        """Anchors of one level in pixels, [h * w * K, 4], cell by cell, row by row."""
        roots = np.sqrt(np.array(self.ratios))
        half = 0.5 * np.stack([scale / roots, scale * roots], axis=-1)
        corners = np.concatenate([-half, half], axis=-1).astype(np.float32)
        ys, xs = (
            ops.cast(ops.arange(0, n, self.anchor_stride, dtype="int32") * stride, "float32")
            for n in feature_shape
        )
        ys, xs = ops.meshgrid(ys, xs, indexing="ij")
        centers = ops.stack([ys, xs, ys, xs], axis=-1)[:, :, None, :]
        return ops.reshape(centers + ops.convert_to_tensor(corners), (-1, 4))

    def compute_output_shape(self, input_shape):
        """[B, A, 4]; A is unknown where a feature map's size is."""
        cells = 0
        for _, height, width, _ in input_shape[1:]:
            if cells is None or height is None or width is None:
                cells = None
            else:
                cells += -(-height // self.anchor_stride) * -(-width // self.anchor_stride)
        return (input_shape[0][0], None if cells is None else cells * len(self.ratios), 4)

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            **super().get_config(),
            "scales": self.scales,
            "ratios": self.ratios,
            "strides": self.strides,
            "anchor_stride": self.anchor_stride,
        }
