"""The imgaug stand-in and the hook that serves it."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.data import imgaug_standin as ia
from mrcnn.data.imgaug_standin import augmenters as iaa
from mrcnn.data.imgaug_standin.core import sample

ROOT = Path(__file__).resolve().parents[2]
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def python(code, cwd=ROOT, path=ROOT):
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True,
                          timeout=100, check=False, env={"PYTHONPATH": str(path)})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- parameters ------------------------------------------------------------------------------
def test_parameter_forms():
    rng = np.random.default_rng(0)
    assert sample(3, rng) == 3
    floats = [sample((0.5, 1.5), rng) for _ in range(500)]
    assert 0.5 <= min(floats) < 0.52
    assert 1.48 < max(floats) <= 1.5
    assert {sample((1, 3), rng, whole=True) for _ in range(100)} == {1, 2, 3}
    assert {sample([10, 20], rng) for _ in range(100)} == {10, 20}
    assert isinstance(sample((1, 3), rng), float)
    with pytest.raises(ValueError, match="expected a pair"):
        sample((1, 2, 3), rng)


# --- exact results ---------------------------------------------------------------------------
@pytest.mark.parametrize(("augmenter", "expected"), [
    (iaa.Fliplr(1.0), IMAGE[:, ::-1]),
    (iaa.Fliplr(0), IMAGE),
    (iaa.Flipud(1), IMAGE[::-1]),
    (iaa.Noop(), IMAGE),
    (iaa.Identity(), IMAGE),
    (iaa.Affine(rotate=180), IMAGE[::-1, ::-1]),
    (iaa.Affine(translate_px={"x": 5, "y": -3}),
     np.pad(IMAGE, ((0, 3), (5, 0), (0, 0)))[3:, :60]),
    (iaa.Affine(translate_percent={"x": 0.1}, mode="edge"),
     np.pad(IMAGE, ((0, 0), (6, 0), (0, 0)), mode="edge")[:, :60]),
    (iaa.Multiply(2.0), np.minimum(IMAGE.astype(int) * 2, 255)),
    (iaa.Add(-20), np.maximum(IMAGE.astype(int) - 20, 0)),
    (iaa.GaussianBlur(0), IMAGE),
    (iaa.GaussianBlur(1.0), cv2.GaussianBlur(IMAGE, (5, 5), 1.0)),
    (iaa.LinearContrast(1.0), IMAGE),
    (iaa.Crop(px=(1, 2, 3, 4), keep_size=False), IMAGE[1:-3, 4:-2]),
    (iaa.CropAndPad(px=(1, -2, 0, 3), keep_size=False),
     np.pad(IMAGE[:, :-2], ((1, 0), (3, 0), (0, 0)))),
    (iaa.Pad(px=2, keep_size=False), np.pad(IMAGE, ((2, 2), (2, 2), (0, 0)))),
    (iaa.Crop(percent=0.1, keep_size=False), IMAGE[4:-4, 6:-6]),
    (iaa.Rot90(keep_size=False), np.rot90(IMAGE, -1)),
    (iaa.Rot90(1), cv2.resize(np.ascontiguousarray(np.rot90(IMAGE, -1)), (60, 40))),
    (iaa.Rot90(2), IMAGE[::-1, ::-1]),
    (iaa.Rot90(3, keep_size=False), np.rot90(IMAGE)),
    (iaa.Sequential([iaa.Fliplr(1.0), iaa.Flipud(1.0)]), IMAGE[::-1, ::-1]),
    (iaa.Sometimes(1.0, iaa.Fliplr(1.0)), IMAGE[:, ::-1]),
    (iaa.Sometimes(0.0, iaa.Fliplr(1.0), [iaa.Flipud(1.0)]), IMAGE[::-1]),
    (iaa.SomeOf(2, [iaa.Fliplr(1.0), iaa.Flipud(1.0)]), IMAGE[::-1, ::-1]),
    (iaa.SomeOf((0, None), []), IMAGE),
])
def test_result(augmenter, expected):
    got = augmenter.augment_image(IMAGE)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, expected)


def test_quarter_turn_is_clockwise():
    square = IMAGE[:, :40]
    got = iaa.Affine(rotate=90).augment_image(square)
    np.testing.assert_array_equal(got, np.rot90(square, -1))


@pytest.mark.parametrize(("k", "turns"), [((1, 3), {1, 2, 3}), ([0, 2], {0, 2}),
                                          (ia.ALL, {0, 1, 2, 3})])
def test_quarters_are_chosen_and_masks_turn_with_the_image(k, turns):
    square = IMAGE[:, :40]
    seen = set()
    for _ in range(60):
        fixed = iaa.Rot90(k).to_deterministic()
        got = fixed.augment_image(square)
        turn = next(n for n in range(4) if np.array_equal(got, np.rot90(square, -n)))
        mask = fixed.augment_image(square[:, :, :1] > 99)
        np.testing.assert_array_equal(mask, np.rot90(square[:, :, :1] > 99, -turn))
        seen.add(turn)
    assert seen == turns


def test_affine_matrix_of_scale_shear_and_turn():
    shape = (41, 61)
    rng = np.random.default_rng(0)
    centre = np.array([30.0, 20.0, 1.0])
    affine = iaa.Affine(scale={"x": 2.0, "y": 1.0}, rotate=30, shear=12)
    matrix = affine.matrix(shape, rng)
    np.testing.assert_allclose(matrix @ centre, centre[:2], atol=1e-9)
    # as the real imgaug 0.4.0 moves points
    expected = [[1.7321, -0.6841], [1.0, 0.7597]]
    np.testing.assert_allclose(matrix[:, :2], expected, atol=1e-4)


def test_keep_size_scales_back():
    smooth = cv2.GaussianBlur(IMAGE, (0, 0), 4)
    got = iaa.Crop(percent=0.1).augment_image(smooth)
    expected = cv2.resize(smooth[4:-4, 6:-6], (60, 40))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
@pytest.mark.parametrize("channels", [None, 1, 3, 9])
def test_any_type_and_number_of_channels(dtype, channels):
    shape = (20, 30) if channels is None else (20, 30, channels)
    image = (np.random.default_rng(0).uniform(size=shape) > 0.5).astype(dtype)
    for augmenter in (iaa.Affine(rotate=180), iaa.CropAndPad(px=(0, 0, 1, -1)),
                      iaa.GaussianBlur(1.0), iaa.Multiply(1.0)):
        got = augmenter.augment_image(image)
        assert (got.shape, got.dtype) == (image.shape, image.dtype)
    turned = iaa.Affine(rotate=180).augment_image(image)
    np.testing.assert_allclose(turned.astype(float), image[::-1, ::-1].astype(float), atol=1e-6)


# --- chance ----------------------------------------------------------------------------------
def how_often(augmenter, runs=400):
    changed = [not np.array_equal(augmenter.augment_image(IMAGE), IMAGE) for _ in range(runs)]
    return np.mean(changed)


def test_probabilities():
    ia.seed(1)
    np.testing.assert_allclose(how_often(iaa.Fliplr(0.3)), 0.3, atol=0.08)
    np.testing.assert_allclose(how_often(iaa.Sometimes(0.7, iaa.Add(9))), 0.7, atol=0.08)
    one = iaa.OneOf([iaa.Add(9), iaa.Noop(), iaa.Noop(), iaa.Noop()])
    np.testing.assert_allclose(how_often(one), 0.25, atol=0.08)
    some = iaa.SomeOf((0, 2), [iaa.Add(9), iaa.Noop()])  # 0, 1 or 2 of two
    np.testing.assert_allclose(how_often(some), 0.5, atol=0.09)


def test_random_order_changes_the_result():
    ia.seed(0)
    augmenter = iaa.Sequential([iaa.Add(100), iaa.Multiply(2.0)], random_order=True)
    seen = {int(augmenter.augment_image(np.full((2, 2), 10, np.uint8))[0, 0]) for _ in range(30)}
    assert seen == {220, 120}
    keeps = iaa.SomeOf(2, [iaa.Add(100), iaa.Multiply(2.0)])
    assert {int(keeps.augment_image(np.full((2, 2), 10, np.uint8))[0, 0])
            for _ in range(20)} == {220}


def test_seed_repeats():
    augmenter = iaa.Affine(rotate=(-90, 90))
    runs = []
    for _ in range(2):
        ia.seed(5)
        runs.append(augmenter.augment_images([IMAGE, IMAGE]))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[0][1]).any()
    own = [iaa.Affine(rotate=(-90, 90), random_state=3).augment_image(IMAGE) for _ in range(2)]
    np.testing.assert_array_equal(*own)


def test_deterministic_copy():
    ia.seed(2)
    augmenter = iaa.Sequential([iaa.Fliplr(0.5), iaa.Add((-50, 50))])
    fixed = augmenter.to_deterministic()
    first = fixed.augment_image(IMAGE)
    for _ in range(3):
        np.testing.assert_array_equal(fixed.augment_image(IMAGE), first)
    assert fixed.deterministic
    assert not augmenter.deterministic
    others = [augmenter.to_deterministic().augment_image(IMAGE) for _ in range(6)]
    assert any((other != first).any() for other in others)
    assert len(augmenter.to_deterministic(3)) == 3
    a = augmenter.to_deterministic().seed_(9, deterministic_too=True).augment_image(IMAGE)
    b = augmenter.to_deterministic().seed_(9, deterministic_too=True).augment_image(IMAGE)
    np.testing.assert_array_equal(a, b)


def test_hooks_skip_augmenters_and_leave_the_rest_in_step():
    geometry = ("Sequential", "Affine")
    hooks = ia.HooksImages(
        activator=lambda i, augmenter, p, d: type(augmenter).__name__ in geometry)
    fixed = iaa.Sequential([iaa.Add((-40, 40), per_channel=True), iaa.Affine(rotate=(-45, 45)),
                            iaa.AdditiveGaussianNoise()]).to_deterministic()
    alone = iaa.Sequential([iaa.Noop(), iaa.Affine(rotate=(-45, 45)), iaa.Noop()])
    alone._fix(fixed._fixed)
    np.testing.assert_array_equal(fixed.augment_image(IMAGE, hooks=hooks),
                                  alone.augment_image(IMAGE))
    stop = ia.HooksImages(propagator=lambda images, augmenter, parents, default: False)
    np.testing.assert_array_equal(fixed.augment_image(IMAGE, hooks=stop), IMAGE)


def test_hooks_see_parents_and_images():
    seen = []
    hooks = ia.HooksImages(activator=lambda images, augmenter, parents, default: default,
                           preprocessor=lambda images, augmenter, parents: seen.append(
                               (type(augmenter).__name__, len(parents))) or images,
                           postprocessor=lambda images, augmenter, parents: images)
    iaa.Sequential([iaa.Sometimes(1.0, iaa.Fliplr(1))]).augment_image(IMAGE, hooks=hooks)
    assert seen == [("Sequential", 0), ("Sometimes", 1), ("Fliplr", 3)]


def test_calls_and_batches():
    flip = iaa.Fliplr(1.0)
    np.testing.assert_array_equal(flip(image=IMAGE), IMAGE[:, ::-1])
    batch = np.stack([IMAGE, IMAGE])
    got = flip(images=batch)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, batch[:, :, ::-1])
    assert isinstance(flip.augment(images=[IMAGE]), list)
    with pytest.raises(ValueError, match="either image= or images="):
        flip()


def test_holders_are_lists():
    row = iaa.Sequential()
    row.add(iaa.Fliplr(1.0)).append(iaa.Flipud(1.0))
    assert len(row) == 2
    assert [type(child).__name__ for child in row] == ["Fliplr", "Flipud"]
    with pytest.raises(TypeError, match="expected augmenters, received str"):
        iaa.Sequential(["x"])


def test_impossible_arguments():
    with pytest.raises(ValueError, match="px or percent"):
        iaa.CropAndPad(px=1, percent=0.1)
    with pytest.raises(ValueError, match="fit_output"):
        iaa.Affine(fit_output=True)
    assert iaa.Crop(px=500, keep_size=False).augment_image(IMAGE).shape == (1, 1, 3)


def test_missing_parts_say_how_to_get_them():
    with pytest.raises(AttributeError, match="pip install --no-deps imgaug six imageio shapely"):
        _ = iaa.Superpixels
    with pytest.raises(AttributeError, match="--no-deps imgaug"):
        _ = ia.SegmentationMapsOnImage
    with pytest.raises(AttributeError, match="--no-deps imgaug"):
        iaa.Fliplr(1).augment_segmentation_maps([])
    with pytest.raises(AttributeError, match="Fliplr has no attribute 'nothing'"):
        _ = iaa.Fliplr(1).nothing
    assert not hasattr(iaa, "Superpixels")


# --- the hook --------------------------------------------------------------------------------
# For the tests of the stand-in: no installed imgaug is found.
HIDE = """
import importlib.machinery
_find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name == 'imgaug' else _find(name, *rest))
"""


def test_hook_serves_the_stand_in():
    code = """
