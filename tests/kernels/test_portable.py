"""The kernels in pure `keras.ops` against slow loops and against the backend's own."""

import keras
import numpy as np
import pytest
from layers.loop_oracles import crop, greedy_nms, random_boxes
from tolerances import NETWORK, TWINS

from mrcnn import kernels
from mrcnn.kernels import portable


def arrays(values):
    return [keras.ops.convert_to_numpy(value) for value in values]


# --- crops ----------------------------------------------------------------------------------


def smooth(rng, *shape):
    """Feature maps whose neighbours differ little, as those of a network do."""
    _, height, width, _ = shape
    y, x = np.mgrid[:height, :width] / 16.0
    waves = rng.uniform(0.5, 2, (2, shape[0], 1, 1, shape[-1]))
    return np.sin(waves[0] * y[None, ..., None] + waves[1] * x[None, ..., None]).astype(np.float32)


@pytest.mark.parametrize("shape", [(7, 7), (14, 14), (3, 5), (1, 1), (1, 4)])
def test_crops_equal_the_loop(shape):
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (2, 9, 12, 3)).astype(np.float32)
    boxes, owner = random_boxes(rng, 8), np.array([0, 1, 1, 0, 1, 0, 0, 1], np.int32)
    [answer] = arrays([portable.crop_and_resize(images, boxes, owner, shape)])
    assert answer.shape == (8, *shape, 3)
    for row, (box, image) in enumerate(zip(boxes, owner, strict=True)):
        np.testing.assert_allclose(answer[row], crop(images[image], box, shape), atol=TWINS)


def test_samples_outside_of_the_image_are_zeros():
    image = np.random.default_rng(2).uniform(0.5, 1, (1, 6, 5, 2)).astype(np.float32)
    boxes = np.array([[-0.5, -0.2, 0.7, 0.6], [-3.0, -3.0, -2.0, -2.0]], np.float32)
    owner = np.zeros(2, np.int32)
    [answer] = arrays([portable.crop_and_resize(image, boxes, owner, (4, 4))])
    np.testing.assert_allclose(answer[0], crop(image[0], boxes[0], (4, 4)), atol=TWINS)
    assert (answer[0] == 0).any() and (answer[0] > 0).any()
    np.testing.assert_array_equal(answer[1], 0)


@pytest.mark.parametrize("size", [8, 25, 100, 256])
@pytest.mark.parametrize("pool", [7, 14])
def test_box_that_ends_at_the_border_has_no_zero_row(size, pool):
    start = np.linspace(0, 0.99, 400).astype(np.float32)
    end = np.ones_like(start)
    boxes = np.stack([start, start[::-1], end, end], axis=1)
    image = np.ones((1, size, size, 1), np.float32)
    for crops in (portable.crop_and_resize, kernels.crop_and_resize):
        [answer] = arrays([crops(image, boxes, np.zeros(400, np.int32), (pool, pool))])
        np.testing.assert_allclose(answer, 1.0, atol=TWINS)


