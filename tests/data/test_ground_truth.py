"""load_image_gt: sizes, mini-masks, mirroring, and every kind of bad input."""

import warnings

import numpy as np
import pytest
from toy import ToyDataset, config_with, example, rectangles

from mrcnn.data.dataset import DataError, Dataset
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.geometry.masks import compute_overlaps_masks, expand_mask
from mrcnn.geometry.molding import parse_image_meta

BOXES = ((8, 8, 40, 30), (20, 25, 60, 62))


def test_full_masks_by_default():
    given = example(boxes=BOXES)
    image, meta, class_ids, bbox, mask = load_image_gt(ToyDataset(given), config_with(), 0)
    np.testing.assert_array_equal(image, given[0])
    np.testing.assert_array_equal(mask, given[1])
    np.testing.assert_array_equal(class_ids, [1, 2])
    np.testing.assert_array_equal(bbox, BOXES)
    assert (mask.dtype, bbox.dtype, class_ids.dtype) == (bool, np.int32, np.int32)
    parts = parse_image_meta(meta[None])
    np.testing.assert_array_equal(parts["original_image_shape"], [[64, 64, 3]])
    np.testing.assert_array_equal(parts["window"], [[0, 0, 64, 64]])
    np.testing.assert_array_equal(parts["active_class_ids"], [[1, 1, 1, 1]])


def test_mini_masks_leave_boxes_and_classes_and_expand_back():
    dataset = ToyDataset(example(boxes=BOXES, shape=(50, 64)))
    config = config_with()
    full = load_image_gt(dataset, config, 0)
    mini = load_image_gt(dataset, config, 0, use_mini_mask=True)
    assert mini[4].shape == (28, 28, 2)
    for i in range(4):
        np.testing.assert_array_equal(mini[i], full[i])
    back = expand_mask(mini[3], mini[4], full[0].shape)
    overlap = np.diag(compute_overlaps_masks(back, full[4]))
    np.testing.assert_array_less(0.95, overlap)


@pytest.mark.parametrize(("mode", "shape", "expected"), [
    ("square", (100, 50), (64, 64)), ("pad64", (100, 50), (128, 64)),
    ("none", (100, 50), (100, 50)), ("crop", (100, 80), (64, 64)),
])
def test_resize_modes(mode, shape, expected):
    boxes = ((10, 5, shape[0] - 10, shape[1] - 5),)
    config = config_with(IMAGE_RESIZE_MODE=mode)
    image, meta, _, bbox, mask = load_image_gt(ToyDataset(example(shape=shape, boxes=boxes)),
                                               config, 0, rng=np.random.default_rng(0))
    assert image.shape == (*expected, 3)
    assert mask.shape == (*expected, 1)
    np.testing.assert_array_equal(parse_image_meta(meta[None])["image_shape"], [[*expected, 3]])
    ys, xs = np.nonzero(mask[:, :, 0])
    np.testing.assert_array_equal(bbox[0], [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1])


