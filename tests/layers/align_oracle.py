"""RoIAlign as a plain loop (Mask R-CNN, section 3, with the border as its authors' code has it)."""

import numpy as np


def value_at(image, y, x):
    """[C] of an image [H, W, C] at a place; 0 more than one cell outside."""
    height, width, channels = image.shape
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(channels)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * image[top, left] + dx * image[top, right]
    lower = (1 - dx) * image[bottom, left] + dx * image[bottom, right]
    return (1 - dy) * upper + dy * lower


def align(image, box, shape, ratio, aligned):
    """[h, w, C]: the mean of the points in each bin of a box that is normalised edge to edge."""
    rows, columns, channels = image.shape
    y1, x1, y2, x2 = (float(n) for n in np.nan_to_num(box, posinf=0, neginf=0))
    height, width = (y2 - y1) * rows, (x2 - x1) * columns
    first_y, first_x = y1 * rows, x1 * columns
    if aligned:
        first_y, first_x = first_y - 0.5, first_x - 0.5
    else:
        height, width = max(height, 1.0), max(width, 1.0)
    height, width = height / shape[0], width / shape[1]  # of a bin
    down, across = (ratio or max(int(np.ceil(side)), 0) for side in (height, width))
    bins = np.zeros((*shape, channels))
    for i, j in np.ndindex(*shape):
        for k, m in np.ndindex(down, across):
            y = first_y + (i + (k + 0.5) / down) * height
            x = first_x + (j + (m + 0.5) / across) * width
            bins[i, j] += value_at(image, y, x)
    return bins / max(down * across, 1)
