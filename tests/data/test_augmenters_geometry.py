"""Augmenters that move pixels: register of image and masks, exactness, padding."""

import numpy as np
import pytest
from painted import discs, overlap
from scipy import ndimage
from toy import rectangles

from mrcnn.data import augmenters
from mrcnn.data.augmenters import Sample
from mrcnn.data.augmenters.sample import content_box, planes_of
from mrcnn.data.augmenters.warp import warp

GEOMETRIC = {
    "left-right": augmenters.FlipLeftRight(p=1),
    "up-down": augmenters.FlipUpDown(p=1),
    "quarter": augmenters.Rotate90(p=1),
    "rotate": augmenters.Rotate(180),
    "scale": augmenters.ScaleJitter(),
    "crop": augmenters.RandomCrop(0.4),
    "crop-pad": augmenters.RandomCrop(0.4, enlarge=False),
    "together": augmenters.Compose([augmenters.Rotate(30), augmenters.ScaleJitter(0.7, 1.5),
                                    augmenters.FlipLeftRight(), augmenters.RandomCrop()]),
}
KINDS = [((120, 120), 3, np.uint8), ((96, 150), 3, np.uint8), ((110, 90), 1, np.uint16),
         ((100, 100), 6, np.float32), ((80, 100), 2, np.int64)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", GEOMETRIC)
def test_image_and_masks_move_together(name, kind):
    shape, channels, dtype = kind
    image, mask = discs(shape, channels, dtype)
    image.flags.writeable = mask.flags.writeable = False  # what a cache keeps stays as it is
    for seed in range(6):
        got, moved = GEOMETRIC[name](image, mask, np.random.default_rng(seed))
        assert (got.shape, got.dtype, moved.shape, moved.dtype) == (
            image.shape, image.dtype, mask.shape, bool)
        shown = got[..., -1] > 110
        if shown.sum() > 100:
            assert overlap(shown, moved.any(axis=2)) >= 0.97


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_flips_are_exact(channels):
    image = np.random.default_rng(0).integers(0, 60000, (31, 44, channels)).astype(np.uint16)
    mask = np.random.default_rng(1).random((31, 44, 3)) > 0.5
    for name, axis in (("left-right", 1), ("up-down", 0)):
        got, moved = GEOMETRIC[name](image, mask, np.random.default_rng(0))
        np.testing.assert_array_equal(got, np.flip(image, axis))
        np.testing.assert_array_equal(moved, np.flip(mask, axis))


def test_quarter_turns_are_exact_and_all_come():
    rng, seen = np.random.default_rng(0), set()
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    mask = rng.random((40, 40, 2)) > 0.5
    for _ in range(30):
        got, moved = augmenters.Rotate90(p=1)(image, mask, rng)
        turns = [k for k in (1, 2, 3) if (np.rot90(image, k) == got).all()]
        assert len(turns) == 1
        np.testing.assert_array_equal(moved, np.rot90(mask, turns[0]))
        seen.update(turns)
    assert seen == {1, 2, 3}
    long = image[:30]
    got = augmenters.Rotate90(p=1)(long, mask[:30], rng)[0]
    np.testing.assert_array_equal(got, np.rot90(long, 2))


@pytest.mark.parametrize("seed", range(4))
def test_warp_equals_scipy(seed):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.uniform(0, 255, (70, 90, 1)), (3, 3, 0)).astype(np.float32)
    mask = ndimage.gaussian_filter(rng.uniform(size=(70, 90, 2)), (4, 4, 0)) > 0.5
    angle, size = rng.uniform(-1, 1), rng.uniform(0.7, 1.5)
    turn = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, rng.uniform(-20, 20, 2)
    got = warp(Sample(image, mask, np.ones(2)), matrix)
    # scipy wants the way back, (y, x), between pixel centres.
    back = np.linalg.inv(matrix)[::-1, ::-1][1:, 1:]
    offset = np.linalg.inv(matrix)[:2, 2][::-1] + back @ [0.5, 0.5] - 0.5

    def expected(plane):
        return ndimage.affine_transform(plane.astype(float), back, offset, order=1)

    inside = ndimage.affine_transform(np.ones((70, 90)), back, offset, order=1) > 0.999
    inside = ndimage.binary_erosion(inside, iterations=2)
    np.testing.assert_allclose(got.image[inside, 0], expected(image[..., 0])[inside], atol=0.5)
    for i in range(2):
        wrong = got.masks[inside, i] != (expected(mask[..., i])[inside] > 0.5)
        assert wrong.mean() < 0.005


