"""Augmenters of values: against Pillow, scikit-image and scipy; any image type."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage
from skimage import color, data

from mrcnn.data import augmenters
from mrcnn.data.augmenters.colour import colour_matrix

PHOTO = data.astronaut()[:200, :240]


class Highest:
    """A generator that always draws the highest value."""

    def random(self):
        return 0.0

    def uniform(self, low, high):
        return high


@pytest.mark.parametrize(("knob", "enhance"), [
    ("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast),
    ("saturation", ImageEnhance.Color)])
def test_colours_equal_pillow(knob, enhance):
    knobs = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0) | {knob: 0.4}
    mask = np.ones((200, 240, 1), bool)
    got, moved = augmenters.ColourJitter(**knobs)(PHOTO, mask, Highest())
    expected = np.asarray(enhance(Image.fromarray(PHOTO)).enhance(1.4)).astype(int)
    assert np.abs(got.astype(int) - expected).max() <= 2
    assert moved is mask


def test_hue_turns_about_the_grey_axis():
    matrix = colour_matrix(0.7, 0.1)
    before = color.rgb2yiq(PHOTO / 255.0)
    after = color.rgb2yiq((PHOTO / 255.0) @ matrix.T)
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=0.005)
    was, now = before[..., 1] + 1j * before[..., 2], after[..., 1] + 1j * after[..., 2]
    np.testing.assert_allclose(now, was * 0.7 * np.exp(0.2j * np.pi), atol=0.005)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("channels", "dtype"), [
    (3, np.uint8), (1, np.uint8), (4, np.uint8), (3, np.uint16), (2, np.int16), (3, np.float32),
    (5, np.float64), (3, np.int64), (3, np.float16)])
def test_any_image_type(channels, dtype, seed):
    rng = np.random.default_rng(seed)
    image = rng.uniform(-3 if np.dtype(dtype).kind == "f" else 0, 250, (60, 50, channels))
    image = image.astype(dtype)
    image[40:] = 0
    mask = np.ones((60, 50, 1), bool)
    for one in (augmenters.ColourJitter(0.5, 0.5, 0.5, 0.1), augmenters.Blur(3),
                augmenters.standard()):
        got, _ = one(image, mask, np.random.default_rng(seed))
        assert (got.shape, got.dtype) == (image.shape, image.dtype)
        assert np.isfinite(got).all()
        assert (got != image).any()
        if np.dtype(dtype).kind == "f":
            assert image.min() - 1 <= got.min() and got.max() <= image.max() + 1
    for one in (augmenters.ColourJitter(0.5, 0.5), augmenters.Blur(3)):
        assert not one(image, mask, np.random.default_rng(seed))[0][40:].any()


def test_integers_stay_in_their_range():
    image = np.full((20, 20, 1), 65000, np.uint16)
    image[:10] = 30000
    jitter = augmenters.ColourJitter(brightness=0.5, contrast=0)
    got = jitter(image, np.ones((20, 20, 1), bool), Highest())[0]
    np.testing.assert_array_equal(np.unique(got), [45000, 65535])
    got = augmenters.ColourJitter(brightness=0.4, contrast=0)(
        np.full((9, 9, 1), 7, np.int64), np.ones((9, 9, 1), bool), Highest())[0]
    np.testing.assert_array_equal(got, np.full((9, 9, 1), 10))  # 9.8


def test_blur_equals_scipy():
    got = augmenters.Blur(2.0)(PHOTO, np.ones((200, 240, 1), bool), Highest())[0]
    expected = ndimage.gaussian_filter(PHOTO.astype(float), (2, 2, 0), mode="mirror")
    assert np.abs(got - expected).max() < 2
