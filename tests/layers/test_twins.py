"""Every formula that exists twice, in numpy and on tensors: a new pair is one row of the table."""

import numpy as np
import pytest
from tolerances import TWINS

from mrcnn.geometry import anchors, boxes
from mrcnn.layers import tensor_boxes
from mrcnn.layers.anchors import AnchorLayer

RNG = np.random.default_rng(3)


def pixel_boxes(count, size=200):
    corner = RNG.uniform(0, size * 0.6, (count, 2))
    sides = RNG.uniform(1, size * 0.4, (count, 2))
    return np.concatenate([corner, corner + sides], axis=1).astype(np.float32)


FULL = np.array([[0, 0, 1, 1]], np.float32)
NONE = np.zeros((0, 4), np.float32)
POINT = np.array([[5, 5, 5, 5], [0, 0, 0, 0]], np.float32)
DELTAS = RNG.normal(0, 0.5, (40, 4)).astype(np.float32)
SHAPE = (97, 61)

TWIN_FORMULAS = {
    "deltas, random": ("apply_box_deltas", pixel_boxes(40) / 200, DELTAS),
    "deltas, zero area": ("apply_box_deltas", POINT, DELTAS[:2]),
    "deltas, none": ("apply_box_deltas", NONE, NONE),
    "refinement, random": ("box_refinement", pixel_boxes(40) / 200, pixel_boxes(40) / 200),
    "refinement, same": ("box_refinement", FULL, FULL),
    "clip, random": ("clip_boxes", pixel_boxes(40), np.array([20, 30, 110, 90], np.float32)),
    "clip, outside": ("clip_boxes", POINT - 50, np.array([0, 0, 1, 1], np.float32)),
    "norm, random": ("norm_boxes", pixel_boxes(40), SHAPE),
    "norm, whole image": ("norm_boxes", np.array([[0, 0, *SHAPE]], np.float32), SHAPE),
    "denorm, random": ("denorm_boxes", pixel_boxes(40) / 200, SHAPE),
    "denorm, whole image": ("denorm_boxes", FULL, SHAPE),
    "overlaps, random": ("overlaps", pixel_boxes(30), pixel_boxes(20)),
    "overlaps, zero area": ("overlaps", POINT, pixel_boxes(5)),
    "overlaps, both zero area": ("overlaps", POINT, POINT),
    "overlaps, none": ("overlaps", NONE, pixel_boxes(5)),
}
NUMPY_NAMES = {"overlaps": "compute_overlaps"}


@pytest.mark.parametrize("case", TWIN_FORMULAS)
def test_tensor_formula_equals_numpy_formula(case):
    name, *arguments = TWIN_FORMULAS[case]
    expected = getattr(boxes, NUMPY_NAMES.get(name, name))(*arguments)
    answer = np.asarray(getattr(tensor_boxes, name)(*arguments))
    assert answer.shape == expected.shape
    assert (answer.dtype.kind == "i") == (expected.dtype.kind == "i")
    np.testing.assert_allclose(answer, expected, rtol=TWINS, atol=TWINS)


def test_tensor_formulas_take_a_batch():
    batch = np.stack([pixel_boxes(7), pixel_boxes(7)])
    shapes = np.array([[97, 61], [50, 200]], np.float32)
    answer = np.asarray(tensor_boxes.norm_boxes(batch, shapes[:, None]))
    for image in (0, 1):
        expected = boxes.norm_boxes(batch[image], shapes[image])
        np.testing.assert_allclose(answer[image], expected, rtol=TWINS, atol=TWINS)


def test_inverse_pairs():
    from_boxes, to_boxes = pixel_boxes(30) / 200, pixel_boxes(30) / 200
    deltas = tensor_boxes.box_refinement(from_boxes, to_boxes)
    back = np.asarray(tensor_boxes.apply_box_deltas(from_boxes, deltas))
    np.testing.assert_allclose(back, to_boxes, atol=TWINS)
    whole = np.round(pixel_boxes(30)).astype(np.int32)
    normalised = tensor_boxes.norm_boxes(whole, SHAPE)
    np.testing.assert_array_equal(tensor_boxes.denorm_boxes(normalised, SHAPE), whole)


