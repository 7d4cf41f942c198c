"""Anchor advice: scales and ratios for the objects of a set, with the recall they would give.

The share of objects that some anchor overlaps well is what decides whether the proposal network
can learn them. Scales and ratios come from k-means over the objects, on a logarithmic axis, one
axis each, because a Config has every ratio at every scale; a short search around them follows.
"""

import numpy as np

from mrcnn.data.anchoring import feature_shapes

MOST_BOXES = 10_000  # more than these steady the figures no further
NOTICEABLE = 0.01  # a gain below this is no reason to leave the current anchors
ROUNDS, STEPS = 3, (0.6, 0.8, 0.9, 1.1, 1.25, 1.6)  # of the search around the best of k-means
GOOD, CLOSE = 0.5, 0.7  # IoU; above CLOSE an anchor counts as positive in training


def best_overlaps(boxes, frames, config, scales=None, ratios=None):
    """The IoU of every box with the best anchor of its image.

    Anchors of one shape lie on a grid, so the one nearest to the middle of a box, along each axis
    by itself, overlaps it most: one anchor for each scale and ratio is enough to look at.

    Args:
        boxes: [N, (y1, x1, y2, x2)] pixels of the molded image.
        frames: [N, (height, width)] int, its molded image.
        config: Config; the grid, and what the next two leave open.
        scales: in place of RPN_ANCHOR_SCALES.
        ratios: in place of RPN_ANCHOR_RATIOS.

    Returns:
        [N] float64.
    """
    boxes, frames = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(frames)
    scales = config.RPN_ANCHOR_SCALES if scales is None else scales
    ratios = config.RPN_ANCHOR_RATIOS if ratios is None else ratios
    best = np.zeros(len(boxes))
    kinds, kind_of = np.unique(frames.reshape(-1, 2), axis=0, return_inverse=True)
    for kind, frame in enumerate(kinds):
        chosen = np.flatnonzero(kind_of.ravel() == kind)
        shapes = feature_shapes(config, (*frame.tolist(), config.IMAGE_CHANNEL_COUNT))
        best[chosen] = _best_on_grid(boxes[chosen], shapes, config, scales, ratios)
    return best


