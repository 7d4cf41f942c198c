"""Are two answers of one network the same, up to the device's rounding?"""

import numpy as np

SCORES_APART = 1e-3  # of the proposal network, in float32
LEAST_FOUND = 0.95  # share of the detections found again, in float32
IOU = 0.9


def overlaps(first, second):
    """IoU [N, M] of boxes (y1, x1, y2, x2)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(boxes[:, 2:4] - boxes[:, :2], axis=-1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-12)


def found_again(expected, actual):
    """Share of the detections [B, D, 6] that the other has too: same class, IoU above 0.9."""
    hits = count = 0
    for ours, theirs in zip(expected, actual, strict=True):
        ours, theirs = ours[ours[:, 4] > 0], theirs[theirs[:, 4] > 0]
        same = (overlaps(ours, theirs) > IOU) & (ours[:, None, 4] == theirs[None, :, 4])
        hits, count = hits + same.any(axis=1).sum(), count + len(ours)
    return float(hits / max(count, 1))


def compare(expected, actual, precision):
    """{"scores", "deltas": largest difference, "found": share, "ok": bool or None}.

    In float32 there are bounds; the shorter types say how far they are and no more, as `ok` None.
    """
    apart = {name: float(np.abs(expected[key] - actual[key]).max())
             for name, key in (("scores", "rpn_class"), ("deltas", "rpn_bbox"))}
    found = found_again(expected["detections"], actual["detections"])
    ok = None
    if precision == "float32":
        ok = apart["scores"] < SCORES_APART and found >= LEAST_FOUND
    return {**apart, "found": found, "ok": ok}
