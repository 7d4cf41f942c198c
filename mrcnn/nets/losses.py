"""The five losses (Mask R-CNN, section 3; Faster R-CNN, equation 1), static in shape.

Shapes: B images, A anchors, T anchor targets (zero rows behind the last), R rois, P rois
that can be positive, C classes, m/n mask size. Each answers a scalar; no rows, no loss.

Where several devices share a batch, each answers such a scalar that their mean over the devices
is the loss of the whole batch, whatever the devices' shares of the rows.
"""

import keras
from keras import ops

from mrcnn import kernels
from mrcnn.kernels.portable import first_true

EPSILON = 1e-7


def _mean_of_batch(total, count):
    """`total / count`, both summed over the devices that share the batch; 0 without a count.

    Each device divides its own `total`, so that gradients can be added over the devices.
    """
    count = kernels.sum_over_replicas(count)
    return kernels.replica_count() * total / ops.where(count > 0.0, count, 1.0)


def _mean_where(values, mask, counted=None):
    """Mean of `values` where `mask` (of the same shape) holds; 0 where it never does.

    With `counted` their sum, divided by the number of its Trues.
    """
    count = ops.sum(ops.cast(mask if counted is None else counted, "float32"))
    return _mean_of_batch(ops.sum(ops.where(mask, values, 0.0)), count)


def _cross_entropy(labels, logits):
    """Softmax cross entropy from logits [..., C] and integer labels [...]."""
    picked = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return ops.logsumexp(logits, axis=-1) - picked


def smooth_l1_loss(y_true, y_pred, beta=1.0):
    """Elementwise: half the square up to `beta`, linear beyond (Fast R-CNN, equation 3).

    Args:
        y_true, y_pred: tensors of one shape.
        beta: where the square, divided by it, turns into a line; 0 is L1.
    """
    distance = ops.abs(y_true - y_pred)
    if not beta:
        return distance
    square = 0.5 / beta * ops.square(distance)
    return ops.where(distance < beta, square, distance - 0.5 * beta)


def rpn_class_loss(rpn_match, rpn_class_logits):
    """Foreground or background, on the anchors that are either.

    Args:
        rpn_match: [B, A, 1] int: 1 positive, -1 negative, 0 neutral.
        rpn_class_logits: [B, A, 2].
    """
    match = rpn_match[..., 0]
    labels = ops.cast(ops.equal(match, 1), "int32")
    return _mean_where(_cross_entropy(labels, rpn_class_logits), ops.not_equal(match, 0))


def rpn_bbox_loss(target_bbox, rpn_match, rpn_bbox, beta=1.0, per_sample=False):
    """Deltas of the positive anchors: the mean over their coordinates.

    Args:
        target_bbox: [B, T, 4]; row i belongs to the i-th positive anchor of the image.
        rpn_match: [B, A, 1] as above.
        rpn_bbox: [B, A, 4].
        beta: of smooth L1.
        per_sample: the sum over the coordinates, divided by the number of anchors that are
            positive or negative, as Faster R-CNN's code does it.
    """
    rows = min(target_bbox.shape[1], rpn_match.shape[1] or target_bbox.shape[1])
    match = rpn_match[..., 0]
    if match.shape[1] is None:  # a small image may have fewer anchors than there are rows
        match = ops.pad(match, ((0, 0), (0, rows)))
    anchors, is_positive = first_true(ops.equal(match, 1), rows)
    anchors = ops.minimum(anchors, ops.shape(rpn_bbox)[1] - 1)
    predicted = ops.take_along_axis(rpn_bbox, anchors[..., None], axis=1)
    loss = smooth_l1_loss(target_bbox[:, :rows], predicted, beta)
    positive = ops.broadcast_to(is_positive[..., None], ops.shape(loss))
    return _mean_where(loss, positive, ops.not_equal(rpn_match, 0) if per_sample else None)


