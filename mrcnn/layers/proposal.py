"""From scored anchors to proposals.

Shapes: B images, A anchors, L levels, P anchors of a level, K the best anchors before NMS,
N proposals.
"""

import functools

import keras
import numpy as np
from keras import ops

from mrcnn import kernels
from mrcnn.kernels.portable import smaller
from mrcnn.layers.tensor_boxes import (
    apply_box_deltas,
    clip_boxes,
    norm_boxes,
    pad_rows,
    scaled_deltas,
    shorter_sides_px,
    take_rows,
)

UNIT_WINDOW = np.array([0.0, 0.0, 1.0, 1.0], np.float32)
ABSENT = -1000.0  # the score of a row that stands for no box; log odds are above -100
LEAST = 1e-37  # a probability that has a logarithm


@keras.saving.register_keras_serializable(package="mrcnn")
class ProposalLayer(keras.layers.Layer):
    """Keep the best anchors, refine them, and suppress overlapping ones (Faster R-CNN, 3.3).

    Args:
        proposal_count: proposals an image; fewer are padded with zero boxes.
        nms_threshold: IoU above which the lower-scored of two proposals is dropped.
        config: a Config to take all of the following from, as Matterport's constructor does;
            a `pre_nms_limit` that is given counts more.
        pre_nms_limit: anchors kept by score before NMS; None without `config`: 6000.
        bbox_std_dev: the 4 numbers the RPN's deltas are multiplied with.
        per_level: `pre_nms_limit` and NMS are for each pyramid level by itself, and the best of
            all levels are kept (FPN, arXiv 1612.03144, as detectron2 and torchvision have it).
            Boxes are then cut at the image's window, without its padding, and those without
            area are dropped.
        min_size: proposals with a side below so many pixels are dropped.
        xform_clip: the most that log(dh) and log(dw) may be; None: no bound.
        edges: what 0 and 1 mean in boxes, see `geometry.boxes`.

    Call: [rpn_class [B, A, (background, foreground)], rpn_bbox [B, A, 4],
        anchors [B, A, 4] normalised, image_meta [B, M] where `per_level` or `min_size` asks for
        it, rpn_class of each level [B, P, 2] with `per_level`] -> proposals [B, N, 4] normalised,
        in falling order of score.
    """

    def __init__(
        self,
        proposal_count,
        nms_threshold,
        config=None,
        pre_nms_limit=None,
        bbox_std_dev=(0.1, 0.1, 0.2, 0.2),
        per_level=False,
        min_size=0.0,
        xform_clip=None,
        edges=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if config is not None:
            pre_nms_limit = config.PRE_NMS_LIMIT if pre_nms_limit is None else pre_nms_limit
            bbox_std_dev, xform_clip = config.RPN_BBOX_STD_DEV, config.BBOX_XFORM_CLIP
            per_level, min_size = config.RPN_NMS_PER_LEVEL, config.RPN_MIN_SIZE
            edges = config.box_edges
        self.proposal_count = int(proposal_count)
        self.nms_threshold = float(nms_threshold)
        self.pre_nms_limit = int(6000 if pre_nms_limit is None else pre_nms_limit)
        self.bbox_std_dev = tuple(float(s) for s in bbox_std_dev)
        self.per_level, self.edges = bool(per_level), bool(edges)
        self.min_size = float(min_size)
        self.xform_clip = None if xform_clip is None else float(xform_clip)

    def call(self, inputs):
        """See the class."""
        return self.steps(*map(ops.stop_gradient, inputs))["proposals"]

    def steps(self, rpn_class, rpn_bbox, anchors, image_meta=None, *levels):
        """Everything between the anchors and the proposals, for those who look inside.

        Returns:
            Dict: "pre_nms_anchors", the K best anchors in falling order of score (with
            `per_level` those of the first level come first, and levels with fewer anchors than
            others are filled up with the first anchor),
            "refined_anchors", moved by their deltas, and "refined_anchors_clipped", cut at the
            image's border, [B, K, 4] normalised each; "post_nms_anchor_ix" [B, N] int32, the
            rows of those K that are kept, with "valid" [B, N] bool, False behind the last one;
            "proposals" [B, N, 4].
        """
        if self.per_level:
            scores, best = best_of_levels(levels, self.pre_nms_limit)
        else:
            foreground = rpn_class[:, :, 1]
            count = smaller(self.pre_nms_limit, ops.shape(foreground)[1])
            scores, best = kernels.top_k(foreground, count)
        best_anchors = take_rows(anchors, best)
        deltas = scaled_deltas(take_rows(rpn_bbox, best), self.bbox_std_dev, self.xform_clip)
        refined = apply_box_deltas(best_anchors, deltas)
        boxes = clip_boxes(refined, self._window(image_meta))
        if self.per_level or self.min_size > 0:
            scores = ops.where(self._large_enough(boxes, image_meta), scores, ABSENT)
        suppress = self._suppress_in_levels if self.per_level else self._suppress
        indices, valid = suppress(boxes, scores, len(levels))
        return {
            "pre_nms_anchors": best_anchors,
            "refined_anchors": refined,
            "refined_anchors_clipped": boxes,
            "post_nms_anchor_ix": indices,
            "valid": valid,
            "proposals": ops.where(valid[..., None], take_rows(boxes, indices), 0.0),
        }

    def _window(self, image_meta):
        """What boxes are cut at, normalised: broadcasts against [B, K, 4]."""
        if not self.per_level:
            return ops.convert_to_tensor(UNIT_WINDOW)
        return norm_boxes(image_meta[:, 7:11], image_meta[:, 4:6], self.edges)[:, None, :]

    def _large_enough(self, boxes, image_meta):
        """[B, K] bool: whether a box has the sides that are asked for."""
        sides = shorter_sides_px(boxes, image_meta[:, None, 4:6], self.edges)
        enough = sides >= self.min_size
        if not self.per_level:
            return enough
        y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
        return ops.logical_and(enough, ops.logical_and(y2 > y1, x2 > x1))

    def _suppress(self, boxes, scores, levels):
        """NMS among all: rows [B, N] of `boxes`, and [B, N] bool, False behind the last one."""
        rows, valid = kernels.non_max_suppression(
            boxes, scores, self.proposal_count, self.nms_threshold
        )
        if self.min_size > 0:
            valid = ops.logical_and(valid, take_rows(scores, rows) > ABSENT)
        return rows, valid

    def _suppress_in_levels(self, boxes, scores, levels):
        """As `_suppress`, in each level by itself; `boxes` are level after level."""
        each = ops.shape(scores)[1] // levels
        limit = min(self.proposal_count, self.pre_nms_limit)
        rows, valid = kernels.non_max_suppression(
            ops.reshape(boxes, (-1, each, 4)), ops.reshape(scores, (-1, each)), limit,
            self.nms_threshold,
        )
        first = ops.arange(levels, dtype="int32")[:, None] * each
        rows = ops.reshape(ops.reshape(rows, (-1, levels, limit)) + first, (-1, levels * limit))
        valid = ops.reshape(valid, (-1, levels * limit))
        count = min(self.proposal_count, levels * limit)
        found, order = kernels.top_k(ops.where(valid, take_rows(scores, rows), ABSENT), count)
        valid = pad_rows(found > ABSENT, self.proposal_count)
        return pad_rows(take_rows(rows, order), self.proposal_count), valid

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
            "per_level": self.per_level,
            "min_size": self.min_size,
            "xform_clip": self.xform_clip,
            "edges": self.edges,
        }


