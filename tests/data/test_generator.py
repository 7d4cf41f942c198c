"""DataGenerator and data_generator: shapes and types, each image once, seeds, errors."""

import warnings

import numpy as np
import pytest
from toy import ToyDataset, config_with, example

from mrcnn.data.batches import assemble
from mrcnn.data.dataset import DataError, Dataset
from mrcnn.data.generator import DataGenerator, data_generator
from mrcnn.data.imgaug_standin import augmenters as iaa


def toys(count, **kwargs):
    return ToyDataset(*(example(seed, **kwargs) for seed in range(count)))


def ids(batch):
    return batch[0][1][:, 0].astype(int).tolist()


FEEDS = {
    "DataGenerator": lambda dataset, config, **kw: DataGenerator(dataset, config, **kw)[0],
    "data_generator": lambda dataset, config, **kw: next(
        data_generator(dataset, config, batch_size=2, **kw)),
}


@pytest.mark.parametrize("feed", FEEDS)
def test_seven_inputs(feed):
    inputs, outputs = FEEDS[feed](toys(3), config_with())
    assert outputs == []
    anchors = 3 * (16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1)
    assert [(x.shape, x.dtype) for x in inputs] == [
        ((2, 64, 64, 3), np.float32), ((2, 16), np.float64), ((2, anchors, 1), np.int32),
        ((2, 32, 4), np.float64), ((2, 5), np.int32), ((2, 5, 4), np.int32),
        ((2, 28, 28, 5), bool)]


@pytest.mark.parametrize("feed", FEEDS)
def test_nine_inputs_and_three_outputs(feed):
    config = config_with(TRAIN_ROIS_PER_IMAGE=200, USE_MINI_MASK=False)
    inputs, outputs = FEEDS[feed](toys(3), config, random_rois=50, detection_targets=True)
    assert inputs[6].shape == (2, 64, 64, 5)
    assert [(x.shape, x.dtype) for x in inputs[7:]] == [
        ((2, 50, 4), np.int32), ((2, 200, 4), np.int32)]
    assert [(x.shape, x.dtype) for x in outputs] == [
        ((2, 200, 1), np.int32), ((2, 200, 4, 4), np.float32), ((2, 200, 28, 28, 4), np.float32)]


def test_random_rois_alone_are_an_eighth_input():
    inputs, outputs = DataGenerator(toys(2), config_with(), random_rois=9)[0]
    assert (len(inputs), outputs) == (8, [])
    with pytest.raises(ValueError, match="expected random_rois above 0"):
        DataGenerator(toys(2), config_with(), detection_targets=True)


