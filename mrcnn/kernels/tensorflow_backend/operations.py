"""Cropping and suppression with TensorFlow's own operations.

Shapes: B images, R rois, N boxes, K kept boxes, C channels.
"""

import tensorflow as tf

from mrcnn.kernels.portable import top_k
from mrcnn.kernels.portable_crops import BORDER_MARGIN

__all__ = ["crop_and_resize", "crop_from_pyramid", "non_max_suppression", "top_k"]


def crop_and_resize(images, boxes, box_indices, crop_shape):
    """Crop normalised boxes out of images, sampling corner to corner, bilinear.

    Args:
        images: [B, H, W, C].
        boxes: [N, (y1, x1, y2, x2)] normalised; 1.0 is the centre of the last pixel. What
            is not finite counts as 0: diverged weights shall show as a NaN loss, which
            training explains, and not as an error in here.
        box_indices: [N] int32, the image of each box.
        crop_shape: (height, width) of the crops.

    Returns:
        [N, height, width, C] float32.
    """
    boxes = tf.where(tf.math.is_finite(boxes), tf.minimum(boxes, 1.0 - BORDER_MARGIN), 0.0)
    return tf.image.crop_and_resize(images, boxes, box_indices, crop_shape)


def crop_from_pyramid(feature_maps, boxes, levels, crop_shape):
    """Crop every box out of the pyramid level it belongs to.

    Args:
        feature_maps: list of [B, h, w, C], finest first.
        boxes: [B, R, 4] normalised.
        levels: [B, R] int32 index into `feature_maps`.
        crop_shape: (height, width).

    Returns:
        [B, R, height, width, C], rows in the order of `boxes`.
    """
    shape = tf.shape(boxes)
    image_of_box = tf.repeat(tf.range(shape[0]), shape[1])
    flat_boxes, flat_levels = tf.reshape(boxes, [-1, 4]), tf.reshape(levels, [-1])
    crops, rows = [], []
    for level, feature_map in enumerate(feature_maps):
        of_level = tf.cast(tf.where(tf.equal(flat_levels, level))[:, 0], tf.int32)
        rows.append(of_level)
        crops.append(
            crop_and_resize(
                feature_map,
                tf.gather(flat_boxes, of_level),
                tf.gather(image_of_box, of_level),
                crop_shape,
            )
        )
    back = tf.math.invert_permutation(tf.concat(rows, axis=0))
    pooled = tf.gather(tf.concat(crops, axis=0), back)
    channels = feature_maps[0].shape[-1]
    return tf.reshape(pooled, [shape[0], shape[1], *crop_shape, channels])


def non_max_suppression(boxes, scores, limit, iou_threshold):
    """Greedy non-maximum suppression in each image of a batch.

    Args:
        boxes: [B, N, 4].
        scores: [B, N].
        limit: most boxes kept an image (K).
        iou_threshold: boxes that overlap a better one by more than this are dropped.

    Returns:
        indices [B, K] int32 in falling order of score, and valid [B, K] bool (the rows
        after the last kept box are False).
    """

    def one_image(inputs):
        kept = tf.raw_ops.NonMaxSuppressionV4(
            boxes=inputs[0],
            scores=inputs[1],
            max_output_size=limit,
            iou_threshold=tf.constant(iou_threshold, tf.float32),
            score_threshold=tf.constant(float("-inf"), tf.float32),
            pad_to_max_output_size=True,
        )
        return kept.selected_indices, kept.valid_outputs

    signature = (tf.TensorSpec([limit], tf.int32), tf.TensorSpec([], tf.int32))
    indices, count = tf.map_fn(one_image, (boxes, scores), fn_output_signature=signature)
    return indices, tf.range(limit)[tf.newaxis] < count[:, tf.newaxis]
