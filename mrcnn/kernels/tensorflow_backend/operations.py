"""Cropping and suppression with TensorFlow's own operations.

Shapes: B images, R rois, N boxes, K kept boxes, C channels.
"""

import tensorflow as tf

from mrcnn.kernels import portable_align
from mrcnn.kernels.portable import top_k
from mrcnn.kernels.portable_crops import BORDER_MARGIN, finite_boxes

__all__ = [
    "ADAPTIVE_ROI_ALIGN",
    "crop_and_resize",
    "crop_from_pyramid",
    "non_max_suppression",
    "roi_align",
    "top_k",
]

ADAPTIVE_ROI_ALIGN = True  # sampling_ratio 0 is known


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

    def read(feature_map, of_level, owner):
        return crop_and_resize(feature_map, of_level, owner, crop_shape)

    return _level_by_level(feature_maps, boxes, levels, crop_shape, read)


def _level_by_level(feature_maps, boxes, levels, crop_shape, read):
    """`read` of each level's boxes, put back into their order.

    Args:
        read: function of a feature map [B, h, w, C], boxes [N, 4] and the image of each [N] to
            [N, height, width, C].
    """
    shape = tf.shape(boxes)
    image_of_box = tf.repeat(tf.range(shape[0]), shape[1])
    flat_boxes, flat_levels = tf.reshape(boxes, [-1, 4]), tf.reshape(levels, [-1])
    crops, rows = [], []
    for level, feature_map in enumerate(feature_maps):
        of_level = tf.cast(tf.where(tf.equal(flat_levels, level))[:, 0], tf.int32)
        rows.append(of_level)
        owner = tf.gather(image_of_box, of_level)
        crops.append(read(feature_map, tf.gather(flat_boxes, of_level), owner))
    back = tf.math.invert_permutation(tf.concat(rows, axis=0))
    pooled = tf.gather(tf.concat(crops, axis=0), back)
    channels = feature_maps[0].shape[-1]
    return tf.reshape(pooled, [shape[0], shape[1], *crop_shape, channels])


def roi_align(feature_maps, boxes, levels, crop_shape, sampling_ratio, aligned):
    """RoIAlign out of the level each box belongs to; see `portable_align`."""
    if not sampling_ratio:
        return portable_align.roi_align(
            feature_maps, boxes, levels, crop_shape, 0, aligned, _sparse_bins
        )

    def read(feature_map, of_level, owner):
        return _align_level(feature_map, of_level, owner, crop_shape, sampling_ratio, aligned)

    return _level_by_level(feature_maps, boxes, levels, crop_shape, read)


def _align_level(feature_map, boxes, owner, crop_shape, ratio, aligned):
    """RoIAlign in one map: all points as one crop, then the mean of each bin's.

    The map gets a border that repeats its own, which is what points up to one cell outside see;
    a crop's samples beyond it are 0, as those of RoIAlign are.
    """
    size = tf.cast(tf.shape(feature_map)[1:3], tf.float32)
    boxes = finite_boxes(tf.convert_to_tensor(boxes))
    first, extent = portable_align.first_and_extent(boxes[:, :2], boxes[:, 2:], size, aligned)
    points = [side * ratio for side in crop_shape]
    margin = extent / tf.constant(points, tf.float32) / 2  # from a roi's edge to its first point
    low, high = first + margin + 1.0, first + extent - margin + 1.0  # 1: the border
    places = tf.concat([low, high], axis=1) / tf.tile(size + 1.0, [2])
    bordered = tf.pad(feature_map, [(0, 0), (1, 1), (1, 1), (0, 0)], "SYMMETRIC")
    samples = tf.image.crop_and_resize(bordered, places, owner, points)
    return tf.nn.avg_pool2d(samples, ratio, ratio, "VALID") if ratio > 1 else samples


def _sparse_bins(pixels, boxes, first_pixel, height, width, crop_shape, sampling_ratio, aligned):
    """Twin of `align_pixels`: one product of a sparse matrix, a row a bin, and the pixels."""
    corners, weights, owner, count = portable_align.point_list(
        boxes, first_pixel, height, width, crop_shape, sampling_ratio, aligned
    )
    places = tf.stack([tf.repeat(owner, 4), tf.reshape(corners, [-1])], axis=1)
    shape = tf.stack([tf.shape(count)[0], tf.shape(pixels)[0]])
    matrix = tf.SparseTensor(
        tf.cast(places, tf.int64), tf.reshape(weights, [-1]), tf.cast(shape, tf.int64)
    )
    bins = tf.sparse.sparse_dense_matmul(matrix, tf.cast(pixels, tf.float32))
    return tf.reshape(bins, [-1, *crop_shape, pixels.shape[-1]])


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
