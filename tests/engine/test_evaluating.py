"""evaluate: on real COCO images equal to pycocotools by hand to the last digit."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scored import Answering, mistaken

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.coco_writer import save_coco
from mrcnn.data.formats.loading import load_dataset
from mrcnn.data.shapes import ShapesDataset
from mrcnn.engine.evaluating import evaluate
from mrcnn.engine.evaluation_truth import truth_of
from mrcnn.evaluation.coco import METRICS


def shapes(count=10):
    dataset = ShapesDataset()
    dataset.load_shapes(count, 48, 64, seed=5, min_size=12, max_size=30)
    dataset.prepare()
    return dataset


def results_for(dataset, seed=0):
    rng, results = np.random.default_rng(seed), []
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        if not len(class_ids):
            masks = np.zeros((*dataset.load_image(image_id).shape[:2], 0), bool)
        results.append(mistaken(masks, class_ids, dataset.num_classes, rng))
    return results


def by_hand(truth, found, kind):
    """The twelve numbers as pycocotools' own users get them: two files, COCO and loadRes."""
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO(str(truth))
        judge = COCOeval(index, index.loadRes(str(found)), kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return dict(zip(METRICS, judge.stats.tolist(), strict=True))


@pytest.fixture(scope="module")
def coco_case(coco_dir):
    """(dataset, evaluation) of every validation image, crowds among them."""
    dataset = load_dataset(coco_dir, subset="val2017")
    model = Answering(results_for(dataset), dataset.class_names)
    return dataset, evaluate(model, dataset, verbose=0, confidence=0.3)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_coco_numbers_to_the_last_digit(coco_case, coco_dir, tmp_path, kind):
    dataset, evaluation = coco_case
    assert sum(row["crowds"] for row in evaluation.per_class) > 0
    save_coco(dataset, tmp_path / "truth.json")
    evaluation.save_detections(tmp_path / "found.json", kind)
    expected = by_hand(tmp_path / "truth.json", tmp_path / "found.json", kind)
    assert evaluation[kind] == expected
    assert 0.2 < expected["AP"] < 0.9 and expected["APs"] > 0
    official = coco_dir / "annotations" / "instances_val2017.json"
    assert by_hand(official, tmp_path / "found.json", kind) == expected


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_any_dataset_to_the_last_digit(tmp_path, kind):
    dataset = shapes()
    evaluation = evaluate(Answering(results_for(dataset), dataset.class_names), dataset, verbose=0)
    save_coco(dataset, tmp_path / "truth.json")
    evaluation.save_detections(tmp_path / "found.json", kind)
    assert evaluation[kind] == by_hand(tmp_path / "truth.json", tmp_path / "found.json", kind)


def test_every_object_of_coco_is_in_the_confusion(coco_case, coco_dir):
    dataset, evaluation = coco_case
    annotations = json.loads(
        (coco_dir / "annotations" / "instances_val2017.json").read_text())["annotations"]
    for class_id in range(1, dataset.num_classes):
        category = dataset.get_source_class_id(class_id, "coco")
        count = sum(1 for one in annotations
                    if one["category_id"] == category and not one["iscrowd"])
        assert evaluation.confusion[class_id].sum() == count


def test_images_come_in_batches_and_the_first_ones(capsys):
    dataset = shapes()
    model = Answering(results_for(dataset), dataset.class_names)
    evaluation = evaluate(model, dataset, limit=6, min_confidence=0.1)
    assert model.batches == [4, 2]
    assert model.options == {"masks": "rle", "min_confidence": 0.1}
    assert [row["image_id"] for row in evaluation.images] == list(range(6))
    assert evaluation.confidence == 0.5 and evaluation.details["images_evaluated"] == 6
    assert capsys.readouterr().out.splitlines()[-1] == "evaluating: 6 of 6 images"
    model = Answering(results_for(dataset), dataset.class_names)
    evaluation = evaluate(model, dataset, image_ids=[7, 2], confidence=0.01, verbose=0)
    assert [row["image_id"] for row in evaluation.images] == [7, 2]
    assert model.options["min_confidence"] == 0.01
    assert capsys.readouterr().out == ""


def test_other_classes_are_refused_with_both_lists():
    dataset = shapes()
    for names in (["BG", "cat"], ["BG", "square", "circle", "triangle", "cat"]):
        with pytest.raises(ValueError, match="cat.*; the data set's are 3: .*triangle"):
            evaluate(Answering([], names), dataset)
    swapped = [dataset.class_names[i] for i in (0, 2, 1, 3)]
    with pytest.raises(ValueError, match="reads them in its order"):
        evaluate(Answering([], swapped), dataset)
    unnamed = Answering([], ["BG", "cat"])
    unnamed.class_names = None
    with pytest.raises(ValueError, match="the model's classes are 1 without names"):
        evaluate(unnamed, dataset)


def test_what_cannot_be_evaluated():
    dataset = shapes(2)
    model = Answering([], dataset.class_names)
    model.mode = "training"
    with pytest.raises(ValueError, match="inference mode, received one in training mode"):
        evaluate(model, dataset)
    model.mode = "inference"
    with pytest.raises(ValueError, match=r"call prepare\(\)"):
        evaluate(model, ShapesDataset())
    for wrong, said in ((None, "received NoneType"), ("photos", "received str 'photos'")):
        with pytest.raises(TypeError, match=f"expected a Dataset, {said}"):
            evaluate(model, wrong)
    with pytest.raises(ValueError, match="image_ids: expected numbers below 2, received 77"):
        evaluate(model, dataset, image_ids=[1, 77])
    with pytest.raises(ValueError, match="limit: expected .* received -1"):
        evaluate(model, dataset, limit=-1)


def test_bad_masks_name_their_image():
    class Spoiled(ShapesDataset):
        """Masks of another size, or none at all."""

        answer = None

        def load_mask(self, image_id):
            if self.answer is None:
                raise OSError("the disk is gone")
            return self.answer, np.ones(1, np.int32)

    dataset = Spoiled()
    dataset.load_shapes(1, 48, 64)
    dataset.prepare()
    with pytest.raises(DataError, match="image 0 .*: the disk is gone"):
        truth_of(dataset, 0, (48, 64, 3))
    Spoiled.answer = np.ones((64, 48, 1), bool)
    with pytest.raises(DataError, match=r"image 0 .*expected masks \[48, 64, 1\], .*\(64, 48, 1\)"):
        truth_of(dataset, 0, (48, 64, 3))


def test_objects_without_a_pixel_are_none():
    class Empty(ShapesDataset):
        """One object, and one that is hidden."""

        def load_mask(self, image_id):
            masks = np.zeros((48, 64, 2), bool)
            masks[4:9, 5:8, 1] = True
            return masks, np.array([1, 2], np.int32)

    dataset = Empty()
    dataset.load_shapes(1, 48, 64)
    dataset.prepare()
    truth = truth_of(dataset, 0, (48, 64, 3))
    assert truth["class_ids"].tolist() == [2] and truth["rois"].tolist() == [[4, 5, 9, 8]]
