"""A set with every fault at once: one report, a refusal to train, or training without them."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny import SIDE, shapes, tiny_config, training_model
from tiny import train as train_tiny

from mrcnn import check_dataset, load_dataset
from mrcnn.data.dataset import DataError, Dataset
from mrcnn.engine.faulty_images import admit

SQUARE = [8, 8, 40, 8, 40, 40, 8, 40]
CATEGORIES = [{"id": i, "name": name} for i, name in ((1, "cat"), (5, "dog"), (9, "cow"))]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """One network for all tests here, since building it is most of the time."""
    return training_model(tmp_path_factory.mktemp("logs"), STEPS_PER_EPOCH=3)


def train(model, dataset, faulty_images="refuse", **options):
    """One epoch more, with FAULTY_IMAGES as given; answers its loss."""
    model.config.FAULTY_IMAGES = faulty_images
    history = train_tiny(model, dataset=dataset, epochs=model.epoch + 1, **options)
    return history.history["loss"]


class Coco:
    """Collects images and annotations, and writes them."""

    def __init__(self, folder):
        self.folder, self.images, self.annotations = folder / "set", [], []
        (self.folder / "val2017").mkdir(parents=True)

    def image(self, name, objects=((1, [SQUARE]),), **changes):
        """One image; `objects` are (category_id, segmentation)."""
        number = len(self.images) + 1
        path = self.folder / "val2017" / name
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        record = {"id": number, "file_name": name, "width": SIDE, "height": SIDE, **changes}
        self.images.append(record)
        for category, segmentation in objects:
            self.annotations.append({
                "id": 100 * number + len(self.annotations), "image_id": record["id"],
                "category_id": category, "segmentation": segmentation, "iscrowd": 0,
                "bbox": [8, 8, 32, 32], "area": 1024})
        return path

    def write(self):
        data = {"images": self.images, "annotations": self.annotations, "categories": CATEGORIES}
        file = self.folder / "annotations" / "instances_val2017.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(data), encoding="utf-8")
        return self.folder


def mutilated(tmp_path):
    """The folder; its sound images are sound0.jpg to sound2.jpg."""
    coco = Coco(tmp_path)
    for number in range(3):
        coco.image(f"sound{number}.jpg", [(CATEGORIES[number]["id"], [SQUARE])])
    truncated = coco.image("truncated.jpg")
    truncated.write_bytes(truncated.read_bytes()[:900])
    coco.image("missing.jpg").unlink()
    coco.image("empty.jpg").write_bytes(b"")
    coco.image("no_width.jpg", width=0)
    coco.image("other_size.jpg", width=SIDE + 10)
    coco.image("two_points.jpg", [(1, [[8, 8, 40, 40]]), (1, [SQUARE])])
    coco.image("no_class.jpg", [(77, [SQUARE]), (1, [SQUARE])])
    coco.image("far_box.jpg", [(1, [[x + 500 for x in SQUARE]])])
    coco.image("no_area.jpg", [(1, [[8, 8, 20, 20, 40, 40, 8, 8]])])
    coco.image("rle.jpg", [(1, {"size": [32, 32], "counts": [500, 500, 24]})])
    coco.image("same_id.jpg", [(1, [SQUARE]), (5, [SQUARE])])
    coco.annotations[-1]["id"] = coco.annotations[-2]["id"]
    coco.image("climbs.jpg", file_name="../../outside.jpg")
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "outside.jpg")
    return coco.write()


FAULTS = {  # image -> (kind, part of the file name, part of the region)
    "truncated.jpg": ("image-unreadable", "truncated.jpg", ""),
    "missing.jpg": ("image-missing", "instances_val2017.json", "image 5"),
    "empty.jpg": ("image-unreadable", "empty.jpg", ""),
    "no_width.jpg": ("annotation-invalid", "instances_val2017.json", "image 7"),
    "other_size.jpg": ("size-disagrees", "other_size.jpg", ""),
    "two_points.jpg": ("outline-invalid", "instances_val2017.json", "annotation 908"),
    "no_class.jpg": ("class-unknown", "instances_val2017.json", "annotation 1010"),
    "far_box.jpg": ("outside-image", "instances_val2017.json", "annotation 1112"),
    "no_area.jpg": ("outline-invalid", "instances_val2017.json", "annotation 1213"),
    "rle.jpg": ("mask-invalid", "instances_val2017.json", "annotation 1314"),
    "same_id.jpg": ("duplicate-id", "instances_val2017.json", "annotation 1415"),
    "../../outside.jpg": ("path-outside", "instances_val2017.json", "image 15"),
}


def test_one_report_names_each_fault(tmp_path):
    folder = mutilated(tmp_path)
    dataset = load_dataset(folder)
    report = check_dataset(folder)
    names = [record["file_name"] for record in json.loads(
        (folder / "annotations" / "instances_val2017.json").read_text())["images"]]
    assert len(dataset.image_info) == len(names)  # the faulty ones too, in the order of the file
    found = {}
    for one in report.errors:
        found.setdefault(names[one.image], []).append((one.kind, one.file, one.region))
    assert found.keys() == FAULTS.keys()
    for name, (kind, file, region) in FAULTS.items():
        [(actual_kind, actual_file, actual_region)] = found[name]
        assert (actual_kind, actual_region) == (kind, region), name
        assert actual_file.endswith(file), name
    assert report.faulty_images == list(range(3, 15))
    assert report.exit_code == 1
    text = str(report)
    for kind, _, _ in FAULTS.values():
        assert f"error {kind} (" in text


def test_training_refuses_with_the_report_before_it_takes_time(tmp_path, model, monkeypatch):
    dataset = load_dataset(mutilated(tmp_path))
    monkeypatch.setattr(model, "compile", lambda *_: pytest.fail("the network was compiled"))
    with pytest.raises(DataError) as caught:
        train(model, dataset)
    text = str(caught.value)
    for name, (kind, _, region) in FAULTS.items():
        assert kind in text and region in text
        if not region:
            assert name in text
    assert 'FAULTY_IMAGES = "skip"' in text
    with pytest.raises(DataError, match="val_dataset: not clean"):
        train(model, sound(tmp_path / "other"), val_dataset=dataset)


def sound(folder):
    coco = Coco(folder)
    for number in range(3):
        coco.image(f"sound{number}.jpg", [(CATEGORIES[number]["id"], [SQUARE])])
    return load_dataset(coco.write())


def test_training_skips_exactly_the_named_images(tmp_path, model, capsys, monkeypatch):
    dataset, reads, read = load_dataset(mutilated(tmp_path)), set(), Dataset._read
    check_dataset(dataset, config=model.config)  # training will look its result up

    def watched(self, image_id, channels):
        reads.add(int(image_id))
        return read(self, image_id, channels)

    monkeypatch.setattr(Dataset, "_read", watched)
    assert np.isfinite(train(model, dataset, "skip")).all()
    assert reads == {0, 1, 2}
    np.testing.assert_array_equal(dataset.image_ids, [0, 1, 2])
    assert "train_dataset: 12 of 15 images are left out" in capsys.readouterr().out
    admit(dataset, model.config, "train_dataset")  # nothing more is left out, nor said
    assert "left out" not in capsys.readouterr().out


def test_images_skipped_by_hand_do_not_count(tmp_path):
    dataset = load_dataset(mutilated(tmp_path))
    dataset.skip_images(check_dataset(dataset).faulty_images)
    admit(dataset, tiny_config(), "train_dataset")
    np.testing.assert_array_equal(dataset.image_ids, [0, 1, 2])


def test_use_lets_everything_pass(tmp_path):
    coco = Coco(tmp_path)
    for category in (1, 5, 9):
        coco.image(f"{category}.jpg", [(category, [SQUARE]), (77, [SQUARE])])
    dataset = load_dataset(coco.write())
    assert check_dataset(dataset).faulty_images == [0, 1, 2]
    admit(dataset, tiny_config(FAULTY_IMAGES="use"), "train_dataset")
    np.testing.assert_array_equal(dataset.image_ids, [0, 1, 2])
    with pytest.raises(DataError, match="class-unknown"):
        admit(dataset, tiny_config(), "train_dataset")


def test_warnings_are_printed_in_a_line_each_kind(tmp_path, capsys):
    coco = Coco(tmp_path)
    coco.image("a.jpg", [(1, [SQUARE])])
    admit(load_dataset(coco.write()), tiny_config(), "train_dataset")
    assert capsys.readouterr().out == (
        "train_dataset: warning: class-unused (2): class 'dog': no object ...\n")


def test_other_datasets_pass_unseen(monkeypatch):
    dataset = shapes(2)
    monkeypatch.setattr(dataset, "load_image", None)
    monkeypatch.setattr(dataset, "load_mask", None)
    admit(dataset, tiny_config(), "train_dataset")


def test_nothing_left_to_train_on_is_said(tmp_path, model):
    coco = Coco(tmp_path)
    for category in (1, 5, 9):
        coco.image(f"{category}.jpg", [(category, [[8, 8, 40, 40]])])
    with pytest.raises(DataError, match="no image left: each of its 3 has a fault") as caught:
        train(model, load_dataset(coco.write()), "skip")
    assert "outline-invalid (3)" in str(caught.value)


# --- sets that cannot be read at all, and other formats --------------------------------------

def test_broken_json_is_one_finding_with_its_place(tmp_path):
    folder = mutilated(tmp_path)
    file = folder / "annotations" / "instances_val2017.json"
    file.write_text(file.read_text()[:-400] + "]}}", encoding="utf-8")
    report = check_dataset(folder)
    [one] = report.findings
    assert one.kind == "annotations-unreadable"
    assert "instances_val2017.json" in one.file + one.message and "line 1" in one.message
    assert report.exit_code == 2 and not report.clean and report.faulty_images == []


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<annotation><filename>bomb.jpg</filename><object><name>&c;</name></object></annotation>"""


