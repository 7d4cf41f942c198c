"""Evaluator and Evaluation: against pycocotools asked by hand, and what nothing gives."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval
from scored import scene
from tolerances import GEOMETRY

from mrcnn.evaluation.coco import coco_evaluate, indices
from mrcnn.evaluation.evaluator import Evaluator
from mrcnn.evaluation.records import encoded
from mrcnn.evaluation.text import shown
from mrcnn.geometry.lazy_masks import PackedMasks

NAMES = ["BG", "circle", "square", "triangle"]


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(11)
    return [scene(rng) for _ in range(25)]


def evaluated(pairs, names=NAMES, **options):
    evaluator = Evaluator(names, **options)
    for truth, result in pairs:
        evaluator.add(truth, result)
    return evaluator.finish()


@pytest.fixture(scope="module")
def whole(pairs):
    return evaluated(pairs, iou_thresholds=(0.5, 0.62, 0.7), confidence=0.4)


def judged(evaluation, kind, **parameters):
    """COCOeval of the evaluation's own records, with parameters set as its users do."""
    judge = COCOeval(*indices(evaluation.records, evaluation.class_names, kind), kind)
    for name, value in parameters.items():
        setattr(judge.params, name, value)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_numbers_are_those_of_coco_evaluate(pairs, whole, kind):
    expected = coco_evaluate(*zip(*pairs, strict=True), NAMES, kind)
    assert whole[kind] == getattr(whole, kind) == expected
    assert 0.1 < whole[kind]["AP"] < 0.9


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_classes_and_thresholds_are_cocos_of_one_class_or_threshold(whole, kind):
    for row in whole.per_class:
        stats = judged(whole, kind, catIds=[row["class_id"]]).stats
        expected = dict(zip(("AP", "AP50", "AP75", "AR"), stats[[0, 1, 2, 8]], strict=True))
        assert row[kind] == pytest.approx(expected, rel=0, abs=GEOMETRY)
    for iou in (0.5, 0.62, 0.7):
        stats = judged(whole, kind, iouThrs=np.array([iou])).stats
        np.testing.assert_allclose(whole.ap_at[kind][iou], stats[0], rtol=0, atol=GEOMETRY)
    assert whole.ap_at[kind][0.5] == whole[kind]["AP50"]


def test_curves_average_to_the_ap(whole):
    curve = whole.curves["segm"]
    assert len(curve["recall"]) == 101 and set(curve["classes"]) == {1, 2, 3}
    np.testing.assert_allclose(np.mean(curve["overall"][0.5]), whole["segm"]["AP50"],
                               rtol=0, atol=GEOMETRY)
    np.testing.assert_allclose(np.mean(curve["classes"][2]), whole.per_class[1]["segm"]["AP50"],
                               rtol=0, atol=GEOMETRY)


def test_rates_come_from_the_confusion(whole):
    matrix = whole.confusion
    for row in whole.per_class:
        k = row["class_id"]
        assert row["precision"] == matrix[k, k] / matrix[:, k].sum()
        assert row["recall"] == matrix[k, k] / matrix[k].sum()
        assert row["f1"] == pytest.approx(2 / (1 / row["precision"] + 1 / row["recall"]))
        assert (row["objects"], row["detections"]) == (matrix[k].sum(), matrix[:, k].sum())


def test_the_curve_over_confidence_is_the_confusion_at_each(whole):
    curve = whole.by_confidence
    for step in (0.0, 0.31, 0.5, 0.87):
        # scores are float32: the next confidence above the one below finds the same ones
        matrix = whole.confusion_at(curve["confidence"][round(100 * step)])
        right, objects = np.trace(matrix), matrix[1:].sum()
        place = round(100 * step)
        assert curve["recall"][place] == right / objects
        assert curve["precision"][place] == right / matrix[:, 1:].sum()
    assert curve["f1"][round(100 * curve["best"])] == max(curve["f1"])
    at_all = whole.confusion_at(0.0)
    assert sum(curve["right"]) == np.trace(at_all)
    assert sum(curve["right"]) + sum(curve["false"]) == at_all[:, 1:].sum()


@pytest.mark.parametrize("form", ["array", "rle", "text", "packed"])
def test_masks_may_come_in_any_form(pairs, whole, form):
    def changed(item):
        codes = encoded(item["masks"])
        if form == "text":
            codes = [{**code, "counts": code["counts"].decode()} for code in codes]
        masks = {"array": item["masks"].astype(np.uint8), "rle": codes, "text": codes}.get(form)
        if form == "packed":
            masks = PackedMasks.of(item["masks"])
        return {**item, "masks": masks}

    found = evaluated([(truth, changed(result)) for truth, result in pairs])
    assert found.segm == whole.segm and found.bbox == whole.bbox


