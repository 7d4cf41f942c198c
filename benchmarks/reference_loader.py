"""A plain loader of the balloon set in numpy and scikit-image: what ours is measured against.

Written straight from what has to come out, one call of a library a step, and using nothing of
`mrcnn`. Every step is a method of its own, so that the benchmark can time it.
"""

import json
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import draw, io, transform

SIDE = 1024
LEAST = 800  # shorter side, unless the longer one would pass SIDE
MINI = (56, 56)
MEAN_PIXEL = np.array([123.7, 116.8, 103.9])
SCALES, RATIOS, STRIDES = (32, 64, 128, 256, 512), (0.5, 1, 2), (4, 8, 16, 32, 64)
ANCHORS_USED = 256
BOX_SPREAD = np.array([0.1, 0.1, 0.2, 0.2])


class ReferenceLoader:
    """Images of a folder with a VIA 1 file, as a network of 1024 x 1024 pixels takes them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        entries = json.loads((self.folder / "via_region_data.json").read_text())
        self.entries = [entry for entry in entries.values() if entry["regions"]]
        self.anchors = make_anchors()

    def read(self, index):
        """[H, W, 3] uint8."""
        return io.imread(self.folder / self.entries[index]["filename"])

    def masks(self, index, size):
        """[H, W, N] bool, every outline filled at the size of the image."""
        outlines = [region["shape_attributes"]
                    for region in self.entries[index]["regions"].values()]
        masks = np.zeros((*size, len(outlines)), bool)
        for i, outline in enumerate(outlines):
            ys, xs = draw.polygon(outline["all_points_y"], outline["all_points_x"], size)
            masks[ys, xs, i] = True
        return masks

    def resize(self, image, masks):
        """Image and masks in the middle of a square, and the window they fill."""
        height, width = image.shape[:2]
        scale = max(1, LEAST / min(height, width))
        if round(max(height, width) * scale) > SIDE:
            scale = SIDE / max(height, width)
        if scale != 1:
            height, width = round(height * scale), round(width * scale)
            image = transform.resize(
                image, (height, width), order=1, mode="constant", cval=0, preserve_range=True,
                anti_aliasing=False).astype(image.dtype)
            masks = ndimage.zoom(masks, zoom=[scale, scale, 1], order=0)
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        padding = [(top, SIDE - height - top), (left, SIDE - width - left), (0, 0)]
        window = np.array([top, left, top + height, left + width])
        return np.pad(image, padding), np.pad(masks, padding), window

    def boxes(self, masks):
        """[N, (y1, x1, y2, x2)] around the masks."""
        boxes = np.zeros((masks.shape[2], 4), np.int32)
        for i in range(masks.shape[2]):
            ys = np.where(np.any(masks[:, :, i], axis=1))[0]
            xs = np.where(np.any(masks[:, :, i], axis=0))[0]
            boxes[i] = ys[0], xs[0], ys[-1] + 1, xs[-1] + 1
        return boxes

    def mini_masks(self, masks, boxes):
        """[56, 56, N] bool."""
        mini = np.zeros((*MINI, len(boxes)), bool)
        for i, (y1, x1, y2, x2) in enumerate(boxes):
            part = masks[y1:y2, x1:x2, i].astype(float)
            mini[:, :, i] = transform.resize(part, MINI, order=1, mode="constant",
                                             anti_aliasing=False) > 0.5
        return mini

    def targets(self, boxes, rng):
        """(match before random choice [A], match [A], deltas [256, 4])."""
        iou = dense_iou(self.anchors, boxes)
        best = iou.argmax(axis=1)
        highest = iou[np.arange(len(iou)), best]
        match = np.zeros(len(iou), np.int32)
        match[highest < 0.3] = -1
        match[np.where(iou == iou.max(axis=0))[0]] = 1
        match[highest >= 0.7] = 1
        whole = match.copy()
        positive = np.where(match == 1)[0]
        if len(positive) > ANCHORS_USED // 2:
            match[rng.choice(positive, len(positive) - ANCHORS_USED // 2, replace=False)] = 0
        negative = np.where(match == -1)[0]
        extra = len(negative) - (ANCHORS_USED - np.sum(match == 1))
        if extra > 0:
            match[rng.choice(negative, extra, replace=False)] = 0
        positive = np.where(match == 1)[0]
        deltas = np.zeros((ANCHORS_USED, 4))
        deltas[: len(positive)] = box_deltas(self.anchors[positive], boxes[best[positive]])
        return whole, match, deltas / BOX_SPREAD

    def mold(self, image):
        """[1024, 1024, 3] float32."""
        return (image - MEAN_PIXEL).astype(np.float32)


def make_anchors():
    """[261888, 4] pixels, level after level."""
    levels = []
    for scale, stride in zip(SCALES, STRIDES, strict=True):
        places = np.arange(0, SIDE // stride) * stride
        ys, xs, ratios = np.meshgrid(places, places, RATIOS, indexing="ij")
        height, width = scale / np.sqrt(ratios), scale * np.sqrt(ratios)
        levels.append(np.stack([ys - height / 2, xs - width / 2, ys + height / 2,
                                xs + width / 2], axis=-1).reshape(-1, 4))
    return np.concatenate(levels)


def dense_iou(first, second):
    """[A, N] of every box with every other."""
    y1 = np.maximum(first[:, None, 0], second[None, :, 0])
    x1 = np.maximum(first[:, None, 1], second[None, :, 1])
    y2 = np.minimum(first[:, None, 2], second[None, :, 2])
    x2 = np.minimum(first[:, None, 3], second[None, :, 3])
    shared = np.maximum(y2 - y1, 0) * np.maximum(x2 - x1, 0)
    areas = [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None, :] - shared)


def box_deltas(anchors, boxes):
    """(dy, dx, log dh, log dw) from each anchor to its box."""
    size, target = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    middle = (boxes[:, :2] + target / 2) - (anchors[:, :2] + size / 2)
    return np.concatenate([middle / size, np.log(target / size)], axis=1)