def mrcnn_class_loss(target_class_ids, class_logits, active_class_ids, class_weights=None):
    """Class of each roi, background included.

    A roi whose predicted class is not among those its image's data set knows is left out.

    Args:
        target_class_ids: [B, R] int32.
        class_logits: [B, R, C].
        active_class_ids: [B, C] of 0 and 1.
        class_weights: C numbers; the mean counts each roi as often as its true class weighs.
            None counts all alike.
    """
    loss = _cross_entropy(target_class_ids, class_logits)
    predicted = ops.cast(ops.argmax(class_logits, axis=-1), "int32")
    active = ops.take_along_axis(ops.cast(active_class_ids, "float32"), predicted, axis=1)
    if class_weights is None:
        return _mean_where(loss, active > 0.0)
    weights = ops.take(ops.convert_to_tensor(class_weights, "float32"), target_class_ids, axis=0)
    weights = ops.where(active > 0.0, weights, 0.0)
    total = ops.sum(ops.where(weights > 0.0, loss * weights, 0.0))
    return _mean_of_batch(total, ops.sum(weights))


def mrcnn_bbox_loss(target_bbox, target_class_ids, pred_bbox, rois=None, beta=1.0):
    """Deltas of the positive rois, at their own class: the mean over their coordinates.

    Args:
        target_bbox: [B, R, 4]; target_class_ids: [B, R]; pred_bbox: [B, R, C, 4].
        rois: [B, R, 4]; with them the sum over the coordinates, divided by the number of rois
            (zero rows behind the last one are none), as Fast R-CNN's code does it.
        beta: of smooth L1.
    """
    predicted = ops.take_along_axis(pred_bbox, target_class_ids[..., None, None], axis=2)[:, :, 0]
    loss = smooth_l1_loss(target_bbox, predicted, beta)
    positive = ops.broadcast_to(target_class_ids[..., None] > 0, ops.shape(loss))
    return _mean_where(loss, positive, None if rois is None else ops.any(rois != 0.0, axis=-1))


def mrcnn_mask_loss(target_masks, target_class_ids, pred_masks):
    """Binary cross entropy of the positive rois' masks, at their own class.

    Args:
        target_masks: [B, R, m, n] of 0 and 1; target_class_ids: [B, R].
        pred_masks: [B, P, m, n, C] probabilities, for the first P rois (positives come first).
    """
    rows = pred_masks.shape[1]
    target, class_ids = target_masks[:, :rows], target_class_ids[:, :rows]
    # A product and a sum: the gradient of a gather is a slow scatter into all classes' masks.
    own = ops.one_hot(class_ids, pred_masks.shape[-1], dtype="float32")[:, :, None, None, :]
    predicted = ops.sum(pred_masks * own, axis=-1)
    predicted = ops.clip(predicted, EPSILON, 1.0 - EPSILON)
    loss = -target * ops.log(predicted + EPSILON)
    loss = loss - (1.0 - target) * ops.log(1.0 - predicted + EPSILON)
    positive = ops.broadcast_to(class_ids[..., None, None] > 0, ops.shape(loss))
    return _mean_where(loss, positive)


LOSSES = {
    "rpn_class_loss": rpn_class_loss,
    "rpn_bbox_loss": rpn_bbox_loss,
    "mrcnn_class_loss": mrcnn_class_loss,
    "mrcnn_bbox_loss": mrcnn_bbox_loss,
    "mrcnn_mask_loss": mrcnn_mask_loss,
}


@keras.saving.register_keras_serializable(package="mrcnn")
class LossLayer(keras.layers.Layer):
    """One of the five losses as a layer, named after it, so that the graph shows it.

    Args:
        name: key of LOSSES.
        options: constant arguments of the loss function by name, or None.

    Call: the loss function's tensors as a list -> scalar float32.
    """

    def __init__(self, name, options=None, dtype="float32", **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.function = LOSSES[name]
        self.options = dict(options or {})

    def call(self, inputs):
        """See the class."""
        return self.function(*inputs, **self.options)

    def compute_output_shape(self, input_shape):
        """A scalar."""
        return ()

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {**super().get_config(), "options": dict(self.options)}
