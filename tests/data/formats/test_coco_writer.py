"""save_coco: a COCO file comes back record by record, anything else with the same masks."""

import json

import coco_sets
import numpy as np
import pytest
from pycocotools.coco import COCO

from mrcnn.data.dataset import DataError, Dataset
from mrcnn.data.formats.annotated import AnnotatedDataset, Instance
from mrcnn.data.formats.coco import read_coco
from mrcnn.data.formats.coco_writer import save_coco
from mrcnn.data.formats.outline_regions import Ellipse, Outline, Rectangle
from mrcnn.data.shapes import ShapesDataset


def read(path, **options):
    """A prepared dataset."""
    dataset = AnnotatedDataset()
    read_coco(dataset, path, **options)
    dataset.prepare()
    return dataset


def parts(path):
    """A COCO file with each list as a dict by id, so that order does not count."""
    tree = json.loads(path.read_text())
    return {key: {one["id"]: one for one in value} if isinstance(value, list) else value
            for key, value in tree.items()}


def assert_same_masks(found, expected):
    """Equal masks and classes, objects without a pixel aside."""
    np.testing.assert_array_equal(found.image_ids, np.arange(len(expected.image_ids)))
    for here, there in zip(found.image_ids, expected.image_ids, strict=True):
        (mask, ids), (wanted, wanted_ids) = found.load_mask(here), expected.load_mask(there)
        kept = np.asarray(wanted).any(axis=(0, 1)) if len(wanted_ids) else np.zeros(0, bool)
        np.testing.assert_array_equal(ids, wanted_ids[kept])
        if kept.any():
            np.testing.assert_array_equal(mask, np.asarray(wanted, bool)[:, :, kept])


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_real_files_come_back_record_by_record(coco_dir, tmp_path, split):
    original = coco_dir / "annotations" / f"instances_{split}.json"
    dataset = read(original)
    save_coco(dataset, tmp_path / "out.json")
    assert parts(tmp_path / "out.json") == parts(original)
    again = read(tmp_path / "out.json", images=coco_dir / split)
    assert again.findings == []
    assert_same_masks(again, dataset)


@pytest.mark.parametrize("options", [{}, {"source": "mine"}])
def test_everything_else_in_the_file_comes_back(tmp_path, options):
    content = coco_sets.tree()
    content["images"][0]["file_name"] = "./a.png"
    content["images"][1]["file_name"] = "absent.png"
    content["annotations"][0]["segmentation"] = []
    del content["annotations"][2]["segmentation"], content["annotations"][2]["area"]
    content["categories"][1]["id"] = 0
    for entry in content["annotations"][1:3]:
        entry["category_id"] = 0
    content["annotations"][3]["id"] = "as text"
    content["categories"].append({"id": 19, "name": "dog", "supercategory": "two of a name"})
    content["annotations"][3]["category_id"] = 19
    content["more"] = [{"id": "what"}]
    original = coco_sets.write(tmp_path, content)
    save_coco(read(original, **options), tmp_path / "out.json")
    assert parts(tmp_path / "out.json") == parts(original)


def test_what_was_chosen_is_what_is_written(tmp_path):
    dataset = read(coco_sets.write(tmp_path), class_map={"dog": "animal"}, class_ids=[18])
    dataset.skip_images([1])
    save_coco(dataset, tmp_path / "out.json")
    found = parts(tmp_path / "out.json")
    assert found["categories"] == {18: {"id": 18, "name": "animal", "supercategory": "animal"}}
    assert list(found["images"]) == [7]
    assert list(found["annotations"]) == [101]


def test_two_sources_become_one(tmp_path):
    content = coco_sets.tree()
    content["categories"][0]["name"] = "cat"
    dataset = read(coco_sets.write(tmp_path / "a"))
    read_coco(dataset, coco_sets.write(tmp_path / "b", content), source="mine")
    dataset.prepare()
    save_coco(dataset, tmp_path / "out.json")
    again = read(tmp_path / "out.json", images=tmp_path)
    assert again.findings == []
    assert again.class_names == dataset.class_names
    assert_same_masks(again, dataset)
    for image_id in dataset.image_ids:
        assert again.image_reference(image_id) == dataset.image_reference(image_id)
    oracle = COCO(str(tmp_path / "out.json"))
    assert len(oracle.getImgIds()) == 6
    assert len(oracle.getAnnIds()) == 8
    assert oracle.loadCats(1)[0] == {"id": 1, "name": "car", "supercategory": "vehicle"}


def drawn_set(folder, regions):
    """A prepared dataset of another format, one image of 30 x 40."""
    dataset = AnnotatedDataset()
    classes = [dataset.class_for("via", name, name) for name in ("a", "b")]
    instances = [Instance(classes[i % 2], region, f"region {i}", crowd=i == 2, more={"bbox": "x"})
                 for i, region in enumerate(regions)]
    dataset.add_annotated("via", "x.png", folder / "x.png", instances, 30, 40)
    dataset.add_annotated("via", "y.png", folder / "sub" / "y.png", [], 30, 40)
    dataset.prepare()
    return dataset