def test_warp_in_place_changes_nothing():
    image, mask = discs((64, 80))
    same = warp(Sample(image, mask, np.ones(2)), np.eye(3))
    np.testing.assert_array_equal(same.image, image)
    np.testing.assert_array_equal(same.masks, mask)


def test_scale_jitter_sizes_and_padding():
    image, mask = discs((120, 120))
    image[90:] = 0  # padding
    for factor in (0.5, 0.8, 1.7):
        for seed in range(5):
            got, moved = augmenters.ScaleJitter(factor, factor)(
                image, mask, np.random.default_rng(seed))
            whole = moved[1:-1, 1:-1].sum() == moved.sum()
            if factor < 1:
                assert whole  # all content has room
                assert moved[..., 0].sum() == pytest.approx(mask[..., 0].sum() * factor**2,
                                                            rel=0.05)
                y1, x1, y2, x2 = content_box(got)
                assert (y2 - y1, x2 - x1) == pytest.approx((90 * factor, 120 * factor), abs=1.5)
            else:  # 90 * 1.7 > 120: the frame is full of content
                assert (got[1:-1, 1:-1] > 0).all()


def test_scale_factors_are_balanced():
    jitter, sizes = augmenters.ScaleJitter(0.5, 2.0), []
    image, mask = np.zeros((64, 64, 1), np.uint8), rectangles((64, 64), [(0, 0, 64, 64)])
    image[:] = 9
    for seed in range(200):
        sizes.append(jitter(image, mask, np.random.default_rng(seed))[1].sum())
    assert 80 < sum(size < 64 * 64 * 0.95 for size in sizes) < 115


def test_crop_keeps_the_padding():
    image, mask = discs((120, 120))
    image[:10] = image[100:] = 0
    mask[:10] = mask[100:] = False
    for seed in range(8):
        rng = np.random.default_rng(seed)
        got, moved = augmenters.RandomCrop(0.3)(image, mask, rng)
        assert content_box(got) == (10, 0, 100, 120)
        assert not moved[:10].any() and not moved[100:].any()
        got, moved = augmenters.RandomCrop(0.3, enlarge=False, fill=7)(image, mask, rng)
        cut = (got != 7).any(axis=2)
        np.testing.assert_array_equal(got[cut], image[cut])
        np.testing.assert_array_equal(moved, mask & cut[..., None])
        assert 0.08 < cut.sum() / (90 * 120) <= 1


@pytest.mark.parametrize("fill", [0, 99, (10, 20.4, 30)])
def test_fill(fill):
    image, mask = discs((100, 100))
    got, _ = augmenters.ScaleJitter(0.5, 0.5, fill=fill)(image, mask, np.random.default_rng(0))
    corner = got[0, 0] if got[0, 0, 0] != 20 else got[-1, -1]
    np.testing.assert_array_equal(corner, np.broadcast_to(np.rint(fill), 3))


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_any_number_of_masks_in_any_layout(count):
    rng = np.random.default_rng(count)
    mask = rng.random((70, 81, count)) > 0.5
    image = rng.integers(0, 256, (70, 81, 3), dtype=np.uint8)
    layouts = [mask, np.moveaxis(np.ascontiguousarray(np.moveaxis(mask, -1, 0)), 0, -1),
               np.repeat(mask, 2, axis=1)[:, ::2]]
    for layout in layouts:
        np.testing.assert_array_equal(planes_of(layout), np.moveaxis(mask, -1, 0))
        for one in GEOMETRIC.values():
            moved = one(image, layout, np.random.default_rng(3))[1]
            np.testing.assert_array_equal(moved, one(image, mask, np.random.default_rng(3))[1])


def test_content_box():
    image = np.zeros((30, 40, 3), np.float32)
    assert content_box(image) == (0, 0, 30, 40)
    image[4, 7, 2] = image[20, 11, 0] = -1
    assert content_box(image) == (4, 7, 21, 12)
    assert content_box((image != 0).astype(np.uint8)) == (4, 7, 21, 12)
