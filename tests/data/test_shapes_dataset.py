"""ShapesDataset: what is drawn, what can be seen of it, and that it repeats itself."""

import numpy as np
import pytest

from mrcnn.data.shapes import FROM_BACKGROUND, ShapesDataset, coverage


def shapes(count, *args, **kwargs):
    dataset = ShapesDataset()
    dataset.load_shapes(count, *args, **kwargs)
    dataset.prepare()
    return dataset


def test_classes_and_sizes():
    dataset = shapes(3, 96, 160)
    assert dataset.class_names == ["BG", "circle", "square", "triangle"]
    assert dataset.load_image(2).shape == (96, 160, 3)
    assert dataset.load_image(2).dtype == np.uint8
    mask, class_ids = dataset.load_mask(2)
    assert mask.dtype == bool
    assert mask.shape == (96, 160, len(class_ids))
    assert class_ids.dtype == np.int32


def test_same_whatever_the_order_and_the_count():
    first, second = shapes(20, seed=5), shapes(8, seed=5)
    for i in (7, 0, 3):
        np.testing.assert_array_equal(first.load_image(i), second.load_image(i))
        np.testing.assert_array_equal(first.load_mask(i)[0], second.load_mask(i)[0])
    np.testing.assert_array_equal(first.load_image(3), first.load_image(3))
    assert any((first.load_image(i) != shapes(8, seed=6).load_image(i)).any() for i in range(8))


def test_masks_are_disjoint_visible_and_in_the_colour_of_their_shape():
    dataset = shapes(60, seed=1)
    for i in dataset.image_ids:
        mask, class_ids = dataset.load_mask(i)
        assert 1 <= len(class_ids) <= 4
        assert mask.sum(axis=2).max() == 1
        image, info = dataset.load_image(i), dataset.image_info[i]
        for k, (name, colour, place) in enumerate(info["shapes"]):
            whole = coverage(name, place, (128, 128)) >= 128
            assert mask[:, :, k].sum() >= 0.2 * whole.sum()
            assert dataset.class_names[class_ids[k]] == name
            np.testing.assert_array_equal(np.median(image[mask[:, :, k]], axis=0), colour)
        if not mask.any(axis=2).all():
            outside = image[~mask.any(axis=2)]
            np.testing.assert_array_equal(np.median(outside, axis=0), info["bg_color"])


def test_sizes_colours_and_numbers_are_as_asked():
    dataset = shapes(80, 128, 128, 3, min_size=24, max_size=64, max_objects=4)
    counts, sizes, distances = [], [], []
    for info in dataset.image_info:
        counts.append(len(info["shapes"]))
        sizes += [2 * half for _, _, (_, _, half) in info["shapes"]]
        distances += [np.linalg.norm(np.subtract(colour, info["bg_color"]))
                      for _, colour, _ in info["shapes"]]
    assert set(counts) == {1, 2, 3, 4}
    assert 24 <= min(sizes) < 28
    assert 60 < max(sizes) <= 64
    assert np.mean(np.array(distances) >= FROM_BACKGROUND) > 0.97
    overlapping = [info for info in dataset.image_info if len(info["shapes"]) > 1]
    assert any(_overlap(info["shapes"]) for info in overlapping)


def _overlap(parts):
    return sum((coverage(name, place, (128, 128)) >= 128).astype(int)
               for name, _, place in parts).max() > 1


@pytest.mark.parametrize("name", ["circle", "square", "triangle"])
def test_area_of_a_shape(name):
    area = (coverage(name, (64.0, 64.0, 20.0), (128, 128)) >= 128).sum()
    expected = {"circle": np.pi * 400, "square": 1600, "triangle": 800}[name]
    np.testing.assert_allclose(area, expected, rtol=0.04)


def test_bad_sizes():
    with pytest.raises(ValueError, match="min_size: expected 4 to 20"):
        shapes(1, 20, 128)
    with pytest.raises(ValueError, match="max_objects: expected at least 1, received 0"):
        shapes(1, max_objects=0)
