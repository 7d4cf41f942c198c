"""RoIAlign: the kernels and PyramidROIAlign(align=True) against a loop, and their gradients."""

import inspect

import keras
import numpy as np
import pytest
from layers.align_oracle import align
from tolerances import NETWORK, TWINS

from mrcnn import kernels
from mrcnn.kernels import portable
from mrcnn.layers.roi_align import PyramidROIAlign, roi_levels

CASES = [((7, 7), 2), ((3, 4), 1), ((3, 4), 2), ((2, 3), 3), ((1, 1), 2), ((7, 7), 0), ((3, 4), 0),
         ((1, 1), 0)]
EDGE_CASES = [
    (0, 0, 1, 1),  # the whole image
    (0, 0, 0, 0),  # padding
    (0.96, 0.97, 1, 1),  # on the border
    (0, 0.3, 0.02, 0.34),  # about one pixel
    (-0.41, -0.53, 1.2, 1.31),  # beyond all sides
    (1.4, 1.4, 1.6, 1.7),  # nothing of it inside
    (0.6, 0.7, 0.2, 0.3),  # ends before it begins
    (np.nan, 0.1, np.inf, 0.5),
]


def random_scene(seed, channels=3):
    """Maps [2, ...] of four levels, boxes [2, R, 4] with all edge cases, levels [2, R]."""
    rng = np.random.default_rng(seed)
    maps = [rng.uniform(-1, 1, (2, 32 // s, 24 // s, channels)).astype("f") for s in (1, 2, 4, 8)]
    centre, side = rng.uniform(0, 1, (2, 2, 6, 2)) * [[[[1, 1]]], [[[0.3, 0.3]]]]
    boxes = np.concatenate([centre - side, centre + side], axis=-1)
    edge = np.broadcast_to(np.array(EDGE_CASES), (2, len(EDGE_CASES), 4))
    boxes = np.concatenate([boxes, edge], axis=1).astype(np.float32)
    return maps, boxes, rng.integers(0, 4, boxes.shape[:2]).astype(np.int32)


def modules_for(ratio):
    if ratio:
        return (kernels, portable)
    return (kernels,) if kernels.ADAPTIVE_ROI_ALIGN else ()


@pytest.mark.parametrize("aligned", [False, True], ids=["shifted", "aligned"])
@pytest.mark.parametrize(("shape", "ratio"), CASES)
def test_kernels_equal_the_loop(shape, ratio, aligned):
    maps, boxes, levels = random_scene(ratio)
    for module in modules_for(ratio):
        answer = module.roi_align(maps, boxes, levels, shape, ratio, aligned)
        answer = keras.ops.convert_to_numpy(answer)
        assert answer.shape == (*levels.shape, *shape, 3) and answer.dtype == np.float32
        for b, r in np.ndindex(*levels.shape):
            expected = align(maps[levels[b, r]][b], boxes[b, r], shape, ratio, aligned)
            np.testing.assert_allclose(answer[b, r], expected, atol=TWINS, err_msg=str((b, r)))


def test_no_rois_at_all():
    maps = [np.ones((1, 8 // s, 8 // s, 2), np.float32) for s in (1, 2, 4, 8)]
    boxes, levels = np.zeros((1, 0, 4), np.float32), np.zeros((1, 0), np.int32)
    for ratio in (2, 0):
        for module in modules_for(ratio):
            assert module.roi_align(maps, boxes, levels, (2, 2), ratio, True).shape == (1, 0, 2,
                                                                                        2, 2)


def test_a_number_of_points_that_is_not_known_beforehand_is_refused():
    with pytest.raises(ValueError, match="sampling_ratio = 0 .* expected 1 or more"):
        portable.roi_align(*random_scene(0), (2, 2), 0, True)
    with pytest.raises(ValueError, match="expected 0 or more, received -1"):
        PyramidROIAlign((2, 2), align=True, sampling_ratio=-1)
    assert PyramidROIAlign((2, 2), sampling_ratio=0).sampling_ratio == 0  # crops do not care


@pytest.mark.skipif(kernels.ADAPTIVE_ROI_ALIGN, reason="this backend computes with it")
def test_adaptive_points_are_refused_where_the_layer_is_made():
    with pytest.raises(ValueError, match="ROI_ALIGN_SAMPLING_RATIO = 0 .* expected 1 or more"):
        PyramidROIAlign((2, 2), align=True, sampling_ratio=0)


# --- gradients ------------------------------------------------------------------------------


def gradient_of(function, maps):
    """Of the sum of the squares of function(maps), by the backend: a list of arrays."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        variables = [tf.Variable(m) for m in maps]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(function(variables) ** 2)
        return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, variables)]
    if backend == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(lambda m: (function(m) ** 2).sum())(list(maps))]
    import torch

    variables = [torch.tensor(m, requires_grad=True) for m in maps]
    (function(variables) ** 2).sum().backward()
    return [v.grad.numpy() for v in variables]


@pytest.mark.parametrize(("ratio", "aligned"), [(2, False), (2, True), (0, True)])
def test_gradients_are_those_of_the_loop(ratio, aligned):
    """The answer is linear in the features: d/df of sum(a(f)^2) along v is 2 * sum(a(f) * a(v))."""
    maps, boxes, levels = random_scene(5, channels=2)
    maps, boxes, levels = [m[:1] for m in maps], boxes[:1, 3:], levels[:1, 3:]
    along = [np.random.default_rng(6).normal(size=m.shape) for m in maps]

    def loop(features):
        return np.array([align(features[level][0], box, (3, 2), ratio, aligned)
                         for level, box in zip(levels[0], boxes[0], strict=True)])

    expected = 2 * (loop(maps) * loop(along)).sum()
    for module in modules_for(ratio):
        def bins(features, module=module):
            return module.roi_align(features, boxes, levels, (3, 2), ratio, aligned)

        gradients = gradient_of(bins, maps)
        got = sum((g * v).sum() for g, v in zip(gradients, along, strict=True))
        np.testing.assert_allclose(got, expected, rtol=TWINS)


# --- the layer ------------------------------------------------------------------------------


def metas(*shapes):
    rows = np.zeros((len(shapes), 14), np.float32)
    rows[:, 4:6] = shapes
    return rows


def level_of(box_px):
    """FPN, equation 1: floor(4 + log2(sqrt(area) / 224)), in 2..5."""
    side = np.sqrt(max(box_px[2] - box_px[0], 0) * max(box_px[3] - box_px[1], 0))
    if not side > 0:
        return 2
    return int(np.clip(np.floor(4 + np.log2(side / 224) + 1e-6), 2, 5))


def normalised(box_px, shape, edges):
    y1, x1, y2, x2 = (float(n) for n in box_px)
    height, width = shape
    if edges:
        return [y1 / height, x1 / width, y2 / height, x2 / width]
    return [y1 / (height - 1), x1 / (width - 1), (y2 - 1) / (height - 1), (x2 - 1) / (width - 1)]


BOXES_PX = [(0, 0, 512, 384), (3, 1, 511, 383), (0, 0, 112, 112), (40, 30, 264, 254),
            (11.5, 20.25, 60, 200), (511, 383, 512, 384), (0, 0, 1, 1), (30, 31, 30, 31),
            (100, 300, 511.5, 384), (10, 10, 458, 378)]


@pytest.mark.parametrize("edges", [False, True], ids=["centers", "edges"])
@pytest.mark.parametrize("aligned", [False, True])
def test_layer_takes_bins_from_the_level_of_the_box_in_pixels(edges, aligned):
    rng = np.random.default_rng(4)
    shapes = [(1024, 768), (512, 384)]  # a meta row an image: levels differ between them
    maps = [rng.uniform(-1, 1, (2, 32 // s, 24 // s, 3)).astype("f") for s in (1, 2, 4, 8)]
    boxes_px = np.array([np.array(BOXES_PX) * 2, BOXES_PX])
    boxes = np.array([[normalised(box, shape, edges) for box in rows]
                      for rows, shape in zip(boxes_px, shapes, strict=True)], np.float32)
    layer = PyramidROIAlign((3, 4), align=True, aligned=aligned, edges=edges)
    answer = keras.ops.convert_to_numpy(layer([boxes, metas(*shapes), *maps]))
    levels = set()
    for b, r in np.ndindex(2, len(BOXES_PX)):
        level = level_of(boxes_px[b, r])
        levels.add(level)
        frame = normalised(boxes_px[b, r], shapes[b], edges=True)
        expected = align(maps[level - 2][b], frame, (3, 4), 2, aligned)
        np.testing.assert_allclose(answer[b, r], expected, atol=TWINS, err_msg=str((b, r)))
    assert levels == {2, 3, 4, 5}


@pytest.mark.parametrize(("size", "level"), [
    ((224, 224), 4), ((112, 112), 3), ((448, 448), 5), ((223.9, 224), 3), ((447, 448), 4),
    ((111, 112), 2), ((300, 300), 4), ((1, 1), 2), ((0, 100), 2), ((800, 1088), 5),
])
def test_levels_are_rounded_down(size, level):
    box = np.array([[[0.0, 0.0, size[0] / 800, size[1] / 1088]]], np.float32)
    shape = np.array([[800.0, 1088.0]], np.float32)
    answer = roi_levels(*map(keras.ops.convert_to_tensor, (box, shape)), rounded_down=True)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(answer), [[level]])
    assert level_of((0, 0, *size)) == level


def test_crops_are_of_the_same_pixels_in_either_frame():
    rng = np.random.default_rng(8)
    maps = [rng.uniform(-1, 1, (1, 32 // s, 24 // s, 2)).astype("f") for s in (1, 2, 4, 8)]
    meta, answers = metas((512, 384)), []
    for edges in (False, True):
        boxes = [[normalised(box, (512, 384), edges) for box in BOXES_PX]]
        layer = PyramidROIAlign((4, 3), edges=edges)
        answers.append(keras.ops.convert_to_numpy(layer([np.array(boxes, "f"), meta, *maps])))
    np.testing.assert_allclose(answers[1], answers[0], atol=NETWORK)
    plain = keras.ops.convert_to_numpy(PyramidROIAlign((4, 3))(
        [np.array([[normalised(box, (512, 384), False) for box in BOXES_PX]], "f"), meta, *maps]))
    np.testing.assert_array_equal(plain, answers[0])


def test_a_single_map_takes_every_roi():
    rng = np.random.default_rng(9)
    features = rng.uniform(-1, 1, (1, 16, 12, 2)).astype(np.float32)
    boxes = np.array([[normalised(box, (512, 384), True) for box in BOXES_PX]], np.float32)
    layer = PyramidROIAlign((2, 2), align=True, edges=True)
    answer = keras.ops.convert_to_numpy(layer([boxes, metas((512, 384)), features]))
    for r, box in enumerate(boxes[0]):
        np.testing.assert_allclose(answer[0, r], align(features[0], box, (2, 2), 2, False),
                                   atol=TWINS)


def test_a_layer_built_for_export_computes_alike():
    maps, boxes, _ = random_scene(11)
    layer = PyramidROIAlign((3, 3), align=True, aligned=True, edges=True)
    inputs = [boxes, metas((512, 384), (512, 384)), *maps]
    usual = keras.ops.convert_to_numpy(layer(inputs))
    with kernels.portable_only():
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(inputs)), usual, atol=TWINS)


def test_configuration_comes_back():
    layer = PyramidROIAlign((3, 5), align=True, sampling_ratio=3, aligned=True, edges=True)
    again = PyramidROIAlign.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.align, again.sampling_ratio, again.aligned, again.edges) == (True, 3, True, True)
    assert layer.compute_output_shape([(2, 9, 4), (2, 14), (2, 8, 8, 6)]) == (2, 9, 3, 5, 6)


# --- another implementation -----------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "aligned"), [(2, False), (2, True), (-1, True), (-1, False)])
def test_torchvision_computes_the_same(ratio, aligned):
    """Its own fallback in Python, where it is installed."""
    torch = pytest.importorskip("torch", reason="needs torch: make test-backends")
    from zoo import theirs

    module = theirs.imported().ops.roi_align.__globals__
    their_align = inspect.unwrap(module["_roi_align"])  # as it is, not compiled
    if ratio < 0 and not kernels.ADAPTIVE_ROI_ALIGN:
        pytest.skip("this backend has no adaptive points")
    maps, boxes, _ = random_scene(12)
    boxes = boxes[:, :-2].clip(0, 0.95)  # its fallback has no zeros outside of the map
    height, width = maps[0].shape[1:3]
    px = boxes * np.array([height, width] * 2, np.float32)
    rows = [[b, x1, y1, x2, y2] for b in (0, 1) for y1, x1, y2, x2 in px[b]]
    expected = their_align(torch.tensor(maps[0].transpose(0, 3, 1, 2)), torch.tensor(rows), 1.0,
                          5, 4, ratio, aligned).numpy().transpose(0, 2, 3, 1)
    answer = kernels.roi_align(maps[:1], boxes, np.zeros(boxes.shape[:2], np.int32), (5, 4),
                               max(ratio, 0), aligned)
    answer = keras.ops.convert_to_numpy(answer).reshape(expected.shape)
    np.testing.assert_allclose(answer, expected, atol=TWINS)