def test_images_are_molded_and_padded_ground_truth_is_zero():
    dataset, config = toys(1), config_with(IMAGES_PER_GPU=1)
    images, _, _, _, class_ids, boxes, masks = DataGenerator(dataset, config)[0][0]
    expected = dataset.examples[0][0].astype(np.float64) - [123.7, 116.8, 103.9]
    np.testing.assert_allclose(images[0], expected, atol=1e-4)
    np.testing.assert_array_equal(class_ids[0], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(boxes[0, 0], [8, 8, 40, 30])
    assert not boxes[0, 1:].any()
    assert not masks[..., 1:].any()


@pytest.mark.parametrize("shuffle", [False, True])
def test_each_image_once_an_epoch(shuffle):
    dataset = toys(8)
    feed = DataGenerator(dataset, config_with(), shuffle=shuffle)
    assert len(feed) == 4
    orders = []
    for _ in range(3):
        seen = [i for batch in feed for i in ids(batch)]
        assert sorted(seen) == list(range(8))
        orders.append(seen)
        feed.on_epoch_end()
    assert (orders[0] == list(range(8))) is not shuffle
    assert (orders[0] != orders[1]) is shuffle


def test_last_batch_is_filled_with_the_first_images():
    feed = DataGenerator(toys(5), config_with(), shuffle=False)
    assert [ids(feed[i]) for i in range(len(feed))] == [[0, 1], [2, 3], [4, 0]]
    assert ids(feed[-1]) == [4, 0]
    with pytest.raises(IndexError, match="batch index below 3, received 3"):
        feed[3]
    assert ids(DataGenerator(toys(1), config_with())[0]) == [0, 0]


def test_index_is_honoured_and_repeats():
    feed = DataGenerator(toys(6), config_with(), augmentation=iaa.Affine(rotate=(-30, 30)))
    first = [feed[i] for i in (2, 0, 1)]
    again = [feed[i] for i in (2, 0, 1)]
    for a, b in zip(first, again, strict=True):
        for x, y in zip(a[0], b[0], strict=True):
            np.testing.assert_array_equal(x, y)
    feed.on_epoch_end()
    assert (feed[2][0][0] != first[0][0][0]).any()


def test_seed_repeats_and_global_seed_counts_without_one():
    def run(seed):
        config = config_with(SEED=seed)
        return [DataGenerator(toys(6), config)[i][0] for i in range(3)]

    for a, b in zip(run(5), run(5), strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    assert any((a[2] != b[2]).any() for a, b in zip(run(5), run(6), strict=True))
    orders = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        feed = DataGenerator(toys(6), config_with(SEED=None))
        orders.append([ids(batch) for batch in feed])
    assert orders[0] == orders[1]


def test_endless_generator_goes_through_all_images_each_pass():
    feed = data_generator(toys(5), config_with(), batch_size=2)
    seen = [i for _ in range(10) for i in ids(next(feed))]
    for start in range(0, 20, 5):
        assert sorted(seen[start : start + 5]) == list(range(5))
    plain = data_generator(toys(3), config_with(), shuffle=False)
    assert [ids(next(plain)) for _ in range(4)] == [[0], [1], [2], [0]]


def test_augment_and_sources_that_are_not_augmented():
    dataset = toys(1)
    original = dataset.examples[0][0] - np.array([123.7, 116.8, 103.9])

    def mirrored(**kwargs):
        feed = data_generator(dataset, config_with(), **kwargs)
        return [not np.allclose(next(feed)[0][0][0], original, atol=1e-3) for _ in range(8)]

    assert set(mirrored(augment=True)) == {True, False}
    assert mirrored(augmentation=iaa.Fliplr(1.0)) == [True] * 8
    assert not any(mirrored(augment=True, augmentation=iaa.Fliplr(1.0),
                            no_augmentation_sources=["toy"]))
    assert all(mirrored(augmentation=iaa.Fliplr(1.0), no_augmentation_sources=["other"]))


def test_too_many_objects_are_thinned_out_by_the_seed():
    boxes = tuple((i * 5, i * 5, i * 5 + 12, i * 5 + 12) for i in range(9))
    dataset = ToyDataset(example(boxes=boxes))
    config = config_with(IMAGES_PER_GPU=1)
    feed = DataGenerator(dataset, config)
    chosen = []
    for _ in range(6):
        with pytest.warns(UserWarning, match="MAX_GT_INSTANCES = 5 .*MAX_OBJECTS_PER_IMAGE"):
            _, _, _, _, class_ids, got, _ = feed[0][0]
        assert (class_ids > 0).all()
        chosen.append([tuple(box) for box in got[0]])
        assert set(chosen[-1]) <= set(boxes)
        assert len(set(chosen[-1])) == 5
        feed.on_epoch_end()
    assert len({tuple(boxes) for boxes in chosen}) > 1


def test_as_many_objects_as_allowed_are_no_warning():
    boxes = tuple((i * 5, i * 5, i * 5 + 12, i * 5 + 12) for i in range(5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs = DataGenerator(ToyDataset(example(boxes=boxes)), config_with())[0][0]
    assert (inputs[4] > 0).all()


@pytest.mark.parametrize("feed", FEEDS)
def test_images_without_objects(feed):
    dataset = ToyDataset(example(0, boxes=()), example(1), example(2, boxes=()))
    inputs, outputs = FEEDS[feed](dataset, config_with(), shuffle=False, random_rois=10,
                                  detection_targets=True)
    np.testing.assert_array_equal((inputs[2] == 1).sum(axis=(1, 2)) > 0, [False, True])
    np.testing.assert_array_equal((inputs[2] == -1).sum(axis=(1, 2))[0], 32)
    assert not outputs[0][0].any()
    assert not outputs[1][0].any()
    kept = FEEDS[feed](dataset, config_with(TRAIN_ON_EMPTY=False), shuffle=False)
    assert ids(kept) == [1, 1]


def test_nothing_but_images_without_objects():
    dataset = ToyDataset(example(0, boxes=()), example(1, boxes=()))
    with pytest.raises(DataError, match="none of 2 images has an object"):
        DataGenerator(dataset, config_with(TRAIN_ON_EMPTY=False))[0]
    with pytest.raises(ValueError, match="the dataset has no images"):
        DataGenerator(Dataset(), config_with())


def test_images_of_different_shapes_share_a_frame():
    dataset = ToyDataset(example(0, (100, 64)), example(1, (64, 150)))
    config = config_with(IMAGE_RESIZE_MODE="pad64", USE_MINI_MASK=False)
    feed = DataGenerator(dataset, config, shuffle=False)
    images, meta, match, _, _, boxes, masks = feed[0][0]
    assert images.shape == (2, 128, 192, 3)
    assert masks.shape == (2, 128, 192, 5)
    np.testing.assert_array_equal(meta[:, 4:7], [[128, 192, 3]] * 2)
    np.testing.assert_array_equal(meta[:, 7:11], [[14, 0, 114, 64], [0, 21, 64, 171]])
    assert match.shape[1] == 3 * (32 * 48 + 16 * 24 + 8 * 12 + 4 * 6 + 2 * 3)
    np.testing.assert_allclose(images[0, :, 64:], np.broadcast_to(
        -np.array([123.7, 116.8, 103.9]), (128, 128, 3)), atol=1e-4)
    for i in range(2):
        y1, x1, y2, x2 = boxes[i, 0]
        assert masks[i, y1:y2, x1:x2, 0].all()
        assert masks[i, :, :, 0].sum() == (y2 - y1) * (x2 - x1)
        np.testing.assert_array_equal(boxes[i, 0, :2], meta[i, 7:9] + 8)


def test_mini_masks_change_neither_classes_nor_boxes_nor_anchors():
    batches = [DataGenerator(toys(4), config_with(USE_MINI_MASK=mini))[0][0]
               for mini in (True, False)]
    for a, b in zip(batches[0][:6], batches[1][:6], strict=True):
        np.testing.assert_array_equal(a, b)


def test_errors_name_the_image():
    good = example()
    dataset = ToyDataset(good, (good[0], good[1][:-1], good[2]))
    feed = DataGenerator(dataset, config_with(IMAGES_PER_GPU=1), shuffle=False)
    feed[0]
    with pytest.raises(DataError, match=r"image 1 \(/toy/1.png\): mask: expected the image's"):
        feed[1]
    endless = data_generator(dataset, config_with(), shuffle=False)
    next(endless)
    with pytest.raises(DataError, match=r"image 1 \(/toy/1.png\)"):
        next(endless)


def test_one_batch_by_hand_needs_equal_keys():
    config = config_with()
    feed = DataGenerator(toys(2), config)
    examples = [feed._reader.read(i, np.random.default_rng(i)) for i in range(2)]
    arrays = assemble(examples, config, shape=(128, 128))
    assert arrays["images"].shape == (2, 128, 128, 3)
