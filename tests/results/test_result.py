"""Result: a dict as ever, and what it makes of itself, read back by others."""

import contextlib
import copy
import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coding
from pycocotools.coco import COCO

from mrcnn.data.formats.loading import load_dataset
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.lazy_masks import PackedMasks, WindowedMasks
from mrcnn.results import Result

NAMES = ["BG", "cat", "dog", "emu"]
SHAPE = (70, 110)


def array_of(count=4):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    masks = np.zeros((*SHAPE, 4), bool)
    masks[..., 0] = np.hypot(y - 30, x - 30) < 22
    masks[..., 1] = (np.hypot(y - 35, x - 80) < 25) & (np.hypot(y - 35, x - 80) > 9)
    masks[5:15, 40:60, 2] = masks[50:66, 45:60, 2] = True
    masks[60:68, 2:20, 3] = True
    return masks[..., :count]


FORMS = {
    "array": lambda masks: masks,
    "packed": PackedMasks.of,
    "codes": lambda masks: PackedMasks.of(masks).rles,
    "codes in bytes": lambda masks: coding.encode(np.asfortranarray(masks, np.uint8)),
}


def made(form="array", count=4, names=NAMES, image=None):
    masks = array_of(count)
    return Result({
        "rois": extract_bboxes(masks),
        "class_ids": np.array([1, 2, 2, 3], np.int32)[:count],
        "scores": np.array([0.95, 0.9, 0.6, 0.3], np.float32)[:count],
        "masks": FORMS[form](masks),
    }, SHAPE, names, image)


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def full(result):
    """Its masks as an array, whatever their form."""
    return np.asarray(result.windowed_masks())


def test_it_stays_a_dict():
    result = made()
    assert isinstance(result, dict)
    assert list(result) == ["rois", "class_ids", "scores", "masks"]
    assert len(result) == 4 and len(made(count=2)) == 4
    assert result.count == 4 and made(count=2).count == 2
    assert {**result}["rois"] is result["rois"]
    assert result.labels == ["cat", "dog", "dog", "emu"]
    assert repr(made(count=1)) == "<Result of 1 objects in (70, 110): cat 0.95>"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Result.copy,
                                    lambda result: pickle.loads(pickle.dumps(result))])
def test_copies_and_pickles_are_results(form, copied):
    result = made(form, image=np.zeros((*SHAPE, 3), np.uint8))
    other = copied(result)
    assert type(other) is Result and other is not result
    assert (other.image_shape, other.class_names) == (SHAPE, NAMES)
    np.testing.assert_array_equal(full(other), array_of())
    np.testing.assert_array_equal(other["scores"], result["scores"])
    assert other.image.shape == (*SHAPE, 3)


# --- choosing -------------------------------------------------------------------------------

@pytest.mark.parametrize(("keep", "places"), [
    ([True, False, True, False], [0, 2]), ([3, 0], [3, 0]), ([], []), (np.zeros(4, bool), []),
    (np.array([-1]), [3]),
], ids=str)
def test_select(form, keep, places):
    chosen = made(form).select(keep)
    assert type(chosen) is Result
    for key in ("rois", "class_ids", "scores"):
        np.testing.assert_array_equal(chosen[key], made()[key][places])
        assert chosen[key].dtype == made()[key].dtype
    np.testing.assert_array_equal(full(chosen), array_of()[..., places])
    assert type(chosen["masks"]) is type(made(form)["masks"])
    assert chosen.rles == [made().rles[i] for i in places]


@pytest.mark.parametrize(("options", "places"), [
    ({}, [0, 1, 2, 3]), ({"classes": "dog"}, [1, 2]), ({"classes": ["dog", 1]}, [0, 1, 2]),
    ({"classes": 3}, [3]), ({"classes": []}, []), ({"min_confidence": 0.6}, [0, 1, 2]),
    ({"classes": ["dog"], "min_confidence": 0.7}, [1]), ({"min_confidence": 1}, []),
])
def test_filter(options, places):
    np.testing.assert_array_equal(made().filter(**options)["scores"], made()["scores"][places])


def test_unknown_classes_are_named_with_the_known():
    with pytest.raises(ValueError, match="'dgo'.*cat, dog, emu"):
        made().filter(classes=["dgo"])
    with pytest.raises(ValueError, match="7.*cat, dog, emu"):
        made().filter(classes=[7])
    with pytest.raises(ValueError, match="'dog'.*no names here"):
        made(names=None).filter(classes=["dog"])
    assert made(names=None).filter(classes=[2]).count == 2
    assert made(names=None).labels == ["1", "2", "2", "3"]


# --- run lengths and COCO -------------------------------------------------------------------