def test_drawn_outlines_keep_every_pixel(tmp_path):
    rng = np.random.default_rng(0)
    stars = []
    for count in range(3, 30):
        angles, radius = np.linspace(0, 2 * np.pi, count), rng.uniform(3, 14, count)
        stars.append(Outline((20 + radius * np.cos(angles)).tolist(),
                             (15 + radius * np.sin(angles)).tolist()))
    regions = [Rectangle(3, 4, 10, 5), Ellipse(20, 15, 6, 3, 0.4), Rectangle(50, 50, 2, 2),
               Outline([-1.5, 10, 10], [2, 2, 31]), *stars]
    dataset = drawn_set(tmp_path, regions)
    save_coco(dataset, tmp_path / "out.json")
    again = read(tmp_path / "out.json", images=tmp_path)
    assert {one.kind for one in again.findings} == {"image-missing"}
    assert_same_masks(again, dataset)
    assert again.image_reference(1) == str(tmp_path / "sub" / "y.png")


def test_an_outline_is_a_polygon_where_that_is_the_same(tmp_path):
    corners = Outline([2, 9.5, 9.5, 2], [3, 3, 8.5, 8.5]), Outline([2.6, 9.4, 9.4], [3, 3, 8])
    dataset = drawn_set(tmp_path, corners)
    save_coco(dataset, tmp_path / "out.json")
    kinds = []
    oracle = COCO(str(tmp_path / "out.json"))
    masks, _ = dataset.load_mask(0)
    for index, entry in enumerate(oracle.loadAnns([1, 2])):
        np.testing.assert_array_equal(oracle.annToMask(entry), masks[:, :, index])
        assert entry["area"] == masks[:, :, index].sum()
        kinds.append(type(entry["segmentation"]))
    assert kinds == [list, dict]


class Numbers(Dataset):
    """Masks as numbers, an empty one, a crowd; the size is nowhere but in the image."""

    def load_image(self, image_id):
        return np.zeros((12, 9 + image_id, 3), np.uint8)

    def load_mask(self, image_id):
        mask = np.zeros((12, 9 + image_id, 3))
        mask[2:5, 3:7, 0] = 255
        mask[1:, 2, 2] = 0.5
        return mask, np.array([2, 1, -1])


def made_of_numbers():
    dataset = Numbers()
    dataset.add_class("made", 7, "a")
    dataset.add_class("made", 3, "b")
    for i in range(2):
        dataset.add_image("made", f"image/{i}", None)
    dataset.prepare()
    return dataset


def shapes():
    dataset = ShapesDataset()
    dataset.load_shapes(5)
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("make", [made_of_numbers, shapes])
def test_any_dataset_comes_back(tmp_path, make):
    dataset = make()
    save_coco(dataset, tmp_path / "out.json")
    again = read(tmp_path / "out.json")
    assert again.class_names == dataset.class_names
    assert_same_masks(again, dataset)
    assert again.image_size(0) == dataset.load_image(0).shape[:2]
    oracle = COCO(str(tmp_path / "out.json"))
    for entry in oracle.loadAnns(oracle.getAnnIds()):
        ys, xs = np.nonzero(oracle.annToMask(entry))
        assert entry["area"] == len(ys)
        assert entry["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]


def test_file_names_are_relative_to_the_given_folder(tmp_path):
    dataset = read(coco_sets.write(tmp_path))
    save_coco(dataset, tmp_path / "out.json", images=tmp_path)
    assert parts(tmp_path / "out.json")["images"][7]["file_name"] == "made/a.png"
    with pytest.raises(ValueError, match=r"images: .*elsewhere|image 0 .*lies elsewhere"):
        save_coco(dataset, tmp_path / "no.json", images=tmp_path / "made" / "deeper")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations", "made", "out.json"]


def test_a_file_is_replaced_only_when_asked_to(tmp_path):
    dataset = read(coco_sets.write(tmp_path))
    out = tmp_path / "out.json"
    out.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_coco(dataset, out)
    assert out.read_text() == "mine"
    save_coco(dataset, out, overwrite=True)
    assert_same_masks(read(out, images=tmp_path / "made"), dataset)


def test_a_failure_leaves_the_old_file(tmp_path):
    class Wrong(Numbers):
        def load_mask(self, image_id):
            return np.ones((12, 9, 1)), np.array([1 if image_id == 0 else 5])

    dataset = Wrong()
    dataset.__dict__.update(made_of_numbers().__dict__)
    out = tmp_path / "out.json"
    out.write_text("mine")
    with pytest.raises(DataError, match=r"image 1 \(made.image/1\), mask 0: .*\(12, 9\) and 5"):
        save_coco(dataset, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert out.read_text() == "mine"


def test_an_unprepared_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="call prepare"):
        save_coco(Dataset(), tmp_path / "out.json")
