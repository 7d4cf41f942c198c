"""Masks of an image that become pixels only where they are asked for.

Both kinds stand for an array [H, W, N] bool and are indexed like one, but keep each mask only
inside a window of its own, so what they hold does not grow with the image: `LazyMasks` the small
soft masks that the network answered, `PackedMasks` run lengths of any masks.
"""

import numpy as np

from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.masks import framed_boxes, paste_mask

WHOLE = slice(None)


def encode_window(inside, top, left, image_shape) -> dict:
    """Run lengths of a mask of which only a window is known, at the cost of the window.

    Args:
        inside: bool [h, w], the mask in its window; outside it is empty.
        top: first row of the window.
        left: first column of the window.
        image_shape: (H, W) of the image.

    Returns:
        COCO's compressed run lengths {"size": [H, W], "counts": text}, equal to what pycocotools
        encodes of the whole mask.
    """
    from pycocotools import mask as coding

    height, width = (int(side) for side in image_shape[:2])
    edges = np.diff(np.pad(inside.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)  # [w, h + 1]
    columns, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    offset = (columns + left) * height + top
    first, last = offset + starts, offset + ends
    apart = first[1:] != last[:-1]  # a run may go on from the bottom of a column to the next top
    first, last = first[np.r_[True, apart][: len(first)]], last[np.r_[apart, True][: len(last)]]
    bounds = np.stack([first, last], axis=1).ravel()
    counts = np.diff(np.r_[0, bounds, height * width]).tolist()
    if len(counts) > 1 and counts[-1] == 0:
        counts.pop()
    code = coding.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": code["counts"].decode("ascii")}


class WindowedMasks:
    """What both kinds share; a kind says what is `inside` a window.

    Attributes:
        windows: [N, (y1, x1, y2, x2)] int64 pixels inside the image; a mask is empty outside its.
        image_shape: (H, W).

    Indices: `[rows, columns, i]` and `[..., i]` make the part asked of one mask, bool;
    `[..., keep]` with a slice, a list or flags is the same kind of object with fewer masks; any
    other index makes the whole array first. `np.asarray` makes it too: H * W * N bytes.
    """

    ndim = 3
    dtype = np.dtype(bool)

    def __init__(self, windows, image_shape):
        self.windows = np.asarray(windows, np.int64).reshape(-1, 4)
        self.image_shape = tuple(int(side) for side in image_shape[:2])

    @property
    def shape(self):
        """(H, W, N)."""
        return (*self.image_shape, len(self.windows))

    def inside(self, i):
        """Mask i in its window: bool [y2 - y1, x2 - x1]."""
        raise NotImplementedError

    def select(self, keep):
        """The masks of some places: an index array, a slice or a bool mask."""
        raise NotImplementedError

    @property
    def rles(self):
        """List of COCO's compressed run lengths of the whole masks; "counts" is text."""
        return [encode_window(self.inside(i), *self.windows[i, :2], self.image_shape)
                for i in range(len(self.windows))]

    def part(self, i, rows, columns):
        """Mask i in a part of the image, two (start, stop): bool [rows, columns]."""
        (y1, y2), (x1, x2) = rows, columns
        out = np.zeros((max(y2 - y1, 0), max(x2 - x1, 0)), bool)
        top, left, bottom, right = self.windows[i]
        y1s, y2s, x1s, x2s = max(y1, top), min(y2, bottom), max(x1, left), min(x2, right)
        if y1s < y2s and x1s < x2s:
            mask = self.inside(i)
            out[y1s - y1 : y2s - y1, x1s - x1 : x2s - x1] = (
                mask[y1s - top : y2s - top, x1s - left : x2s - left])
        return out

    def __getitem__(self, key):
        parts = _three(key)
        if parts is not None and isinstance(parts[2], (int, np.integer)):
            return self._one(*parts)
        if parts is not None and all(_is_whole(part) for part in parts[:2]):
            return self.select(parts[2])
        return np.asarray(self)[key]

    def _one(self, rows, columns, i):
        count = len(self.windows)
        if not -count <= i < count:
            raise IndexError(f"mask {i}: there are {count}")
        i = int(i) % count
        if _is_range(rows) and _is_range(columns):
            height, width = self.image_shape
            return self.part(i, rows.indices(height)[:2], columns.indices(width)[:2])
        return self.part(i, (0, self.image_shape[0]), (0, self.image_shape[1]))[rows, columns]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("these masks are no array yet: one cannot be had without a copy")
        canvases = np.zeros((len(self.windows), *self.image_shape), bool)
        for i, (canvas, (y1, x1, y2, x2)) in enumerate(zip(canvases, self.windows, strict=True)):
            canvas[y1:y2, x1:x2] = self.inside(i)
        masks = np.moveaxis(canvases, 0, -1)  # each mask contiguous, as `detect` answers them
        return masks if dtype is None else masks.astype(dtype, copy=False)

    def __repr__(self):
        return f"<{type(self).__name__} {self.shape}>"


def _is_range(index):
    return isinstance(index, slice) and index.step in (None, 1)


def _is_whole(index):
    return isinstance(index, slice) and index == WHOLE


def _three(key):
    """The index of rows, columns and masks; None for one that needs the array."""
    key = key if isinstance(key, tuple) else (key,)
    dots = [place for place, part in enumerate(key) if part is Ellipsis]
    if any(part is None for part in key) or len(dots) > 1 or len(key) - len(dots) > 3:
        return None
    if any(isinstance(part, np.ndarray) and part.ndim > 1 for part in key):
        return None
    fill = (WHOLE,) * (3 - len(key) + len(dots))
    if not dots:
        return (*key, *fill)
    return (*key[: dots[0]], *fill, *key[dots[0] + 1 :])


def _places(keep, count):
    """Indices of an index array, a slice or a bool mask."""
    keep = np.arange(count)[keep] if isinstance(keep, slice) else np.asarray(keep)
    if keep.dtype == bool:
        if keep.shape != (count,):
            raise IndexError(f"expected a mask of {count} flags, received shape {keep.shape}")
        return np.flatnonzero(keep)
    return np.arange(count)[keep.astype(np.int64).reshape(-1)]


class LazyMasks(WindowedMasks):
    """The small soft masks of the network, pasted where they are looked at.

    Args:
        boxes: [N, (y1, x1, y2, x2)] int pixels, of positive area; with `frame` float.
        masks: [N, h, w] float32, chance of each cell to belong to the object.
        image_shape: (H, W, ...) of the image.
        frame: paste with a frame of one empty cell (Config.MASK_PASTE_FRAME).

    As an array they equal `unmold_mask` of each, to the bit.

    Raises:
        ValueError: shapes do not fit, or a box has no area.
    """

    def __init__(self, boxes, masks, image_shape, frame=False):
        boxes = np.asarray(boxes, np.float64 if frame else np.int64).reshape(-1, 4)
        masks = np.asarray(masks)
        if masks.ndim != 3 or len(masks) != len(boxes):
            raise ValueError(f"masks: expected shape [{len(boxes)}, h, w] for as many boxes, "
                             f"received {masks.shape}")
        if not (boxes[:, :2] < boxes[:, 2:]).all():
            raise ValueError("boxes: expected y2 > y1 and x2 > x1 in each")
        sides = np.tile(np.asarray(image_shape[:2], np.int64), 2)
        self.boxes, self.masks, self.frame = boxes, masks, frame
        self._placed = framed_boxes(boxes, masks.shape[1:]) if frame else boxes
        super().__init__(np.clip(self._placed, 0, sides), image_shape)

    def inside(self, i):
        """See `WindowedMasks`."""
        top, left, bottom, right = self.windows[i]
        canvas = np.zeros((bottom - top, right - left), bool)
        paste_mask(self.masks[i], self._placed[i] - (top, left, top, left), canvas, self.frame)
        return canvas

    def select(self, keep):
        """See `WindowedMasks`."""
        keep = _places(keep, len(self.boxes))
        return LazyMasks(self.boxes[keep], self.masks[keep], self.image_shape, self.frame)


class PackedMasks(WindowedMasks):
    """Masks kept as run lengths of their windows.

    Args:
        windows: [N, (y1, x1, y2, x2)] int pixels inside the image.
        codes: N of pycocotools' run lengths, each of its window's size.
        image_shape: (H, W, ...) of the image.
    """

    def __init__(self, windows, codes, image_shape):
        super().__init__(windows, image_shape)
        self.codes_of_windows = list(codes)

    @classmethod
    def of(cls, masks):
        """Packs masks: an array [H, W, N] of bool or 0 and 1, or another lazy kind.

        An array is packed inside the boxes of its masks.
        """
        if isinstance(masks, WindowedMasks):
            parts = [masks.inside(i) for i in range(len(masks.windows))]
            return cls.of_windows(masks.windows, parts, masks.image_shape)
        masks = np.asarray(masks)
        windows = extract_bboxes(masks)
        parts = [masks[y1:y2, x1:x2, i] for i, (y1, x1, y2, x2) in enumerate(windows)]
        return cls.of_windows(windows, parts, masks.shape)

    @classmethod
    def of_windows(cls, windows, parts, image_shape):
        """Packs masks of which only windows are known: `parts` is one bool [h, w] a window."""
        from pycocotools import mask as coding

        codes = [coding.encode(np.asfortranarray(part, np.uint8)) for part in parts]
        return cls(windows, codes, image_shape)

    @classmethod
    def of_rles(cls, rles, image_shape=None):
        """Packs COCO's run lengths of whole masks; `image_shape` is needed where there is none.

        Raises:
            ValueError: the run lengths are of several image sizes, or not of `image_shape`.
        """
        from pycocotools import mask as coding

        sizes = {tuple(code["size"]) for code in rles} | (
            {tuple(int(side) for side in image_shape[:2])} if image_shape is not None else set())
        if len(sizes) != 1:
            raise ValueError(f"rles: expected one image size, received {sorted(sizes)}")
        windows = np.zeros((len(rles), 4), np.int64)
        codes = []
        for window, code in zip(windows, rles, strict=True):
            x, y, width, height = coding.toBbox(code).astype(np.int64)
            window[:] = y, x, y + height, x + width
            inside = coding.decode(code)[y : y + height, x : x + width]
            codes.append(coding.encode(np.asfortranarray(inside)))
        return cls(windows, codes, sizes.pop())

    def inside(self, i):
        """See `WindowedMasks`."""
        from pycocotools import mask as coding

        return coding.decode(self.codes_of_windows[i]).astype(bool)

    def select(self, keep):
        """See `WindowedMasks`."""
        keep = _places(keep, len(self.windows))
        codes = [self.codes_of_windows[i] for i in keep]
        return PackedMasks(self.windows[keep], codes, self.image_shape)
