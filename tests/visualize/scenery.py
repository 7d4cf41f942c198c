"""Images with elliptic objects of every size and count, for the tests of pictures."""

import numpy as np

NAMES = ["BG", "person", "traffic light with a very long name", "dog"]


def scene(width, height, count, seed=0):
    """(image, boxes, masks, class ids, scores) with ellipses all over the image."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    masks, boxes = np.zeros((height, width, count), bool), np.zeros((count, 4), np.int32)
    rows, columns = np.ogrid[:height, :width]
    for i in range(count):
        radii = np.clip(np.sqrt(height * width) * rng.uniform(0.03, 0.15, 2), 2, None)
        y, x = rng.integers(0, height), rng.integers(0, width)
        masks[..., i] = ((rows - y) / radii[0]) ** 2 + ((columns - x) / radii[1]) ** 2 <= 1
        ys, xs = np.nonzero(masks[..., i])
        boxes[i] = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1
    return image, boxes, masks, rng.integers(1, 4, count), rng.uniform(0.5, 1, count)


def result_of(boxes, masks, class_ids, scores):
    """The dict that `detect` would answer."""
    return {"rois": boxes, "masks": masks, "class_ids": class_ids, "scores": scores}


class WatchedMasks:
    """Masks that note how large the parts are that are asked of them."""

    def __init__(self, masks):
        self.masks, self.shape, self.asked = masks, masks.shape, []

    def __getitem__(self, index):
        part = self.masks[index]
        self.asked.append(part.shape)
        return part

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("the whole array was made")