def _best_on_grid(boxes, shapes, config, scales, ratios):
    """`best_overlaps` for molded images of one size, whose feature levels have `shapes`."""
    best = np.zeros(len(boxes))
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    levels = list(zip(config.BACKBONE_STRIDES, shapes, strict=True))
    if config.FEATURES == "c4":  # all scales in every cell of the one level
        levels *= len(scales)
    for scale, (stride, cells) in zip(scales, levels, strict=True):
        for ratio in ratios:
            sides = scale / np.sqrt(ratio), scale * np.sqrt(ratio)
            common = np.prod([_nearest_overlap(boxes[:, axis], boxes[:, axis + 2], sides[axis],
                                               stride * config.RPN_ANCHOR_STRIDE,
                                               -(-int(cells[axis]) // config.RPN_ANCHOR_STRIDE))
                              for axis in (0, 1)], axis=0)
            best = np.maximum(best, common / (areas + scale * scale - common))
    return best


def _nearest_overlap(low, high, side, step, count):
    """Pixels that [low, high] shares with the best of `count` spans, one every `step` pixels."""
    middle = np.clip(np.rint((low + high) / (2 * step)), 0, count - 1) * step
    return np.maximum(0, np.minimum(high, middle + side / 2) - np.maximum(low, middle - side / 2))


def recall(overlaps):
    """The figures of an array of best IoU, a dict of plain numbers."""
    return {"recall_50": round(float((overlaps >= GOOD).mean()), 4),
            "recall_70": round(float((overlaps >= CLOSE).mean()), 4),
            "mean_iou": round(float(overlaps.mean()), 4)}


def k_means(values, count):
    """Middles of `count` groups on one axis, ascending; quantiles are the start.

    Args:
        values: [N] float, N at least 1.
        count: number of groups.

    Returns:
        [count] float64, some equal where there are fewer different values.
    """
    values = np.sort(np.asarray(values, np.float64))
    sums = np.concatenate([[0], np.cumsum(values)])
    middles = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(100):
        ends = np.searchsorted(values, (middles[1:] + middles[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(values)]])
        sizes = np.diff(ends)
        new = np.where(sizes > 0, np.diff(sums[ends]) / np.maximum(sizes, 1), middles)
        if np.array_equal(new, middles):
            break
        middles = new
    return middles


def advise(boxes, frames, config):
    """Anchors for these objects, or the advice to keep those of the Config.

    Args:
        boxes: [N, (y1, x1, y2, x2)] pixels of the molded image, of the objects that train.
        frames: [N, (height, width)] of the molded image.
        config: Config to compare with.

    Returns:
        dict: "keep" (bool), "RPN_ANCHOR_SCALES" and "RPN_ANCHOR_RATIOS" (lists for a Config),
        "current" and "advised", each a dict of "recall_50" and "recall_70", the shares of
        objects with an anchor of at least that IoU, and "mean_iou"; "objects", how many were
        looked at. None where there is no object.
    """
    boxes, frames = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(frames).reshape(-1, 2)
    sound = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    if len(sound) > MOST_BOXES:
        sound = np.sort(np.random.default_rng(0).choice(sound, MOST_BOXES, replace=False))
    if not len(sound):
        return None
    boxes, frames = boxes[sound], frames[sound]
    scales, ratios = (_plain(config.RPN_ANCHOR_SCALES), _plain(config.RPN_ANCHOR_RATIOS))
    current = recall(best_overlaps(boxes, frames, config))
    best = current

    def tried(new_scales, new_ratios):
        nonlocal best, scales, ratios
        figures = recall(best_overlaps(boxes, frames, config, new_scales, new_ratios))
        if _gain(figures, current) > _gain(best, current):
            best, scales, ratios = figures, new_scales, new_ratios

    for candidate in _candidates(boxes, config):
        tried(*candidate)
    for _ in range(ROUNDS):
        for candidate in _neighbours(scales, ratios):
            tried(*candidate)
    return {"keep": best is current, "RPN_ANCHOR_SCALES": scales, "RPN_ANCHOR_RATIOS": ratios,
            "current": current, "advised": best, "objects": len(boxes)}


def _gain(figures, current):
    """How much better the one is, 0 where any figure is worse or none is noticeably better."""
    gains = [figures[name] - current[name] for name in current]
    return 0 if min(gains) < 0 or max(gains) < NOTICEABLE else sum(gains)


def _candidates(boxes, config):
    """Yields (scales, ratios) worth a comparison."""
    sides = boxes[:, 2:] - boxes[:, :2]
    log_size, log_ratio = np.log(sides).mean(axis=1), np.log(sides[:, 1] / sides[:, 0])
    present = _plain(config.RPN_ANCHOR_RATIOS)
    ratios = _different(np.exp(k_means(log_ratio, len(present))))
    levels = len(config.RPN_ANCHOR_SCALES)
    low, high = np.quantile(log_size, [0.02, 0.98])
    for log_scales in (k_means(log_size, levels), np.linspace(low, high, levels),
                       _moved(config.RPN_ANCHOR_SCALES, log_size)):
        scales = _distinct(np.exp(log_scales))
        for chosen in (ratios, present):
            yield scales, chosen


def _neighbours(scales, ratios):
    """Yields (scales, ratios) with one number a little larger or smaller."""
    for factor in STEPS:
        for i in range(len(scales)):
            yield _distinct([*scales[:i], scales[i] * factor, *scales[i + 1:]]), ratios
        for i in range(len(ratios)):
            yield scales, _different([*ratios[:i], ratios[i] * factor, *ratios[i + 1:]])


def _moved(scales, log_size):
    """The present scales, all multiplied alike so that their middle is the objects' median."""
    log_scales = np.log(np.asarray(scales, np.float64))
    return log_scales + np.median(log_size) - np.median(log_scales)


def _distinct(scales):
    """Whole, ascending, each a tenth or more above the one before."""
    whole = np.maximum(np.rint(np.sort(scales)), 1).astype(int).tolist()
    for i in range(1, len(whole)):
        whole[i] = max(whole[i], whole[i - 1] + max(1, round(whole[i - 1] / 10)))
    return whole


def _different(ratios):
    """Two digits, ascending, each a tenth or more above the one before."""
    ratios = np.maximum(np.sort(ratios), 0.05).tolist()
    for i in range(1, len(ratios)):
        ratios[i] = max(ratios[i], 1.1 * ratios[i - 1])
    return [round(ratio, 2) for ratio in ratios]


def _plain(values):
    """A list of Python numbers."""
    return np.asarray(values).tolist()
