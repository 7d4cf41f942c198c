"""Filled outlines are bit for bit those of scikit-image."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import draw

from mrcnn.geometry.polygons import fill_ellipse, fill_polygon


def filled(ys, xs, shape):
    canvas = np.zeros(shape, bool)
    fill_polygon(ys, xs, canvas)
    return canvas


def expected(ys, xs, shape):
    canvas = np.zeros(shape, bool)
    canvas[draw.polygon(ys, xs, shape)] = True
    return canvas


def rounded(rng, ys, xs, kind):
    if kind == "half":
        return np.rint(ys * 2) / 2, np.rint(xs * 2) / 2
    if kind == "rows":
        return np.rint(ys), xs
    return (np.rint(ys), np.rint(xs)) if kind == "int" else (ys, xs)


@pytest.mark.parametrize("kind", ["int", "half", "rows", "float"])
def test_random_polygons(kind):
    rng = np.random.default_rng(7)
    for case in range(1000):
        corners = rng.integers(1, 13)
        shape = tuple(rng.integers(1, 40, 2))
        ys, xs = rounded(rng, rng.uniform(-10, shape[0] + 10, corners),
                         rng.uniform(-10, shape[1] + 10, corners), kind)
        if case % 4 == 0:  # corners that come again
            again = rng.integers(0, corners, corners)
            ys, xs = ys[again], xs[again]
        np.testing.assert_array_equal(filled(ys, xs, shape), expected(ys, xs, shape),
                                      err_msg=f"{ys.tolist()}, {xs.tolist()}, {shape}")


coordinate = st.one_of(st.integers(-5, 25), st.floats(-5, 25, allow_subnormal=False),
                       st.integers(-50, 250).map(lambda tenths: tenths / 10))


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=9))
def test_any_polygon(points):
    ys, xs = zip(*points, strict=True)
    shape = (20, 17)
    want = expected(np.array(ys, float), np.array(xs, float), shape)
    np.testing.assert_array_equal(filled(ys, xs, shape), want)


@pytest.mark.parametrize(("ys", "xs"), [
    ([3], [4]), ([3, 3], [4, 4]), ([1, 8], [2, 9]), ([2, 2, 2], [1, 5, 8]),
    ([1, 5, 8], [3, 3, 3]), ([1, 1, 8, 8], [2, 9, 2, 9]), ([3, 3, 3], [4, 4, 4]),
    ([-5, -5, 20, 20], [-5, 20, 20, -5]), ([50, 60, 60], [50, 50, 60]),
    ([-50, -60, -60], [-50, -50, -60]), ([0, 0, 9, 9], [0, 11, 11, 0]),
    ([3 + 5e-13, 8, 8], [4 - 5e-13, 4, 8]), ([3 + 5e-12, 8, 8], [4 - 5e-12, 4, 8]),
    ([2, 2, 5, 5, 2, 2, 7, 7], [2, 6, 6, 2, 2, 8, 8, 2]), ([1e9, -1e9, 5], [3, 3, -1e9]),
    ([0.1, 0.1, 0.2], [0.1, 0.2, 0.2]), ([-0.5, -0.5, -0.1], [0, 5, 5]),
])
def test_degenerate_polygons(ys, xs):
    ys, xs = np.array(ys, float), np.array(xs, float)
    np.testing.assert_array_equal(filled(ys, xs, (10, 12)), expected(ys, xs, (10, 12)))


def test_no_corner_sets_nothing_and_what_was_set_stays():
    canvas = np.zeros((10, 12), bool)
    canvas[9, 11] = True
    fill_polygon([], [], canvas)
    assert canvas.sum() == 1
    fill_polygon([1, 1, 3], [1, 3, 1], canvas)
    assert canvas[9, 11] and canvas.sum() == 7


def test_a_canvas_that_is_a_view():
    stack = np.zeros((12, 10, 3), bool)
    fill_polygon([1, 1, 6], [1, 7, 1], stack[:, ::-1, 1].T[:, 1:])
    want = expected([1, 1, 6], [1, 7, 1], (10, 11))
    np.testing.assert_array_equal(stack[:, ::-1, 1].T[:, 1:], want)
    assert not stack[:, :, 0].any() and not stack[:, :, 2].any()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
def test_coordinates_that_are_no_place_are_refused(wrong):
    canvas = np.zeros((5, 5), bool)
    with pytest.raises(ValueError, match="finite coordinates"):
        fill_polygon([1, wrong, 3], [1, 2, 3], canvas)
    with pytest.raises(ValueError, match="as many ys as xs, received 2 and 3"):
        fill_polygon([1, 3], [1, 2, 3], canvas)
    with pytest.raises(ValueError, match="finite coordinates"):
        fill_ellipse(1, wrong, 3, 3, canvas)
    with pytest.raises(ValueError, match="half axes above 0, received 3.0 and 0.0"):
        fill_ellipse(1, 1, 3, 0, canvas)


def balloons(folder):
    """(ys, xs, shape) of every polygon of the balloon set, at full size."""
    for subset in ("train", "val"):
        text = (folder / subset / "via_region_data.json").read_text(encoding="utf-8")
        for entry in json.loads(text).values():
            with Image.open(folder / subset / entry["filename"]) as image:
                shape = image.size[::-1]
            regions = entry["regions"]
            for region in regions.values() if isinstance(regions, dict) else regions:
                outline = region["shape_attributes"]
                yield outline["all_points_y"], outline["all_points_x"], shape


def test_every_balloon(balloon_dir):
    number = 0
    for ys, xs, shape in balloons(balloon_dir):
        canvas, want = np.zeros(shape, bool), np.zeros(shape, bool)
        fill_polygon(ys, xs, canvas)
        want[draw.polygon(ys, xs, shape)] = True
        np.testing.assert_array_equal(canvas, want)
        number += 1
    assert number == 305


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_random_ellipses(turned, whole):
    rng = np.random.default_rng(3)
    compared = 0
    while compared < 500:
        shape = tuple(rng.integers(1, 40, 2))
        cy, cx, ry, rx = (*rng.uniform(-5, 45, 2), *rng.uniform(0.3, 25, 2))
        if whole:
            cy, cx, ry, rx = np.rint([cy, cx, ry + 1, rx + 1])
        rotation = rng.uniform(-7, 7) if turned else 0.0
        want, canvas = np.zeros(shape, bool), np.zeros(shape, bool)
        fill_ellipse(cy, cx, ry, rx, canvas, rotation)
        try:
            want[draw.ellipse(cy, cx, ry, rx, shape, rotation=rotation)] = True
        except ValueError:  # scikit-image's answer to an ellipse wholly outside
            assert not canvas.any()
        np.testing.assert_array_equal(canvas, want)
        compared += 1


def test_a_circle_is_scikit_images_disk():
    canvas, want = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    fill_ellipse(12.5, 20, 9, 9, canvas)
    want[draw.disk((12.5, 20), 9, shape=want.shape)] = True
    np.testing.assert_array_equal(canvas, want)
    assert 240 < want.sum() < 270
