"""Where the boxes of an image come to lie once it has the size the network takes."""

import numpy as np

from mrcnn.geometry.resize import scale_for


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
    mode = config.IMAGE_RESIZE_MODE
    height, width = size
    if mode == "none":
        return np.asarray(boxes, np.float64), (height, width)
    scale = scale_for(height, width, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM,
                      config.IMAGE_MIN_SCALE, mode)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    frame = {"square": (config.IMAGE_MAX_DIM, config.IMAGE_MAX_DIM),
             "pad64": (-(-height // 64) * 64, -(-width // 64) * 64)}.get(mode, (height, width))
    top, left = (frame[0] - height) // 2, (frame[1] - width) // 2
    corner = [0, 0] if mode == "crop" else [top, left]
    return np.asarray(boxes, np.float64) * scale + [*corner, *corner], frame
