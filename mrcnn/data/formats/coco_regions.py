"""Regions as COCO writes them, drawn pixel for pixel as pycocotools does.

Every region of this folder has the same five parts: KIND, `as_json()` and `from_json()` (exact
inverses), `draw(canvas)`, which sets the pixels of a bool [H, W] canvas and raises ValueError
where it cannot, and `box()`: (y1, x1, y2, x2) in pixels, or None where only drawing tells.

The C code of pycocotools believes what it is given, and reads or allocates beyond all bounds
where that is wrong. So run lengths are decoded here, and outlines are checked before they go
there.
"""

from dataclasses import dataclass

import numpy as np

LONGEST_OUTLINE = 1 << 22  # pixels along all edges; more is a mistake and takes gigabytes
FURTHEST = 1 << 24  # pixels from the origin; the C code counts fifths of pixels in 32 bits
LONGEST_CODE = 7  # characters of one run length: 5 bits each


@dataclass
class Polygons:
    """One object of one or several outlines, [x1, y1, x2, y2, ...] in pixels each."""

    KIND = "polygons"
    polygons: list

    def as_json(self):
        """The outlines as lists."""
        return self.polygons

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data)

    def draw(self, canvas):
        """As pycocotools' annToMask."""
        from pycocotools import mask as coding

        for polygon in self.polygons:
            _check_drawable(polygon)
        codes = coding.frPyObjects(self.polygons, *canvas.shape)
        code = codes[0] if len(codes) == 1 else coding.merge(codes)
        _paint(canvas, decoded(code["counts"].decode()))

    def box(self, size=None):
        """The box of all corners."""
        xs = [x for polygon in self.polygons for x in polygon[0::2]]
        ys = [y for polygon in self.polygons for y in polygon[1::2]]
        return float(min(ys)), float(min(xs)), float(max(ys)), float(max(xs))


def _check_drawable(polygon):
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"outline: expected 3 points or more, x and y each, received "
                         f"{len(polygon)} numbers")
    points = np.array(polygon, float).reshape(-1, 2)
    edges = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum()
    if not (np.abs(points).max() <= FURTHEST and edges <= LONGEST_OUTLINE):
        raise ValueError(f"outline: expected numbers of at most {FURTHEST} and "
                         f"{LONGEST_OUTLINE} pixels in all, received points up to "
                         f"{np.abs(points).max():g} and {edges:g} pixels")


@dataclass
class Rle:
    """Run lengths down the columns, background first: a list, or COCO's compressed text."""

    KIND = "rle"
    size: list  # (height, width)
    counts: object

    def as_json(self):
        """As COCO has it."""
        return {"size": self.size, "counts": self.counts}

    @classmethod
    def from_json(cls, data):
        """The inverse of `as_json`."""
        return cls(data["size"], data["counts"])

    def run_lengths(self):
        """[N] int64, background first; they add up to the size.

        Raises:
            ValueError: they do not, or are no run lengths at all.
        """
        height, width = self.size
        is_text = isinstance(self.counts, str)
        runs = decoded(self.counts) if is_text else _whole_numbers(self.counts)
        if len(runs) and runs.min() < 0:
            raise ValueError(f"RLE: expected run lengths of at least 0, received {runs.min()}")
        total = sum(runs.tolist())
        if total != height * width:
            raise ValueError(f"RLE: expected run lengths that add up to {height} x {width} = "
                             f"{height * width} pixels, received {total}")
        return runs

    def draw(self, canvas):
        """Decodes it; its size must be that of the canvas."""
        if list(self.size) != list(canvas.shape):
            raise ValueError(f"RLE: expected the image's size {list(canvas.shape)}, received "
                             f"{list(self.size)}")
        _paint(canvas, self.run_lengths())

    def box(self, size=None):
        """The box of the pixels; None where there are none, or no run lengths."""
        try:
            extent = _extent(self.run_lengths(), self.size[0])
        except ValueError:
            return None
        return None if extent is None else tuple(map(float, extent))


def _extent(runs, height):
    """(y1, x1, y2, x2) of the pixels that run lengths cover, or None where they cover none."""
    ends = np.cumsum(runs)
    covered = runs[1::2] > 0
    first, last = ends[0:-1:2][covered], ends[1::2][covered] - 1
    if not len(first):
        return None
    x1, x2 = int(first[0]) // height, int(last[-1]) // height + 1
    if (first // height != last // height).any():
        return 0, x1, height, x2
    return int((first % height).min()), x1, int((last % height).max()) + 1, x2


def _paint(canvas, runs):
    """Sets the pixels of run lengths, touching no more of the canvas than they cover."""
    height, width = canvas.shape
    extent = _extent(runs, height)
    if extent is None:
        return
    y1, x1, y2, x2 = extent
    covered = np.flatnonzero(runs[1::2])
    start, stop = 2 * covered[0] + 1, 2 * covered[-1] + 2
    before = runs[:start].sum() - x1 * height
    after = (x2 - x1) * height - before - runs[start:stop].sum()
    runs = np.concatenate([[before], runs[start:stop], [after]])
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    canvas[y1:y2, x1:x2] |= flat.reshape(x2 - x1, height).T[y1:y2]


def _whole_numbers(counts):
    if not all(type(count) is int and -1 << 62 < count < 1 << 62 for count in counts):
        raise ValueError("RLE: expected a text or whole numbers as run lengths")
    return np.array(counts, np.int64)


def decoded(text):
    """The run lengths of COCO's compressed text, [N] int64.

    A number is written in groups of five bits, lowest first, one a character from "0" on; 32
    is added where more follow, and the highest bit of the last group is the sign. From the
    fourth number on it is the difference to the number two before.

    Raises:
        ValueError: it is no such text.
    """
    if not text.isascii():
        raise ValueError("RLE: expected compressed run lengths in ASCII")
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    ends = np.flatnonzero(codes < 32)
    if codes.min() < 0 or codes.max() > 63 or not len(ends) or ends[-1] != len(codes) - 1:
        raise ValueError("RLE: the compressed run lengths are damaged")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > LONGEST_CODE:
        raise ValueError("RLE: the compressed run lengths hold a number that is too large")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    numbers = np.add.reduceat((codes & 31) << shifts, starts)
    numbers -= ((codes[ends] >> 4 & 1) << 5 * lengths)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