def test_run_lengths_equal_pycocotools(form):
    expected = coding.encode(np.asfortranarray(array_of(), np.uint8))
    assert made(form).rles == [{"size": list(SHAPE), "counts": code["counts"].decode()}
                               for code in expected]


def truth():
    """A COCO file of one image with the objects of `made` as its truth."""
    rows = [{"id": i + 1, "image_id": 7, "category_id": int(class_id) * 10, "iscrowd": 0,
             "bbox": [int(x1), int(y1), int(x2 - x1), int(y2 - y1)], "segmentation": code,
             "area": int(coding.area(code))}
            for i, (class_id, (y1, x1, y2, x2), code) in enumerate(
                zip(made()["class_ids"], made()["rois"], made().rles, strict=True))]
    return {"images": [{"id": 7, "file_name": "a.png", "height": SHAPE[0], "width": SHAPE[1]}],
            "categories": [{"id": 10 * i, "name": name} for i, name in enumerate(NAMES) if i],
            "annotations": rows}


def test_pycocotools_takes_the_results(form, tmp_path):
    from pycocotools.cocoeval import COCOeval

    path = tmp_path / "results.json"
    path.write_text(json.dumps(made(form).to_coco(np.int64(7), [None, 10, 20, 30])))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth()
        coco.createIndex()
        found = coco.loadRes(str(path))
        evaluation = COCOeval(coco, found, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    for i, mask in enumerate(np.moveaxis(array_of(), -1, 0), start=1):
        np.testing.assert_array_equal(found.annToMask(found.anns[i]), mask)


def test_our_reader_takes_the_results_as_annotations(tmp_path):
    content = truth()
    content["annotations"] = [
        {**row, "id": i, "iscrowd": 0} for i, row
        in enumerate(made().to_coco(7, {1: 10, 2: 20, 3: 30}), start=1)]
    (tmp_path / "a.json").write_text(json.dumps(content))
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(tmp_path / "a.png")
    dataset = load_dataset(tmp_path / "a.json", images=tmp_path)
    dataset.prepare()
    masks, class_ids = dataset.load_mask(0)
    np.testing.assert_array_equal(masks, array_of())
    assert [dataset.class_names[i] for i in class_ids] == made().labels


def test_coco_boxes_and_ids_without_a_table():
    rows = made().to_coco("a.jpg")
    assert [row["category_id"] for row in rows] == [1, 2, 2, 3]
    assert rows[3]["bbox"] == [2.0, 60.0, 18.0, 8.0]
    assert rows[0]["image_id"] == "a.jpg"
    with pytest.raises(ValueError, match="category_ids: .*none for class 2"):
        made().to_coco(1, {1: 5, 3: 6})


# --- labelme --------------------------------------------------------------------------------

def test_our_reader_takes_the_labelme_file(form, tmp_path):
    folder, images = tmp_path / "labels", tmp_path / "pictures"
    images.mkdir()
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(images / "photo é.png")
    content = made(form).to_labelme(folder / "a.json", images / "photo é.png", tolerance=0)
    assert json.loads((folder / "a.json").read_text(encoding="utf-8")) == content
    assert content["imagePath"] == "../pictures/photo é.png"
    assert content["imageData"] is None
    dataset = load_dataset(folder / "a.json", images=images)
    dataset.prepare()
    assert dataset.findings == []
    masks, class_ids = dataset.load_mask(0)
    assert [dataset.class_names[i] for i in class_ids] == made().labels
    np.testing.assert_array_equal(masks, array_of())


def test_labelme_beside_its_image(tmp_path):
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(tmp_path / "a.png")
    content = made().to_labelme(tmp_path / "a.json")
    assert content["imagePath"] == "a.jpg"
    shapes = content["shapes"]
    assert [shape["label"] for shape in shapes] == ["cat", "dog", "dog", "dog", "emu"]
    assert [shape["group_id"] for shape in shapes] == [None, None, 2, 2, None]
    dataset = load_dataset(tmp_path)
    dataset.prepare()
    masks, _ = dataset.load_mask(0)
    shared, union = (masks & array_of()).sum((0, 1)), (masks | array_of()).sum((0, 1))
    np.testing.assert_array_less(0.95, shared / union)


def test_labelme_without_files():
    assert made().to_labelme()["imagePath"] == ""
    assert made().to_labelme(image_path="x/a.jpg")["imagePath"] == "x/a.jpg"
    assert made(names=None).to_labelme()["shapes"][0]["label"] == "1"


# --- pictures and files ---------------------------------------------------------------------

IMAGE = np.full((*SHAPE, 3), 90, np.uint8)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG"])
def test_a_picture_of_the_shape_of_the_image(form, tmp_path, ending):
    path = tmp_path / "new" / f"a{ending}"
    made(form).save(path, IMAGE)
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert abs(picture.shape[1] / picture.shape[0] - SHAPE[1] / SHAPE[0]) < 0.01
    scale = picture.shape[0] / SHAPE[0]
    middle = picture[int(30 * scale), int(30 * scale)].astype(int)
    corner = picture[int(40 * scale), int(3 * scale)]
    np.testing.assert_allclose(corner, 90, atol=3)
    assert np.ptp(middle) > 40, "the cat's colour"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("side", "expected"), [(110, 1000), (1300, 1300)])
