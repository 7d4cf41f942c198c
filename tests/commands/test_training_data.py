"""What trains and what validates, and what follows from the data."""

import numpy as np
import pytest
from channel_files import write_image
from commands.tiny_runs import labelme_folder
from PIL import Image

from mrcnn.commands.opening import Description
from mrcnn.commands.reading import DataSource
from mrcnn.commands.training import data_defaults, sets
from mrcnn.commands.training.starting_weights import Start
from mrcnn.config import Config
from mrcnn.data.dataset import DataError, Dataset
from mrcnn.data.formats.loading import load_dataset


def ids(dataset):
    return [str(dataset.image_info[int(i)]["id"]) for i in dataset.image_ids]


# --- which part -----------------------------------------------------------------------------

def test_train_and_val_of_one_folder(tmp_path):
    labelme_folder(tmp_path / "train", 3)
    labelme_folder(tmp_path / "val", 2)
    data = sets.load_sets(DataSource(tmp_path))
    assert (data.format, data.subset, data.val_subset) == ("labelme", "train", "val")
    assert (len(data.train.image_ids), len(data.val.image_ids)) == (3, 2)
    assert data.val_path == str(tmp_path) and not data.is_split
    assert sets.load_sets(DataSource(tmp_path), "none").val is None
    assert len(sets.load_sets(DataSource(tmp_path, subset="val")).train.image_ids) == 2
    swapped = sets.load_sets(DataSource(tmp_path, subset="val"), "train")
    assert (len(swapped.train.image_ids), len(swapped.val.image_ids)) == (2, 3)


def test_years_in_the_names(coco_dir):
    data = sets.load_sets(DataSource(coco_dir))
    assert (data.subset, data.val_subset) == ("train2017", "val2017")
    assert data.val.num_classes == data.train.num_classes == 81


def test_a_validation_set_of_its_own(tmp_path):
    labelme_folder(tmp_path / "a", 3)
    labelme_folder(tmp_path / "b", 2)
    data = sets.load_sets(DataSource(tmp_path / "a"), tmp_path / "b")
    assert (len(data.train.image_ids), len(data.val.image_ids)) == (3, 2)
    assert data.val_path == str(tmp_path / "b")


def test_subsets_among_which_nothing_decides(tmp_path):
    labelme_folder(tmp_path / "red", 1)
    labelme_folder(tmp_path / "green", 1)
    with pytest.raises(ValueError, match="has the subsets green, red: choose one by --subset"):
        sets.load_sets(DataSource(tmp_path))
    with pytest.raises(DataError):
        sets.load_sets(DataSource(tmp_path, subset="blue"))


def test_classes_that_only_validation_has(tmp_path):
    labelme_folder(tmp_path / "train", 2, "cat")
    labelme_folder(tmp_path / "val", 2, "Cat")
    with pytest.raises(ValueError, match="has the classes Cat, which the training set has not; "
                                         "that has cat"):
        sets.load_sets(DataSource(tmp_path))


def test_a_tenth_is_held_out(tmp_path):
    labelme_folder(tmp_path, 24)
    data = sets.load_sets(DataSource(tmp_path))
    whole = ids(data.train)
    assert data.is_split and data.val is None
    sets.hold_out(data)
    assert (len(data.train.image_ids), len(data.val.image_ids)) == (22, 2)
    assert sorted(ids(data.train) + ids(data.val)) == sorted(whole)
    again = sets.load_sets(DataSource(tmp_path))
    again.train.skip_images([int(i) for i in data.train.image_ids[:3]])  # faulty, say
    sets.hold_out(again)
    assert set(ids(data.val)) == set(ids(again.val))
    assert len(again.train.image_ids) == 19


def test_few_images_all_train(tmp_path):
    data = sets.load_sets(DataSource(labelme_folder(tmp_path, 4)))
    sets.hold_out(data)
    assert len(data.train.image_ids) == 4 and data.val is None


def test_generated_shapes():
    data = sets.load_sets(DataSource("shapes"))
    assert (len(data.train.image_ids), len(data.val.image_ids)) == (500, 50)
    assert not np.array_equal(data.train.load_image(0), data.val.load_image(0))


# --- what follows ---------------------------------------------------------------------------

@pytest.mark.parametrize(("path", "name"), [
    ("My Fruit-set 2", "my_fruit_set_2"), ("fruit/train", "fruit"), ("fruit/labels.json", "labels"),
    ("äöü", "model")])
def test_names_of_runs(tmp_path, path, name):
    path = tmp_path / path
    if path.suffix:
        path.parent.mkdir()
        path.write_text("")
    else:
        path.mkdir(parents=True)
    assert data_defaults.run_name(path) == name


