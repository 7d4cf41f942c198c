"""IMAGE_RESIZE_MODE "shortest_edge" in training data: sizes, augmentation, padding, grouping."""

import numpy as np
import pytest
from tolerances import GEOMETRY, TWINS
from toy import ToyDataset, config_with, example

from mrcnn.data.batches import assemble
from mrcnn.data.check.anchor_advice import advise, best_overlaps
from mrcnn.data.check.frames import to_network
from mrcnn.data.generator import DataGenerator
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.grouping import grouping_of
from mrcnn.data.training_feed import TrainingFeed
from mrcnn.engine.inference import mold_one
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.molding import parse_image_meta
from mrcnn.geometry.resize import resize_image, resize_mask
from mrcnn.geometry.shortest_edge import MODES, scaled_sides

MEAN, STD = [120.0, 110.0, 100.0], [58.0, 57.0, 56.0]
BOXES = ((2, 3, 20, 30), (10, 4, 30, 45), (0, 0, 1, 1))
SHAPES = ((30, 47), (47, 30), (90, 100), (64, 64))


def config_for(mode="shortest_edge", **knobs):
    return config_with(IMAGE_RESIZE_MODE=mode, IMAGE_MIN_DIM=64, IMAGE_MAX_DIM=96,
                       IMAGE_MEAN=MEAN, IMAGE_STD=STD, **knobs)


def ones_of(*shapes, boxes=BOXES):
    return ToyDataset(*(example(i, shape, boxes) for i, shape in enumerate(shapes)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_with_its_objects(mode, shape):
    dataset, config = ones_of(shape), config_for(mode)
    image, meta, class_ids, boxes, masks = load_image_gt(dataset, config, 0)
    given, mask, ids = dataset.examples[0]
    expected, window, scale, padding, _ = resize_image(given, 64, 96, 0, mode)
    np.testing.assert_array_equal(image, expected)
    full = resize_mask(mask, scale, padding, size=window[2:])
    kept = full.any(axis=(0, 1))  # shrunk, the one-pixel object may be gone
    np.testing.assert_array_equal(masks, full[:, :, kept])
    np.testing.assert_array_equal(boxes, extract_bboxes(full[:, :, kept]))
    np.testing.assert_array_equal(class_ids, ids[kept])
    assert masks[:, :, 0].flags.c_contiguous
    parts = parse_image_meta(meta[None])
    np.testing.assert_array_equal(parts["window"], [window])
    np.testing.assert_array_equal(parts["image_shape"], [image.shape])
    np.testing.assert_array_equal(parts["original_image_shape"], [(*shape, 3)])
    np.testing.assert_allclose(parts["scale"], [scale], rtol=GEOMETRY)


def test_no_object_and_mini_masks():
    dataset = ones_of((30, 47), boxes=())
    image, _, ids, boxes, masks = load_image_gt(dataset, config_for(), 0)
    assert (len(ids), boxes.shape, masks.shape) == (0, (0, 4), (*image.shape[:2], 0))
    dataset = ones_of((30, 47), boxes=BOXES[:2])
    full, mini = (load_image_gt(dataset, config_for(), 0, use_mini_mask=use)
                  for use in (False, True))
    np.testing.assert_array_equal(mini[3], full[3])
    np.testing.assert_array_equal(mini[0], full[0])
    assert mini[4].shape == (28, 28, 2)


def test_augmentation_sees_the_image_without_padding():
    seen = []

    def turned(image, mask, _):
        seen.append((image.shape, mask.shape))
        return image[::-1, ::-1], mask[::-1, ::-1]

    height, width = scaled_sides(30, 47, 64, 96)[1]
    plain = load_image_gt(ones_of((30, 47)), config_for(), 0)
    changed = load_image_gt(ones_of((30, 47)), config_for(), 0, augmentation=turned)
    assert seen == [((height, width, 3), (height, width, 3))]
    for i in (0, 4):
        assert changed[i].shape == plain[i].shape
        np.testing.assert_array_equal(changed[i][:height, :width],
                                      plain[i][height - 1 :: -1, width - 1 :: -1][:height, :width])
        assert not changed[i][height:].any()
        assert not changed[i][:, width:].any()
    np.testing.assert_array_equal(changed[1], plain[1])  # the window stays at the top left


def test_mirrored_images_stay_at_the_top_left():
    height, width = scaled_sides(30, 47, 64, 96)[1]
    plain = load_image_gt(ones_of((30, 47)), config_for(), 0)
    found = [load_image_gt(ones_of((30, 47)), config_for(), 0, augment=True,
                           rng=np.random.default_rng(seed)) for seed in range(8)]
    mirrored = [one for one in found if (one[0] != plain[0]).any()]
    assert 0 < len(mirrored) < 8
    np.testing.assert_array_equal(mirrored[0][0][:, :width], plain[0][:, width - 1 :: -1])
    np.testing.assert_array_equal(mirrored[0][1], plain[1])


@pytest.mark.parametrize("mode", MODES)
def test_padding_of_a_batch_is_zero_after_molding(mode):
    """Also where an image is smaller than its batch; and the rest is as in detection."""
    dataset, config = ones_of(*SHAPES), config_for(mode, IMAGES_PER_GPU=4)
    inputs = DataGenerator(dataset, config, shuffle=False)[0][0]
    images, metas = inputs[0], parse_image_meta(inputs[1])
    assert images.shape[1] % 32 == images.shape[2] % 32 == 0
    assert len({tuple(window) for window in metas["window"]}) > 1
    for (given, _, _), molded, window in zip(dataset.examples, images, metas["window"],
                                             strict=True):
        _, _, height, width = window
        assert not molded[height:].any()
        assert not molded[:, width:].any()
        whole, _, same = mold_one(given, config)
        np.testing.assert_array_equal(window, same)
        np.testing.assert_allclose(  # integers were rounded here, and not there
            molded[:height, :width], whole[:height, :width], atol=0.5 / min(STD) + TWINS)
    np.testing.assert_array_equal(metas["image_shape"], [images.shape[1:]] * 4)


def test_detection_keeps_fractions():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 47, 3), dtype=np.uint8)
    molded, _, (_, _, height, width) = mold_one(image, config_for())
    pixels = molded[:height, :width] * STD + MEAN
    assert np.abs(pixels - np.rint(pixels)).max() > 0.4
    resized = resize_image(image.astype(np.float64), 64, 96, 0, "shortest_edge")[0]
    np.testing.assert_allclose(pixels, resized[:height, :width], atol=TWINS * 255)
    for same in (image.astype(np.float32), image.astype(np.uint16)):
        np.testing.assert_array_equal(mold_one(same, config_for())[0], molded)


