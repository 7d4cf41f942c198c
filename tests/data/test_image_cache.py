"""ImageCache: the same images as without it, never a stale one, and never too many."""

import os
import threading

import numpy as np
import pytest
from PIL import Image
from toy import ToyDataset, config_with, example, rectangles

from mrcnn.data import image_cache
from mrcnn.data.batches import ExampleReader
from mrcnn.data.dataset import Dataset
from mrcnn.data.image_cache import ImageCache, ResizedImage, cache_of, image_key
from mrcnn.data.training_feed import TrainingFeed

SIDES = ((50, 64), (90, 30), (128, 128), (20, 21))


class FileDataset(Dataset):
    """Images that are files; one object each."""

    def __init__(self, folder):
        super().__init__()
        self.reads = 0
        self.add_class("toy", 1, "thing")
        rng = np.random.default_rng(0)
        for i, sides in enumerate(SIDES):
            path = folder / f"{i}.png"
            Image.fromarray(rng.integers(0, 256, (*sides, 3), np.uint8)).save(path)
            self.add_image("toy", i, str(path), sides=sides)
        self.prepare()

    def load_mask(self, image_id):
        self.reads += 1
        height, width = self.image_info[image_id]["sides"]
        return rectangles((height, width), [(2, 3, height - 4, width - 5)]), np.array([1])


@pytest.fixture(autouse=True)
def no_other_caches(monkeypatch):
    """Caches of one size are shared in a process, also with tests that ran before."""
    monkeypatch.setattr(image_cache, "_shared", type(image_cache._shared)())


@pytest.fixture(params=["memory", "folder"])
def folder(request, tmp_path):
    return None if request.param == "memory" else str(tmp_path / "kept" / "here")


def resized(side, value=1):
    image = np.full((side, side, 3), value, np.uint8)
    return ResizedImage(image, (side, side, 3), (0, 0, side, side), 1, [(0, 0)] * 3)


@pytest.mark.parametrize("mode", ["square", "pad64", "none"])
def test_same_results_with_and_without(tmp_path, folder, mode):
    dataset = FileDataset(tmp_path)
    plain = ExampleReader(dataset, config_with(IMAGE_RESIZE_MODE=mode), augment=True)
    cached = ExampleReader(dataset, config_with(IMAGE_RESIZE_MODE=mode, IMAGE_CACHE_MB=1,
                                                IMAGE_CACHE_DIR=folder), augment=True)
    for turn in range(3):
        for image_id in dataset.image_ids:
            wanted = plain.read(image_id, np.random.default_rng(turn))
            found = cached.read(image_id, np.random.default_rng(turn))
            for name in ("image", "meta", "class_ids", "boxes", "masks"):
                np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
                assert getattr(found, name).dtype == getattr(wanted, name).dtype
            found.image[:] = 0  # what the caller does to it stays with the caller
    assert len(cached.cache) == len(SIDES)


def test_a_hit_reads_no_file(tmp_path, folder, monkeypatch):
    dataset = FileDataset(tmp_path)
    reader = ExampleReader(dataset, config_with(IMAGE_CACHE_MB=1, IMAGE_CACHE_DIR=folder))
    first = reader.read(0, np.random.default_rng(0))
    monkeypatch.setattr(Dataset, "_read", lambda *_: pytest.fail("the file was read again"))
    np.testing.assert_array_equal(reader.read(0, np.random.default_rng(0)).image, first.image)


@pytest.mark.parametrize("what", ["file", "knob"])
def test_nothing_stale(tmp_path, folder, what):
    dataset = FileDataset(tmp_path)
    config = config_with(IMAGE_CACHE_MB=1, IMAGE_CACHE_DIR=folder)
    reader = ExampleReader(dataset, config)
    before = reader.read(0, np.random.default_rng(0))
    if what == "file":  # same size in bytes and pixels, another moment
        path = dataset.image_info[0]["path"]
        Image.fromarray(np.zeros((*SIDES[0], 3), np.uint8)).save(path)
        os.utime(path, ns=(1, 1))
    else:
        config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = 128
    after = reader.read(0, np.random.default_rng(0))
    config.IMAGE_CACHE_MB = 0
    wanted = ExampleReader(dataset, config).read(0, np.random.default_rng(0))
    np.testing.assert_array_equal(after.image, wanted.image)
    assert before.image.shape != after.image.shape or (before.image != after.image).any()


