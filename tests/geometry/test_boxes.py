"""Box arithmetic against slow loops and against its own inverses."""

import numpy as np
import pytest
from tolerances import GEOMETRY

from mrcnn.geometry import boxes as geometry

NO_BOXES = np.zeros((0, 4), np.float32)


def random_boxes(rng, count, size=200, dtype=np.float32):
    corner = rng.uniform(0, size * 0.7, (count, 2))
    sides = rng.uniform(1, size * 0.3, (count, 2))
    return np.concatenate([corner, corner + sides], axis=1).astype(dtype)


def slow_iou(a, b):
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = height * width
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


def slow_nms(boxes, scores, threshold):
    keep = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(slow_iou(boxes[i], boxes[j]) <= threshold for j in keep):
            keep.append(i)
    return keep


def slow_extract(mask):
    answer = []
    for i in range(mask.shape[2]):
        pixels = [(y, x) for y in range(mask.shape[0]) for x in range(mask.shape[1])
                  if mask[y, x, i]]
        ys, xs = [p[0] for p in pixels], [p[1] for p in pixels]
        answer.append((min(ys), min(xs), max(ys) + 1, max(xs) + 1) if pixels else (0, 0, 0, 0))
    return np.array(answer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_overlaps_equal_loop(dtype):
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 23, dtype=dtype), random_boxes(rng, 17, dtype=dtype)
    expected = [[slow_iou(a, b) for b in second.astype(float)] for a in first.astype(float)]
    overlaps = geometry.compute_overlaps(first, second)
    np.testing.assert_allclose(overlaps, expected, rtol=0, atol=GEOMETRY)
    assert overlaps.dtype == np.float64


def test_overlaps_do_not_depend_on_the_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    first, second = random_boxes(rng, 50), random_boxes(rng, 9)
    whole = geometry.compute_overlaps(first, second)
    monkeypatch.setattr(geometry, "_PAIRS_AT_ONCE", 40)
    np.testing.assert_array_equal(geometry.compute_overlaps(first, second), whole)


def test_overlaps_of_int32_boxes_do_not_overflow():
    big = np.array([[0, 0, 60_000, 60_000]], np.int32)
    np.testing.assert_array_equal(geometry.compute_overlaps(big, big), [[1.0]])


def test_overlaps_of_boxes_without_area_are_zero():
    flat = np.array([[5, 5, 5, 9]], np.float32)
    np.testing.assert_array_equal(geometry.compute_overlaps(flat, flat), [[0.0]])


@pytest.mark.parametrize(("n1", "n2"), [(0, 0), (0, 3), (3, 0)])
def test_overlaps_of_nothing(n1, n2):
    rng = np.random.default_rng(0)
    overlaps = geometry.compute_overlaps(random_boxes(rng, n1), random_boxes(rng, n2))
    assert overlaps.shape == (n1, n2)


def test_compute_iou_of_one_box():
    rng = np.random.default_rng(2)
    boxes = random_boxes(rng, 12)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    iou = geometry.compute_iou(boxes[3], boxes, areas[3], areas)
    np.testing.assert_allclose(iou, [slow_iou(boxes[3], b) for b in boxes], rtol=0, atol=GEOMETRY)


def test_compute_iou_of_a_vanished_box_is_silent_zero():
    box = np.zeros(4, np.float32)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(geometry.compute_iou(box, box[None], 0.0, np.zeros(1)), [0])


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_nms_equals_loop(seed, threshold):
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, 60, size=60, dtype=np.float64)
    scores = rng.permutation(60) / 60
    keep = geometry.non_max_suppression(boxes, scores, threshold)
    np.testing.assert_array_equal(keep, slow_nms(boxes, scores, threshold))
    assert keep.dtype == np.int32


def test_nms_keeps_a_box_exactly_at_the_threshold():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1]])
    scores = np.array([0.9, 0.8])
    np.testing.assert_array_equal(geometry.non_max_suppression(boxes, scores, 0.5), [0, 1])
    np.testing.assert_array_equal(geometry.non_max_suppression(boxes, scores, 0.49), [0])


def test_nms_of_nothing():
    keep = geometry.non_max_suppression(NO_BOXES, np.zeros(0), 0.5)
    assert keep.shape == (0,) and keep.dtype == np.int32


def test_nms_refuses_scores_of_another_length():
    with pytest.raises(ValueError, match=r"scores: expected shape \(0,\), received \(2,\)"):
        geometry.non_max_suppression(NO_BOXES, np.zeros(2), 0.5)


def test_deltas_equal_loop():
    rng = np.random.default_rng(4)
    boxes, deltas = random_boxes(rng, 9, dtype=np.float64), rng.normal(0, 0.3, (9, 4))
    expected = []
    for (y1, x1, y2, x2), (dy, dx, dh, dw) in zip(boxes, deltas, strict=True):
        cy, cx = (y1 + y2) / 2 + dy * (y2 - y1), (x1 + x2) / 2 + dx * (x2 - x1)
        h, w = (y2 - y1) * np.exp(dh), (x2 - x1) * np.exp(dw)
        expected.append((cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2))
    moved = geometry.apply_box_deltas(boxes, deltas)
    np.testing.assert_allclose(moved, expected, rtol=GEOMETRY, atol=100 * GEOMETRY)
    assert moved.dtype == np.float32