import sys, mrcnn_imgaug_hook
mrcnn_imgaug_hook.install(); mrcnn_imgaug_hook.install()
assert sum(getattr(f, 'serves', None) == 'imgaug' for f in sys.meta_path) == 1
assert 'numpy' not in sys.modules and 'mrcnn' not in sys.modules
sys.path[:] = [p for p in sys.path if 'nothing' not in p]
import imgaug
from imgaug import augmenters as iaa
import imgaug.augmenters as again
assert again is iaa and imgaug.augmenters is iaa
assert not any(m == 'mrcnn' or m.startswith('mrcnn.') for m in sys.modules)
assert not any(m in sys.modules for m in ('tensorflow', 'keras', 'skimage'))
imgaug.seed(1)
print(imgaug.__name__, imgaug.__version__, iaa.Fliplr.__module__)
"""
    assert python(HIDE + code) == "imgaug 0.4.0+standin imgaug.augmenters".replace(
        "imgaug.augmenters", "imgaug.geometric")


def test_importing_the_package_is_enough():
    code = HIDE + "import mrcnn, imgaug; print(imgaug.__version__)"
    assert python(code) == "0.4.0+standin"


def test_installed_imgaug_wins_and_finds_sctypes(tmp_path):
    (tmp_path / "imgaug").mkdir()
    (tmp_path / "imgaug" / "__init__.py").write_text(
        "import numpy as np\nKINDS = sorted(np.sctypes)\nFLOATS = np.sctypes['float']\n")
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import mrcnn_imgaug_hook
mrcnn_imgaug_hook.install()
sys.path.append({str(tmp_path)!r})
import numpy
assert not hasattr(numpy, 'sctypes')
import json
assert not hasattr(numpy, 'sctypes')
import imgaug
print(imgaug.KINDS, numpy.float32 in imgaug.FLOATS, imgaug.__file__.startswith({str(tmp_path)!r}))
"""
    expected = "['complex', 'float', 'int', 'others', 'uint'] True True"
    assert python(code, cwd=tmp_path) == expected


def test_a_plain_folder_called_imgaug_is_not_the_real_one(tmp_path):
    (tmp_path / "imgaug").mkdir()
    code = "import mrcnn_imgaug_hook as h; h.install(); import imgaug; print(imgaug.__version__)"
    only_here = f"_find(name, [{str(tmp_path)!r}]) if name == 'imgaug'"
    code = HIDE.replace("None if name == 'imgaug'", only_here) + code
    assert python(code, cwd=tmp_path) == "0.4.0+standin"


def test_other_imports_are_left_alone():
    code = """
import mrcnn_imgaug_hook as h
h.install()
try:
    import imgaug_other
except ModuleNotFoundError as error:
    print(error)
"""
    assert python(code) == "No module named 'imgaug_other'"
