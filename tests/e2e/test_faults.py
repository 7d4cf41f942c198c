"""What must not hang, lose, leak or mix up: errors while training, kills, threads, many calls."""

import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from benchmarks import kill_test, memory_500_detects
from mrcnn.data.dataset import DataError
from mrcnn.engine.checkpoint_files import find_checkpoints
from mrcnn.model import MaskRCNN

THREADS = 8


@pytest.fixture
def eager():
    """Run layers one by one: a new model then trains at once instead of being traced first."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """An inference model with random weights, which finds something everywhere."""
    return MaskRCNN("inference", tiny.tiny_config(IMAGES_PER_GPU=1), tmp_path_factory.mktemp("d"))


# --- errors in the middle of training ---------------------------------------------------------


def burning(image):
    raise OSError("the disk is on fire")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("workers", [0, 3])
def test_an_error_in_a_dataset_stops_training_and_names_the_image(tmp_path, eager, workers):
    dataset = tiny.shapes(12, kind=tiny.SpoiledShapes)
    model = tiny.training_model(tmp_path, LOADER_WORKERS=workers, STEPS_PER_EPOCH=20)
    dataset.spoiled, dataset.image = 7, burning
    with pytest.raises(DataError, match=r"image 7 \(shapes\.7\).*the disk is on fire"):
        tiny.train(model, dataset=dataset)
    assert model.epoch == 0 and find_checkpoints(model.log_dir) == []
    dataset.spoiled = -1
    model.config.STEPS_PER_EPOCH = 1
    tiny.train(model, dataset=dataset)  # the model is as good as before
    assert model.epoch == 1


@pytest.mark.timeout(180)
def test_an_error_in_the_validation_set_names_the_image(tmp_path, eager):
    dataset = tiny.shapes(2, kind=tiny.SpoiledShapes, seed=4)
    dataset.spoiled, dataset.image = 1, burning
    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1)
    with pytest.raises(DataError, match=r"image 1 \(shapes\.1\).*the disk is on fire"):
        tiny.train(model, val_dataset=dataset)


@pytest.mark.timeout(180)
def test_a_loss_that_is_no_number_names_the_images(tmp_path, eager):
    dataset = tiny.shapes(kind=tiny.SpoiledShapes)
    dataset.spoiled = 2
    dataset.image = lambda image: np.full(image.shape, 3e38, np.float32)
    model = tiny.training_model(tmp_path, IMAGES_PER_GPU=1, STEPS_PER_EPOCH=6)
    with pytest.raises(FloatingPointError, match=r"images 2 \(shapes\.2\)\. Check"):
        tiny.train(model, dataset=dataset, learning_rate=1e-4)
    assert find_checkpoints(model.log_dir) == []


def test_an_interrupted_training_keeps_its_epochs(tmp_path, eager):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = tiny.training_model(tmp_path, STEPS_PER_EPOCH=1)
    with pytest.raises(KeyboardInterrupt):
        tiny.train(model, 3, custom_callbacks=[Interrupt()])
    assert model.epoch == 1 and model.find_last().endswith("_0001.h5")


# --- kill -9 ----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
@pytest.mark.timeout(900)
def test_kills_lose_no_finished_epoch(tmp_path):
    """Three kills; `benchmarks/kill_test.py` does it as often as asked."""
    rounds = kill_test.kill_again_and_again(tmp_path, kills=3, seed=3)
    for number, facts in enumerate(rounds):
        assert facts["vanished"] == [], facts
        assert facts["lost"] == 0, facts
        assert facts["began"] == (rounds[number - 1]["newest"] if number else 0), facts
    run, = tmp_path.iterdir()
    epochs = [int(path.stem[-4:]) for path in find_checkpoints(run)]
    assert epochs == list(range(1, rounds[-1]["newest"] + 1))


# --- threads and many calls -------------------------------------------------------------------


def test_threads_detect_as_one_after_another(detector):
    sizes = [(64, 64), (50, 90), (120, 30), (200, 160)]
    images = [tiny.shapes(1, size, seed=number).load_image(0) for number, size in enumerate(sizes)]
    expected = [detector.detect([image])[0] for image in images]
    assert sum(len(result["scores"]) for result in expected) > 0
    tasks = list(range(len(images))) * 6
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda i: detector.detect([images[i]])[0], tasks))
    for i, result in zip(tasks, results, strict=True):
        for key, array in expected[i].items():
            np.testing.assert_array_equal(result[key], array, err_msg=f"image {i}: {key}")


def test_threads_may_be_the_first_to_detect(tmp_path):
    """Nothing is compiled yet when they begin."""
    model = MaskRCNN("inference", tiny.tiny_config(), tmp_path)
    image = tiny.shapes(1).load_image(0)
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda _: model.detect([image])[0], range(THREADS)))
    for result in results[1:]:
        np.testing.assert_array_equal(result["rois"], results[0]["rois"])
    assert model.network.traces == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("mode", ["square", "pad64"])
def test_many_detects_in_flat_memory_and_one_trace(tmp_path, mode):
    """`benchmarks/memory_500_detects.py` does it 500 times."""
    config = tiny.tiny_config(IMAGE_RESIZE_MODE=mode)
    model = MaskRCNN("inference", config, tmp_path)
    readings, traces = memory_500_detects.measure(model, 60, warm_up=30, every=10)
    assert traces == 1
    assert readings[-1] - readings[0] < 100, readings


def test_anchors_of_many_shapes_are_not_all_kept(detector):
    for side in range(1, 41):
        detector.get_anchors((64 * side, 64, 3))
    assert detector._anchors_of.cache_info().currsize < 40


def test_detect_prints_nothing_unless_asked(detector, capsys):
    image = tiny.shapes(1).load_image(0)
    detector.detect([image])
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    detector.detect([image], verbose=1)
    assert "molded_images" in capsys.readouterr().out
