"""check_dataset on images and objects, each fault by itself on files that carry it."""

import threading
import time

import numpy as np
import pytest
from check_sets import dataset_of, picture, sound, truncate
from data.toy import ToyDataset, config_with, example
from PIL import Image

from mrcnn.data.check.checking import MOST_WORKERS, check_dataset, in_threads
from mrcnn.data.check.objects import measured
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.annotated import Instance
from mrcnn.data.formats.coco_regions import Polygons, Rle
from mrcnn.data.formats.file_regions import LabelFile, MaskFile
from mrcnn.data.formats.outline_regions import Outline, Rectangle

BOX = Rectangle(4, 5, 20, 10)


def errors_of(dataset, **options):
    """[(image, kind, message, region)] of the errors."""
    report = check_dataset(dataset, cache=False, **options)
    return [(one.image, one.kind, one.message, one.region) for one in report.errors]


def kinds_of(dataset):
    """[(image, kind)] of the errors."""
    return [error[:2] for error in errors_of(dataset)]


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_sound_images_are_clean(tmp_path, ending):
    report = check_dataset(sound(tmp_path, ending=ending))
    assert report.clean and report.faulty_images == [] and report.exit_code == 0
    assert report.statistics["instances"] == 6


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_truncated_image(tmp_path, ending, share):
    dataset = sound(tmp_path, ending=ending)
    truncate(dataset.image_info[1]["path"], share)
    with pytest.raises(Exception, match="1"):  # training could not read it either
        dataset.load_image(1)
    [(image, kind, message, _)] = errors_of(dataset)
    assert (image, kind) == (1, "image-unreadable")
    assert ("(0 bytes)" in message) == (share == 0)


def test_a_jpeg_without_its_last_byte_counts_as_training_has_it(tmp_path):
    dataset = sound(tmp_path)
    path = dataset.image_info[0]["path"]
    whole = open(path, "rb").read()
    for cut in (1, 2, 3, 10, 100):
        with open(path, "wb") as file:
            file.write(whole[:-cut])
        try:
            dataset.load_image(0)
            expected = []
        except ValueError:
            expected = [(0, "image-unreadable")]
        assert kinds_of(dataset) == expected, cut


def test_missing_text_and_folder_in_place_of_images(tmp_path):
    dataset = sound(tmp_path, count=4)
    paths = [tmp_path / f"{i}.jpg" for i in range(4)]
    for path in paths[:3]:
        path.unlink()
    paths[1].write_text("no image at all")
    paths[2].mkdir()
    assert kinds_of(dataset) == [(0, "image-missing"), (1, "image-unreadable"),
                                 (2, "image-unreadable")]


def test_what_the_reader_told_is_not_told_twice(tmp_path):
    dataset = dataset_of((None, [BOX], (48, 64)), (str(tmp_path / "no.jpg"), [BOX], (48, 64)))
    dataset.add_finding("path-outside", "../a.jpg", "a.json", "image 1", 0)
    dataset.add_finding("image-missing", "no.jpg", "a.json", "image 2", 1)
    assert kinds_of(dataset) == [(0, "path-outside"), (1, "image-missing")]
    assert kinds_of(dataset_of((None, [BOX], (48, 64)))) == [(0, "image-missing")]


@pytest.mark.parametrize(("turned", "said", "words"), [
    (False, (48, 65), "65 x 48 pixels (width x height), the image has 64 x 48"),
    (False, (64, 48), "exchanged"),
    (True, (48, 64), "EXIF"),
])
def test_sizes_that_disagree(tmp_path, turned, said, words):
    path = picture(tmp_path / "a.jpg", turned=turned)
    [(_, kind, message, _)] = errors_of(dataset_of((path, [BOX], said)))
    assert kind == "size-disagrees" and words in message


def test_an_upright_size_of_a_turned_image_agrees(tmp_path):
    path = picture(tmp_path / "a.jpg", turned=True)
    report = check_dataset(dataset_of((path, [BOX], (64, 48)), (path, [BOX], None)))
    assert report.clean
    assert report.statistics["image_sizes"]["most_frequent"] == [
        {"height": 64, "width": 48, "images": 2}]


def test_a_huge_size_in_the_annotations_fills_no_memory(tmp_path):
    path = picture(tmp_path / "a.png")
    assert kinds_of(dataset_of((path, [BOX], (10**9, 10**9)))) == [(0, "size-disagrees")]
    assert kinds_of(dataset_of((str(tmp_path / "b.png"), [BOX], (10**9, 10**9)))) == [
        (0, "image-missing")]


