"""Anchors: the boxes around which the region proposal network guesses.

One level of the feature pyramid carries one scale (Feature Pyramid Networks, arXiv 1612.03144,
section 4.1), or several where there is no pyramid (Faster R-CNN, arXiv 1506.01497, section
3.1.1); every cell of a level carries one anchor for each ratio and scale.
"""

import numpy as np


def compute_backbone_shapes_from_strides(image_shape, strides) -> np.ndarray:
    """The (height, width) of each feature level.

    Args:
        image_shape: (height, width, ...) of the molded image in pixels.
        strides: pixels between neighbouring cells, one a level.

    Returns:
        int64 [L, 2].
    """
    size = np.asarray(image_shape[:2], dtype=np.float64)
    strides = np.asarray(strides, dtype=np.float64)
    return np.ceil(size[None, :] / strides[:, None]).astype(np.int64)


def whole_strides(image_shape, shapes) -> np.ndarray:
    """The whole pixels between cells that fit into the image on each axis: side // cells.

    Args:
        image_shape: (height, width, ...) of the molded image in pixels.
        shapes: [L, (height, width)] of the feature levels in cells.

    Returns:
        int64 [L, (y, x)].
    """
    return np.asarray(image_shape[:2], np.int64)[None] // np.asarray(shapes, np.int64)


def half_sides(scales, ratios, rounded=False) -> np.ndarray:
    """Half the height and width of the anchors of one cell.

    Args:
        scales: side of a square anchor in pixels, one or several.
        ratios: width / height.
        rounded: whether the halves are rounded to whole pixels (ties to even).

    Returns:
        float64 [ratios * scales, (height, width)], ratio by ratio.
    """
    scales, root = np.atleast_1d(scales), np.sqrt(np.atleast_1d(ratios))[:, None]
    halves = 0.5 * np.stack([(scales / root).ravel(), (scales * root).ravel()], axis=1)
    return np.rint(halves) if rounded else halves


def generate_anchors(
    scales, ratios, shape, feature_stride, anchor_stride, rounded=False
) -> np.ndarray:
    """Anchors of one feature level.

    Args:
        scales: side of a square anchor in pixels, one or several.
        ratios: width / height of the anchors.
        shape: (height, width) of the feature level in cells.
        feature_stride: pixels between neighbouring cells, or (y, x) of them.
        anchor_stride: cells between neighbouring anchors.
        rounded: whether half the height and half the width are whole pixels.

    Returns:
        float64 [A, 4] pixels, ordered by row, column, ratio, scale. An anchor is centred on
        the first pixel of its cell.

    Raises:
        ValueError: a scale, ratio or stride is not positive.
    """
    for name, value in (("scales", scales), ("ratios", ratios),
                        ("feature_stride", feature_stride), ("anchor_stride", anchor_stride)):
        if np.any(np.asarray(value) <= 0):
            raise ValueError(f"{name}: expected positive numbers, received {value}")
    halves = half_sides(scales, ratios, rounded)
    stride_y, stride_x = np.broadcast_to(feature_stride, 2)
    ys = np.arange(0, shape[0], anchor_stride) * stride_y
    xs = np.arange(0, shape[1], anchor_stride) * stride_x
    anchors = np.empty((len(ys), len(xs), len(halves), 4))
    ys, xs = ys[:, None, None], xs[None, :, None]
    anchors[..., 0], anchors[..., 2] = ys - halves[:, 0], ys + halves[:, 0]
    anchors[..., 1], anchors[..., 3] = xs - halves[:, 1], xs + halves[:, 1]
    return anchors.reshape(-1, 4)


def generate_pyramid_anchors(
    scales, ratios, feature_shapes, feature_strides, anchor_stride, rounded=False
) -> np.ndarray:
    """Anchors of all feature levels, finest level first.

    Args:
        scales: one scale a level, in pixels, or a list of them for each level.
        ratios: width / height, the same for all levels.
        feature_shapes: [L, (height, width)] in cells.
        feature_strides: one stride a level, in pixels, or one (y, x) a level.
        anchor_stride: cells between neighbouring anchors.
        rounded: as of `generate_anchors`.

    Returns:
        float64 [A, 4] pixels, level after level in the order of `generate_anchors`.

    Raises:
        ValueError: the three per-level arguments differ in length.
    """
    if not len(scales) == len(feature_shapes) == len(feature_strides):
        raise ValueError(
            "expected one scale, shape and stride a level, received "
            f"{len(scales)} scales, {len(feature_shapes)} shapes, {len(feature_strides)} strides"
        )
    levels = zip(scales, feature_shapes, feature_strides, strict=True)
    return np.concatenate([
        generate_anchors(s, ratios, shape, stride, anchor_stride, rounded)
        for s, shape, stride in levels
    ])
