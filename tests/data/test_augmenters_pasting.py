"""Copy-paste: masks are what is seen; crowds, hidden objects, sources."""

import numpy as np
import pytest
from painted import ABOVE, BELOW, numbered
from toy import ToyDataset, config_with, example, rectangles

from mrcnn.data import augmenters
from mrcnn.data.augmenters import Sample
from mrcnn.data.ground_truth import load_image_gt


@pytest.mark.parametrize("seed", range(20))
def test_pasted_masks_are_what_is_seen(seed):
    below, above = numbered(BELOW, 100), numbered(ABOVE, 200)
    before = below.image.copy(), below.masks.copy(), above.image.copy(), above.masks.copy()
    got = augmenters.CopyPaste(1, 3).apply(below, np.random.default_rng(seed), lambda rng: above)
    assert got.masks.shape == (100, 120, len(got.class_ids))
    numbers = []
    for i, class_id in enumerate(got.class_ids):
        values = np.unique(got.image[got.masks[..., i]])
        assert len(values) == 1
        numbers.append(int(values[0]))
        np.testing.assert_array_equal(got.masks[..., i], got.image[..., 0] == numbers[-1])
        assert class_id == numbers[-1] % 100 + 1
    assert numbers == sorted(n for n in numbers if n < 200) + [n for n in numbers if n >= 200]
    assert 1 <= sum(n >= 200 for n in numbers) <= 3
    for now, was in zip((below.image, below.masks, above.image, above.masks), before,
                        strict=True):
        np.testing.assert_array_equal(now, was)


def test_hidden_objects_go():
    cover = numbered([(0, 0, 60, 120)], 200, class_ids=[3])
    below = numbered([(0, 0, 100, 20), (2, 30, 9, 40), (61, 0, 100, 120)], 100,
                     shape=(100, 120))
    below.image[:] = np.maximum(below.image, 1)
    gone = 0
    for seed in range(10):
        got = augmenters.CopyPaste(1).apply(below, np.random.default_rng(seed), lambda rng: cover)
        left = {int(i): int(got.masks[..., k].sum()) for k, i in enumerate(got.class_ids[:-1])}
        gone += 2 not in left
        for class_id, area in left.items():
            full = int(below.masks[..., class_id - 1].sum())
            assert area == full or area >= max(10, 0.1 * full)
    assert gone


def test_crowds_are_covered_but_not_copied():
    crowd = numbered([(0, 0, 100, 120)], 100, class_ids=[-2])
    donor = numbered([(10, 10, 90, 50), (20, 60, 60, 100)], 200, class_ids=[-1, 3])
    for seed in range(8):
        got = augmenters.CopyPaste(1).apply(crowd, np.random.default_rng(seed), lambda rng: donor)
        np.testing.assert_array_equal(got.class_ids, [-2, 3])
        np.testing.assert_array_equal(got.masks[..., 0], ~got.masks[..., 1])
        assert (got.image[got.masks[..., 1]] == 201).all()


@pytest.mark.parametrize("donor", [
    None, numbered([(0, 0, 2, 2)], 9), numbered([(0, 0, 50, 50)], 9, class_ids=[-1]),
    Sample(np.zeros((9, 9, 3), np.uint16), rectangles((9, 9), [(0, 0, 9, 9)]), np.array([1])),
    Sample(np.zeros((9, 9, 1), np.uint8), rectangles((9, 9), [(0, 0, 9, 9)]), np.array([1])),
    Sample(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 0), bool), np.zeros(0, np.int32))])
def test_nothing_to_paste(donor):
    below = numbered(BELOW, 100)
    got = augmenters.CopyPaste(1).apply(below, np.random.default_rng(0), lambda rng: donor)
    assert got is below


def test_pasting_into_an_image_without_objects_and_from_a_larger_one():
    empty = Sample(np.full((50, 60, 3), 9, np.uint8), np.zeros((50, 60, 0), bool),
                   np.zeros(0, np.int32))
    empty.image[30:] = 0
    donor = numbered([(0, 0, 100, 120)], 200)
    got = augmenters.CopyPaste(1).apply(empty, np.random.default_rng(0), lambda rng: donor)
    np.testing.assert_array_equal(got.class_ids, [1])
    np.testing.assert_array_equal(got.masks[..., 0], got.image[..., 0] == 200)
    assert got.masks[:30].all() and not got.masks[30:].any()


def test_load_image_gt_pastes_from_the_same_source():
    images = [example(i, boxes=((5, 5, 30, 30),), class_ids=[1 + i % 2]) for i in range(6)]
    dataset = ToyDataset(*images)
    paste, seen = augmenters.CopyPaste(1), set()
    for seed in range(20):
        dataset.reads.clear()
        _, _, class_ids, bbox, mask = load_image_gt(
            dataset, config_with(), 2, augmentation=paste, rng=np.random.default_rng(seed))
        other, = set(dataset.reads) - {2}
        seen.add(other)
        assert class_ids[-1] == 1 + other % 2
        assert len(class_ids) == len(bbox) == mask.shape[2] <= 2
    assert seen == {0, 1, 3, 4, 5}
    dataset.add_class("other", 1, "thing")
    for i in (0, 1, 3, 5):
        dataset.image_info[i]["source"] = "other"
    dataset.prepare()
    dataset.skip_images([4])
    dataset.reads.clear()
    class_ids = load_image_gt(dataset, config_with(NUM_CLASSES=5), 2, augmentation=paste)[2]
    assert dataset.reads == [2] and len(class_ids) == 1