@pytest.mark.parametrize(("region", "kind"), [
    (Rle([48, 64], [3072]), "mask-empty"),
    (Rle([48, 63], [0, 3024]), "mask-invalid"),
    (Rle([48, 64], [10, 10**7]), "mask-invalid"),
    (Rle([48, 64], "no such runs"), "mask-invalid"),
    (Outline([3.2, 3.4, 3.3], [4.2, 4.2, 4.4]), "mask-empty"),
    (Polygons([[70, 10, 90, 10, 90, 20]]), "outside-image"),
    (Rectangle(-30, 5, 50, 10), "outside-image"),
    (Rectangle(5, 5, 50, 60), "outside-image"),
    (MaskFile("gone.png"), "mask-invalid"),
])
def test_faults_of_objects_name_image_and_region(tmp_path, region, kind):
    path = picture(tmp_path / "a.png")
    dataset = dataset_of((path, [BOX], (48, 64)), (path, [BOX, region, BOX], (48, 64)))
    [(image, found, _, place)] = errors_of(dataset)
    assert (image, found, place) == (1, kind, "region 1")
    assert check_dataset(dataset).statistics["instances"] == 3


def test_mask_files_are_named(tmp_path):
    path = picture(tmp_path / "a.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "empty.png")
    Image.fromarray(np.ones((9, 9), np.uint8)).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    dataset = dataset_of((path, [MaskFile(str(tmp_path / "empty.png")),
                                 MaskFile(str(tmp_path / "small.png")),
                                 LabelFile(str(tmp_path / "broken.png"), 3)], None))
    report = check_dataset(dataset)
    assert [(one.kind, one.file) for one in report.errors] == [
        ("mask-empty", str(tmp_path / "empty.png")), ("mask-invalid", str(tmp_path / "small.png")),
        ("mask-invalid", str(tmp_path / "broken.png"))]


@pytest.mark.parametrize(("region", "expected"), [
    (Rectangle(0, 0, 64, 48), []), (Rectangle(0, -2, 66, 50), []),
    (Rectangle(0, 0, 64, 50.1), ["outside-image"]), (Rectangle(-2.1, 0, 64, 48), ["outside-image"]),
    (Rectangle(5, -1.9, 9, 1.8), ["outside-image"]), (Rectangle(64.5, 5, 1, 9), ["outside-image"]),
    (Rle([48, 64], [20, 30, 3022]), []),
])
def test_two_pixels_beyond_the_border_are_rounding(tmp_path, region, expected):
    dataset = dataset_of((picture(tmp_path / "a.png"), [region], None))
    assert [kind for _, kind in kinds_of(dataset)] == expected


def test_a_hundredth_of_a_long_side_is_rounding(tmp_path):
    path = picture(tmp_path / "a.png", (40, 1000))
    dataset = dataset_of((path, [Rectangle(-9, 5, 1018, 9), Rectangle(5, 5, 1006, 9)], None))
    assert [error[1:4:2] for error in errors_of(dataset)] == [("outside-image", "region 1")]


def test_values_of_a_label_image_that_no_object_has(tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[:9, :9], labels[20:30, :9], labels[40:, :], labels[10:15] = 1, 2, 255, 9
    Image.fromarray(labels).save(tmp_path / "m.png")
    mask = str(tmp_path / "m.png")
    dataset = dataset_of((picture(tmp_path / "a.png"), [LabelFile(mask, 1)], None))
    dataset.image_info[0]["label_image"] = [mask, 2]  # object 2 was not asked for
    report = check_dataset(dataset)
    assert [(one.kind, one.file) for one in report.errors] == [("mask-invalid", mask)]
    assert "the values [9]" in report.errors[0].message
    labels[10:15] = 0
    Image.fromarray(labels).save(tmp_path / "m.png")
    assert check_dataset(dataset).clean


def test_measured_is_box_and_area_of_a_mask():
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = np.zeros((13, 17), bool)
        y, x, h, w = rng.integers(0, [13, 17, 9, 9])
        mask[y:y + h, x:x + w] = rng.random(mask[y:y + h, x:x + w].shape) > 0.7
        ys, xs = np.nonzero(mask)
        expected = ((ys.min(), xs.min(), ys.max() + 1, xs.max() + 1) if len(ys) else None)
        assert measured(mask) == (expected, len(ys))


# --- datasets of any kind ---------------------------------------------------------------------

def test_a_script_s_own_dataset_is_loaded_and_checked():
    def broken():
        raise RuntimeError("disk on fire")

    image, mask, ids = example(boxes=((8, 8, 40, 30), (1, 1, 5, 5)))
    empty = mask.copy()
    empty[..., 1] = False
    dataset = ToyDataset((image, mask, ids), (broken, mask, ids), (image, empty, ids),
                         (image, mask[:9], ids), (image, mask, np.array([1, 7])),
                         (image, broken, ids), (image, mask, np.array([1, -2])),
                         (image, empty, np.array([1, 0])), (image, mask, ids[:1]))
    found = kinds_of(dataset)
    assert found == [(1, "image-unreadable"), (2, "mask-empty"), (3, "mask-invalid"),
                     (4, "class-unknown"), (5, "mask-invalid"), (8, "mask-invalid")]
    statistics = check_dataset(dataset).statistics
    assert (statistics["instances"], statistics["crowds"]) == (6, 1)
    assert "disk on fire" in errors_of(dataset)[0][2]


def test_the_generated_shapes_are_clean():
    report = check_dataset("shapes", count=4, height=64, width=96)
    assert report.clean and report.statistics["images"] == 4
    assert report.statistics["instances"] > 0


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(TypeError, match="received int"):
        check_dataset(3)
    with pytest.raises(ValueError, match="prepare"):
        check_dataset(Dataset())
    with pytest.raises(ValueError, match="at least 1, received 0"):
        check_dataset(sound(tmp_path), max_workers=0)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        check_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize(("ending", "wanted", "fits"), [
    (".jpg", 3, True), (".png", 3, True), (".png", 5, False), (".jpg", 5, False),
])
def test_channels_count_where_a_config_is_given(tmp_path, ending, wanted, fits):
    dataset = sound(tmp_path, count=1, ending=ending)
    assert check_dataset(dataset).clean
    found = errors_of(dataset, config=config_with(IMAGE_CHANNEL_COUNT=wanted))
    assert [kind for _, kind, _, _ in found] == ([] if fits else ["image-unreadable"])
    assert fits or "IMAGE_CHANNEL_COUNT" in found[0][2]


# --- threads ----------------------------------------------------------------------------------

def test_threads_keep_the_order_and_run_only_a_little_ahead():
    begun = []

    def slow(value):
        begun.append(value)
        time.sleep(0.001 * (value % 3))
        return value * value

    answers = in_threads(slow, range(200), 3)
    assert next(answers) == 0
    assert len(begun) <= 3 * 4
    assert list(answers) == [value * value for value in range(1, 200)]


def test_stopping_stops_the_threads_soon():
    begun = []

    def slow(value):
        begun.append(value)
        time.sleep(0.01)
        return value

    def interrupted(done, total):
        if done == 3:
            raise KeyboardInterrupt

    answers = in_threads(slow, range(10_000), 2)
    next(answers)
    answers.close()
    time.sleep(0.1)
    count = len(begun)
    time.sleep(0.1)
    assert len(begun) == count < 20
    dataset = ToyDataset(*[example()] * 500)
    with pytest.raises(KeyboardInterrupt):
        check_dataset(dataset, progress=interrupted, max_workers=2)
    assert len(dataset.reads) < 30


def test_progress_and_workers(tmp_path):
    seen, threads = [], set()

    class Watched(ToyDataset):
        def load_image(self, image_id):
            threads.add(threading.current_thread())
            time.sleep(0.005)
            return super().load_image(image_id)

    dataset = Watched(*[example(seed) for seed in range(20)])
    check_dataset(dataset, progress=lambda *now: seen.append(now), max_workers=3)
    assert seen == [(i + 1, 20) for i in range(20)]
    assert len(threads) == 3 <= MOST_WORKERS
    one = check_dataset(dataset, max_workers=1).as_dict()
    assert one == check_dataset(dataset, max_workers=5).as_dict()


def test_crowds_and_classes_are_counted(tmp_path):
    path = picture(tmp_path / "a.png")
    dataset = dataset_of((path, [Instance(1, BOX, "1", crowd=True), Instance(1, BOX, "2"),
                                 Instance(1, BOX, "3", crowd=True)], None),
                         classes=("a", "b", "c"))
    dataset.left_out["d"] = 7
    report = check_dataset(dataset)
    assert report.clean
    warnings = {(one.kind, one.region) for one in report.warnings}
    assert {("mostly-crowd", ""), ("class-unused", "class 'b'"), ("class-unused", "class 'c'"),
            ("class-left-out", "class 'd'")} == warnings


def test_a_set_without_an_image_is_not_clean():
    report = check_dataset(dataset_of(classes=("a",)))
    assert [(one.kind, one.message) for one in report.errors] == [
        ("image-missing", "there is no image in the set")]
    assert not report.clean


@pytest.mark.parametrize(("side", "count"), [(64, 2), (128, 1), (1024, 0)])
def test_objects_smaller_than_the_smallest_anchor(tmp_path, side, count):
    dataset = dataset_of((picture(tmp_path / "a.png"), [Rectangle(4, 5, 8, 18), BOX], None),
                         (picture(tmp_path / "b.png"), [Instance(1, BOX, "", True)], None))
    config = config_with(IMAGE_MIN_DIM=side, IMAGE_MAX_DIM=side,
                         RPN_ANCHOR_SCALES=(28, 32, 64, 128, 256))
    found = [one.message for one in check_dataset(dataset, config=config).warnings
             if one.kind == "small-objects"]
    scale = side / 64
    assert len(found) == bool(count)
    if count:
        assert f"{count} of 2 objects are smaller" in found[0]
        assert f"{8 * scale:g} x {18 * scale:g} px there, in a.png" in found[0]
