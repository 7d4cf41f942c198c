"""Detection in images that are larger than the network: tiles in, one result out.

Only one batch of tiles is in memory at a time, and masks are kept as run lengths of their windows,
so memory follows the number of objects, not the size of the image.
"""

import numpy as np

from mrcnn._config_checks import is_number
from mrcnn.data.image_checks import check_image
from mrcnn.engine.console import log
from mrcnn.geometry.shortest_edge import MODES as SHORTEST_EDGE
from mrcnn.results.merging import gathered, merge_pieces, pieces_of
from mrcnn.results.result import Result


def detect_tiled(detect, image, config, tile=None, overlap=0.25, merge=0.5, verbose=0,
                 class_names=None):
    """Detects in an image tile by tile; see `MaskRCNN.detect_tiled`.

    Args:
        detect: function of a list of arrays [h, w, C] to one dict each, as `MaskRCNN.detect`.
        image: [H, W, C] or [H, W], with `shape` and slices.
        config: Config: sizes, BATCH_SIZE, and the thresholds of NMS.
        tile, overlap, merge, verbose: as of `MaskRCNN.detect_tiled`.
        class_names: for the Result.

    Returns:
        Result with PackedMasks.

    Raises:
        TypeError, ValueError: no image, or an argument out of range.
    """
    shape = _checked_shape(image)
    if not is_number(merge) or not 0 < merge <= 1:
        raise ValueError(f"merge = {merge!r}: expected a number above 0, up to 1")
    tiles = tiles_of(shape, _tile_shape(tile, config), overlap)
    found = []
    for start in range(0, len(tiles), config.BATCH_SIZE):
        batch = tiles[start : start + config.BATCH_SIZE]
        parts = [_read(image, one, config.IMAGE_CHANNEL_COUNT) for one in batch]
        found += [pieces_of(one, result, shape)
                  for one, result in zip(batch, detect(parts), strict=True)]
        if verbose:
            log(f"{start + len(batch)} of {len(tiles)} tiles")
    objects = merge_pieces(gathered(found, shape), shape, merge, config.DETECTION_NMS_THRESHOLD,
                           config.DETECTION_NMS_ACROSS_CLASSES)
    return Result(objects, shape, class_names, image)


def tiles_of(image_shape, tile_shape, overlap):
    """Tiles of one size that cover an image, spread evenly.

    Args:
        image_shape: (H, W, ...).
        tile_shape: (height, width); a side that is longer than the image's is cut to it.
        overlap: least share of a tile that its neighbour covers too.

    Returns:
        [T, (y1, x1, y2, x2)] int64 pixels, row by row.

    Raises:
        ValueError: an overlap that is not from 0 to below 1.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap = {overlap!r}: expected a number of at least 0 and below 1")
    starts, sides = [], []
    for length, side in zip(image_shape[:2], tile_shape, strict=True):
        side = min(int(side), int(length))
        step = max(1, int(side * (1 - overlap)))
        count = -(-(length - side) // step) + 1
        starts.append(np.rint(np.linspace(0, length - side, count)).astype(np.int64))
        sides.append(side)
    y1, x1 = (axis.ravel() for axis in np.meshgrid(*starts, indexing="ij"))
    return np.stack([y1, x1, y1 + sides[0], x1 + sides[1]], axis=1)


def _checked_shape(image):
    shape = getattr(image, "shape", None)
    if shape is None or not hasattr(image, "__getitem__"):
        raise TypeError("image: expected an array, or an object with shape and slices, received "
                        f"{type(image).__name__}; mrcnn.data.image_files.read_image(path) reads "
                        "a file, tifffile.memmap(path) a large TIFF piece by piece")
    if len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"image: expected [H, W, C] or [H, W], received shape {tuple(shape)}")
    return tuple(int(side) for side in shape)


def _tile_shape(tile, config):
    """(height, width) of a tile in pixels of the image."""
    if tile is None and config.IMAGE_RESIZE_MODE in SHORTEST_EDGE:
        return config.IMAGE_MIN_DIM, config.IMAGE_MIN_DIM  # which are neither enlarged nor shrunk
    if tile is None:
        return tuple(int(side) for side in config.IMAGE_SHAPE[:2])
    sides = (tile, tile) if np.ndim(tile) == 0 else tuple(tile)
    fine = len(sides) == 2 and all(
        isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side > 0
        for side in sides)
    if not fine:
        raise ValueError(f"tile = {tile!r}: expected pixels, or (height, width), whole and above 0")
    return sides


def _read(image, tile, channels):
    y1, x1, y2, x2 = (int(side) for side in tile)
    part = np.asarray(image[y1:y2, x1:x2])
    return check_image(part, channels, f"image[{y1}:{y2}, {x1}:{x2}]")