def test_bound_and_least_recently_used(folder):
    one = resized(20).image.nbytes + (0 if folder is None else 1000)
    cache = ImageCache(3 * one, folder)
    for key in "abc":
        cache.put(key, resized(20, ord(key)))
    assert cache.get("a").image[0, 0, 0] == ord("a")
    cache.put("d", resized(20))
    cache.put("huge", resized(200))
    assert [cache.get(key) is not None for key in ("a", "b", "c", "d", "huge")] == [
        True, False, True, True, False]
    assert cache.bytes <= 3 * one
    assert len(cache) == 3


def test_folder_outlives_the_run_and_old_files_count(tmp_path):
    first = ImageCache(10_000, tmp_path)
    for key in "abc":
        first.put(key, resized(30, ord(key)))
    stranger = tmp_path / "notes.txt"
    stranger.write_text("mine")
    (tmp_path / "mrcnn-image-x.tmp").write_bytes(b"1")
    os.utime(tmp_path / "mrcnn-image-x.tmp", (1, 1))
    again = ImageCache(10_000, tmp_path)
    assert again.get("c").image[0, 0, 0] == ord("c")
    for key in "defgh":
        again.put(key, resized(30))
    kept = list(tmp_path.glob("mrcnn-image-*"))
    assert sum(path.stat().st_size for path in kept) <= 10_000
    assert len(kept) == len(again) == 3
    assert again.get("a") is None
    assert stranger.read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", None])
def test_damaged_file_is_read_anew(tmp_path, content):
    dataset = FileDataset(tmp_path)
    config = config_with(IMAGE_CACHE_MB=1, IMAGE_CACHE_DIR=str(tmp_path / "kept"))
    reader = ExampleReader(dataset, config)
    wanted = reader.read(0, np.random.default_rng(0)).image
    kept = next((tmp_path / "kept").glob("*.npz"))
    kept.unlink() if content is None else kept.write_bytes(content)
    for _ in range(2):
        np.testing.assert_array_equal(reader.read(0, np.random.default_rng(0)).image, wanted)
    assert kept.stat().st_size > 1000


def test_full_disk_warns_once_and_reads_on(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    cache = ImageCache(10_000, tmp_path)
    monkeypatch.setattr(image_cache.np, "savez", full)
    with pytest.warns(UserWarning, match="IMAGE_CACHE_DIR: .*No space left") as caught:
        cache.put("a", resized(20))
        cache.put("b", resized(20))
    assert len(caught) == 1
    assert cache.get("a") is None
    assert not list(tmp_path.iterdir())


def test_folders_filled_by_another_process_stay_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_cache, "LOOK_AGAIN", 0)
    mine, others = ImageCache(10_000, tmp_path), ImageCache(10_000, tmp_path)
    for key in "abc":
        others.put(key, resized(30))
    for key in "def":
        mine.put(key, resized(30))
    mine.put("g", resized(30))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000
    assert others.get("a") is None
    assert mine.get("g") is not None


def test_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="IMAGE_CACHE_DIR: .*file is no folder to be used"):
        ImageCache(10_000, tmp_path / "file")


def test_what_is_not_kept(tmp_path):
    config = config_with(IMAGE_CACHE_MB=1)
    made = ToyDataset(example())  # its images come from code
    made.image_info[0]["path"] = str(tmp_path)
    files = FileDataset(tmp_path)
    assert image_key(made, config, 0) is None
    assert image_key(files, config, 0) != image_key(files, config, 1)
    files.image_info[0]["path"] = str(tmp_path / "missing.png")
    assert image_key(files, config, 0) is None
    assert cache_of(config_with()) is None
    assert cache_of(config_with(IMAGE_CACHE_MB=1, IMAGE_RESIZE_MODE="crop")) is None
    cache = cache_of(config)
    assert cache_of(config) is cache  # one for training and validation together


def test_threads_may_share_it(folder):
    cache = ImageCache(40_000, folder)
    faults = []

    def work(start):
        for i in range(150):
            key = (start + i) % 23
            found = cache.get(str(key))
            if found is not None and (found.image != key).any():
                faults.append(key)
            cache.put(str(key), resized(30, key))

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert 0 < cache.bytes <= 40_000


def test_training_feed_uses_it(tmp_path):
    dataset = FileDataset(tmp_path)
    plain, cached = (TrainingFeed(dataset, config_with(IMAGE_CACHE_MB=mb), seed=1, workers=0)
                     for mb in (0, 1))
    for index in range(4):
        for name, array in plain[index].items():
            np.testing.assert_array_equal(cached[index][name], array)
    assert len(cached._reader.cache) == len(SIDES)
