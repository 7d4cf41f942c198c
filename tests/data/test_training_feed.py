"""TrainingFeed: what Keras gets, in threads; errors that surface; names of images."""

import time

import numpy as np
import pytest
from toy import ToyDataset, config_with, example

from mrcnn.data.dataset import DataError
from mrcnn.data.imgaug_standin import augmenters as iaa

keras = pytest.importorskip("keras")
from mrcnn.data.training_feed import TrainingFeed  # noqa: E402


def toys(count, **kwargs):
    return ToyDataset(*(example(seed, **kwargs) for seed in range(count)))


def ids(batch):
    return batch["input_image_meta"][:, 0].astype(int).tolist()


class Seen(keras.Model):
    """Takes every batch and notes its images."""

    def __init__(self):
        super().__init__()
        self.seen, self.shapes = [], []
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        return self.scale

    def train_step(self, data):
        self.note(data)
        return {"loss": 0.0}

    test_step = train_step

    def note(self, data):
        self.seen.append(data["input_image_meta"].numpy()[:, 0].astype(int).tolist())
        self.shapes.append(tuple(data["input_image"].shape))


def fit(feed, epochs=1, steps=4, validation=None):
    model = Seen()
    model.compile(run_eagerly=True, jit_compile=False)
    model.fit(feed, epochs=epochs, steps_per_epoch=steps, validation_data=validation, verbose=0)
    return model


def test_batch_has_the_names_and_types_of_the_models_inputs():
    batch = TrainingFeed(toys(4), config_with())[0]
    assert {name: (array.shape, array.dtype.name) for name, array in batch.items()} == {
        "input_image": ((2, 64, 64, 3), "float32"),
        "input_image_meta": ((2, 16), "float32"),
        "input_rpn_match": ((2, 1023, 1), "int32"),
        "input_rpn_bbox": ((2, 32, 4), "float32"),
        "input_gt_class_ids": ((2, 5), "int32"),
        "input_gt_boxes": ((2, 5, 4), "float32"),
        "input_gt_masks": ((2, 28, 28, 5), "uint8"),
    }


def test_random_rois_in_place_of_proposals():
    batch = TrainingFeed(toys(4), config_with(USE_RPN_ROIS=False))[0]
    assert (batch["input_roi"].shape, batch["input_roi"].dtype) == ((2, 30, 4), np.int32)
    assert batch["input_roi"].max() > 1


def test_each_image_once_a_pass_whatever_the_batch_size():
    feed = TrainingFeed(toys(5), config_with())
    seen = [i for k in range(10) for i in ids(feed[k])]
    for start in range(0, 20, 5):
        assert sorted(seen[start : start + 5]) == list(range(5))
    assert seen[:5] != seen[5:10]
    plain = TrainingFeed(toys(3), config_with(), shuffle=False)
    assert [ids(plain[k]) for k in range(3)] == [[0, 1], [2, 0], [1, 2]]


def test_batches_depend_on_their_index_alone():
    pipeline = iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-20, 20))])
    one = TrainingFeed(toys(5), config_with(), augmentation=pipeline)
    two = TrainingFeed(toys(5), config_with(), augmentation=pipeline)
    later = TrainingFeed(toys(5), config_with(), augmentation=pipeline, first_batch=3)
    expected = {k: one[k] for k in (7, 3, 5)}
    for k in (3, 5, 7):
        for name, array in expected[k].items():
            np.testing.assert_array_equal(two[k][name], array)
            np.testing.assert_array_equal(later[k - 3][name], array)
    other = TrainingFeed(toys(5), config_with(), augmentation=pipeline, seed=99)
    assert (other[3]["input_rpn_match"] != expected[3]["input_rpn_match"]).any()


@pytest.mark.parametrize("workers", [0, 3])
def test_fit_reads_in_order_over_epochs(workers):
    config = config_with(LOADER_WORKERS=workers)
    feed = TrainingFeed(toys(5), config)
    assert feed.workers == workers
    model = fit(feed, epochs=3, steps=4)
    expected = [ids(TrainingFeed(toys(5), config)[k]) for k in range(12)]
    assert model.seen == expected


def test_finite_feed_gives_the_same_batches_every_epoch():
    validation = TrainingFeed(toys(4), config_with(LOADER_WORKERS=2), shuffle=False, batch_count=2)
    assert validation.num_batches == 2
    model = fit(TrainingFeed(toys(4), config_with()), epochs=2, steps=1, validation=validation)
    assert [s for i, s in enumerate(model.seen) if i not in (0, 3)] == [[0, 1], [2, 3]] * 2
    with pytest.raises(IndexError, match="below 2, received 2"):
        validation[2]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("mode", ["pad64", "none"])
def test_keras_accepts_batches_of_changing_shape(mode, workers):
    shapes = [(64, 64)] * 4 + [(128, 64), (192, 192)]
    dataset = ToyDataset(*(example(i, shape) for i, shape in enumerate(shapes)))
    config = config_with(IMAGE_RESIZE_MODE=mode, IMAGES_PER_GPU=1, LOADER_WORKERS=workers,
                         USE_MINI_MASK=False)
    model = fit(TrainingFeed(dataset, config, shuffle=False), steps=6)
    assert model.shapes == [(1, *shape, 3) for shape in shapes]
    one = TrainingFeed(dataset, config, shuffle=False, batch_count=1)
    model = fit(TrainingFeed(dataset, config, shuffle=False), steps=6, validation=one)
    assert sorted(model.shapes) == sorted((1, *shape, 3) for shape in [*shapes, shapes[0]])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_while_reading_stops_fit_and_names_the_image(workers):
    def fail():
        raise RuntimeError("disk gone")

    good = example()
    dataset = ToyDataset(*[good] * 7, (fail, *good[1:]))
    feed = TrainingFeed(dataset, config_with(LOADER_WORKERS=workers, IMAGES_PER_GPU=1),
                        shuffle=False)
    start = time.monotonic()
    with pytest.raises(Exception, match="disk gone|image 7"):
        fit(feed, steps=50)
    assert time.monotonic() - start < 60
    assert isinstance(feed.error, DataError)
    assert "image 7 (/toy/7.png): load_image: RuntimeError: disk gone" in str(feed.error)


def test_names_of_the_images_of_a_batch():
    feed = TrainingFeed(toys(4), config_with(), shuffle=False, first_batch=1)
    assert feed.images_of_batch(0) == ["2 (/toy/2.png)", "3 (/toy/3.png)"]
    assert feed.images_of_batch(3) == ["0 (/toy/0.png)", "1 (/toy/1.png)"]
    skipping = TrainingFeed(ToyDataset(example(0, boxes=()), example(1)),
                            config_with(TRAIN_ON_EMPTY=False), shuffle=False)
    assert ids(skipping[0]) == [1, 1]
    assert skipping.images_of_batch(0) == ["1 (/toy/1.png)"] * 2


def test_images_without_objects_are_negatives():
    feed = TrainingFeed(ToyDataset(example(0, boxes=()), example(1)), config_with(), shuffle=False)
    batch = feed[0]
    np.testing.assert_array_equal((batch["input_rpn_match"] == 1).any(axis=(1, 2)), [False, True])
    assert not batch["input_gt_class_ids"][0].any()
    assert not batch["input_gt_masks"][0].any()


def test_workers_by_default():
    assert TrainingFeed(toys(1), config_with()).workers >= 1
    assert TrainingFeed(toys(1), config_with(), workers=0).workers == 0
    assert not TrainingFeed(toys(1), config_with()).use_multiprocessing
