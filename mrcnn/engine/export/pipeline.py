"""The whole of `detect` as one function of tensors: plain images in, objects in pixels out.

Shapes: B images, H0/W0 a caller's image, H/W the network's input, C channels, N objects.
"""

import numpy as np
from keras import ops

from mrcnn.engine.export import tensor_masks
from mrcnn.engine.export.tensor_resize import mold, real
from mrcnn.geometry.anchors import half_sides

OUTPUTS = ("boxes", "class_ids", "scores", "masks", "counts")


class Pipeline:
    """`MaskRCNN.detect` as tensors, with the settings of the moment it was made.

    Args:
        network: ExportedNetwork.
        config: Config.
        mode: IMAGE_RESIZE_MODE; "crop" has become "pad64", as in `detect`.
        anchors: [A, 4] float32 normalised, of the molded images; None makes them of each size.
    """

    def __init__(self, network, config, mode, anchors=None):
        self.network, self.config = network, config
        self.mode, self.anchors = mode, anchors

    def batch(self, images):
        """Objects in images of one size.

        Args:
            images: [B, H0, W0, C] uint8, or another type of numbers.

        Returns:
            dict: boxes [B, N, (y1, x1, y2, x2)] int32 pixels of the image, y2/x2 exclusive;
            class_ids [B, N] int32; scores [B, N] float32; masks [B, N, H0, W0] bool; counts [B]
            int32, the objects of each image. Best score first; rows behind an image's last
            object are zero, N is the largest count.
        """
        size, edges = ops.shape(images)[1:3], self.config.box_edges
        frame = self.config.MASK_PASTE_FRAME
        molded, window, scale = mold(images, self.config, self.mode)
        metas = self._metas(images, molded, window, scale)
        outputs = self.network(molded, metas, self._anchors(molded))
        detections, soft = (ops.cast(outputs[i], "float32") for i in (0, 3))
        class_ids = ops.cast(detections[..., 4], "int32")
        boxes, exact = tensor_masks.boxes_to_image(
            detections[..., :4], window, ops.shape(molded)[1:3], size, edges)
        has_area = ops.logical_and(boxes[..., 2] > boxes[..., 0], boxes[..., 3] > boxes[..., 1])
        soft = tensor_masks.masks_of_class(soft, class_ids)
        places = tensor_masks.framed_boxes(exact, soft.shape[2:]) if frame else boxes
        counts, boxes, places, class_ids, scores, soft = tensor_masks.objects_first(
            ops.logical_and(class_ids > 0, has_area), boxes, places, class_ids,
            detections[..., 5], soft)
        masks = tensor_masks.paste_masks(soft, places, size, frame)
        return dict(zip(OUTPUTS, (boxes, class_ids, scores, masks, counts), strict=True))

    def _metas(self, images, molded, window, scale):
        """[B, 12 + classes] float32, the rows of `geometry.molding.compose_image_meta`."""
        count, *shape = ops.shape(images)
        numbers = [real(n) for n in (0, *shape, *ops.shape(molded)[1:])]
        row = ops.concatenate(
            [ops.stack(numbers), window, ops.reshape(scale, (1,)),
             ops.zeros((self.config.NUM_CLASSES,), "float64")])
        return ops.broadcast_to(ops.cast(row, "float32")[None], (count, len(row)))

    def _anchors(self, molded):
        """[B, A, 4] float32 normalised."""
        count, height, width, _ = ops.shape(molded)
        if self.anchors is not None:
            anchors = ops.convert_to_tensor(self.anchors)
        else:
            anchors = pyramid_anchors(self.config, height, width)
        return ops.broadcast_to(anchors[None], (count, *ops.shape(anchors)))


def pyramid_anchors(config, height, width):
    """Twin of `geometry.anchors.generate_pyramid_anchors`, on the levels of BACKBONE_STRIDES.

    Args:
        config: Config.
        height, width: of the molded image, int32.

    Returns:
        [A, 4] float32 normalised.
    """
    levels = []
    for scales, stride in zip(config.level_scales, config.BACKBONE_STRIDES, strict=True):
        half = half_sides(scales, config.RPN_ANCHOR_RATIOS, config.RPN_ANCHOR_ROUNDING)
        corners = np.concatenate([-half, half], axis=-1)
        cells = [(side + stride - 1) // stride for side in (height, width)]
        steps = [stride, stride]
        if config.RPN_ANCHOR_ROUNDING:
            steps = [side // count for side, count in zip((height, width), cells, strict=True)]
        ys, xs = (real(ops.arange(0, count, config.RPN_ANCHOR_STRIDE, dtype="int32") * step)
                  for count, step in zip(cells, steps, strict=True))
        ys, xs = ops.meshgrid(ys, xs, indexing="ij")
        centres = ops.stack([ys, xs, ys, xs], axis=-1)[:, :, None, :]
        levels.append(ops.reshape(centres + corners, (-1, 4)))
    return tensor_masks.norm_px(
        ops.concatenate(levels, axis=0), (height, width), config.box_edges)
