"""From class probabilities and deltas of the rois to final detections.

Shapes: B images, N rois, C classes, D detections.
"""

import contextlib
import contextvars

import keras
from keras import ops

from mrcnn import kernels
from mrcnn.kernels.portable import first_true, smaller
from mrcnn.layers.suppression import NEVER, suppress, suppress_in_blocks
from mrcnn.layers.tensor_boxes import (
    apply_box_deltas,
    clip_boxes,
    norm_boxes,
    scaled_deltas,
    shorter_sides_px,
    take_rows,
)

_at_call = contextvars.ContextVar("settings of DetectionLayer at call time", default=None)


@contextlib.contextmanager
def settings_at_call(thresholds, wanted):
    """Within it, DetectionLayers take these tensors in place of their own settings.

    So one traced function serves every threshold: they are arguments of it, not constants.

    Args:
        thresholds: [3] float32: lowest confidence, IoU of NMS within a class, and across classes.
        wanted: [C] bool, the classes to answer.
    """
    token = _at_call.set((thresholds, wanted))
    try:
        yield
    finally:
        _at_call.reset(token)


@keras.saving.register_keras_serializable(package="mrcnn")
class DetectionLayer(keras.layers.Layer):
    """Refine rois by their best class' deltas, filter by confidence, NMS a class, keep the best.

    Args:
        config: a Config to take all of the following from, as Matterport's constructor does.
        max_instances: D.
        min_confidence: lowest class probability of a detection.
        nms_threshold: IoU above which the lower-scored of two boxes of one class is dropped.
        bbox_std_dev: the 4 numbers the deltas are multiplied with.
        across_classes: IoU above which the lower-scored of two boxes of different classes is
            dropped; None drops none.
        multi_label: try each roi as every class, not only as its best one: NMS is in each class
            over all rois (Fast R-CNN, arXiv 1504.08083, section 3.2).
        min_size: detections with a side below so many pixels of the molded image are dropped.
        xform_clip: the most that log(dh) and log(dw) may be; None: no bound.
        edges: what 0 and 1 mean in boxes, see `geometry.boxes`.

    Call: [rois [B, N, 4] normalised, mrcnn_class [B, N, C], mrcnn_bbox [B, N, C, 4],
        image_meta [B, M]] -> [B, D, (y1, x1, y2, x2, class_id, score)], boxes normalised,
        in falling order of score, zero rows behind the last detection.
    """

    def __init__(
        self,
        config=None,
        max_instances=100,
        min_confidence=0.7,
        nms_threshold=0.3,
        bbox_std_dev=(0.1, 0.1, 0.2, 0.2),
        across_classes=None,
        multi_label=False,
        min_size=0.0,
        xform_clip=None,
        edges=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.max_instances = int(max_instances)
        self.min_confidence = float(min_confidence or 0.0)
        self.nms_threshold = float(nms_threshold)
        self.bbox_std_dev = tuple(float(s) for s in bbox_std_dev)
        self.across_classes = across_classes
        if config is not None:
            multi_label, min_size = config.DETECTION_MULTI_LABEL, config.DETECTION_MIN_SIZE
            xform_clip, edges = config.BBOX_XFORM_CLIP, config.box_edges
        self.multi_label, self.edges = bool(multi_label), bool(edges)
        self.min_size = float(min_size)
        self.xform_clip = None if xform_clip is None else float(xform_clip)
        if config is not None:
            self.bbox_std_dev = tuple(float(s) for s in config.BBOX_STD_DEV)
            self.adopt(config)

    def adopt(self, config):
        """Take limit, confidence and NMS thresholds from a Config; True if one changed.

        They are plain attributes, read when the layer is traced: a compiled function made
        before the change keeps the old ones.
        """
        before = self._settings()
        self.max_instances = int(config.DETECTION_MAX_INSTANCES)
        self.min_confidence = float(config.DETECTION_MIN_CONFIDENCE or 0.0)
        self.nms_threshold = float(config.DETECTION_NMS_THRESHOLD)
        self.across_classes = config.DETECTION_NMS_ACROSS_CLASSES
        return before != self._settings()

    def _settings(self):
        return self.max_instances, self.min_confidence, self.nms_threshold, self.across_classes

    def call(self, inputs):
        """See the class."""
        rois, probabilities, deltas, image_meta = inputs
        window = norm_boxes(image_meta[:, 7:11], image_meta[:, 4:6], self.edges)
        refine = self.refine_all if self._several(deltas) else self.refine
        boxes, class_ids, scores = refine(rois, probabilities, deltas, window)
        (confidence, within, across), wanted = self._thresholds()
        candidate = ops.logical_and(class_ids > 0, scores >= confidence)
        if self.min_size > 0:
            sides = shorter_sides_px(boxes, image_meta[:, None, 4:6], self.edges)
            candidate = ops.logical_and(candidate, sides >= self.min_size)
        if wanted is not None and self._several(deltas):  # the others matter only across classes
            matters = ops.logical_or(ops.take(wanted, class_ids), across < NEVER)
            candidate = ops.logical_and(candidate, matters)
        ranked, order = kernels.top_k(ops.where(candidate, scores, -1.0), ops.shape(scores)[1])
        boxes, class_ids = take_rows(boxes, order), take_rows(class_ids, order)
        candidate, is_wanted = ranked >= 0.0, None
        if wanted is not None:  # after NMS: what is surely a dog is no person, whoever asks
            is_wanted = ops.take(wanted, class_ids)
        if self._several(deltas):
            counted = candidate if is_wanted is None else is_wanted
            keep = suppress_in_blocks(
                boxes, class_ids, candidate, counted, self.max_instances, within, across)
        else:
            keep = suppress(boxes, class_ids, candidate, within, across)
        if is_wanted is not None:
            keep = ops.logical_and(keep, is_wanted)
        return self.best(boxes, class_ids, ranked, keep)

    def _several(self, deltas):
        return self.multi_label and deltas.shape[2] > 1

    def _thresholds(self):
        """(confidence, IoU within and across classes), and the classes wanted or None."""
        at_call = _at_call.get()
        if at_call is not None:
            thresholds, wanted = at_call
            return (thresholds[0], thresholds[1], thresholds[2]), wanted
        across = NEVER if self.across_classes is None else float(self.across_classes)
        return (self.min_confidence, self.nms_threshold, across), None

    def refine(self, rois, probabilities, deltas, window):
        """Boxes [B, N, 4], class ids [B, N] and scores [B, N] of each roi's best class."""
        best, class_ids = ops.top_k(probabilities, k=1)  # argmax becomes operations of bits on TF
        class_ids, scores = ops.cast(class_ids[..., 0], "int32"), best[..., 0]
        rows = ops.arange(ops.shape(class_ids)[1], dtype="int32") * deltas.shape[2] + class_ids
        by_class = ops.reshape(deltas, (ops.shape(deltas)[0], -1, 4))
        chosen = scaled_deltas(take_rows(by_class, rows), self.bbox_std_dev, self.xform_clip)
        boxes = apply_box_deltas(rois, chosen)
        return clip_boxes(boxes, window[:, None, :]), class_ids, scores

    def refine_all(self, rois, probabilities, deltas, window):
        """As `refine`, for every class but background: N * (C - 1) rows, roi by roi."""
        batch, count, classes = ops.shape(probabilities)
        rows = count * (classes - 1)
        moves = scaled_deltas(deltas[:, :, 1:], self.bbox_std_dev, self.xform_clip)
        boxes = clip_boxes(apply_box_deltas(rois[:, :, None], moves), window[:, None, None, :])
        ids = ops.arange(1, classes, dtype="int32")[None, None]
        ids = ops.broadcast_to(ids, (batch, count, classes - 1))
        flat = (ops.reshape(x, (batch, rows)) for x in (ids, probabilities[:, :, 1:]))
        return ops.reshape(boxes, (batch, rows, 4)), *flat

    def best(self, boxes, class_ids, scores, keep):
        """The D best of the kept rows, packed into [B, D, 6]."""
        rows = ops.concatenate(
            [boxes, ops.cast(class_ids, "float32")[..., None], scores[..., None]], axis=-1
        )
        missing = self.max_instances - smaller(self.max_instances, ops.shape(scores)[1])
        rows = ops.pad(rows, [(0, 0), (0, missing), (0, 0)])
        keep = ops.pad(keep, [(0, 0), (0, missing)])
        front, kept = first_true(keep, self.max_instances)
        return ops.where(kept[..., None], take_rows(rows, front), 0.0)

    def compute_output_shape(self, input_shape):
        """[B, D, 6]."""
        return (input_shape[0][0], self.max_instances, 6)

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            **super().get_config(),
            "max_instances": self.max_instances,
            "min_confidence": self.min_confidence,
            "nms_threshold": self.nms_threshold,
            "bbox_std_dev": self.bbox_std_dev,
            "across_classes": self.across_classes,
            "multi_label": self.multi_label,
            "min_size": self.min_size,
            "xform_clip": self.xform_clip,
            "edges": self.edges,
        }
