"""Lazy masks against the array they stand for, and their run lengths against pycocotools."""

import copy
import pickle

import numpy as np
import pytest
from pycocotools import mask as coding

from mrcnn.geometry.lazy_masks import LazyMasks, PackedMasks, encode_window
from mrcnn.geometry.masks import unmold_mask

SHAPE = (40, 60)
BOXES = np.array([
    [3, 5, 30, 41], [0, 0, 40, 60], [39, 59, 40, 60], [10, 50, 25, 70], [-6, -3, 9, 8],
    [35, 10, 44, 20], [0, 20, 40, 30], [12, 12, 13, 30],
])


def soft_masks(count):
    """[count, 28, 28] float32, smooth as those of a network."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    centres = rng.uniform(8, 20, (count, 2, 1, 1))
    distance = np.hypot(y - centres[:, 0], x - centres[:, 1])
    return (1 / (1 + np.exp(distance - rng.uniform(5, 16, (count, 1, 1))))).astype(np.float32)


def pasted(soft):
    """[H, W, N] bool, one mask after the other."""
    return np.stack([unmold_mask(one, box, SHAPE) for one, box in zip(soft, BOXES, strict=True)],
                    axis=-1)


SOFT = soft_masks(len(BOXES))
ARRAY = pasted(SOFT)
KINDS = {
    "lazy": lambda: LazyMasks(BOXES, SOFT, (*SHAPE, 3)),
    "packed": lambda: PackedMasks.of(ARRAY),
    "packed lazy": lambda: PackedMasks.of(LazyMasks(BOXES, SOFT, SHAPE)),
    "packed codes": lambda: PackedMasks.of_rles(coding.encode(np.asfortranarray(ARRAY, np.uint8))),
}


@pytest.fixture(params=KINDS)
def masks(request):
    return KINDS[request.param]()


def test_as_an_array(masks):
    assert (masks.shape, masks.ndim, masks.dtype) == (ARRAY.shape, 3, ARRAY.dtype)
    assert np.shape(masks) == ARRAY.shape
    np.testing.assert_array_equal(np.asarray(masks), ARRAY)
    assert np.asarray(masks).dtype == bool
    assert np.asarray(masks, np.uint8).dtype == np.uint8
    assert np.asarray(masks)[:, :, 0].flags.c_contiguous
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(masks, copy=False)


PLACES = np.array([3, 30, 7])
INDICES = [
    np.s_[:, :, 0], np.s_[..., 2], np.s_[..., -1], np.s_[4:20, 30:, 1], np.s_[-9:, :-7, 3],
    np.s_[20:10, :, 1], np.s_[0:99, 58:99, 3], np.s_[::2, 1:50:3, 0], np.s_[5, :, 1],
    np.s_[5, 7, 1], np.s_[PLACES, :, 1], np.s_[:, PLACES, 1], np.s_[..., np.int64(1)],
    np.s_[PLACES, PLACES, 1], np.s_[5], np.s_[5, 7], np.s_[2:4, ...], np.s_[:, 7, 1:3],
    np.s_[ARRAY[..., 0]], np.s_[..., None], np.s_[4:6, 5:20, [1, 0]],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_answers_as_the_array_does(masks, index):
    answer = masks[index]
    assert isinstance(answer, (np.ndarray, np.bool_))
    np.testing.assert_array_equal(answer, ARRAY[index])
    assert answer.dtype == bool


@pytest.mark.parametrize("keep", [
    [0, 2], np.array([5, 1, 1]), np.arange(len(BOXES)) % 2 == 0, slice(1, None, 2), [],
    np.zeros(len(BOXES), bool), [-1], slice(None),
], ids=str)
def test_choosing_masks_stays_lazy(masks, keep):
    chosen = masks[..., keep]
    assert type(chosen) is type(masks)
    np.testing.assert_array_equal(np.asarray(chosen), ARRAY[..., np.arange(len(BOXES))[
        keep if len(np.shape(keep)) == 0 or len(keep) else slice(0)]])
    np.testing.assert_array_equal(np.asarray(masks[:, :, keep]), np.asarray(chosen))


@pytest.mark.parametrize("index", [np.s_[..., 8], np.s_[:, :, -9], np.s_[..., [8]],
                                   np.s_[..., np.ones(3, bool)], np.s_[40], np.s_[0, 0, 0, 0]])
def test_an_index_out_of_range(masks, index):
    with pytest.raises(IndexError):
        masks[index]


def test_run_lengths_equal_pycocotools(masks):
    expected = coding.encode(np.asfortranarray(ARRAY, np.uint8))
    for code, want in zip(masks.rles, expected, strict=True):
        assert code == {"size": list(SHAPE), "counts": want["counts"].decode()}


def test_a_thousand_random_windows_encode_as_pycocotools_does():
    rng = np.random.default_rng(4)
    for _ in range(1000):
        shape = rng.integers(1, 12, 2)
        top, left = (int(rng.integers(0, side)) for side in shape)
        size = [int(rng.integers(0, side - start + 1)) for side, start
                in zip(shape, (top, left), strict=True)]
        inside = rng.random(size) < rng.choice([0, 0.5, 0.9, 1])
        full = np.zeros(shape, bool)
        full[top : top + size[0], left : left + size[1]] = inside
        want = coding.encode(np.asfortranarray(full, np.uint8))["counts"].decode()
        assert encode_window(inside, top, left, shape)["counts"] == want


def test_no_masks():
    for masks in (LazyMasks(np.zeros((0, 4), int), np.zeros((0, 28, 28)), SHAPE),
                  PackedMasks.of(np.zeros((*SHAPE, 0), bool)), PackedMasks.of_rles([], SHAPE)):
        assert masks.shape == (*SHAPE, 0)
        assert np.asarray(masks).shape == (*SHAPE, 0)
        assert masks.rles == []
        assert masks[..., []].shape == (*SHAPE, 0)


def test_an_empty_mask_is_packed():
    array = np.stack([ARRAY[..., 0], ARRAY[..., 0] & False], axis=-1)
    packed = PackedMasks.of(array)
    np.testing.assert_array_equal(np.asarray(packed), array)
    np.testing.assert_array_equal(packed[..., 1], array[..., 1])
    assert coding.area(packed.rles[1]) == 0


def test_memory_and_work_do_not_follow_the_image():
    """The whole array would take 400 terabytes."""
    shape = (20_000_000, 10_000_000)
    box = np.array([[15_000_000, 7_000_000, 15_000_027, 7_000_036]])
    masks = LazyMasks(box, SOFT[:1], shape)
    expected = unmold_mask(SOFT[0], (0, 0, 27, 36), (27, 36))
    np.testing.assert_array_equal(masks[15_000_000:15_000_027, 7_000_000:7_000_036, 0], expected)
    assert not masks[:5, :5, 0].any()
    packed = PackedMasks.of(masks)
    np.testing.assert_array_equal(packed[15_000_002:15_000_027, 7_000_000:7_000_036, 0],
                                  expected[2:])


def test_copies_and_pickles(masks):
    for other in (copy.copy(masks), copy.deepcopy(masks), pickle.loads(pickle.dumps(masks))):
        np.testing.assert_array_equal(np.asarray(other), ARRAY)


@pytest.mark.parametrize(("boxes", "soft", "message"), [
    (BOXES[:2], SOFT, r"masks: expected shape \[2, h, w\].*\(8, 28, 28\)"),
    (BOXES[:1], SOFT[0], r"expected shape \[1, h, w\]"),
    ([[5, 5, 5, 9]], SOFT[:1], "y2 > y1"),
])
def test_wrong_input(boxes, soft, message):
    with pytest.raises(ValueError, match=message):
        LazyMasks(boxes, soft, SHAPE)


def test_run_lengths_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"one image size, received \[\(40, 60\), \(41, 60\)\]"):
        PackedMasks.of_rles(PackedMasks.of(ARRAY).rles, (41, 60))