def test_deviation_in_the_other_modes():
    """The padding is black there, as it always was."""
    for mode in ("square", "pad64", "none"):
        config = config_with(IMAGE_RESIZE_MODE=mode, IMAGE_MEAN=MEAN, IMAGE_STD=STD)
        given = example(0, (64, 32), ())[0]
        images = assemble([_example(given, config)], config)["images"][0]
        whole, _, _ = mold_one(given, config)
        np.testing.assert_array_equal(images, whole)
        np.testing.assert_allclose(whole[:, whole.shape[1] // 2][0] * STD + MEAN,
                                   resize_image(given, 64, 64, 0, mode)[0][0, whole.shape[1] // 2],
                                   rtol=TWINS)


def _example(image, config):
    from mrcnn.data.batches import ExampleReader

    dataset = ToyDataset((image, np.zeros((*image.shape[:2], 0), bool), np.zeros(0, np.int32)))
    return ExampleReader(dataset, config).read(0, np.random.default_rng(0))


@pytest.mark.parametrize("mode", MODES)
def test_batches_of_many_shapes(mode):
    """Batch 0 is the larger one, as Keras asks of batches whose shapes vary."""
    feed = TrainingFeed(ones_of(*SHAPES), config_for(mode), shuffle=False, workers=0)
    first, second = (feed[i]["input_image"].shape for i in (0, 1))
    assert first[1] > second[1]
    assert first[2] > second[2]
    for shape in (first, second):
        assert shape[1] % 32 == shape[2] % 32 == 0


def test_the_cache_gives_the_same(tmp_path):
    from PIL import Image

    from mrcnn.data.dataset import Dataset
    from mrcnn.data.image_cache import ImageCache

    class Files(Dataset):
        def load_mask(self, image_id):
            return np.ones((30, 47, 1), bool), np.array([1], np.int32)

    dataset = Files()
    dataset.add_class("toy", 1, "one")
    Image.fromarray(example(0, (30, 47))[0]).save(tmp_path / "0.png")
    dataset.add_image("toy", 0, str(tmp_path / "0.png"))
    dataset.prepare()
    cache = ImageCache(1 << 20)
    answers = [load_image_gt(dataset, config_for(mode), 0, cache=cache)
               for mode in (*MODES, *MODES)]
    assert len(cache) == 2  # each mode its own
    for one, again in ((0, 2), (1, 3)):
        for part, same in zip(answers[one], answers[again], strict=True):
            np.testing.assert_array_equal(part, same)


def test_groups_go_by_the_size_they_get():
    """Images of one aspect are alike, however large."""
    class Sized(ToyDataset):
        def image_size(self, image_id):
            return self.examples[image_id][0].shape[:2]

    dataset = Sized(*(example(0, shape, ()) for shape in ((30, 60), (90, 180), (60, 30))))
    group = grouping_of(dataset, config_for(GROUP_BY_ASPECT=True), 2).group
    assert group[0] == group[1] != group[2]


@pytest.mark.parametrize("mode", MODES)
def test_the_check_sees_boxes_where_training_has_them(mode):
    config, shape = config_for(mode), (31, 50)
    image = load_image_gt(ones_of(shape), config, 0)[0]
    height, width = scaled_sides(*shape, 64, 96, mode == "shortest_edge_floor")[1]
    moved, frame = to_network([(0, 0, *shape), (0, 0, 31, 25)], shape, config)
    assert frame == image.shape[:2]
    np.testing.assert_allclose(moved, [(0, 0, height, width), (0, 0, height, width / 2)])


def test_anchor_advice_without_a_pyramid():
    """Every scale counts in every cell of the one level, as a slow loop over all anchors says."""
    config = config_with(FEATURES="c4", BACKBONE_STRIDES=[16], RPN_ANCHOR_SCALES=(16, 32, 48))
    boxes = np.array([[3, 5, 40, 30], [0, 0, 16, 16], [50, 20, 64, 64.0]])
    found = best_overlaps(boxes, np.full((3, 2), 64), config)
    expected = []
    for y1, x1, y2, x2 in boxes:
        best = 0
        for scale in config.RPN_ANCHOR_SCALES:
            for ratio in config.RPN_ANCHOR_RATIOS:
                height, width = scale / ratio**0.5, scale * ratio**0.5
                for cy in range(0, 64, 16):
                    for cx in range(0, 64, 16):
                        inner = (max(0, min(y2, cy + height / 2) - max(y1, cy - height / 2))
                                 * max(0, min(x2, cx + width / 2) - max(x1, cx - width / 2)))
                        union = (y2 - y1) * (x2 - x1) + scale**2 - inner
                        best = max(best, inner / union)
        expected.append(best)
    np.testing.assert_allclose(found, expected, rtol=GEOMETRY)
    assert len(advise(boxes, np.full((3, 2), 64), config)["RPN_ANCHOR_SCALES"]) == 3
