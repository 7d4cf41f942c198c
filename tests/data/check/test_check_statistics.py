"""Statistics and anchor advice against slow loops and dense overlaps."""

import json

import numpy as np
import pytest
from check_sets import dataset_of, picture
from data.toy import config_with

from mrcnn.config import Config
from mrcnn.data.anchoring import config_anchors
from mrcnn.data.check.anchor_advice import advise, best_overlaps, k_means, recall
from mrcnn.data.check.checking import check_dataset
from mrcnn.data.check.frames import to_network
from mrcnn.data.formats.annotated import Instance
from mrcnn.data.formats.outline_regions import Rectangle
from mrcnn.data.ground_truth import load_image_gt


def dense_overlap(box, anchors):
    """The best IoU of a box with a list of anchors, one after the other."""
    best = 0.0
    for y1, x1, y2, x2 in anchors:
        height = min(y2, box[2]) - max(y1, box[0])
        width = min(x2, box[3]) - max(x1, box[1])
        common = max(height, 0) * max(width, 0)
        union = (y2 - y1) * (x2 - x1) + (box[2] - box[0]) * (box[3] - box[1]) - common
        best = max(best, common / union)
    return best


def random_boxes(count, height, width, seed=0):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 0.9, (count, 2)) * [height, width]
    sides = np.exp(rng.uniform(np.log(3), np.log(min(height, width)), (count, 2)))
    return np.concatenate([corners, np.minimum(corners + sides, [height, width])], axis=1)


@pytest.mark.parametrize("knobs", [
    {}, {"RPN_ANCHOR_STRIDE": 2}, {"RPN_ANCHOR_RATIOS": [0.3, 1.7]},
    {"COMPUTE_BACKBONE_SHAPE": lambda shape: [[9, 8], [7, 6], [5, 5], [2, 3], [1, 1]]},
])
@pytest.mark.parametrize("frame", [(64, 64), (64, 192), (128, 64)])
def test_best_overlap_is_that_with_all_anchors(knobs, frame):
    config = config_with(IMAGE_RESIZE_MODE="none", **knobs)
    boxes = random_boxes(40, *frame)
    anchors = config_anchors(config, (*frame, 3))
    expected = [dense_overlap(box, anchors) for box in boxes]
    actual = best_overlaps(boxes, np.tile(frame, (40, 1)), config)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


def test_best_overlap_knows_which_image_a_box_belongs_to():
    config = config_with(IMAGE_RESIZE_MODE="none")
    frames = np.array([(64, 64), (128, 192)] * 10)
    boxes = random_boxes(20, 64, 64)
    expected = [dense_overlap(box, config_anchors(config, (*frame, 3)))
                for box, frame in zip(boxes, frames, strict=True)]
    np.testing.assert_allclose(best_overlaps(boxes, frames, config), expected, rtol=1e-9)


@pytest.mark.parametrize(("mode", "knobs"), [
    ("square", {}), ("none", {}), ("pad64", {}), ("square", {"IMAGE_MIN_SCALE": 2.0}),
    ("pad64", {"IMAGE_MIN_DIM": 128}), ("square", {"IMAGE_MAX_DIM": 128}),
])
@pytest.mark.parametrize("size", [(48, 64), (100, 70), (31, 130)])
def test_boxes_lie_where_load_image_gt_puts_them(tmp_path, mode, knobs, size):
    config = config_with(IMAGE_RESIZE_MODE=mode, NUM_CLASSES=3, **knobs)
    dataset = dataset_of((picture(tmp_path / "a.png", size), [Rectangle(5, 8, 20, 16)], None))
    image, _, _, bbox, _ = load_image_gt(dataset, config, 0)
    boxes, frame = to_network([(8, 5, 24, 25)], size, config)
    assert frame == image.shape[:2]
    np.testing.assert_allclose(boxes, bbox, atol=2.5)


def test_crops_keep_the_scale():
    config = config_with(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=128)
    boxes, frame = to_network([(8, 5, 24, 25)], (64, 100), config)
    np.testing.assert_array_equal(boxes, [(16, 10, 48, 50)])
    assert frame == (128, 200)


def test_k_means_finds_groups_and_settles():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(middle, 0.1, 200) for middle in (1, 3, 9)])
    middles = k_means(values, 3)
    np.testing.assert_allclose(middles, [1, 3, 9], atol=0.05)
    nearest = np.abs(values[:, None] - middles).argmin(axis=1)
    np.testing.assert_allclose(middles, [values[nearest == i].mean() for i in range(3)])
    np.testing.assert_array_equal(k_means([2.0], 3), [2, 2, 2])


