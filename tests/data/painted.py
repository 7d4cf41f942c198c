"""Images that show their own masks, for the tests of augmentation."""

import numpy as np

from mrcnn.data.augmenters import Sample


def discs(shape, channels=3, dtype=np.uint8):
    """An image that shows its own masks: two discs, bright on dark."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    mask = np.stack([(y - 40) ** 2 + (x - 38) ** 2 < 26**2, (y - 60) ** 2 + (x - 66) ** 2 < 15**2],
                    axis=-1)
    image = np.where(mask.any(axis=2)[..., None], 200, 20).repeat(channels, axis=2).astype(dtype)
    return image, mask


def overlap(first, second):
    return (first & second).sum() / max((first | second).sum(), 1)


def numbered(boxes, first, shape=(100, 120), class_ids=None):
    """Objects painted with their own numbers, later ones on top; a mask is what is seen of one."""
    image = np.full((*shape, 3), 5, np.uint8)
    for number, (y1, x1, y2, x2) in enumerate(boxes, first):
        image[y1:y2, x1:x2] = number
    mask = np.stack([image[..., 0] == first + i for i in range(len(boxes))], axis=-1)
    ids = np.arange(1, len(boxes) + 1) if class_ids is None else np.array(class_ids)
    return Sample(image, mask, ids.astype(np.int32))


BELOW = [(0, 0, 50, 60), (30, 70, 90, 110), (60, 5, 64, 9)]
ABOVE = [(10, 10, 50, 40), (20, 30, 45, 90), (50, 50, 97, 119), (2, 2, 5, 5), (70, 5, 95, 30)]
