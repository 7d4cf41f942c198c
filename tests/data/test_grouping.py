"""GROUP_BY_ASPECT: every image once a pass, like shapes together, the same on each run."""

import numpy as np
import pytest
from PIL import Image
from toy import config_with

from mrcnn.data.batches import Passes
from mrcnn.data.dataset import Dataset
from mrcnn.data.generator import DataGenerator
from mrcnn.data.grouping import Grouping, grouping_of
from mrcnn.data.training_feed import TrainingFeed


def passes(count, size, kinds=3, joined=True, seed=5):
    group = {i + 100: (i % kinds, 0) for i in range(count)}
    return Passes(np.arange(count) + 100, True, seed, Grouping(group, size, joined)), group


def batches(row, size, count):
    """The batches of an endless row of passes, as lists of ids."""
    ids = [row.order(number)[place] for number, place in map(row.place, range(size * count))]
    return np.reshape(ids, (count, size))


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize(("count", "size"), [(24, 4), (23, 4), (25, 3), (3, 4), (1, 5), (8, 1)])
def test_each_image_once_a_pass(count, size, joined):
    row, _ = passes(count, size, joined=joined)
    for number in range(6):
        order = row.order(number)
        np.testing.assert_array_equal(np.sort(order), np.arange(count) + 100)
        assert order.dtype == row.image_ids.dtype


@pytest.mark.parametrize(("count", "size"), [(120, 4), (121, 4), (119, 4), (122, 3)])
def test_batches_hold_one_shape_also_across_passes(count, size):
    row, group = passes(count, size)
    plain = Passes(row.image_ids, True, 5)
    number = 6 * count // size

    def mixed(some):
        return sum(len({group[i] for i in batch}) > 1 for batch in batches(some, size, number))

    assert mixed(plain) > 0.7 * number
    assert mixed(row) <= 6 * 5  # where one shape ends, and a joint of two passes, in each pass


def test_pass_begins_with_a_batch_of_its_own_where_passes_are_not_joined():
    row, group = passes(22, 4, kinds=2, joined=False)
    for number in range(5):
        order = row.order(number)
        mixed = sum(len({group[i] for i in order[k : k + 4]}) > 1 for k in range(0, 22, 4))
        assert mixed <= 2


def test_repeats_and_differs_from_pass_to_pass():
    first, again = passes(50, 4)[0], passes(50, 4)[0]
    orders = [first.order(number) for number in range(3)]
    for number in (2, 0, 1):  # a resumed run asks for any
        np.testing.assert_array_equal(again.order(number), orders[number])
    assert (orders[0] != orders[1]).any()
    assert (passes(50, 4, seed=6)[0].order(0) != orders[0]).any()
    together = {frozenset(batch) for batch in batches(first, 4, 12).tolist()}
    later = {frozenset(batch) for batch in batches(first, 4, 36)[24:].tolist()}
    assert len(together & later) < 6


class Sizes(Dataset):
    """Wide and tall images in turn; their size is known from the entry or the file."""

    def __init__(self, folder, count=16):
        super().__init__()
        self.add_class("toy", 1, "thing")
        for i in range(count):
            height, width = ((64, 190), (190, 64))[i % 2]
            path = folder / f"{i}.png"
            Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
            known = {"height": height, "width": width} if i % 3 else {}
            self.add_image("toy", i, str(path), **known)
        self.prepare()


def test_sizes_from_entries_and_headers_save_padding(tmp_path):
    dataset = Sizes(tmp_path)
    config = config_with(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=64, IMAGES_PER_GPU=4,
                         GROUP_BY_ASPECT=True)
    grouped = TrainingFeed(dataset, config, seed=3, workers=0, first_batch=1)
    assert {grouped[i]["input_image"].shape for i in range(1, 4)} == {
        (4, 64, 192, 3), (4, 192, 64, 3)}
    generator = DataGenerator(dataset, config)
    shapes = [generator[i][0][0].shape[1:3] for i in range(4)]
    assert sorted(shapes) == [(64, 192)] * 2 + [(192, 64)] * 2
    config.GROUP_BY_ASPECT = False
    plain = TrainingFeed(dataset, config, seed=3, workers=0, first_batch=1)
    assert (4, 192, 192, 3) in {plain[i]["input_image"].shape for i in range(1, 4)}


def test_unknown_sizes_make_one_group_and_equal_shapes_none(tmp_path):
    dataset = Sizes(tmp_path)
    for info in dataset.image_info:
        info.update(path=None)
    config = config_with(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=64, GROUP_BY_ASPECT=True)
    groups = grouping_of(dataset, config, 4).group
    assert {groups[i] for i in range(0, 16, 3)} == {(0, 0)}
    assert len(set(groups.values())) == 3
    config.IMAGE_RESIZE_MODE = "square"
    assert grouping_of(dataset, config, 4) is None


def test_unshuffled_order_stays(tmp_path):
    config = config_with(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=64, GROUP_BY_ASPECT=True)
    generator = DataGenerator(Sizes(tmp_path), config, shuffle=False)
    np.testing.assert_array_equal(generator.image_ids, np.arange(16))