def test_advice_is_a_config_and_gives_the_recall_it_promises():
    boxes = random_boxes(300, 256, 256, seed=3)
    boxes[:, 2] = np.minimum(boxes[:, 0] + 10, 256)  # flat and wide: the default has nothing
    boxes[:, 3] = np.minimum(boxes[:, 1] + 40, 256)
    frames = np.tile((256, 256), (300, 1))
    config = config_with(IMAGE_MIN_DIM=256, IMAGE_MAX_DIM=256,
                         RPN_ANCHOR_SCALES=(32, 64, 128, 256, 512))
    advice = advise(boxes, frames, config)
    assert not advice["keep"]
    better = config_with(IMAGE_MIN_DIM=256, IMAGE_MAX_DIM=256,
                         RPN_ANCHOR_SCALES=advice["RPN_ANCHOR_SCALES"],
                         RPN_ANCHOR_RATIOS=advice["RPN_ANCHOR_RATIOS"])
    anchors = config_anchors(better, (256, 256))
    overlaps = np.array([dense_overlap(box, anchors) for box in boxes[:60]])
    actual = best_overlaps(boxes[:60], frames[:60], better)
    np.testing.assert_allclose(actual, overlaps, rtol=1e-9)
    assert advice["advised"] == recall(best_overlaps(boxes, frames, better))
    assert advice["advised"]["recall_50"] > advice["current"]["recall_50"] + 0.3
    assert json.loads(json.dumps(advice)) == advice


@pytest.mark.parametrize("seed", range(12))
def test_advice_is_never_worse_than_what_there_is(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 80))
    boxes = random_boxes(count, 256, 320, seed) * rng.choice([0.2, 1.0])
    config = Config()
    config.IMAGE_RESIZE_MODE = "none"
    frames = np.tile((256, 320), (count, 1))
    advice = advise(boxes, frames, config)
    given = best_overlaps(boxes, frames, config, advice["RPN_ANCHOR_SCALES"],
                          advice["RPN_ANCHOR_RATIOS"])
    present = best_overlaps(boxes, frames, config)
    for level in (0.5, 0.7):
        assert (given >= level).sum() >= (present >= level).sum()
    assert given.mean() >= present.mean()
    assert advice["keep"] == (given.tolist() == present.tolist())
    config.RPN_ANCHOR_SCALES = advice["RPN_ANCHOR_SCALES"]
    config.RPN_ANCHOR_RATIOS = advice["RPN_ANCHOR_RATIOS"]
    config.validate()


def test_objects_that_fit_the_anchors_leave_them_alone():
    boxes = [(y - s / 2, x - s / 2, y + s / 2, x + s / 2)
             for s in (32, 64, 128) for y in (256, 512) for x in (256, 512, 768)]
    advice = advise(boxes, np.tile((1024, 1024), (18, 1)), Config())
    assert advice["keep"] and advice["current"]["recall_70"] == 1
    assert advise(np.zeros((0, 4)), np.zeros((0, 2)), Config()) is None
    assert advise([(3, 3, 3, 9)], [(64, 64)], Config()) is None


def test_counts_and_sizes(tmp_path):
    path, wide = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", (100, 250))
    objects = [Rectangle(4, 5, 20, 10), Instance(2, Rectangle(0, 0, 40, 40), ""),
               Instance(2, Rectangle(0, 0, 9, 9), "", crowd=True)]
    dataset = dataset_of((path, objects, None), (path, [], None),
                         (wide, [Rectangle(0, 0, 249, 99)], (100, 250)),
                         classes=("a", "b", "c"))
    config = config_with(IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128, MAX_GT_INSTANCES=1)
    report = check_dataset(dataset, config=config)
    got = report.statistics
    assert json.loads(json.dumps(got)) == got
    assert (got["images"], got["instances"], got["crowds"], got["images_without_objects"]) == (
        3, 3, 1, 1)
    assert got["classes"] == [
        {"name": "a", "instances": 2, "crowds": 0, "images": 2},
        {"name": "b", "instances": 1, "crowds": 1, "images": 1},
        {"name": "c", "instances": 0, "crowds": 0, "images": 0}]
    assert got["instances_per_image"] == {"mean": 1.0, "median": 1.0, "max": 2,
                                          "MAX_GT_INSTANCES": 1, "images_above": 1}
    assert got["network_side"] == 128 and "(IMAGE_MAX_DIM = 128)" in str(report)
    unscaled = check_dataset(dataset, config=config_with(IMAGE_RESIZE_MODE="none"))
    assert unscaled.statistics["network_side"] is None and "IMAGE_MAX_DIM" not in str(unscaled)
    sizes = got["object_sizes"]
    assert (sizes["small"], sizes["medium"], sizes["large"]) == (1, 1, 1)
    # scaled by 2, 2 and 128 / 250
    sides = np.sqrt([40 * 20, 80 * 80, 249 * 99 * 0.512**2])
    np.testing.assert_allclose(sizes["network_side_percentiles"]["50"], np.median(sides), atol=0.1)
    assert got["image_sizes"] == {
        "distinct": 2, "height": [48, 100], "width": [64, 250],
        "most_frequent": [{"height": 48, "width": 64, "images": 2},
                          {"height": 100, "width": 250, "images": 1}],
        "aspect_ratios": {"below 0.5": 0, "0.5 to 0.67": 0, "0.67 to 0.8": 0, "0.8 to 1": 0,
                          "1 to 1.25": 0, "1.25 to 1.5": 2, "1.5 to 2": 0, "2 and above": 1}}
    assert "1 image above MAX_GT_INSTANCES = 1" in str(report)


def test_nothing_at_all_is_counted_too():
    statistics = check_dataset(dataset_of()).statistics
    assert statistics["images"] == statistics["instances"] == 0
    assert statistics["anchors"] is None
