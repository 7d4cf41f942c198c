"""The anchors a Config asks for, and where in them those near a box are."""

import weakref
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mrcnn.geometry.anchors import (
    compute_backbone_shapes_from_strides,
    generate_pyramid_anchors,
    half_sides,
    whole_strides,
)


def feature_shapes(config, image_shape):
    """(height, width) of each feature level for molded images of one shape, [L, 2] int.

    BACKBONE_SHAPES counts where a script assigned it and the image has IMAGE_SHAPE; after it
    COMPUTE_BACKBONE_SHAPE, then BACKBONE_STRIDES.
    """
    same_size = tuple(config.IMAGE_SHAPE[:2]) == tuple(image_shape[:2])
    if same_size and config.is_assigned("BACKBONE_SHAPES"):
        return np.asarray(config.BACKBONE_SHAPES)
    if config.COMPUTE_BACKBONE_SHAPE is not None:
        return np.asarray(config.COMPUTE_BACKBONE_SHAPE(image_shape))
    return compute_backbone_shapes_from_strides(image_shape, config.BACKBONE_STRIDES)


def config_anchors(config, image_shape):
    """All anchors for molded images of one shape, computed once a shape.

    Args:
        config: Config.
        image_shape: (height, width, ...) of the molded image.

    Returns:
        float64 [A, 4] pixels, read-only; the columns are contiguous in memory.
    """
    shapes = feature_shapes(config, image_shape)
    strides = [(stride, stride) for stride in config.BACKBONE_STRIDES]
    if config.RPN_ANCHOR_ROUNDING:
        strides = whole_strides(image_shape, shapes)
    return _anchors(
        tuple(map(tuple, config.level_scales)),
        tuple(float(ratio) for ratio in config.RPN_ANCHOR_RATIOS),
        tuple((int(height), int(width)) for height, width in shapes),
        tuple((int(y), int(x)) for y, x in strides),
        config.RPN_ANCHOR_STRIDE,
        config.RPN_ANCHOR_ROUNDING,
    )


@dataclass(frozen=True)
class Level:
    """The anchors of one feature level: a grid of cells from pixel (0, 0) on.

    Attributes:
        first: row of its first anchor.
        height, width: in cells.
        each: anchors a cell.
        step: (y, x) pixels between cells.
        reach: (y, x) pixels from a cell to the farthest edge of its anchors.
        areas: of the smallest and of the largest anchor, square pixels.
    """

    first: int
    height: int
    width: int
    each: int
    step: tuple
    reach: tuple
    areas: tuple

    def most_overlap(self, area):
        """An IoU that no anchor has with a box of so many square pixels, or just that.

        Two areas overlap by no more than the smaller over the larger.
        """
        smallest, largest = self.areas
        return min(area, largest) / max(area, smallest)

    def rows_near(self, box):
        """Rows of the anchors that may share an area with a box (y1, x1, y2, x2) in pixels."""
        ys = self._cells(box[0], box[2], 0, self.height)
        xs = self._cells(box[1], box[3], 1, self.width)
        cells = ys[:, None] * self.width + xs
        return (self.first + cells[:, :, None] * self.each + np.arange(self.each)).ravel()

    def _cells(self, low, high, axis, count):
        reach, step = self.reach[axis], self.step[axis]
        first = max(0, int(np.floor((low - reach) / step)))
        last = min(count - 1, int(np.ceil((high + reach) / step)))
        return np.arange(first, last + 1)


_levels = {}  # id of an array of anchors -> (weak reference to it, its levels)


def levels_of(anchors):
    """The Levels of an array that `config_anchors` answered; None for any other array."""
    reference, levels = _levels.get(id(anchors), (None, None))
    return levels if reference is not None and reference() is anchors else None


@lru_cache(maxsize=16)
def _anchors(scales, ratios, shapes, strides, anchor_stride, rounded):
    anchors = generate_pyramid_anchors(scales, ratios, shapes, strides, anchor_stride, rounded)
    anchors = np.asfortranarray(anchors)
    anchors.setflags(write=False)
    levels, first = [], 0
    for sides, shape, stride in zip(scales, shapes, strides, strict=True):
        height, width = (-(-side // anchor_stride) for side in shape)
        halves = half_sides(sides, ratios, rounded)
        areas = np.array(sides) ** 2 if not rounded else 4 * halves.prod(axis=1)
        levels.append(Level(first, height, width, len(halves),
                            tuple(step * anchor_stride for step in stride),
                            tuple(halves.max(axis=0).tolist()),
                            (float(areas.min()), float(areas.max()))))
        first += height * width * len(halves)
    key = id(anchors)
    _levels[key] = weakref.ref(anchors, lambda _: _levels.pop(key, None)), tuple(levels)
    return anchors