def test_an_entity_bomb_is_one_finding(tmp_path):
    names = ("bomb", "sound")
    for name in names:
        (tmp_path / "JPEGImages").mkdir(exist_ok=True)
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "JPEGImages" / f"{name}.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "bomb.xml").write_text(BOMB)
    (tmp_path / "Annotations" / "sound.xml").write_text(
        "<annotation><object><name>cat</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>20</xmax>"
        "<ymax>30</ymax></bndbox></object></annotation>")
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "train.txt").write_text("bomb\nsound\n")
    report = check_dataset(tmp_path)
    [one] = report.errors
    assert one.kind == "annotations-unreadable" and one.file.endswith("bomb.xml")
    assert report.faulty_images == [0] and report.statistics["instances"] == 1


def test_one_broken_labelme_file_is_one_finding(tmp_path):
    for name in ("broken", "sound"):
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / f"{name}.jpg")
        shape = {"label": "cat", "shape_type": "polygon", "group_id": None, "flags": {},
                 "points": [[8, 8], [40, 8], [40, 40]]}
        (tmp_path / f"{name}.json").write_text(json.dumps({
            "version": "5.0.1", "flags": {}, "shapes": [shape], "imagePath": f"{name}.jpg",
            "imageData": None, "imageHeight": SIDE, "imageWidth": SIDE}))
    file = tmp_path / "broken.json"
    file.write_text(file.read_text()[:-30])
    report = check_dataset(tmp_path)
    [one] = report.errors
    assert one.kind == "annotations-unreadable" and one.file.endswith("broken.json")
    assert report.faulty_images == [0] and report.statistics["instances"] == 1
