"""Detections back into the caller's pixels where boxes are normalised from edge to edge."""

import numpy as np
import pytest

from mrcnn.geometry import boxes, molding


def slow_unmolded(box_px, original_shape, window):
    """A box in pixels of the molded image, in fractions of a pixel of the original one."""
    y1, x1, y2, x2 = window
    scale_y, scale_x = original_shape[0] / (y2 - y1), original_shape[1] / (x2 - x1)
    return [(box_px[0] - y1) * scale_y, (box_px[1] - x1) * scale_x,
            (box_px[2] - y1) * scale_y, (box_px[3] - x1) * scale_x]


def answer_of(boxes_px, shape):
    """Detections [N, 6] of one class, normalised from edge to edge by hand."""
    size = np.array([shape[0], shape[1], shape[0], shape[1]])
    rows = np.zeros((len(boxes_px) + 2, 6), np.float32)
    rows[: len(boxes_px), :4] = boxes_px / size
    rows[: len(boxes_px), 4:] = 1, 0.5
    return rows, np.full((len(rows), 4, 4, 2), 0.9, np.float32)


@pytest.mark.parametrize(("original", "shape", "window"), [
    ((100, 140), (128, 128), (18, 0, 110, 128)),
    ((400, 533), (800, 1088), (0, 0, 800, 1066)),
    ((64, 64), (64, 64), (0, 0, 64, 64)),
    ((1, 1), (64, 64), (0, 0, 64, 64)),
])
def test_boxes_equal_loop(original, shape, window):
    rng = np.random.default_rng(1)
    y1, x1, y2, x2 = window
    corner = rng.uniform([y1, x1], [y2 - 20, x2 - 20], (30, 2))
    boxes_px = np.concatenate([corner, corner + rng.uniform(1, 20, (30, 2))], axis=1)
    whole = np.array([window, [y1, x1, y1 + 1, x1 + 1], [y2 - 1, x2 - 1, y2, x2]], float)
    boxes_px = np.concatenate([boxes_px, whole])
    found, *_ = molding.unmold_detections(*answer_of(boxes_px, shape), original, shape, window,
                                          edges=True)
    expected = np.array([slow_unmolded(box, original, window) for box in boxes_px])
    rounded = np.rint(expected)
    real = (rounded[:, 2] > rounded[:, 0]) & (rounded[:, 3] > rounded[:, 1])
    clear = (np.abs(np.abs(expected - np.floor(expected)) - 0.5) > 1e-3).all(axis=1)
    np.testing.assert_array_equal(found[clear[real]], rounded[real & clear])
    np.testing.assert_array_equal(rounded[30], [0, 0, *original])
    assert clear.sum() > 25


def test_no_detections():
    rows, soft = np.zeros((3, 6), np.float32), np.zeros((3, 4, 4, 2), np.float32)
    found = molding.unmold_detections(rows, soft, (9, 9), (64, 64), (0, 0, 64, 64), edges=True)
    assert [len(part) for part in found[:3]] == [0, 0, 0]


def test_a_box_of_the_molded_image_keeps_its_size():
    """Between the centres of pixels one edge of an enlarged box is drawn half a pixel inwards."""
    sizes = []
    for edges in (True, False):
        rows, soft = answer_of(np.array([[8, 8, 24, 24]]), (64, 64))
        if not edges:
            rows[0, :4] = boxes.norm_boxes(np.array([8, 8, 24, 24]), (64, 64))
        found, *_ = molding.unmold_detections(rows, soft, (640, 640), (64, 64), (0, 0, 64, 64),
                                              edges=edges)
        sizes.append(found[0].tolist())
    assert sizes[0] == [80, 80, 240, 240]
    assert sizes[1] == [81, 81, 234, 234]