def sized(*sizes):
    dataset = Dataset()
    dataset.add_class("s", 1, "thing")
    for number, (height, width) in enumerate(sizes):
        dataset.add_image("s", number, None, height=height, width=width)
    dataset.prepare()
    return dataset


@pytest.mark.parametrize(("sizes", "most", "side"), [
    ([(480, 640)], 1024, 640), ([(480, 641)], 1024, 704), ([(2000, 3000)], 512, 512),
    ([(24, 24)], 1024, 128), ([(400, 300)] * 19 + [(4000, 3000)], 1024, 448)])
def test_image_side(sizes, most, side):
    assert data_defaults.image_side(sized(*sizes), most) == side


def test_a_side_where_no_size_can_be_read(tmp_path):
    labelme_folder(tmp_path, 1)
    dataset = load_dataset(tmp_path)
    for info in dataset.image_info:
        info.pop("height", None), info.pop("width", None), info.update(path="nowhere.png")
    assert data_defaults.image_side(dataset, 512) == 512


@pytest.mark.parametrize(("bands", "dtype", "channels"), [
    (1, np.uint8, 3), (3, np.uint8, 3), (4, np.uint8, 3), (4, np.float32, 4), (7, np.uint16, 7)])
def test_channels(tmp_path, bands, dtype, channels):
    dataset = Dataset()
    for number in range(3):
        path = write_image(tmp_path / str(number), np.ones((8, 8, bands), dtype))
        dataset.add_image("s", number, str(path))
    dataset.prepare()
    assert data_defaults.channel_count(dataset) == channels


def test_channels_that_differ(tmp_path):
    dataset = Dataset()
    for number, bands in enumerate((5, 7)):
        path = write_image(tmp_path / str(number), np.ones((8, 8, bands), np.uint8))
        dataset.add_image("s", number, str(path))
    Image.new("L", (8, 8)).save(tmp_path / "grey.png")
    dataset.prepare()
    assert data_defaults.channel_count(dataset) == 3


@pytest.mark.parametrize(("images", "batch", "steps"), [
    (61, 4, 20), (1000, 4, 250), (1001, 4, 251), (118_000, 2, 1000)])
def test_steps(images, batch, steps):
    assert data_defaults.steps_of(images, batch, 20) == steps


def statistics(most, now, then, keep=False):
    figures = [{"recall_50": value, "recall_70": 0.1} for value in (now, then)]
    return {"instances_per_image": {"max": most}, "anchors": {
        "keep": keep, "current": figures[0], "advised": figures[1],
        "RPN_ANCHOR_SCALES": [8, 16, 24, 32, 40], "RPN_ANCHOR_RATIOS": [0.5, 1, 2]}}


def test_anchors_and_limits():
    def knobs(*arguments, trained=False):
        return data_defaults.from_statistics(statistics(*arguments), trained)[0]

    assert knobs(3, 0.5, 0.9) == {"MAX_GT_INSTANCES": 20, "RPN_ANCHOR_RATIOS": [0.5, 1, 2],
                                  "RPN_ANCHOR_SCALES": (8, 16, 24, 32, 40)}
    assert "RPN_ANCHOR_SCALES" not in knobs(3, 0.5, 0.9, True)
    assert "RPN_ANCHOR_SCALES" not in knobs(3, 0.90, 0.93, trained=True)
    assert "RPN_ANCHOR_SCALES" in knobs(3, 0.80, 0.93, trained=True)
    many = knobs(300, 0.5, 0.9)
    assert many["MAX_OBJECTS_PER_IMAGE"] == 380 and "MAX_GT_INSTANCES" not in many
    assert data_defaults.from_statistics(None, False) == ({}, [])


def test_the_cache_is_for_sets_that_are_small(monkeypatch):
    monkeypatch.setattr(data_defaults.machine, "memory_gib", lambda: 8.0)
    assert data_defaults.cache_size(74, (256, 256, 3)) == 16
    assert data_defaults.cache_size(100_000, (1024, 1024, 3)) == 0
    monkeypatch.setattr(data_defaults.machine, "memory_gib", lambda: None)
    assert data_defaults.cache_size(74, (256, 256, 3)) == 0


@pytest.mark.parametrize("train_bn", [None, True, False])
def test_batch_norm_that_learns_keeps_the_batch_of_its_weights(train_bn):
    config = Config.from_dict({"TRAIN_BN": train_bn, "IMAGES_PER_GPU": 7})
    knobs = Start("file", "x.h5", Description("x.h5", config, None, 2, None)).knobs()
    assert knobs["TRAIN_BN"] is train_bn
    assert knobs.get("IMAGES_PER_GPU") == (None if train_bn is False else 7)
