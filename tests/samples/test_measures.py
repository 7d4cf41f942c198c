"""What the samples measure: a model that knows the truth, and numbers by other hands."""

import made
import numpy as np
import pytest

from mrcnn import commands
from mrcnn.commands.samples.scoring import truth_of
from mrcnn.data.shapes import ShapesDataset
from mrcnn.evaluation.coco import coco_evaluate
from mrcnn.evaluation.evaluator import Evaluator

balloon, coco, voc = (made.script(name) for name in ("balloon", "coco", "voc"))


def shapes(count=12):
    dataset = ShapesDataset()
    dataset.load_shapes(count, 48, 64, seed=5, min_size=12, max_size=30)
    dataset.prepare()
    return dataset


def spoiled(results, rng):
    """Results with shifted masks, wrong classes and other scores, boxes to match."""
    changed = []
    for result in results:
        masks = result["masks"].copy()
        for i in range(masks.shape[2]):
            masks[..., i] = np.roll(masks[..., i], rng.integers(-4, 5, 2), axis=(0, 1))
        class_ids = np.where(rng.random(masks.shape[2]) < 0.2, 1, result["class_ids"])
        scores = rng.permutation(np.linspace(0.2, 0.9, masks.shape[2])).astype(np.float32)
        order = np.argsort(-scores)
        rois = [[*np.argwhere(masks[..., i]).min(0), *(np.argwhere(masks[..., i]).max(0) + 1)]
                for i in order]
        changed.append({"rois": np.array(rois), "masks": masks[..., order],
                        "class_ids": class_ids[order].astype(np.int32), "scores": scores[order]})
    return changed


@pytest.fixture
def pair():
    """(truths, spoiled results) of some images."""
    dataset, rng = shapes(), np.random.default_rng(4)
    images = [dataset.load_image(i) for i in dataset.image_ids]
    results = spoiled(made.Knowing(dataset).detect(images), rng)
    truths = [truth_of(dataset, i, images[i]) for i in dataset.image_ids]
    return truths, results


def test_the_truth_scores_one(capsys):
    dataset = shapes()
    numbers = commands.evaluate(made.Knowing(dataset), dataset)
    assert numbers["segm"]["AP"] == numbers["bbox"]["AP"] == pytest.approx(1.0)
    assert numbers["images"] == 12
    out = capsys.readouterr().out
    assert "12 of 12 images" in out and "segm    1.000  1.000" in out


def test_limit_and_ids():
    dataset = shapes()
    seen = [image_id for image_id, _, _ in
            commands.detections(made.Square(), dataset, limit=3)]
    assert seen == [0, 1, 2]
    seen = [image_id for image_id, _, _ in
            commands.detections(made.Square(), dataset, image_ids=[5, 2, 7])]
    assert seen == [5, 2, 7]


def test_evaluate_is_coco_evaluate_of_plain_arrays(pair):
    dataset = shapes()
    truths, results = pair
    plain = [{**truth, "masks": np.asarray(truth["masks"])} for truth in truths]

    class Given(made.Square):
        """Answers the spoiled results, in their order."""

        place = 0

        def detect(self, images, verbose=0):
            self.place += len(images)
            return results[self.place - len(images) : self.place]

    found = commands.evaluate(Given(), dataset)
    for kind in ("segm", "bbox"):
        expected = coco_evaluate(plain, results, dataset.class_names, kind)
        assert found[kind] == pytest.approx(expected)
        assert 0.0 < found[kind]["AP50"] < 1.0


# --- VOC --------------------------------------------------------------------------------------


def test_voc_average_precision_is_cocos_but_for_its_101_points(pair):
    truths, results = pair
    names = ["BG", "a", "b", "c"]
    evaluator = Evaluator(names)
    for truth, result in zip(truths, results, strict=True):
        evaluator.add({**truth, "void": np.zeros(truth["masks"].shape[:2], bool)}, result)
    evaluation = evaluator.finish()
    numbers = coco_evaluate(truths, results, names)
    assert evaluation.voc_ap(0.5)["mAP"] == pytest.approx(numbers["AP50"], abs=0.02)
    assert evaluation.voc_ap(0.7)["mAP"] < evaluation.voc_ap(0.5)["mAP"]


