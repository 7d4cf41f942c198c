"""Images of 1, 3, 4 and 6 channels, 8 and 16 bits and floats, from file to batch."""

import numpy as np
import pytest
from channel_files import channel_set
from toy import config_with

from mrcnn.data.dataset import Dataset
from mrcnn.data.generator import DataGenerator
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.geometry.molding import mold_image
from mrcnn.visualize import display_images, display_instances

CHANNELS = (1, 3, 4, 6)


def config_of(bands, **knobs):
    return config_with(IMAGE_CHANNEL_COUNT=bands, NUM_CLASSES=2, **knobs)


@pytest.fixture(params=CHANNELS)
def files(request, tmp_path):
    """(number of channels, dataset, its arrays)."""
    return request.param, *channel_set(tmp_path, request.param)


def test_the_knob_alone_decides(files):
    bands, dataset, arrays = files
    for image_id, array in enumerate(arrays):
        image, meta, class_ids, bbox, mask = load_image_gt(dataset, config_of(bands), image_id)
        assert image.dtype == array.dtype
        np.testing.assert_array_equal(image, array)
        np.testing.assert_array_equal(meta[1:7], [64, 64, bands] * 2)
        np.testing.assert_array_equal(class_ids, [1, 1])
        np.testing.assert_array_equal(mask.sum(axis=(0, 1)), [22 * 24] * 2)


def test_types_last_through_resizing_and_mirroring(files):
    bands, dataset, arrays = files
    rng = type("Always", (), {"integers": lambda self, *args: 1})()
    for image_id, array in enumerate(arrays):
        config = config_of(bands, IMAGE_MIN_DIM=128, IMAGE_MAX_DIM=128)
        image = load_image_gt(dataset, config, image_id)[0]
        assert (image.dtype, image.shape) == (array.dtype, (128, 128, bands))
        mirrored = load_image_gt(dataset, config_of(bands), image_id, augment=True, rng=rng)
        np.testing.assert_array_equal(mirrored[0], array[:, ::-1])
        assert mirrored[0].dtype == array.dtype


def test_batches_hold_the_molded_images(files):
    bands, dataset, arrays = files
    config = config_of(bands, MEAN_PIXEL=[7.5])
    inputs, _ = DataGenerator(dataset, config, shuffle=False)[0]
    assert inputs[0].dtype == np.float32
    for i, array in enumerate(arrays[:len(inputs[0])]):
        np.testing.assert_array_equal(inputs[0][i], (array - 7.5).astype(np.float32))


@pytest.mark.parametrize("bands", CHANNELS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_one_mean_serves_every_channel(bands, dtype):
    image = np.full((2, 3, bands), 200, dtype)
    config = config_of(bands, MEAN_PIXEL=100.0)
    np.testing.assert_array_equal(mold_image(image, config.mean_pixel),
                                  np.full((2, 3, bands), 100, np.float32))


def test_a_grey_network_reads_colour_files_and_the_other_way_round(tmp_path):
    colours, arrays = channel_set(tmp_path / "colours", 3)
    grey = load_image_gt(colours, config_of(1), 0)[0]
    red, green, blue = (arrays[0][..., i].astype(float) for i in range(3))
    np.testing.assert_allclose(grey[..., 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=0.51)
    dataset, arrays = channel_set(tmp_path / "grey", 1)
    np.testing.assert_array_equal(load_image_gt(dataset, config_of(3), 2)[0],
                                  np.repeat(arrays[2], 3, axis=2))


def test_alpha_is_dropped_where_three_are_wanted(tmp_path):
    dataset, arrays = channel_set(tmp_path, 4)
    for image_id, array in enumerate(arrays):
        np.testing.assert_array_equal(load_image_gt(dataset, config_of(3), image_id)[0],
                                      array[..., :3])
        np.testing.assert_array_equal(dataset.load_image(image_id), array[..., :3])


def test_what_a_file_cannot_give_is_said(tmp_path):
    dataset, _ = channel_set(tmp_path, 3)
    with pytest.raises(ValueError, match=r"image 0 \(.*0.png\).*expected 4 channels.*64, 64, 3"):
        load_image_gt(dataset, config_of(4), 0)


@pytest.mark.parametrize("way", ["subclass", "instance"])
def test_an_own_load_image_is_asked_and_not_the_file(way):
    answer = np.zeros((5, 6, 9), np.int16)

    class Own(Dataset):
        def load_image(self, image_id):
            return answer

    dataset = Own() if way == "subclass" else Dataset()
    if way == "instance":
        dataset.load_image = lambda image_id: answer
    dataset.add_image("s", 1, "nowhere.png")
    assert dataset.load_image_as(0, 9) is answer


def test_all_of_them_can_be_shown(files, tmp_path):
    bands, dataset, arrays = files
    for image_id, array in enumerate(arrays[::2]):
        mask, class_ids = dataset.load_mask(2 * image_id)
        boxes = load_image_gt(dataset, config_of(bands), 2 * image_id)[3]
        figure = display_instances(array, boxes, mask, class_ids, dataset.class_names)
        figure.canvas.draw()
        shown = figure.axes[0].images[0].get_array()
        assert (shown.dtype, shown.shape) == (np.uint8, (64, 64, 3))
        assert np.ptp(shown[:5, :, 0]) < 80 and shown.max() > 180  # neither black nor cut off
    figure = display_images([array for array in arrays], cols=3)
    figure.savefig(tmp_path / "all.png")
