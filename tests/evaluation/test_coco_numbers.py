"""The twelve COCO numbers: known scenes, and pycocotools fed from files as its own users do."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tolerances import GEOMETRY

from mrcnn.evaluation import coco

NAMES = ["BG", "circle", "square"]
IOU_TYPES = ["segm", "bbox"]


def image_of(boxes, class_ids, shape=(100, 120), **more):
    boxes = np.array(boxes, np.int32).reshape(-1, 4)
    masks = np.zeros((*shape, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return {"rois": boxes, "class_ids": np.array(class_ids, np.int32), "masks": masks, **more}


def random_set(rng, count):
    """Ground truth of different sizes, and detections near it with misses and inventions."""
    truth, results = [], []
    for _ in range(count):
        shape = tuple(rng.integers(110, 260, 2))
        corner = rng.integers(0, 50, (5, 2))
        boxes = np.concatenate([corner, corner + rng.integers(8, 60, (5, 2))], axis=1)
        ids = rng.integers(1, 3, 5)
        crowd = np.array([False, False, False, False, rng.random() < 0.5])
        truth.append(image_of(boxes, ids, shape, crowd=crowd))
        moved = boxes + rng.integers(-3, 4, boxes.shape)
        moved = np.clip(moved, 0, min(shape))[rng.random(5) < 0.8]
        guessed = rng.integers(1, 3, len(moved))
        results.append(image_of(moved, guessed, shape, scores=rng.random(len(moved))))
    return truth, results


def through_files(truth, results, iou_type, folder):
    """The same evaluation the documented way: JSON files, `COCO(path)` and `loadRes(path)`."""
    def code(mask):
        encoded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}

    def records(items):
        for image_id, item in enumerate(items):
            for i, (y1, x1, y2, x2) in enumerate(item["rois"].tolist()):
                mask = item["masks"][:, :, i]
                yield item, i, {
                    "image_id": image_id, "category_id": int(item["class_ids"][i]),
                    "segmentation": code(mask), "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": int(mask.sum()),
                }

    annotations = [{**record, "id": number, "iscrowd": int(item["crowd"][i])}
                   for number, (item, i, record) in enumerate(records(truth), start=1)]
    found = []
    for item, i, record in records(results):
        del record["area"]
        del record["bbox" if iou_type == "segm" else "segmentation"]
        found.append({**record, "score": float(item["scores"][i])})
    (folder / "truth.json").write_text(json.dumps({
        "images": [{"id": i, "height": t["masks"].shape[0], "width": t["masks"].shape[1]}
                   for i, t in enumerate(truth)], "annotations": annotations,
        "categories": [{"id": 1, "name": "circle"}, {"id": 2, "name": "square"}],
    }))
    (folder / "found.json").write_text(json.dumps(found))
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO(str(folder / "truth.json"))
        evaluation = COCOeval(index, index.loadRes(str(folder / "found.json")), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_equals_the_way_through_files(iou_type, tmp_path):
    truth, results = random_set(np.random.default_rng(0), 12)
    numbers = coco.coco_evaluate(truth, results, NAMES, iou_type)
    expected = through_files(truth, results, iou_type, tmp_path)
    assert tuple(numbers) == coco.METRICS
    np.testing.assert_allclose(list(numbers.values()), expected, rtol=0, atol=GEOMETRY)
    assert 0.1 < numbers["AP50"] < 1


@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_perfect_detections_of_two_sizes(iou_type, capsys):
    images = [image_of([[0, 0, 20, 20], [30, 30, 80, 80]], [1, 2]),
              image_of([[5, 5, 45, 50]], [1], shape=(64, 70))]
    results = [{**image, "scores": np.full(len(image["rois"]), 0.9)} for image in images]
    numbers = coco.coco_evaluate(images, results, NAMES, iou_type)
    assert capsys.readouterr().out == ""
    assert all(type(value) is float for value in numbers.values())
    np.testing.assert_allclose(
        [numbers[name] for name in ("AP", "AP50", "AP75", "APs", "APm", "AR100")],
        1, rtol=0, atol=GEOMETRY,
    )
    assert numbers["APl"] == numbers["ARl"] == -1


@pytest.mark.parametrize("iou_type", IOU_TYPES)
def test_no_detection_at_all(iou_type):
    numbers = coco.coco_evaluate(
        [image_of([[0, 0, 20, 20]], [1])], [image_of([], [], scores=[])], NAMES, iou_type
    )
    assert numbers["AP"] == numbers["AR100"] == 0


@pytest.mark.parametrize("images", [0, 1])
def test_no_ground_truth_is_undefined(images):
    truth = [image_of([], [])] * images
    results = [image_of([[0, 0, 20, 20]], [1], scores=[0.9])] * images
    assert set(coco.coco_evaluate(truth, results, NAMES).values()) == {-1.0}


@pytest.mark.parametrize("mark", ["flag", "negative id"])
def test_detections_on_a_crowd_are_ignored(mark):
    boxes = [[0, 0, 20, 20], [40, 40, 90, 90]]
    if mark == "flag":
        truth = image_of(boxes, [1, 1], crowd=[0, 1])
    else:
        truth = image_of(boxes, [1, -1])
    found = image_of([[42, 42, 60, 60], [60, 60, 80, 80], [0, 0, 20, 20]], [1, 1, 1],
                     scores=[0.99, 0.98, 0.5])
    crowd = coco.coco_evaluate([truth], [found], NAMES)
    np.testing.assert_allclose(crowd["AP"], 1, rtol=0, atol=GEOMETRY)
    plain = coco.coco_evaluate([image_of(boxes, [1, 1])], [found], NAMES)
    assert plain["AP"] < 0.5


def test_the_first_annotation_can_be_matched():
    """pycocotools reads a match with annotation id 0 as no match."""
    truth = image_of([[0, 0, 20, 20]], [1])
    numbers = coco.coco_evaluate([truth], [{**truth, "scores": [0.9]}], NAMES)
    np.testing.assert_allclose(numbers["AP"], 1, rtol=0, atol=GEOMETRY)


def test_boxes_alone_are_enough_for_boxes():
    truth = image_of([[0, 0, 20, 20]], [1])
    del truth["masks"]
    numbers = coco.coco_evaluate([truth], [{**truth, "scores": [0.9]}], NAMES, "bbox")
    np.testing.assert_allclose(numbers["AP"], 1, rtol=0, atol=GEOMETRY)
    with pytest.raises(ValueError, match="ground_truth, image 0: expected keys .*masks"):
        coco.coco_evaluate([truth], [{**truth, "scores": [0.9]}], NAMES, "segm")


def test_bad_input():
    truth = image_of([[0, 0, 20, 20]], [1])
    found = {**truth, "scores": [0.9]}
    with pytest.raises(ValueError, match="iou_type: expected one of .* received 'mask'"):
        coco.coco_evaluate([truth], [found], NAMES, "mask")
    with pytest.raises(ValueError, match="received 2 results for 1 images"):
        coco.coco_evaluate([truth], [found, found], NAMES)
    with pytest.raises(ValueError, match="results, image 0: expected class ids 1 to 2, .*7"):
        coco.coco_evaluate([truth], [{**found, "class_ids": [7]}], NAMES)
    with pytest.raises(ValueError, match="results, image 0: .*'scores': 2"):
        coco.coco_evaluate([truth], [{**found, "scores": [0.9, 0.8]}], NAMES)
    with pytest.raises(ValueError, match=r"image 0: .*\(100, 120\), received \(50, 120\)"):
        coco.coco_evaluate([truth], [{**found, "masks": found["masks"][:50]}], NAMES)