def test_voc_numbers_of_the_truth(tmp_path, capsys):
    made.voc_folder(tmp_path)
    sample = voc.Voc()
    args = type("Args", (), {"dataset": tmp_path, "year": "2012", "download": None})
    dataset = sample.load(args, "val")
    numbers = commands.evaluate(made.Knowing(dataset), dataset)
    assert numbers["voc_ap50"] == numbers["voc_ap70"] == numbers["segm"]["AP"] == 1.0
    assert "VOC: mean AP at mask IoU 0.7: 1.000 (3 classes)" in capsys.readouterr().out
    assert dataset.class_names[1:] == voc.CLASSES


# --- COCO -------------------------------------------------------------------------------------


def test_coco_truth_scores_one_on_cocos_own_annotations(coco_dir, capsys):
    dataset = coco.CocoDataset()
    api = dataset.load_coco(coco_dir, "val", 2017, return_coco=True)
    dataset.prepare()
    assert dataset.num_classes == 81 and dataset.class_info[80]["id"] == 90
    numbers = coco.evaluate_coco(made.Knowing(dataset), dataset, api, ("bbox", "segm"), limit=20)
    assert numbers["segm"]["AP"] > 0.999
    assert numbers["bbox"]["AP"] > 0.9  # boxes of masks; COCO's have fractions of a pixel
    assert capsys.readouterr().out.count("Average Precision") == 12


def test_coco_of_some_classes(coco_dir):
    dataset = coco.CocoDataset()
    api = dataset.load_coco(coco_dir, "train", "2017", class_ids=[1, 18], return_coco=True)
    dataset.prepare()
    assert dataset.class_names == ["BG", "person", "dog"]
    with_any = set(api.getImgIds(catIds=[1])) | set(api.getImgIds(catIds=[18]))
    assert {info["id"] for info in dataset.image_info} == with_any


def test_coco_results_map_the_category_back(coco_dir):
    dataset = coco.CocoDataset()
    dataset.load_coco(coco_dir, "val", "2017")
    dataset.prepare()
    masks = np.zeros((10, 12, 1), bool)
    masks[2:5, 3:8] = True
    rows = coco.build_coco_results(dataset, [139], np.array([[2, 3, 5, 8]]), np.array([80]),
                                   np.array([0.75]), masks)
    code = rows[0].pop("segmentation")
    assert rows == [{"image_id": 139, "category_id": 90, "bbox": [3.0, 2.0, 5.0, 3.0],
                     "score": 0.75}]
    assert code["size"] == [10, 12]


def test_coco_without_a_detection(coco_dir):
    dataset = coco.CocoDataset()
    api = dataset.load_coco(coco_dir, "val", "2017", return_coco=True)
    dataset.prepare()

    class Blind(made.Square):
        """Finds nothing."""

        def detect(self, images, verbose=0):
            return [{"rois": np.zeros((0, 4)), "class_ids": np.zeros(0, int), "scores": [],
                     "masks": np.zeros((*image.shape[:2], 0), bool)} for image in images]

    assert coco.evaluate_coco(Blind(), dataset, api, "segm", limit=3)["segm"]["AP"] == 0.0


# --- balloon, shapes --------------------------------------------------------------------------


@pytest.mark.parametrize(("subset", "images", "balloons"), [("val", 13, 50), ("train", 61, 255)])
def test_the_balloon_set_is_read(balloon_dir, subset, images, balloons):
    dataset = balloon.BalloonDataset()
    dataset.load_balloon(balloon_dir, subset)
    assert len(dataset.image_info) == images
    assert sum(len(info["polygons"]) for info in dataset.image_info) == balloons


def test_balloons_are_counted(balloon_dir, capsys):
    dataset = balloon.BalloonDataset()
    dataset.load_balloon(balloon_dir, "val", max_side=256)
    dataset.prepare()
    numbers = commands.evaluate(made.Knowing(dataset), dataset, more=balloon.count_found)
    assert (numbers["found"], numbers["balloons"], numbers["false"]) == (50, 50, 0)
    assert "50 of 50 balloons found, 0 false" in capsys.readouterr().out


def test_shapes_mean_ap_of_the_truth(capsys):
    sample = made.script("shapes").Shapes()
    dataset = sample.load(type("Args", (), {"limit": 4}), "evaluate")
    numbers = commands.evaluate(made.Knowing(dataset), dataset,
                                more=made.script("shapes").mean_ap)
    assert numbers["mean_ap"] == pytest.approx(1.0)
    assert "over 4 images: 1.000" in capsys.readouterr().out