def test_crop_repeats_with_the_rng_and_drops_what_it_cuts_away():
    config = config_with(IMAGE_RESIZE_MODE="crop")
    dataset = ToyDataset(example(shape=(300, 300), boxes=((0, 0, 20, 20), (150, 150, 300, 300))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = [load_image_gt(dataset, config, 0, rng=np.random.default_rng(s)) for s in range(8)]
        again = load_image_gt(dataset, config, 0, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(again[0], runs[4][0])
    assert {len(run[2]) for run in runs} >= {0, 1}


def test_augment_mirrors_everything():
    given = example(shape=(50, 64), boxes=BOXES[:1])
    seen = set()
    for seed in range(12):
        plain = load_image_gt(ToyDataset(given), config_with(), 0)
        image, _, _, bbox, mask = load_image_gt(ToyDataset(given), config_with(), 0, augment=True,
                                                rng=np.random.default_rng(seed))
        mirrored = not np.array_equal(image, plain[0])
        seen.add(mirrored)
        step = -1 if mirrored else 1
        np.testing.assert_array_equal(image, plain[0][:, ::step])
        np.testing.assert_array_equal(mask, plain[4][:, ::step])
        ys, xs = np.nonzero(mask[:, :, 0])
        np.testing.assert_array_equal(bbox[0], [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1])
    assert seen == {True, False}


def test_active_classes_are_those_of_the_source():
    dataset = ToyDataset(example())
    dataset.class_info[2]["source"] = "other"
    dataset.prepare()
    meta = load_image_gt(dataset, config_with(), 0)[1]
    np.testing.assert_array_equal(meta[12:], [1, 1, 0, 1])


@pytest.mark.parametrize("empty", [
    np.empty((0, 0, 0)), np.zeros((64, 64, 0), bool), np.zeros((64, 64, 2), bool),
])
def test_images_without_objects(empty):
    given = (example()[0], empty, np.ones(empty.shape[2], np.int32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image, _, class_ids, bbox, mask = load_image_gt(ToyDataset(given), config_with(), 0)
        mini = load_image_gt(ToyDataset(given), config_with(), 0, use_mini_mask=True)[4]
    assert image.shape == (64, 64, 3)
    assert (class_ids.shape, bbox.shape, mask.shape) == ((0,), (0, 4), (64, 64, 0))
    assert mini.shape == (28, 28, 0)


def test_empty_masks_are_dropped_with_one_warning():
    image, mask, _ = example(boxes=(*BOXES, (5, 5, 5, 30)))
    dataset = ToyDataset((image, mask, np.array([1, 2, 3])))
    with pytest.warns(UserWarning, match=r"image 0 \(/toy/0.png\): 1 of 3 masks are empty") as got:
        _, _, class_ids, bbox, masks = load_image_gt(dataset, config_with(), 0, use_mini_mask=True)
    assert len(got) == 1
    np.testing.assert_array_equal(class_ids, [1, 2])
    assert (len(bbox), masks.shape[2]) == (2, 2)


@pytest.mark.parametrize("class_ids", [np.array([0]), [0], np.array([0.0]), np.array([False])])
def test_an_empty_mask_of_class_0_is_no_object_and_no_warning(class_ids):
    given = ToyDataset((example()[0], np.zeros((64, 64, 1)), class_ids))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, _, got_ids, bbox, mask = load_image_gt(given, config_with(), 0)
    assert (got_ids.shape, bbox.shape, mask.shape) == ((0,), (0, 4), (64, 64, 0))
    assert got_ids.dtype == np.int32


def test_class_of_an_empty_mask_may_be_any():
    image, mask, _ = example(boxes=(*BOXES, (5, 5, 5, 30), (7, 7, 7, 7)))
    given = ToyDataset((image, mask, np.array([1, 2, 99, 0])))
    with pytest.warns(UserWarning, match="1 of 4 masks are empty"):
        class_ids = load_image_gt(given, config_with(), 0)[2]
    np.testing.assert_array_equal(class_ids, [1, 2])


def test_crowds_keep_their_sign():
    image, mask, _ = example(boxes=BOXES)
    given = ToyDataset((image, mask, np.array([-3, 2])))
    np.testing.assert_array_equal(load_image_gt(given, config_with(), 0)[2], [-3, 2])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_numbers_as_masks(dtype):
    image, mask, class_ids = example(boxes=BOXES)
    got = load_image_gt(ToyDataset((image, mask.astype(dtype) * 255, class_ids)), config_with(), 0)
    np.testing.assert_array_equal(got[4], mask)


def test_channels():
    grey = example(channels=1)
    config = config_with(IMAGE_CHANNEL_COUNT=1)
    assert load_image_gt(ToyDataset(grey), config, 0)[0].shape == (64, 64, 1)
    flat = (grey[0][:, :, 0], *grey[1:])
    np.testing.assert_array_equal(load_image_gt(ToyDataset(flat), config, 0)[0], grey[0])
    tripled = (grey[0].repeat(3, axis=2), *grey[1:])
    np.testing.assert_array_equal(load_image_gt(ToyDataset(tripled), config, 0)[0], grey[0])
    with pytest.raises(DataError, match="expected 1 channels"):
        load_image_gt(ToyDataset(example()), config, 0)
    rgba = example(channels=4)
    np.testing.assert_array_equal(load_image_gt(ToyDataset(rgba), config_with(), 0)[0],
                                  rgba[0][:, :, :3])
    bands = (example(channels=8)[0].astype(np.uint16) * 200, *grey[1:])
    got = load_image_gt(ToyDataset(bands), config_with(IMAGE_CHANNEL_COUNT=8), 0)[0]
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, bands[0])


IMAGE, MASK, IDS = example(boxes=BOXES)
NAN_IMAGE = np.where(np.arange(64)[:, None, None] == 3, np.nan, IMAGE.astype(np.float32))
BAD = {
    "path": (("no image", MASK, IDS), "numpy array, received str"),
    "none": ((None, MASK, IDS), "numpy array, received NoneType"),
    "object image": ((IMAGE.astype(object), MASK, IDS), "received object"),
    "bool image": ((IMAGE > 3, MASK, IDS), "received bool"),
    "one axis": ((IMAGE[0, 0], MASK, IDS), r"received shape \(3,\)"),
    "two channels": ((IMAGE[:, :, :2], MASK, IDS), "expected 3 channels"),
    "five channels": ((np.dstack([IMAGE, IMAGE]), MASK, IDS), "expected 3 channels"),
    "no pixels": ((IMAGE[:0], MASK, IDS), "empty"),
    "nan image": ((NAN_IMAGE, MASK, IDS), "NaN"),
    "mask size": ((IMAGE, MASK[:-1], IDS), r"height and width \(64, 64\), received \(63, 64\)"),
    "flat mask": ((IMAGE, MASK[:, :, 0], IDS[:1]), r"shape \[H, W, N\], received \(64, 64\)"),
    "text mask": ((IMAGE, MASK.astype(str), IDS), "bool or numbers, received <U5"),
    "nan mask": ((IMAGE, np.where(MASK, np.nan, 0), IDS), "mask: it holds NaN"),
    "too few ids": ((IMAGE, MASK, IDS[:1]), r"one for each of 2 masks, received shape \(1,\)"),
    "fractional id": ((IMAGE, MASK, np.array([1, 1.5])), "whole numbers"),
    "text id": ((IMAGE, MASK, np.array(["a", "b"])), "whole numbers"),
    "large id": ((IMAGE, MASK, np.array([1, 4])), "class id 4 is out of range: expected 1 to 3"),
    "small id": ((IMAGE, MASK, np.array([1, -4])), "class id -4 is out of range"),
    "background": ((IMAGE, MASK, np.array([0, 1])), "class id 0 is out of range"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_image(name):
    given, message = BAD[name]
    with pytest.raises(DataError, match=message) as caught:
        load_image_gt(ToyDataset(example(), given), config_with(), 1)
    assert "image 1 (/toy/1.png)" in str(caught.value)


def test_file_that_is_no_image(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_text("nothing")
    dataset = Dataset()
    dataset.add_class("s", 1, "x")
    dataset.add_image("s", 1, path)
    dataset.prepare()
    with pytest.raises(DataError, match=r"image 0 \(.*broken.jpg\): not a readable") as caught:
        load_image_gt(dataset, config_with(), 0)
    assert str(caught.value).count("image 0") == 1
    dataset.image_info[0]["path"] = str(tmp_path / "gone.jpg")
    with pytest.raises(FileNotFoundError, match=r"image 0 \(.*gone.jpg\)"):
        load_image_gt(dataset, config_with(), 0)


def test_errors_of_the_users_code_are_named():
    def fail():
        raise KeyError("polygons")

    with pytest.raises(DataError, match=r"image 0 \(/toy/0.png\): load_mask: KeyError: 'polygons'"):
        load_image_gt(ToyDataset((IMAGE, fail, IDS)), config_with(), 0)


def test_load_mask_without_ids():
    dataset = ToyDataset(example())
    dataset.load_mask = lambda image_id: MASK
    with pytest.raises(DataError, match=r"load_mask: expected \(mask"):
        load_image_gt(dataset, config_with(), 0)


def test_dataset_that_does_not_fit_the_config():
    with pytest.raises(ValueError, match="NUM_CLASSES: expected 4, .* received 2"):
        load_image_gt(ToyDataset(example()), config_with(NUM_CLASSES=2), 0)
    with pytest.raises(ValueError, match="prepare"):
        load_image_gt(Dataset(), config_with(), 0)
    dataset = ToyDataset(example())
    dataset.image_info[0]["source"] = "unknown"
    with pytest.raises(DataError, match="source 'unknown' has no class"):
        load_image_gt(dataset, config_with(), 0)


def test_tiny_object_that_resizing_loses_is_dropped_in_silence():
    boxes = ((0, 0, 300, 300), (301, 301, 302, 302))
    dataset = ToyDataset((np.zeros((640, 640, 3), np.uint8), rectangles((640, 640), boxes),
                          np.array([1, 2])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        class_ids = load_image_gt(dataset, config_with(), 0, use_mini_mask=True)[2]
    np.testing.assert_array_equal(class_ids[:1], [1])


@pytest.mark.parametrize("use_mini_mask", [False, True])
def test_a_real_image(balloon_dir, use_mini_mask):
    import json

    import cv2

    class Balloons(Dataset):
        def load_mask(self, image_id):
            info = self.image_info[image_id]
            height, width = self.load_image(image_id).shape[:2]
            mask = np.zeros((height, width, len(info["outlines"])), np.uint8)
            for i, points in enumerate(info["outlines"]):
                canvas = np.zeros((height, width), np.uint8)
                mask[:, :, i] = cv2.fillPoly(canvas, [points], 1)
            return mask, np.ones(mask.shape[2], np.int32)

    entry = next(iter(json.loads((balloon_dir / "val/via_region_data.json").read_text()).values()))
    shapes = [region["shape_attributes"] for region in entry["regions"].values()]
    outlines = [np.stack([s["all_points_x"], s["all_points_y"]], 1).astype(np.int32)
                for s in shapes]
    dataset = Balloons()
    dataset.add_class("balloon", 1, "balloon")
    dataset.add_image("balloon", entry["filename"], balloon_dir / "val" / entry["filename"],
                      outlines=outlines)
    dataset.prepare()
    config = config_with(NUM_CLASSES=2, IMAGE_MIN_DIM=256, IMAGE_MAX_DIM=256)
    image, meta, class_ids, bbox, mask = load_image_gt(dataset, config, 0,
                                                       use_mini_mask=use_mini_mask)
    assert image.shape == (256, 256, 3)
    np.testing.assert_array_equal(class_ids, np.ones(len(outlines)))
    scale, top, left = meta[11], meta[7], meta[8]
    for points, box in zip(outlines, bbox, strict=True):
        whole = np.array([points[:, 1].min(), points[:, 0].min(),
                          points[:, 1].max() + 1, points[:, 0].max() + 1])
        expected = whole * scale + [top, left, top, left]
        np.testing.assert_allclose(box, expected, atol=2)
