"""Masks to polygons: filled again by pycocotools, they must give the mask back."""

import numpy as np
import pytest
from pycocotools import mask as coding
from skimage.draw import disk, polygon

from mrcnn.results.outlines import polygons_of

SHAPE = (90, 120)


def filled(polygons, shape=SHAPE):
    """The mask that pycocotools makes of outlines, bool."""
    if not polygons:
        return np.zeros(shape, bool)
    codes = coding.frPyObjects([part.ravel().tolist() for part in polygons], *shape)
    return coding.decode(coding.merge(codes)).astype(bool)


def canvas(*places):
    mask = np.zeros(SHAPE, bool)
    for place in places:
        mask[place] = True
    return mask


def round_at(y, x):
    return disk((y, x), 40, shape=SHAPE)


def ring(outer=35, inner=15):
    mask = canvas(disk((45, 60), outer))
    mask[disk((45, 60), inner)] = False
    return mask


def comb():
    mask = canvas(np.s_[10:80, 20:100])
    mask[10:70:1, 30:90:7] = False
    return mask


MASKS = {
    "box": canvas(np.s_[10:40, 20:80]),
    "disk": canvas(disk((45, 60), 30)),
    "star": canvas(polygon([5, 40, 45, 50, 85, 55, 85, 50], [60, 50, 5, 50, 30, 60, 90, 70])),
    "two parts": canvas(np.s_[5:20, 5:20], disk((60, 80), 20)),
    "ring": ring(),
    "island in a ring": ring() | canvas(disk((45, 60), 8)),
    "two holes": canvas(np.s_[5:85, 5:115]) & ~canvas(disk((30, 30), 12), disk((60, 80), 18)),
    "at the border": ~canvas(round_at(0, 0), round_at(89, 119)),
    "the whole image": np.ones(SHAPE, bool),
    "touching by corners": canvas(np.s_[10:30, 10:30], np.s_[30:50, 30:50], np.s_[50:70, 10:30]),
    "a hole that touches a corner": canvas(np.s_[10:50, 10:50]) & ~canvas(np.s_[10:20, 10:20],
                                                                          np.s_[20:30, 20:30]),
    "comb": comb(),
}
DECENT = 32 * 32  # COCO's bound between small and medium objects


@pytest.mark.parametrize("name", MASKS)
def test_without_tolerance_the_mask_comes_back_exactly(name):
    np.testing.assert_array_equal(filled(polygons_of(MASKS[name], 0)), MASKS[name])


@pytest.mark.parametrize("seed", range(20))
def test_noise_comes_back_exactly(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 24, 2)) < rng.choice([0.2, 0.5, 0.8])
    polygons = polygons_of(mask, 0)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("name", MASKS)
def test_simplified_outlines_keep_the_mask(name, tolerance):
    mask = MASKS[name]
    assert mask.sum() >= DECENT
    back = filled(polygons_of(mask, tolerance))
    assert (back & mask).sum() / (back | mask).sum() >= 0.95


def test_a_tolerance_saves_points():
    exact, rough = (polygons_of(MASKS["disk"], tolerance)[0] for tolerance in (0, 1))
    assert len(rough) < len(exact) / 3


def test_real_masks_come_back(balloon_dir):
    from mrcnn.data.formats.loading import load_dataset

    dataset = load_dataset(balloon_dir, subset="val")
    dataset.prepare()
    count = 0
    for image_id in dataset.image_ids[:2]:
        masks, _ = dataset.load_mask(image_id)
        for mask in np.moveaxis(masks, -1, 0):
            if mask.sum() < DECENT:
                continue
            back = filled(polygons_of(mask), mask.shape)
            assert (back & mask).sum() / (back | mask).sum() >= 0.95
            np.testing.assert_array_equal(filled(polygons_of(mask, 0), mask.shape), mask)
            count += 1
    assert count > 2


def test_parts_are_told_apart_and_the_largest_comes_first():
    parts = polygons_of(MASKS["two parts"], 0)
    assert len(parts) == 2
    assert filled(parts[:1]).sum() > filled(parts[1:]).sum() == 225


def test_holes_do_not_make_parts():
    assert [len(polygons_of(MASKS[name], 0)) for name in ("ring", "two holes", "comb")] == [1, 1, 1]
    assert len(polygons_of(MASKS["island in a ring"], 0)) == 2


def test_a_hole_turns_the_other_way():
    """So that filling by winding number, as some programs do, leaves it out too."""
    from matplotlib.path import Path

    outline = Path(polygons_of(ring(), 1)[0])
    assert not outline.contains_point((60.5, 45.5))
    assert outline.contains_point((60.5, 20.5))


def test_other_programs_leave_the_hole_out_too():
    import cv2
    from PIL import Image, ImageDraw

    points = polygons_of(ring(), 0)[0]
    by_opencv = cv2.fillPoly(np.zeros(SHAPE, np.uint8), [points.astype(np.int32)], 1)
    by_pillow = Image.new("L", SHAPE[::-1])
    ImageDraw.Draw(by_pillow).polygon([tuple(point) for point in points], fill=1)
    for back in (by_opencv, np.asarray(by_pillow)):
        assert not back[37:53, 52:68].any()
        assert (back.astype(bool) & ring()).sum() / (back.astype(bool) | ring()).sum() > 0.9


def test_points_are_pixel_edges_shifted_by_the_origin():
    parts = polygons_of(np.ones((2, 3), bool), 0, origin=(10, 20))
    assert parts[0].dtype == np.float64
    assert sorted(map(tuple, parts[0].tolist())) == [(20, 10), (20, 12), (23, 10), (23, 12)]


def test_nothing_has_no_outline():
    assert polygons_of(np.zeros(SHAPE, bool)) == []
    assert polygons_of(np.zeros((0, 0), bool)) == []


@pytest.mark.parametrize("side", [1, 2, 3])
def test_the_smallest_objects_keep_an_outline(side):
    mask = canvas(np.s_[4 : 4 + side, 4 : 4 + side])
    np.testing.assert_array_equal(filled(polygons_of(mask, 3.0)), mask)


@pytest.mark.parametrize(("mask", "tolerance", "message"), [
    (np.ones((2, 2), bool), -1, "tolerance: expected at least 0"),
    (np.ones((2, 2), bool), float("nan"), "tolerance"),
    (np.ones((2, 2, 1), bool), 1, r"mask: expected shape \[H, W\]"),
])
def test_wrong_input(mask, tolerance, message):
    with pytest.raises(ValueError, match=message):
        polygons_of(mask, tolerance)
