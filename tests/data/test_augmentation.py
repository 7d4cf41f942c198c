"""Augmentation: register of image and mask, seeds, refusals, for every kind that is taken.

imgaug is the stand-in, the real one too where it is installed; Albumentations only where it is.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toy import ToyDataset, config_with, example

from mrcnn.data import augmenters
from mrcnn.data.augmentation import augment_image_and_mask
from mrcnn.data.dataset import DataError
from mrcnn.data.generator import data_generator
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
    ("fliplr", "expected an augmenter of mrcnn.augmenters, an Albu"),
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


# --- Albumentations ---------------------------------------------------------------------------
def album():
    return pytest.importorskip("albumentations")


MOVING = {
    "HorizontalFlip": lambda A: A.HorizontalFlip(p=1),
    "VerticalFlip": lambda A: A.VerticalFlip(p=1),
    "RandomRotate90": lambda A: A.RandomRotate90(p=1),
    "Transpose": lambda A: A.Transpose(p=1),
    "Affine": lambda A: A.Affine(rotate=(-40, 40), scale=(0.7, 1.3), shear=(-8, 8), p=1),
    "Affine filled": lambda A: A.Affine(translate_px=(-30, 30), fill_mask=255, p=1),
    "ShiftScaleRotate": lambda A: A.ShiftScaleRotate(p=1),
    "ElasticTransform": lambda A: A.ElasticTransform(alpha=60, sigma=8, p=1),
    "GridDistortion": lambda A: A.GridDistortion(p=1),
    "OpticalDistortion": lambda A: A.OpticalDistortion(p=1),
    "Perspective": lambda A: A.Perspective(p=1),
    "RandomSizedCrop": lambda A: A.RandomSizedCrop((50, 90), size=(96, 96), p=1),
    "Compose": lambda A: A.Compose([A.HorizontalFlip(p=0.5), A.Rotate(30, p=0.8),
                                    A.RandomBrightnessContrast(0.1, 0.1, p=0.5)]),
    "OneOf": lambda A: A.OneOf([A.HorizontalFlip(p=1), A.VerticalFlip(p=1), A.Rotate(30, p=1)],
                               p=1),
    "SomeOf": lambda A: A.Compose([A.SomeOf([A.HorizontalFlip(p=1), A.Transpose(p=1),
                                             A.GaussianBlur(p=1)], n=2)]),
}
STILL = {
    "RandomBrightnessContrast": lambda A: A.RandomBrightnessContrast(p=1),
    "HueSaturationValue": lambda A: A.HueSaturationValue(p=1),
    "GaussNoise": lambda A: A.GaussNoise(p=1),
    "GaussianBlur": lambda A: A.GaussianBlur(p=1, sigma_limit=(2, 3)),
    "CLAHE": lambda A: A.CLAHE(p=1),
    "CoarseDropout": lambda A: A.CoarseDropout(fill=255, p=1),
}


@pytest.mark.filterwarnings("ignore:ShiftScaleRotate:UserWarning")
@pytest.mark.parametrize("name", MOVING)
def test_albumentations_moves_masks_with_the_image(name):
    transform = MOVING[name](album())
    image, mask = painted()
    image.flags.writeable = mask.flags.writeable = False
    moved_at_all = 0
    for seed in range(6):
        got, moved = augment_image_and_mask(transform, image, mask, np.random.default_rng(seed))
        assert (got.shape, got.dtype, moved.shape, moved.dtype) == (
            image.shape, np.uint8, mask.shape, bool)
        shown = got.mean(axis=2) > 100
        both = (shown & moved.any(axis=2)).sum() / (shown | moved.any(axis=2)).sum()
        assert both > 0.95
        moved_at_all += (moved != mask).any()
    assert moved_at_all >= 3


@pytest.mark.parametrize("name", STILL)
def test_albumentations_colours_leave_masks_alone(name):
    image, mask = painted()
    image = image + np.arange(96, dtype=np.uint8)[:, None, None] // 3
    got, moved = augment_image_and_mask(STILL[name](album()), image, mask,
                                        np.random.default_rng(0))
    assert (got != image).any()
    np.testing.assert_array_equal(moved, mask)


def test_albumentations_each_mask_its_own():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    for count in (0, 1, 11, 40):
        mask = rng.uniform(size=(96, 96, count)) > 0.5
        got, moved = augment_image_and_mask(album().Transpose(p=1), image, mask, rng)
        np.testing.assert_array_equal(got, image.transpose(1, 0, 2))
        np.testing.assert_array_equal(moved, mask.transpose(1, 0, 2))


def test_albumentations_flips_are_independent_and_p_holds():
    """One seed for all parts would make two flips always go together."""
    A = album()
    transform = A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)], p=0.9)
    image, mask = painted()
    image[:5, :5] = 255
    outcomes = {"none": image, "x": image[:, ::-1], "y": image[::-1], "xy": image[::-1, ::-1]}
    seen = dict.fromkeys(outcomes, 0)
    for seed in range(400):
        got, _ = augment_image_and_mask(transform, image, mask, np.random.default_rng(seed))
        name, = (name for name, expected in outcomes.items() if (got == expected).all())
        seen[name] += 1
    assert 95 < seen["none"] < 165  # 0.1 + 0.9 / 4
    assert all(60 < seen[name] < 125 for name in ("x", "y", "xy"))


def test_albumentations_unseedable_is_refused():
    old = type("Flip", (), {"__module__": "albumentations.core", "__call__": dict})()
    with pytest.raises(TypeError, match="expected Albumentations 2 or later"):
        augment_image_and_mask(old, *painted(), np.random.default_rng(0))


@pytest.mark.parametrize(("make", "message"), [
    (lambda A: A.RandomCrop(32, 32), r"image from shape \(64, 64, 3\) to \(32, 32, 3\)"),
    (lambda A: A.ToFloat(p=1), "from uint8 to float32"),
])
def test_albumentations_refusals(make, message):
    with pytest.raises(DataError, match=message) as caught:
        load_image_gt(ToyDataset(example()), config_with(), 0, augmentation=make(album()))
    assert "image 0 (/toy/0.png)" in str(caught.value)


# --- every kind -------------------------------------------------------------------------------
def real_imgaug():
    real = pytest.importorskip("imgaug.augmenters")
    if "standin" in real.__file__:
        pytest.skip("imgaug is not installed")
    return real.Sequential([
        real.Fliplr(0.5), real.Sometimes(0.7, real.Affine(rotate=(-30, 30))),
        real.OneOf([real.Multiply((0.7, 1.3)), real.GaussianBlur((0, 2)), real.Flipud(1.0)]),
        real.SomeOf((0, 2), [real.Add((-20, 20)), real.PerspectiveTransform((0.02, 0.1))])])


def albumentations_pipeline():
    A = album()
    return A.Compose([A.HorizontalFlip(p=0.5), A.Affine(rotate=(-30, 30), p=0.7),
                      A.OneOf([A.GaussNoise(p=1), A.ElasticTransform(p=1)], p=0.8),
                      A.RandomBrightnessContrast(p=0.5)])


EVERY_KIND = {"stand-in": PIPELINES["mixed"], "imgaug": real_imgaug,
              "albumentations": albumentations_pipeline,
              "built-in": lambda: augmenters.Compose([augmenters.standard(upright=False),
                                                      augmenters.Rotate(20)])}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_threads_share_one_augmentation(kind):
    augmentation = EVERY_KIND[kind]()
    image, mask = painted()
    image = image + np.arange(96, dtype=np.uint8)[:, None, None] // 3
    image.flags.writeable = mask.flags.writeable = False

    def run(seed):
        return augment_image_and_mask(augmentation, image, mask, np.random.default_rng(seed))

    seeds = list(range(24)) * 3
    expected = {seed: run(seed) for seed in range(24)}
    assert len({one[0].tobytes() for one in expected.values()}) > 18
    with ThreadPoolExecutor(8) as pool:
        for seed, got in zip(seeds, pool.map(run, seeds), strict=True):
            np.testing.assert_array_equal(got[0], expected[seed][0])
            np.testing.assert_array_equal(got[1], expected[seed][1])


FLIPS = {"stand-in": lambda: iaa.Fliplr(1.0), "albumentations": lambda: album().HorizontalFlip(p=1),
         "built-in": lambda: augmenters.FlipLeftRight(1),
         "callable": lambda: lambda image, mask, rng: (image[:, ::-1], mask[:, ::-1])}


@pytest.mark.parametrize("kind", FLIPS)
def test_no_augmentation_sources(kind):
    dataset = ToyDataset(*[example(i) for i in range(4)])
    dataset.add_class("plain", 1, "thing")
    for i in (1, 3):
        dataset.image_info[i]["source"] = "plain"
    dataset.prepare()
    feed = data_generator(dataset, config_with(NUM_CLASSES=5, USE_MINI_MASK=False),
                          shuffle=False, augmentation=FLIPS[kind](),
                          no_augmentation_sources=["plain"])
    for i in range(4):
        inputs = next(feed)[0]
        image = inputs[0][0] + config_with().mean_pixel
        expected = dataset.examples[i][0] if i % 2 else dataset.examples[i][0][:, ::-1]
        np.testing.assert_allclose(image, expected, atol=1e-3)
        mask = dataset.examples[i][1][..., 0]
        np.testing.assert_array_equal(inputs[6][0, ..., 0], mask if i % 2 else mask[:, ::-1])
