"""Labels: where they go, and that they stay legible."""

import numpy as np
import pytest

from mrcnn.visualize.placement import MOST_COVERED, place_labels


def overlap(one, other):
    """Common area of two (y, x, height, width), by the definition."""
    tall = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    wide = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(tall, 0) * max(wide, 0)


@pytest.mark.parametrize("limits", [(0, 0, 75, 100), (0, 0, 768, 1024), (-20, 0, 120, 3000),
                                    (0, 0, 3000, 100)])
@pytest.mark.parametrize("count", [1, 20, 100])
def test_labels_stay_inside_and_apart(limits, count):
    rng = np.random.default_rng(count)
    span = np.array([limits[2] - limits[0], limits[3] - limits[1]])
    corners = rng.uniform(-0.1, 0.9, (count, 2)) * span + limits[:2]
    boxes = np.concatenate([corners, corners + rng.uniform(0.02, 0.3, (count, 2)) * span], 1)
    sizes = [(11, float(width)) for width in rng.uniform(20, 95, count)]
    places = place_labels(boxes, sizes, limits)
    labels = [(*place, *size) for place, size in zip(places, sizes, strict=True) if place]
    assert len(labels) >= min(count, 3)
    for i, (y, x, tall, wide) in enumerate(labels):
        assert limits[0] - 1e-6 <= y <= limits[2] - tall + 1e-6
        assert limits[1] - 1e-6 <= x <= limits[3] - wide + 1e-6
        assert all(overlap(labels[i], other) < 1e-3 for other in labels[:i])
    if count > 1:
        assert sum(tall * wide for *_, tall, wide in labels) <= MOST_COVERED * span.prod()


def test_a_label_stands_above_its_box_and_else_inside_or_below():
    limits, size = (0, 0, 100, 200), (10, 30)
    assert place_labels([[50, 60, 90, 160]], [size], limits) == [(40.0, 60.0)]
    assert place_labels([[4, 60, 90, 160]], [size], limits) == [(4.0, 60.0)]  # inside
    assert place_labels([[4, 60, 14, 80]], [size], limits) == [(14.0, 60.0)]  # it would hide it
    assert place_labels([[50, 190, 90, 200]], [size], limits) == [(40.0, 170.0)]  # slid


def test_two_labels_of_one_box_and_a_third_without_room():
    limits, size = (0, 0, 24, 100), (10, 50)
    box = [12, 0, 24, 40]
    places = place_labels([box] * 9, [(12, 45)] * 9, limits)
    assert places[0] == (0.0, 0.0)
    assert None in places
    assert place_labels([[0, 0, 24, 100]], [size], limits) == [(0.0, 0.0)]
    assert place_labels([[0, 0, 5, 5]], [(10, 500)], (0, 0, 5, 5)) == [(0.0, 0.0)]
    assert place_labels(np.zeros((0, 4)), [], limits) == []
