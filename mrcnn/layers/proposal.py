"""From scored anchors to proposals.

Shapes: B images, A anchors, K the best anchors before NMS, N proposals.
"""

import keras
import numpy as np
from keras import ops

from mrcnn import kernels
from mrcnn.kernels.portable import smaller
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
        return self.steps(*map(ops.stop_gradient, inputs))["proposals"]

    def steps(self, rpn_class, rpn_bbox, anchors):
        """Everything between the anchors and the proposals, for those who look inside.

        Returns:
            Dict: "pre_nms_anchors", the K best anchors in falling order of score,
            "refined_anchors", moved by their deltas, and "refined_anchors_clipped", cut at the
            image's border, [B, K, 4] normalised each; "post_nms_anchor_ix" [B, N] int32, the
            rows of those K that are kept, with "valid" [B, N] bool, False behind the last one;
            "proposals" [B, N, 4].
        """
        foreground = rpn_class[:, :, 1]
        count = smaller(self.pre_nms_limit, ops.shape(foreground)[1])
        scores, best = kernels.top_k(foreground, count)
        std_dev = ops.convert_to_tensor(self.bbox_std_dev, dtype="float32")
        best_anchors = take_rows(anchors, best)
        refined = apply_box_deltas(best_anchors, take_rows(rpn_bbox, best) * std_dev)
        boxes = clip_boxes(refined, ops.convert_to_tensor(UNIT_WINDOW))
        indices, valid = kernels.non_max_suppression(
            boxes, scores, self.proposal_count, self.nms_threshold
        )
        return {
            "pre_nms_anchors": best_anchors,
            "refined_anchors": refined,
            "refined_anchors_clipped": boxes,
            "post_nms_anchor_ix": indices,
            "valid": valid,
            "proposals": ops.where(valid[..., None], take_rows(boxes, indices), 0.0),
        }

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