def best_of_levels(levels, limit):
    """The best anchors of each level by score.

    The score is the log odds, which still tell apart what single precision rounds to a
    probability of 1.

    Args:
        levels: L tensors [B, P, (background, foreground)], P their own.
        limit: anchors kept of a level.

    Returns:
        scores [B, L * K] and rows among all anchors [B, L * K] int32, level after level; K is
        `limit`, or the size of the largest level. The score is ABSENT behind the last anchor of
        a smaller level.
    """
    sizes = [ops.shape(level)[1] for level in levels]
    width = smaller(limit, functools.reduce(_larger, sizes))
    first, scores, rows = 0, [], []
    for level, size in zip(levels, sizes, strict=True):
        count = smaller(limit, size)
        logs = ops.log(ops.maximum(level, LEAST))
        found, best = kernels.top_k(logs[..., 1] - logs[..., 0], count)
        behind = [(0, 0), (0, width - count)]
        scores.append(ops.pad(found, behind, constant_values=ABSENT))
        rows.append(ops.pad(ops.cast(best, "int32") + first, behind))
        first = first + size
    return ops.concatenate(scores, axis=1), ops.concatenate(rows, axis=1)


def _larger(size, other):
    """The larger of two sizes, each a number or a tensor."""
    both = isinstance(size, int) and isinstance(other, int)
    return max(size, other) if both else ops.maximum(size, other)
