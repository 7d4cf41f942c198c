"""Class, box and mask heads on the rois (Mask R-CNN, figure 4 right, as Matterport built it).

Shapes: B images, R rois, C classes, F channels.
"""

from keras import layers

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.roi_align import PyramidROIAlign
from mrcnn.layers.time_distributed import TimeDistributed
from mrcnn.nets.initial import BOXES_STD, MASKS_STD, SCORES_STD, initial
from mrcnn.nets.precision import FLOAT32


def _each(layer, x):
    """The layer on every roi, under the layer's own name and in its precision."""
    return TimeDistributed(layer, name=layer.name, dtype=layer.dtype_policy)(x)


def _normed(x, name, norms):
    """Batch-norm `name`, where the heads have any, and relu."""
    if norms is not None:
        x = _each(BatchNorm(name=name, **norms), x)
    return layers.Activation("relu")(x)


def _norms(batch_norm, train_bn, epsilon):
    """Arguments of the heads' BatchNorm layers; None: there are none."""
    return {"train_bn": train_bn, "epsilon": epsilon} if batch_norm else None


def _dense(units, name, start, x):
    return _each(layers.Dense(units, kernel_initializer=start, name=name, dtype=FLOAT32), x)


def build_classifier_head(
    rois, feature_maps, image_meta, pool_size, num_classes, train_bn=True, fc_layers_size=1024,
    batch_norm=True, epsilon=0.001, pooling=None, small_init=False,
):
    """Class and box head.

    Args:
        rois: [B, R, 4] normalised; feature_maps: [P2, P3, P4, P5], or one; image_meta: [B, M].
        pool_size: side of the pooled features.
        num_classes: C, background included.
        train_bn: see `BatchNorm`.
        fc_layers_size: width of the two hidden layers.
        batch_norm: False leaves it out.
        epsilon: what batch-norm adds to the variance.
        pooling: more arguments of PyramidROIAlign by name, or None.
        small_init: the layers that answer begin with small weights, see `initial`.

    Returns:
        logits [B, R, C], probabilities [B, R, C], deltas [B, R, C, 4].
    """
    pool_shape = (pool_size, pool_size)
    pool = PyramidROIAlign(
        pool_shape, name="roi_align_classifier", dtype=FLOAT32, **(pooling or {})
    )
    x = pool([rois, image_meta, *feature_maps])
    norms = _norms(batch_norm, train_bn, epsilon)
    for index, kernel in ((1, pool_size), (2, 1)):
        x = _each(layers.Conv2D(fc_layers_size, kernel, name=f"mrcnn_class_conv{index}"), x)
        x = _normed(x, f"mrcnn_class_bn{index}", norms)
    shared = layers.Reshape((-1, fc_layers_size), name="pool_squeeze")(x)
    logits = _dense(num_classes, "mrcnn_class_logits", initial(small_init, SCORES_STD), shared)
    probabilities = layers.Activation("softmax", name="mrcnn_class", dtype=FLOAT32)(logits)
    deltas = _dense(4 * num_classes, "mrcnn_bbox_fc", initial(small_init, BOXES_STD), shared)
    deltas = layers.Reshape((-1, num_classes, 4), name="mrcnn_bbox", dtype=FLOAT32)(deltas)
    return logits, probabilities, deltas


def build_mask_head(
    rois, feature_maps, image_meta, pool_size, num_classes, train_bn=True, channels=256,
    batch_norm=True, epsilon=0.001, pooling=None, small_init=False,
):
    """Mask head: four convolutions, a twofold upsampling, one mask a class.

    Args:
        pool_size: side, or (height, width), of the pooled features; masks are twice that.
        channels: of the convolutions.
        Others as `build_classifier_head`.

    Returns:
        [B, R, 2 * height, 2 * width, C] probabilities.
    """
    pool_shape = (pool_size, pool_size) if isinstance(pool_size, int) else tuple(pool_size)
    pool = PyramidROIAlign(pool_shape, name="roi_align_mask", dtype=FLOAT32, **(pooling or {}))
    x = pool([rois, image_meta, *feature_maps])
    norms = _norms(batch_norm, train_bn, epsilon)
    for index in (1, 2, 3, 4):
        x = _each(layers.Conv2D(channels, 3, padding="same", name=f"mrcnn_mask_conv{index}"), x)
        x = _normed(x, f"mrcnn_mask_bn{index}", norms)
    deconv = layers.Conv2DTranspose(
        channels, 2, strides=2, activation="relu", name="mrcnn_mask_deconv"
    )
    x = _each(deconv, x)
    mask = layers.Conv2D(
        num_classes, 1, activation="sigmoid", name="mrcnn_mask", dtype=FLOAT32,
        kernel_initializer=initial(small_init, MASKS_STD),
    )
    return _each(mask, x)
