"""Augmentation: register of image and mask, seeds, refusals; with the stand-in as imgaug."""

import numpy as np
import pytest
from toy import ToyDataset, config_with, example

from mrcnn.data.augmentation import augment_image_and_mask
from mrcnn.data.dataset import DataError
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.imgaug_standin import augmenters as iaa
from mrcnn.data.shapes import ShapesDataset

PIPELINES = {
    "flips": lambda: iaa.Sequential([iaa.Fliplr(0.5), iaa.Flipud(0.5)]),
    "nucleus": lambda: iaa.SomeOf((0, 2), [
        iaa.Fliplr(0.5), iaa.Flipud(0.5),
        iaa.OneOf([iaa.Affine(rotate=90), iaa.Affine(rotate=180), iaa.Affine(rotate=270)]),
        iaa.Multiply((0.8, 1.5)), iaa.GaussianBlur(sigma=(0.0, 1.0))]),
    "mixed": lambda: iaa.Sequential([
        iaa.Sometimes(0.5, iaa.Multiply((0.9, 1.1), per_channel=0.5)),
        iaa.Add((-5, 5), per_channel=True),
        iaa.Affine(rotate=(-40, 40), scale=(0.8, 1.2), translate_percent=(-0.1, 0.1)),
        iaa.Crop(percent=(0, 0.1))], random_order=True),
}


def painted():
    """An image that shows its own mask: white on black."""
    dataset = ShapesDataset()
    dataset.load_shapes(1, 96, 96, seed=4)
    dataset.prepare()
    mask = dataset.load_mask(0)[0]
    return (mask.any(axis=2, keepdims=True) * np.uint8(200)).repeat(3, axis=2), mask


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("seed", range(8))
def test_image_and_mask_stay_in_register(name, seed):
    image, mask = painted()
    got, moved = augment_image_and_mask(PIPELINES[name](), image, mask,
                                        np.random.default_rng(seed))
    assert (got.shape, got.dtype, moved.shape, moved.dtype) == (
        image.shape, np.uint8, mask.shape, bool)
    different = (got.mean(axis=2) > 90) != moved.any(axis=2)
    assert different.mean() < 0.02


def test_colours_leave_masks_alone():
    image, mask = painted()
    pipeline = iaa.Sequential([iaa.Multiply(0.5), iaa.Add(30), iaa.GaussianBlur(3.0),
                               iaa.AdditiveGaussianNoise(scale=20), iaa.LinearContrast(2.0)])
    got, moved = augment_image_and_mask(pipeline, image, mask, np.random.default_rng(0))
    assert (got != image).mean() > 0.3
    np.testing.assert_array_equal(moved, mask)


def test_fill_value_is_no_mask():
    image, mask = painted()
    pipeline = iaa.Affine(translate_px={"x": 30}, cval=255)
    moved = augment_image_and_mask(pipeline, image, mask, np.random.default_rng(0))[1]
    assert not moved[:, :29].any()
    np.testing.assert_array_equal(moved[:, 30:], mask[:, :-30])


def test_seeded_runs_repeat_and_others_differ():
    image, mask = painted()
    pipeline = PIPELINES["mixed"]()
    first, again, other = (augment_image_and_mask(pipeline, image, mask, np.random.default_rng(s))
                           for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


def test_many_masks_and_none():
    image, _ = painted()
    rng = np.random.default_rng(0)
    mask = rng.uniform(size=(96, 96, 11)) > 0.5
    got = augment_image_and_mask(iaa.Fliplr(1.0), image, mask, rng)[1]
    np.testing.assert_array_equal(got, mask[:, ::-1])
    none = np.zeros((96, 96, 0), bool)
    assert augment_image_and_mask(iaa.Fliplr(1.0), image, none, rng)[1].shape == (96, 96, 0)


def test_callable():
    image, mask = painted()

    def shift(image, mask, rng):
        by = rng.integers(1, 50)
        return np.roll(image, by, axis=1), np.roll(mask, by, axis=1).astype(np.uint8)

    got, moved = augment_image_and_mask(shift, image, mask, np.random.default_rng(1))
    by = np.random.default_rng(1).integers(1, 50)
    np.testing.assert_array_equal(got, np.roll(image, by, axis=1))
    np.testing.assert_array_equal(moved, np.roll(mask, by, axis=1))
    np.random.seed(0)
    first = augment_image_and_mask(shift, image, mask)[0]
    np.random.seed(0)
    np.testing.assert_array_equal(augment_image_and_mask(shift, image, mask)[0], first)


@pytest.mark.parametrize(("augmentation", "message"), [
    (iaa.Crop(px=4, keep_size=False), r"image from shape \(64, 64, 3\) to \(56, 56, 3\)"),
    (lambda image, mask, rng: (image, mask[:-1]), "changed the mask from shape"),
    (lambda image, mask, rng: (image / 255.0, mask), "from uint8 to float64"),
    (lambda image, mask, rng: image, r"expected the answer \(image, mask\), received ndarray"),
    ("fliplr", "expected an imgaug augmenter or a callable"),
])
def test_refusals_name_the_image(augmentation, message):
    with pytest.raises(DataError, match=message) as caught:
        load_image_gt(ToyDataset(example()), config_with(), 0, augmentation=augmentation)
    assert "image 0 (/toy/0.png)" in str(caught.value)


def test_objects_moved_out_of_the_image_are_dropped():
    dataset = ToyDataset(example(boxes=((0, 0, 20, 20), (0, 30, 64, 64))))
    left = iaa.Affine(translate_px={"x": -25})
    _, _, class_ids, bbox, mask = load_image_gt(dataset, config_with(), 0, augmentation=left)
    np.testing.assert_array_equal(class_ids, [2])
    np.testing.assert_array_equal(bbox, [[0, 5, 64, 39]])
    assert mask.shape == (64, 64, 1)
