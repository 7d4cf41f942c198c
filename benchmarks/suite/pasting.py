"""Pasting 28 x 28 masks into an image, beside scikit-image's resize of each."""

import numpy as np

from benchmarks.measuring import paired, row
from mrcnn.geometry.lazy_masks import LazyMasks

PART = "mask pasting"


def scene(count, side, seed=0):
    """Boxes [N, 4] px and soft masks [N, 28, 28]: smooth bumps of many sizes."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(side // 32, side // 3, (2, count))
    top, left = (rng.integers(0, side - extent) for extent in (height, width))
    cells = np.linspace(-1, 1, 28)
    radii = rng.uniform(0.4, 1, (count, 1, 1))
    bumps = np.exp(-(cells[:, None] ** 2 + cells**2) / radii)
    masks = (bumps * rng.uniform(0.7, 1, (count, 28, 28))).astype(np.float32)
    return np.stack([top, left, top + height, left + width], axis=1), masks


def plainly(boxes, masks, side):
    """bool [H, W, N], one scikit-image resize a mask."""
    from skimage.transform import resize

    canvas = np.zeros((side, side, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        soft = resize(masks[i], (y2 - y1, x2 - x1), order=1, mode="constant", cval=0,
                      clip=True, preserve_range=False, anti_aliasing=False)
        canvas[y1:y2, x1:x2, i] = soft >= 0.5
    return canvas


def rows(options):
    """One row; both answer the same pixels."""
    count, side = (5, 128) if options.quick else (100, 1024)
    boxes, masks = scene(count, side)

    def ours():
        return np.asarray(LazyMasks(boxes, masks, (side, side)))

    def plain():
        return plainly(boxes, masks, side)

    np.testing.assert_array_equal(ours(), plain())
    times = paired({"ours": ours, "plain": plain}, options.rounds)
    return [row(PART, f"{count} masks into {side} x {side}", 1e3 * times["ours"], "ms",
                times["ours"] / times["plain"], "scikit-image, mask by mask")]
