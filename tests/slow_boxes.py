"""Slow loops in plain numpy for proposals of levels and for detections of several classes.

A box runs over (y1, x1, y2, x2); `edges` says what 0 and 1 mean in it: the image's edges, or the
centres of its first and last pixel.
"""

from layers.loop_oracles import clip, greedy_nms, iou, move, padded, ranked


def side_px(low, high, pixels, edges):
    """Length in pixels of what runs from `low` to `high`, normalised."""
    return (high - low) * pixels if edges else (high - low) * (pixels - 1) + 1


def sides_px(box, shape, edges):
    return [side_px(box[i], box[i + 2], shape[i], edges) for i in (0, 1)]


def normalised(box_px, shape, edges):
    """One box in pixels, normalised over an image of (height, width)."""
    y1, x1, y2, x2 = box_px
    height, width = shape
    if edges:
        return y1 / height, x1 / width, y2 / height, x2 / width
    return y1 / (height - 1), x1 / (width - 1), (y2 - 1) / (height - 1), (x2 - 1) / (width - 1)


def moved(box, delta, std, highest, window):
    """A box moved by what the network answers, its stretch bounded, cut at the window."""
    delta = [float(number) * s for number, s in zip(delta, std, strict=True)]
    if highest is not None:
        delta[2], delta[3] = min(delta[2], highest), min(delta[3], highest)
    return clip(move(box, delta), window)


def slow_level_proposals(scores, deltas, anchors, sizes, window_px, shape, std, options):
    """Proposals [count, 4] of one image.

    Args:
        scores: [A]; deltas: [A, 4]; anchors: [A, 4].
        sizes: anchors of each level.
        window_px, shape: the image in the molded one.
        std: what deltas are multiplied with.
        options: dict of count, limit, threshold, min_size, clip, edges.
    """
    window, first, found = normalised(window_px, shape, options["edges"]), 0, []
    for size in sizes:
        boxes, kept_scores = [], []
        for place in ranked(scores[first : first + size])[: options["limit"]]:
            row = first + place
            box = moved(anchors[row], deltas[row], std, options["clip"], window)
            short = min(sides_px(box, shape, options["edges"]))
            if box[2] > box[0] and box[3] > box[1] and short >= options["min_size"]:
                boxes.append(box)
                kept_scores.append(scores[row])
        kept = greedy_nms(boxes, kept_scores, options["threshold"])
        found += [(kept_scores[i], boxes[i]) for i in kept]
        first += size
    best = ranked([score for score, _ in found])[: options["count"]]
    return padded([found[i][1] for i in best], options["count"], 4)


def slow_candidates(rois, probabilities, deltas, window_px, shape, std, options):
    """[(box, class id, score)] of every roi and class, roi by roi.

    Args:
        rois: [N, 4]; probabilities: [N, C]; deltas: [N, C, 4].
        window_px, shape, std: as of `slow_level_proposals`.
        options: dict of confidence, min_size, clip, edges.
    """
    window, rows = normalised(window_px, shape, options["edges"]), []
    for roi, row, delta in zip(rois, probabilities, deltas, strict=True):
        for class_id in range(1, len(row)):
            box = moved(roi, delta[class_id], std, options["clip"], window)
            short = min(sides_px(box, shape, options["edges"]))
            if row[class_id] >= options["confidence"] and short >= options["min_size"]:
                rows.append((box, class_id, row[class_id]))
    return rows


def as_detections(rows, limit):
    return padded([(*box, class_id, score) for box, class_id, score in rows], limit, 6)


def slow_detections(rows, limit, threshold):
    """Detections [limit, 6] of candidates: NMS in each class, the best of them all."""
    kept = []
    for class_id in sorted({row[1] for row in rows}):
        places = [i for i, row in enumerate(rows) if row[1] == class_id]
        nms = greedy_nms([rows[i][0] for i in places], [rows[i][2] for i in places], threshold)
        kept += [places[i] for i in nms][:limit]
    kept.sort(key=lambda i: (-rows[i][2], i))
    return as_detections([rows[i] for i in kept], limit)


def slow_across(rows, limit, threshold, across, wanted):
    """As `slow_detections`, with a threshold between classes, of the wanted classes."""
    kept = []
    for i in ranked([row[2] for row in rows]):
        limits = [threshold if rows[i][1] == rows[j][1] else across for j in kept]
        if all(iou(rows[i][0], rows[j][0]) <= most
               for j, most in zip(kept, limits, strict=True)):
            kept.append(i)
    return as_detections([rows[i] for i in kept if rows[i][1] in wanted], limit)
