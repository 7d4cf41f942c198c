"""The network for images of one size, as small interpreters want it: no sizes left open.

What depends on the size of the caller's image stays outside: `results.exported` does it in numpy.

Shapes: H/W the input, C channels, D detections, h/w the soft masks.
"""

from keras import ops

from mrcnn import kernels
from mrcnn.engine.export import tensor_masks
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE
from mrcnn.layers.tensor_boxes import norm_boxes


class FixedNetwork:
    """The network as a function of one resized image, in operations that converters know.

    Args:
        network: ExportedNetwork.
        config: Config.
        image_shape: (height, width) px.
        anchors: [A, 4] float32 normalised, of that shape.
    """

    def __init__(self, network, config, image_shape, anchors):
        self.network, self.config = network, config
        self.image_shape, self.anchors = image_shape, anchors

    def __call__(self, image, window):
        """Detections in one image.

        Args:
            image: [1, H, W, C], resized and padded, the mean not subtracted.
            window: [1, 4] float32 px, the part of it that is no padding.

        Returns:
            dict: boxes [D, (y1, x1, y2, x2)] float32, normalised over the window in the frame of
            BOX_NORMALIZATION;
            class_ids [D] int32, 0 behind the last detection; scores [D] float32; masks
            [D, h, w] float32, each of the detection's own class.
        """
        molded = self._molded(ops.cast(image, "float32"), window)
        anchors = ops.convert_to_tensor(self.anchors[None], dtype="float32")
        with kernels.portable_only():
            outputs = self.network(molded, self._meta(window), anchors)
        detections, soft = (ops.cast(outputs[i], "float32") for i in (0, 3))
        class_ids = ops.cast(detections[..., 4], "int32")
        y1, x1, y2, x2 = ops.unstack(
            norm_boxes(window, self.image_shape, self.config.box_edges), 4, axis=-1)
        shift = ops.stack([y1, x1, y1, x1], axis=-1)
        span = ops.stack([y2 - y1, x2 - x1, y2 - y1, x2 - x1], axis=-1)
        return {
            "boxes": ((detections[..., :4] - shift) / span)[0],
            "class_ids": class_ids[0],
            "scores": detections[0, :, 5],
            "masks": tensor_masks.masks_of_class(soft, class_ids)[0],
        }

    def _molded(self, image, window):
        """Twin of `geometry.molding.mold_image`, in float32."""
        molded = image - ops.convert_to_tensor(self.config.mean_pixel, dtype="float32")
        if (self.config.image_std != 1).any():
            molded = molded / ops.convert_to_tensor(self.config.image_std, dtype="float32")
        if self.config.IMAGE_RESIZE_MODE not in SHORTEST_EDGE:
            return molded
        rows, columns = (ops.cast(ops.arange(side, dtype="float32") < window[0, end], "float32")
                         for side, end in zip(self.image_shape, (2, 3), strict=True))
        return molded * rows[:, None, None] * columns[:, None]

    def _meta(self, window):
        """[1, 12 + classes] float32: of its columns the network reads size and window."""
        shape = [*self.image_shape, self.config.IMAGE_CHANNEL_COUNT]
        before = ops.convert_to_tensor([[0, *shape, *shape]], dtype="float32")
        after = ops.convert_to_tensor([[1.0, *[0.0] * self.config.NUM_CLASSES]], dtype="float32")
        return ops.concatenate([before, window, after], axis=1)
