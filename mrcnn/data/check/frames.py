"""Where the boxes of an image come to lie once it has the size the network takes."""

import numpy as np

from mrcnn.geometry.resize import placement
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE


def to_network(boxes, size, config):
    """Boxes in pixels of the molded image.

    With the resize mode "crop" nothing is cut off, since the place of the cut is chance.

    Args:
        boxes: [N, (y1, x1, y2, x2)] pixels of the image.
        size: (height, width) of the image in pixels.
        config: Config; IMAGE_RESIZE_MODE and its sizes.

    Returns:
        (boxes [N, 4] float64 pixels of the molded image, (height, width) of that image).
    """
    scale, (height, width), ((top, bottom), (left, right), _) = placement(
        *size, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE,
        config.IMAGE_RESIZE_MODE)
    if config.IMAGE_RESIZE_MODE in SHORTEST_EDGE:  # each side is rounded, and boxes follow it
        scale = np.tile([height / size[0], width / size[1]], 2)
    moved = np.asarray(boxes, np.float64) * scale + [top, left, top, left]
    return moved, (height + top + bottom, width + left + right)