def test_deltas_there_and_back():
    rng = np.random.default_rng(5)
    boxes, targets = random_boxes(rng, 40) / 200, random_boxes(rng, 40) / 200
    back = geometry.apply_box_deltas(boxes, geometry.box_refinement(boxes, targets))
    np.testing.assert_allclose(back, targets, rtol=0, atol=GEOMETRY)


def test_deltas_of_nothing():
    assert geometry.apply_box_deltas(NO_BOXES, NO_BOXES).shape == (0, 4)
    assert geometry.box_refinement(NO_BOXES, NO_BOXES).shape == (0, 4)
    assert geometry.apply_box_deltas([], []).shape == (0, 4)


def test_deltas_of_another_length_are_refused():
    with pytest.raises(ValueError, match="received 2 for 3 boxes"):
        geometry.apply_box_deltas(np.ones((3, 4)), np.ones((2, 4)))


def test_norm_equals_hand_numbers():
    norm = geometry.norm_boxes(np.array([[0, 0, 101, 51], [20, 10, 41, 21]]), (101, 51))
    np.testing.assert_allclose(norm, [[0, 0, 1, 1], [0.2, 0.2, 0.4, 0.4]], rtol=0, atol=GEOMETRY)
    assert norm.dtype == np.float32


def test_norm_there_and_back():
    rng = np.random.default_rng(6)
    boxes = np.sort(rng.integers(0, 1000, (200, 2, 2)), axis=1).reshape(-1, 4).astype(np.int32)
    back = geometry.denorm_boxes(geometry.norm_boxes(boxes, (1024, 777)), (1024, 777))
    np.testing.assert_array_equal(back, boxes)
    assert back.dtype == np.int32


def test_norm_of_nothing():
    assert geometry.norm_boxes(NO_BOXES, (10, 10)).shape == (0, 4)
    assert geometry.denorm_boxes(NO_BOXES, (10, 10)).shape == (0, 4)


def test_norm_refuses_one_pixel():
    with pytest.raises(ValueError, match=r"at least \(2, 2\) pixels, received \(1, 5\)"):
        geometry.norm_boxes(NO_BOXES, (1, 5))


def test_denorm_rounds_ties_to_even():
    boxes = np.array([[0.125, 0.375, 0.125, 0.375]])  # 0.5 and 1.5, then 1.5 and 2.5
    np.testing.assert_array_equal(geometry.denorm_boxes(boxes, (5, 5)), [[0, 2, 2, 2]])


def test_clip():
    boxes = np.array([[-5, -1, 30, 12], [2, 3, 4, 5]], np.float32)
    clipped = geometry.clip_boxes(boxes, (0, 1, 20, 10))
    np.testing.assert_array_equal(clipped, [[0, 1, 20, 10], [2, 3, 4, 5]])
    assert clipped.dtype == np.float32
    assert geometry.clip_boxes(NO_BOXES, (0, 0, 1, 1)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_extract_equals_loop(dtype):
    rng = np.random.default_rng(7)
    mask = (rng.random((13, 17, 6)) > 0.97).astype(dtype)
    mask[:, :, 2] = 0
    mask[-1, -1, 3] = 1
    boxes = geometry.extract_bboxes(mask)
    np.testing.assert_array_equal(boxes, slow_extract(mask))
    np.testing.assert_array_equal(boxes[2], 0)
    assert boxes.dtype == np.int32


@pytest.mark.parametrize("width", [1, 8, 9, 31, 64, 101])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_extract_in_any_memory_order(width, dtype):
    rng = np.random.default_rng(width)
    mask = (rng.random((20, width, 4)) > 0.98).astype(dtype)
    mask[:, :, 1] = 0
    expected = slow_extract(mask)
    planes = np.moveaxis(np.moveaxis(mask, -1, 0).copy(), 0, -1)
    for given in (mask, planes, np.asfortranarray(mask), mask[:, :, :1], planes[::-1][::-1]):
        np.testing.assert_array_equal(geometry.extract_bboxes(given),
                                      expected[: given.shape[2]])
    np.testing.assert_array_equal(geometry.extract_bboxes(planes[:, ::-1])[:, [0, 2]],
                                  expected[:, [0, 2]])


def test_extract_of_nothing():
    assert geometry.extract_bboxes(np.zeros((5, 5, 0), bool)).shape == (0, 4)


def test_extract_refuses_a_single_mask():
    with pytest.raises(ValueError, match=r"expected shape \[H, W, N\], received \(5, 5\)"):
        geometry.extract_bboxes(np.zeros((5, 5), bool))


def test_trim_zeros():
    rows = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, -1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(geometry.trim_zeros(rows), rows[[0, 2]])
    assert geometry.trim_zeros(NO_BOXES).shape == (0, 4)
    with pytest.raises(ValueError, match="two-dimensional"):
        geometry.trim_zeros(np.zeros(4))


@pytest.mark.parametrize("call", [
    lambda bad: geometry.compute_overlaps(bad, NO_BOXES),
    lambda bad: geometry.compute_overlaps(NO_BOXES, bad),
    lambda bad: geometry.non_max_suppression(bad, np.zeros(2), 0.5),
    lambda bad: geometry.apply_box_deltas(bad, NO_BOXES),
    lambda bad: geometry.box_refinement(bad, NO_BOXES),
    lambda bad: geometry.clip_boxes(bad, (0, 0, 1, 1)),
])
def test_wrong_shapes_are_refused(call):
    with pytest.raises(ValueError, match=r"expected shape \[N, 4\].*received \(2, 5\)"):
        call(np.zeros((2, 5)))