def test_a_picture_is_as_large_as_the_image_or_legible(tmp_path, side, expected):
    empty = {"rois": np.zeros((0, 4), np.int32), "class_ids": np.zeros(0, np.int32),
             "scores": np.zeros(0, np.float32), "masks": np.zeros((side // 2, side, 0), bool)}
    Result(empty).save(tmp_path / "a.png", np.full((side // 2, side, 3), 90, np.uint8))
    width, height = Image.open(tmp_path / "a.png").size
    assert abs(width - expected) <= 1 and abs(height - expected / 2) <= 1


def test_show_uses_the_kept_image_and_takes_options():
    figure = made(image=IMAGE).show(title="my cats", show_bbox=False)
    assert figure.axes[0].get_title() == "my cats"
    assert "dog 0.90" in [text.get_text() for text in figure.axes[0].texts]
    with pytest.raises(ValueError, match="pass image="):
        made().show()
    with pytest.raises(ValueError, match=r"image: expected the size \(70, 110\).*\(9, 9, 3\)"):
        made().show(np.zeros((9, 9, 3), np.uint8))


def test_saved_json_is_what_pycocotools_reads(tmp_path):
    made().save(tmp_path / "a.json", image_id=7)
    assert json.loads((tmp_path / "a.json").read_text()) == made().to_coco(7)


@pytest.mark.parametrize("write", [
    lambda result, path, **more: result.save(path.with_suffix(".png"), **more),
    lambda result, path, **more: result.save(path.with_suffix(".json"), **more),
    lambda result, path, **more: result.to_labelme(path.with_suffix(".json"), **more),
])
def test_what_is_there_stays_unless_overwrite(tmp_path, write):
    for ending in (".png", ".json"):
        (tmp_path / f"a{ending}").write_text("precious")
    result = made(image=IMAGE)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(result, tmp_path / "a")
    assert {file.read_text() for file in tmp_path.iterdir()} == {"precious"}
    write(result, tmp_path / "a", overwrite=True)
    changed = [file for file in tmp_path.iterdir() if file.read_bytes() != b"precious"]
    assert len(changed) == 1


def test_a_failed_picture_leaves_nothing(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fail(self, path, **options):
        open(path, "wb").write(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space left"):
        made().save(tmp_path / "a.png", IMAGE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.gif", "a", "json"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected a name in \.json, \.png"):
        made().save(tmp_path / name, IMAGE)


# --- nothing found, and wrong parts ---------------------------------------------------------

def test_nothing_found(form, tmp_path):
    result = made(form, count=0)
    assert (result.count, result.labels, result.rles) == (0, [], [])
    assert result.to_coco(1) == [] and result.to_polygons() == []
    assert result.to_labelme()["shapes"] == []
    assert result.filter("cat", 0.5).count == 0 and result.select([]).count == 0
    assert isinstance(result.windowed_masks(), WindowedMasks)
    assert full(result).shape == (*SHAPE, 0)
    result.save(tmp_path / "a.png", IMAGE)
    result.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == []


def test_an_empty_mask_has_no_outline_and_no_area():
    result = Result({"rois": np.array([[1, 1, 5, 5]]), "class_ids": np.array([1]),
                     "scores": np.array([0.5]), "masks": np.zeros((*SHAPE, 1), bool)})
    assert result.to_polygons() == [[]]
    assert result.to_labelme()["shapes"] == []
    assert coding.area(result.to_coco(1)[0]["segmentation"]) == 0
    result.show(IMAGE)


@pytest.mark.parametrize(("change", "message"), [
    ({"masks": np.zeros((*SHAPE, 3), bool)}, "as many of each.*'masks': 3"),
    ({"scores": np.zeros(5)}, "as many of each.*'scores': 5"),
])
def test_parts_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        Result({**made(), **change})


def test_missing_parts():
    with pytest.raises(ValueError, match="expected the keys"):
        Result({"rois": np.zeros((0, 4))})
    with pytest.raises(ValueError, match=r"image_shape: expected \(H, W\)"):
        Result({**made(count=0), "masks": []})
    assert Result({**made("codes")}).image_shape == SHAPE