def test_boxes_alone():
    truth = {"rois": [[0, 0, 20, 20]], "class_ids": [1]}
    found = evaluated([(truth, {**truth, "scores": [0.9]})], iou_types="bbox")
    assert found["bbox"]["AP"] == pytest.approx(1.0) and found.segm is None
    with pytest.raises(KeyError, match="'segm' was not evaluated; there is bbox"):
        found["segm"]
    with pytest.raises(ValueError, match="kind: expected one of"):
        found.save_detections("never.json", "segm")


# --- nothing, and other edges -----------------------------------------------------------------


def test_no_image_at_all():
    found = evaluated([])
    assert set(found.segm.values()) == {-1.0} and found.confusion.sum() == 0
    assert found.worst == [] and found.by_confidence["best"] is None
    assert str(found).startswith("0 images, 0 objects; 0 detections")
    assert repr(found) == str(found)
    assert json.loads(json.dumps(found.as_dict()))["segm"]["AP"] == -1


def test_the_best_confidence_keeps_away_from_scores():
    truth = {"rois": [[0, 0, 20, 20], [30, 30, 50, 50]], "class_ids": [1, 1]}
    found = evaluated([(truth, {**truth, "scores": [0.9, 0.61]})], iou_types="bbox")
    assert found.by_confidence["best"] == 0.3  # anything up to 0.61 finds both


def test_the_headline_counts_one_and_many(pairs):
    truth = {"rois": [[0, 0, 20, 20], [0, 0, 50, 50]], "class_ids": [1, -1]}
    found = evaluated([(truth, {**truth, "class_ids": [1, 2], "scores": [0.9, 0.1]})],
                      iou_types="bbox")
    assert str(found).startswith("1 image, 1 object, 1 crowd; 1 detection of confidence 0.5 or "
                                 "more, 2 with the doubtful ones\n")


def test_a_class_without_truth_and_one_without_detections(pairs):
    names = [*NAMES, "ghost", "unseen"]
    truth = {"rois": [[0, 0, 9, 9]], "class_ids": [5], "masks": np.ones((9, 9, 1), bool)}
    ghost = {**truth, "class_ids": [4], "scores": [0.99]}
    found = evaluated([*pairs, (truth, ghost)], names)
    absent, unseen = found.per_class[3:]
    assert absent["segm"] == {"AP": -1, "AP50": -1, "AP75": -1, "AR": -1}
    assert (absent["precision"], absent["recall"]) == (0.0, -1.0)
    assert unseen["segm"]["AP"] == 0.0 and unseen["precision"] == -1.0
    assert found.confusion[5, 4] == 1  # seen under the ghost's name
    assert 4 not in found.curves["segm"]["classes"]
    line = next(line for line in str(found).splitlines() if line.startswith("  ghost"))
    assert line.split()[3:7] == ["-"] * 4


@pytest.mark.parametrize(("value", "text"), [(-1, "-"), (None, "-"), (0, "0.000"), (1, "1.000")])
def test_what_is_undefined_is_a_dash(value, text):
    assert shown(value) == text


def test_many_classes_list_the_confusions():
    names = ["BG", *(f"class {i}" for i in range(1, 81))]
    truth = {"rois": [[0, 0, 9, 9]], "class_ids": [7], "masks": np.ones((9, 9, 1), bool)}
    found = evaluated([(truth, {**truth, "class_ids": [70], "scores": [0.9]})] * 3, names)
    assert "class 7 taken for class 70      3" in str(found)
    assert max(map(len, str(found).splitlines())) < 140


def test_bad_input(pairs):
    with pytest.raises(ValueError, match="iou_type: expected one of .* received 'mask'"):
        Evaluator(NAMES, ("mask",))
    with pytest.raises(ValueError, match="IoU: expected thresholds above 0 .* received 1.5"):
        Evaluator(NAMES, iou_thresholds=(0.5, 1.5))
    with pytest.raises(ValueError, match="confidence: expected .* received -0.1"):
        Evaluator(NAMES, confidence=-0.1)
    with pytest.raises(ValueError, match="results, image 9: expected keys"):
        Evaluator(NAMES).add(pairs[0][0], {"rois": []}, image_id=9)


# --- files ------------------------------------------------------------------------------------


def test_json_holds_everything(whole, tmp_path):
    path = tmp_path / "deep" / "evaluation.json"
    whole.save_json(path)
    read = json.loads(path.read_text())
    assert read["segm"] == whole.segm and read["ap_at"]["bbox"]["0.62"] == whole.ap_at["bbox"][0.62]
    assert read["confusion"]["matrix"] == whole.confusion.tolist()
    assert read["worst"] == whole.worst and len(read["images"]) == 25
    with pytest.raises(FileExistsError, match="evaluation.json exists"):
        whole.save_json(path)
    whole.save_json(path, overwrite=True)
    assert [file.name for file in path.parent.iterdir()] == ["evaluation.json"]
