"""From scored anchors to proposals.

Shapes: B images, A anchors, K the best anchors before NMS, N proposals.
"""

import keras
import numpy as np
from keras import ops

from mrcnn import kernels
from mrcnn.layers.tensor_boxes import apply_box_deltas, clip_boxes, take_rows

UNIT_WINDOW = np.array([0.0, 0.0, 1.0, 1.0], np.float32)


@keras.saving.register_keras_serializable(package="mrcnn")
class ProposalLayer(keras.layers.Layer):
    """Keep the best anchors, refine them, and suppress overlapping ones (Faster R-CNN, 3.3).

    Args:
        proposal_count: proposals an image; fewer are padded with zero boxes.
        nms_threshold: IoU above which the lower-scored of two proposals is dropped.
        pre_nms_limit: anchors kept by score before NMS.
        bbox_std_dev: the 4 numbers the RPN's deltas are multiplied with.
        config: a Config to take `pre_nms_limit` and `bbox_std_dev` from, as Matterport's
            constructor does.

    Call: [rpn_class [B, A, (background, foreground)], rpn_bbox [B, A, 4],
        anchors [B, A, 4] normalised] -> proposals [B, N, 4] normalised.
    """

    def __init__(
        self,
        proposal_count,
        nms_threshold,
        config=None,
        pre_nms_limit=6000,
        bbox_std_dev=(0.1, 0.1, 0.2, 0.2),
        **kwargs,
    ):
        super().__init__(**kwargs)
        if config is not None:
            pre_nms_limit, bbox_std_dev = config.PRE_NMS_LIMIT, config.RPN_BBOX_STD_DEV
        self.proposal_count = int(proposal_count)
        self.nms_threshold = float(nms_threshold)
        self.pre_nms_limit = int(pre_nms_limit)
        self.bbox_std_dev = tuple(float(s) for s in bbox_std_dev)

    def call(self, inputs):
        """See the class."""
        boxes, scores = self.best_boxes(*inputs)
        indices, valid = kernels.non_max_suppression(
            boxes, scores, self.proposal_count, self.nms_threshold
        )
        proposals = take_rows(boxes, indices)
        return ops.stop_gradient(ops.where(valid[..., None], proposals, 0.0))

    def best_boxes(self, rpn_class, rpn_bbox, anchors):
        """The K best anchors, refined and clipped: boxes [B, K, 4] and scores [B, K]."""
        foreground = rpn_class[:, :, 1]
        count = ops.minimum(self.pre_nms_limit, ops.shape(foreground)[1])
        scores, best = ops.top_k(foreground, k=count)
        deltas = take_rows(rpn_bbox, best)
        deltas = deltas * ops.convert_to_tensor(self.bbox_std_dev, dtype="float32")
        boxes = apply_box_deltas(take_rows(anchors, best), deltas)
        return clip_boxes(boxes, ops.convert_to_tensor(UNIT_WINDOW)), scores

    def compute_output_shape(self, input_shape):
        """[B, N, 4]."""
        return (input_shape[0][0], self.proposal_count, 4)

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            **super().get_config(),
            "proposal_count": self.proposal_count,
            "nms_threshold": self.nms_threshold,
            "pre_nms_limit": self.pre_nms_limit,
            "bbox_std_dev": self.bbox_std_dev,
        }