def pyramid(rng, batch=2, channels=4):
    return [smooth(rng, batch, 64 // s, 48 // s, channels) for s in (1, 2, 4, 8)]


@pytest.mark.parametrize("shape", [(7, 7), (14, 14), (3, 4)])
def test_pyramid_crops_equal_those_of_the_backend(shape):
    rng = np.random.default_rng(3)
    maps, boxes = pyramid(rng), random_boxes(rng, 2, 40, low=0.01, high=0.99)
    levels = rng.integers(0, 4, (2, 40)).astype(np.int32)
    mine, theirs = arrays(
        module.crop_from_pyramid(maps, boxes, levels, shape) for module in (portable, kernels)
    )
    assert mine.shape == theirs.shape == (2, 40, *shape, 4)
    np.testing.assert_allclose(mine, theirs, atol=TWINS)


def test_pyramid_crops_equal_the_loop():
    rng = np.random.default_rng(4)
    maps, boxes = pyramid(rng), random_boxes(rng, 2, 6)
    levels = np.array([[0, 1, 2, 3, 0, 3], [3, 2, 1, 0, 1, 2]], np.int32)
    for module in (portable, kernels):
        [answer] = arrays([module.crop_from_pyramid(maps, boxes, levels, (3, 5))])
        for b, r in np.ndindex(2, 6):
            expected = crop(maps[levels[b, r]][b], boxes[b, r], (3, 5))
            np.testing.assert_allclose(answer[b, r], expected, atol=TWINS)


def test_boxes_that_are_not_finite_cost_no_other_box():
    maps = [np.ones((1, 8 // s, 8 // s, 2), np.float32) for s in (1, 2, 4, 8)]
    boxes = np.array([[[np.nan] * 4, [0.1, 0.1, 0.4, 0.4], [0, 0, np.inf, 1]]], np.float32)
    for module in (portable, kernels):
        [answer] = arrays([module.crop_from_pyramid(maps, boxes, np.zeros((1, 3), int), (2, 2))])
        assert np.isfinite(answer).all()
        np.testing.assert_array_equal(answer[0, 1], 1)


def test_no_rois():
    maps = [np.ones((1, 8 // s, 8 // s, 2), np.float32) for s in (1, 2, 4, 8)]
    none = np.zeros((1, 0, 4), np.float32), np.zeros((1, 0), np.int32)
    for module in (portable, kernels):
        [answer] = arrays([module.crop_from_pyramid(maps, *none, (2, 2))])
        assert answer.shape == (1, 0, 2, 2, 2)


# --- suppression ----------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "limit", "threshold"), [
    (60, 20, 0.5),
    (60, 60, 0.05),  # few survive: padding
    (60, 5, 0.7),  # more survive than are wanted
    (40, 70, 0.7),  # fewer boxes than the limit
    (1, 1, 0.5),
    (700, 300, 0.3),  # more than a block
])
def test_suppression_equals_the_loop(count, limit, threshold):
    rng = np.random.default_rng(count + limit)
    boxes = random_boxes(rng, 2, count)
    scores = rng.permutation(np.linspace(0, 1, 2 * count)).reshape(2, count).astype(np.float32)
    for module in (portable, kernels):
        indices, valid = arrays(module.non_max_suppression(boxes, scores, limit, threshold))
        assert indices.shape == valid.shape == (2, limit)
        for b in (0, 1):
            expected = greedy_nms(boxes[b], scores[b], threshold)[:limit]
            np.testing.assert_array_equal(indices[b, : len(expected)], expected)
            assert valid[b].sum() == len(expected) and valid[b, : len(expected)].all()


def test_a_long_chain_of_suppressions_is_followed_to_its_end():
    """Each box drops only the next one: kept, dropped, kept, dropped, over block borders."""
    start = np.arange(1100, dtype=np.float32) * 0.4
    boxes = np.stack([start, 0 * start, start + 1, 0 * start + 1], axis=-1)[None]
    scores = np.linspace(1, 0, 1100, dtype=np.float32)[None]
    indices, valid = arrays(portable.non_max_suppression(boxes, scores, 600, 0.3))
    np.testing.assert_array_equal(indices[0, :550], np.arange(0, 1100, 2))
    assert valid.sum() == 550


def test_equal_scores_keep_the_order_of_the_boxes():
    """Of the portable kernel too where `ops.top_k` keeps it: not on torch."""
    boxes = random_boxes(np.random.default_rng(5), 1, 90)
    scores = np.full((1, 90), 0.5, np.float32)
    expected = greedy_nms(boxes[0], scores[0], 0.3)
    stable = (kernels,) if keras.backend.backend() == "torch" else (portable, kernels)
    for module in stable:
        indices, valid = arrays(module.non_max_suppression(boxes, scores, 90, 0.3))
        np.testing.assert_array_equal(indices[valid], expected)


def test_boxes_without_area_and_equal_boxes():
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0]]], "float32")
    scores = np.array([[0.5, 0.6, 0.9, 0.1]], np.float32)
    for module in (portable, kernels):
        indices, valid = arrays(module.non_max_suppression(boxes, scores, 4, 0.5))
        np.testing.assert_array_equal(indices[valid], [2, 1, 3])


def test_first_true_finds_the_places_in_their_order():
    flags = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 1]], bool)
    places, real = arrays(portable.first_true(flags, 2))
    np.testing.assert_array_equal(places[real], [1, 3, 4])
    np.testing.assert_array_equal(real, [[1, 1], [1, 0]])


# --- the switch -----------------------------------------------------------------------------


def test_portable_only_holds_within_and_not_after(monkeypatch):
    boxes, scores = random_boxes(np.random.default_rng(6), 1, 9), np.ones((1, 9), np.float32)
    monkeypatch.setattr(portable, "non_max_suppression", lambda *given: "portable")
    with kernels.portable_only():
        assert kernels.non_max_suppression(boxes, scores, 3, 0.5) == "portable"
    assert kernels.non_max_suppression(boxes, scores, 3, 0.5) != "portable"
    with pytest.raises(KeyError), kernels.portable_only():
        raise KeyError
    assert kernels.non_max_suppression(boxes, scores, 3, 0.5) != "portable"


def test_a_layer_built_within_it_computes_portably():
    from mrcnn.layers.roi_align import PyramidROIAlign

    rng = np.random.default_rng(7)
    maps, boxes = pyramid(rng, batch=1), random_boxes(rng, 1, 5)
    meta = np.zeros((1, 14), np.float32)
    meta[:, 4:6] = 256, 192
    usual = PyramidROIAlign((3, 3))([boxes, meta, *maps])
    with kernels.portable_only():
        portably = PyramidROIAlign((3, 3))([boxes, meta, *maps])
    np.testing.assert_allclose(*arrays([usual, portably]), atol=NETWORK)
