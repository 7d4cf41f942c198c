"""The built-in augmenters together: probabilities, seeds, threads, refusals."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from painted import ABOVE, BELOW, numbered
from toy import ToyDataset, config_with, example

from mrcnn.data import augmenters
from mrcnn.data.augmentation import augment_sample
from mrcnn.data.augmenters import Sample
from mrcnn.data.generator import DataGenerator
from mrcnn.data.ground_truth import load_image_gt


def test_probabilities():
    image, mask = example()[:2]
    rng = np.random.default_rng(0)

    def share(augmenter):
        return np.mean([(augmenter(image, mask, rng)[0] != image).any() for _ in range(400)])

    flip = augmenters.FlipLeftRight
    assert share(flip(0)) == 0 and share(flip(1)) == 1
    assert 0.4 < share(flip()) < 0.6
    assert 0.2 < share(augmenters.Sometimes(0.3, flip(1), augmenters.FlipUpDown(1))) < 0.4
    assert 0.4 < share(augmenters.OneOf([flip(1), flip(0)])) < 0.6
    assert share(augmenters.Compose([])) == 0
    assert share(augmenters.Compose([flip(1)], p=0)) == 0


EVERYTHING = augmenters.Compose([
    augmenters.CopyPaste(0.9), augmenters.standard(upright=False, copy_paste=0.5),
    augmenters.Rotate(20), augmenters.RandomCrop(), augmenters.Sometimes(0.5, augmenters.Blur()),
    augmenters.OneOf([augmenters.ColorJitter(), augmenters.FlipUpDown()])])


def test_same_seed_same_result_in_any_thread():
    sample, donor = numbered(BELOW, 100), numbered(ABOVE, 200)
    for array in (sample.image, sample.masks, donor.image, donor.masks):
        array.flags.writeable = False

    def run(seed, augmenter=EVERYTHING):
        return augment_sample(augmenter, sample.image, sample.masks, sample.class_ids,
                              np.random.default_rng(seed), lambda rng: donor)

    expected = [run(seed) for seed in range(24)]
    assert len({one[0].tobytes() for one in expected}) > 20
    with ThreadPoolExecutor(6) as pool:
        for got, want in zip(pool.map(run, range(24)), expected, strict=True):
            for mine, theirs in zip(got, want, strict=True):
                np.testing.assert_array_equal(mine, theirs)
    copied = run(5, pickle.loads(pickle.dumps(EVERYTHING)))
    np.testing.assert_array_equal(copied[0], expected[5][0])


def test_seed_epoch_and_index_decide():
    dataset = ToyDataset(*[example(i, boxes=((5, 5, 30, 30), (20, 30, 60, 60))) for i in range(6)])

    def feed():
        return DataGenerator(dataset, config_with(), augmentation=EVERYTHING)

    first, again = feed(), feed()
    expected = [first[i] for i in range(3)]
    for i in (2, 0, 1):
        for got, want in zip(again[i][0], expected[i][0], strict=True):
            np.testing.assert_array_equal(got, want)
    first.on_epoch_end()
    place = list(first.image_ids).index(again.image_ids[0])
    assert (first[place // 2][0][0][place % 2] != expected[0][0][0]).any()


def test_repr_makes_the_same_again():
    again = eval(repr(EVERYTHING), {name: getattr(augmenters, name)
                                    for name in augmenters.__all__})
    assert repr(again) == repr(EVERYTHING)
    assert "ScaleJitter(p=0.8, low=0.7, high=1.4, fill=0)" in repr(augmenters.standard())


def test_own_augmenter():
    class Darker(augmenters.Augmenter):
        def change(self, sample, rng, another):
            return Sample(sample.image // 2, sample.masks, sample.class_ids)

    images = example()
    got = load_image_gt(ToyDataset(images), config_with(), 0,
                        augmentation=augmenters.Compose([Darker()]))[0]
    np.testing.assert_array_equal(got, images[0] // 2)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: augmenters.FlipLeftRight(p=1.5), "p: expected a number from 0 to 1, received 1.5"),
    (lambda: augmenters.Blur("much"), "sigma: expected a number"),
    (lambda: augmenters.ScaleJitter(2.0, 0.5), "high: expected a number from 2.0"),
    (lambda: augmenters.ScaleJitter(0), "low: expected"),
    (lambda: augmenters.RandomCrop(0), "low: expected"),
    (lambda: augmenters.Rotate(float("nan")), "degrees: expected"),
    (lambda: augmenters.ColourJitter(hue=1), "hue: expected a number from 0 to 0.5"),
    (lambda: augmenters.CopyPaste(max_objects=0), "max_objects: expected a number from 1"),
    (lambda: augmenters.OneOf([]), "OneOf: expected at least one"),
    (lambda: augmenters.Compose([np.fliplr]), "Compose: expected augmenters of"),
])
def test_refusals(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
