"""From the caller's images to molded batches, and from network outputs to results.

Shapes: B images, H0/W0 a caller's image, H/W the network's input, C channels, D detections.
"""

import warnings

import numpy as np

from mrcnn.data.image_checks import check_image
from mrcnn.engine.console import log
from mrcnn.geometry import molding
from mrcnn.geometry.resize import resize_image

OUTPUTS = (
    "detections",
    "mrcnn_class",
    "mrcnn_bbox",
    "mrcnn_mask",
    "rpn_rois",
    "rpn_class",
    "rpn_bbox",
)


def mold_one(image, config):
    """Resize, pad and mean-subtract one image.

    Args:
        image: [H0, W0, C] in pixels values.
        config: Config.

    Returns:
        molded [H, W, C] float32, meta row [12 + classes], window (y1, x1, y2, x2) px.
    """
    resized, window, scale, _, _ = resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
    )
    active = np.zeros([config.NUM_CLASSES], np.int32)
    meta = molding.compose_image_meta(0, image.shape, resized.shape, window, scale, active)
    return molding.mold_image(resized, config.mean_pixel), meta, window


def check_images(images, config):
    """The caller's images as a list of [H0, W0, C] arrays.

    Raises:
        TypeError: not a list of numeric arrays.
        ValueError: wrong number of channels or axes, or NaN; names the image's place.
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise TypeError("images: expected a list of images, received one array; pass [image]")
    try:
        images = list(images)
    except TypeError:
        raise TypeError(
            f"images: expected a list of arrays, received {type(images).__name__}"
        ) from None
    channels = config.IMAGE_CHANNEL_COUNT
    return [check_image(image, channels, f"images[{i}]") for i, image in enumerate(images)]


def batches(molded_shapes, batch_size):
    """Group images of one molded shape, at most `batch_size` together.

    Args:
        molded_shapes: list of (H, W, C).
        batch_size: largest group.

    Returns:
        List of lists of positions; every position once.
    """
    by_shape = {}
    for index, shape in enumerate(molded_shapes):
        by_shape.setdefault(shape, []).append(index)
    return [
        group[start : start + batch_size]
        for group in by_shape.values()
        for start in range(0, len(group), batch_size)
    ]


def results_of(detections, masks, originals, molded_shape, windows):
    """One result dict an image.

    Args:
        detections: [B, D, 6]; masks: [B, D, h, w, classes]; originals: shapes of the
            callers' images; molded_shape: (H, W, C); windows: [B, 4] px.

    Returns:
        List of {"rois" [N, 4] int32 px, "class_ids" [N], "scores" [N], "masks" [H0, W0, N]}.
    """
    results = []
    for row, original in enumerate(originals):
        rois, class_ids, scores, full = molding.unmold_detections(
            detections[row], masks[row], original, molded_shape, windows[row]
        )
        results.append({"rois": rois, "class_ids": class_ids, "scores": scores, "masks": full})
    return results


def warn_of_limit(detections, limit):
    """Warn when an image gave as many detections as the limit lets through."""
    full = int(np.sum(np.all(detections[:, :, 4] > 0, axis=1)))
    if full:
        warnings.warn(
            f"{full} image(s) reached DETECTION_MAX_INSTANCES = {limit}: objects may have been "
            "cut; raise it (it can be changed on the config at any time)",
            stacklevel=4,
        )


def log_batch(images, molded, metas, anchors):
    """Matterport's verbose output."""
    log(f"Processing {len(images)} images")
    for image in images:
        log("image", image)
    log("molded_images", molded)
    log("image_metas", metas)
    log("anchors", anchors)