@pytest.mark.parametrize("anchor_stride", [1, 2])
@pytest.mark.parametrize("size", [(128, 128), (64, 192), (100, 75), (65, 63)])
def test_anchor_layer_equals_numpy_anchors(size, anchor_stride):
    scales, ratios, strides = (8, 16, 32, 64, 128), [0.5, 1, 2], [4, 8, 16, 32, 64]
    shapes = anchors.compute_backbone_shapes_from_strides(size, strides)
    expected = anchors.generate_pyramid_anchors(scales, ratios, shapes, strides, anchor_stride)
    layer = AnchorLayer(scales, ratios, strides, anchor_stride)
    maps = [np.zeros((2, h, w, 1), np.float32) for h, w in shapes]
    answer = np.asarray(layer([np.zeros((2, *size, 3), np.float32), *maps]))
    assert answer.shape == (2, len(expected), 4)
    for image in answer:
        np.testing.assert_allclose(image, boxes.norm_boxes(expected, size), atol=TWINS)
    assert not layer.weights, "anchors are no variable"


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(("scales", "strides", "anchor_stride"), [
    ((8, 16, 32, 64, 128), [4, 8, 16, 32, 64], 1), ((8, 16, 32, 64, 128), [4, 8, 16, 32, 64], 2),
    ([(32, 64, 128)], [16], 1), ([(5, 11), (20, 30, 41)], [8, 32], 2)], ids=str)
@pytest.mark.parametrize("size", [(128, 192), (100, 75), (800, 1088)])
def test_anchor_layer_equals_numpy_anchors_with_options(
        size, scales, strides, anchor_stride, rounded, edges):
    ratios = [2, 1, 0.5]
    shapes = anchors.compute_backbone_shapes_from_strides(size, strides)
    spacing = anchors.whole_strides(size, shapes) if rounded else strides
    expected = anchors.generate_pyramid_anchors(
        scales, ratios, shapes, spacing, anchor_stride, rounded)
    layer = AnchorLayer(scales, ratios, strides, anchor_stride, rounded, edges)
    maps = [np.zeros((1, h, w, 1), np.float32) for h, w in shapes]
    answer = np.asarray(layer([np.zeros((1, *size, 3), np.float32), *maps]))
    np.testing.assert_allclose(answer[0], boxes.norm_boxes(expected, size, edges), atol=TWINS)
    assert layer.compute_output_shape([(1, *size, 3), *[one.shape for one in maps]]) == answer.shape


@pytest.mark.parametrize("edges", [False, True])
def test_box_frames_equal_loops(edges):
    """Pixels to normalised and back, in numpy and on tensors; one-pixel boxes and the border."""
    height, width = SHAPE
    px = np.concatenate([pixel_boxes(20, 60), [[0, 0, 1, 1], [0, 0, *SHAPE], [96, 60, 97, 61]]])
    expected, sides = np.empty_like(px), np.empty(len(px))
    for i, (y1, x1, y2, x2) in enumerate(px):
        if edges:
            expected[i] = y1 / height, x1 / width, y2 / height, x2 / width
        else:
            expected[i] = (y1 / (height - 1), x1 / (width - 1),
                           (y2 - 1) / (height - 1), (x2 - 1) / (width - 1))
        sides[i] = min(y2 - y1, x2 - x1)
    px = px.astype(np.float32)
    for module in (boxes, tensor_boxes):
        norm = np.asarray(module.norm_boxes(px, SHAPE, edges))
        np.testing.assert_allclose(norm, expected, atol=TWINS)
        back = np.asarray(module.pixel_boxes(norm, SHAPE, edges))
        np.testing.assert_allclose(back, px, rtol=TWINS, atol=TWINS)
        whole = np.asarray(module.denorm_boxes(norm, SHAPE, edges))
        np.testing.assert_array_equal(whole, np.rint(back))
    found = tensor_boxes.shorter_sides_px(expected.astype(np.float32), SHAPE, edges)
    np.testing.assert_allclose(np.asarray(found), sides, rtol=TWINS, atol=TWINS)


@pytest.mark.parametrize("highest", [None, 0.3, 4.135])
def test_scaled_deltas_equal_the_loop(highest):
    std, raw = [0.5, 2.0, 3.0, 9.0], np.concatenate([DELTAS, -DELTAS * 50])
    expected = np.array([[number * s for number, s in zip(row, std, strict=True)] for row in raw])
    if highest is not None:
        for row in expected:
            row[2], row[3] = min(row[2], highest), min(row[3], highest)
    np.testing.assert_allclose(np.asarray(tensor_boxes.scaled_deltas(raw, std, highest)), expected,
                               rtol=TWINS, atol=TWINS)


def test_take_and_pad_rows():
    values = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    rows = np.array([[4, 0, 0], [1, 2, 3]])
    expected = np.stack([values[0][rows[0]], values[1][rows[1]]])
    np.testing.assert_array_equal(tensor_boxes.take_rows(values, rows), expected)
    padded = np.asarray(tensor_boxes.pad_rows(values, 7))
    np.testing.assert_array_equal(padded[:, :5], values)
    np.testing.assert_array_equal(padded[:, 5:], 0)
