"""Pascal VOC's average precision against a slow loop, with void pixels, crowds and ties."""

import json

import numpy as np
import pytest
from pycocotools import mask as rle

from mrcnn.evaluation.evaluation import Evaluation
from mrcnn.evaluation.evaluator import Evaluator
from mrcnn.evaluation.voc import area_under

NAMES = ["BG", "cat", "dog", "cow", "never"]
SIZE = 40, 50


# --- the oracle: plain loops over pixels and detections --------------------------------------


def iou_of(detected, true, void):
    """IoU of two masks, the first without its void pixels."""
    common = either = 0
    for y in range(detected.shape[0]):
        for x in range(detected.shape[1]):
            one = detected[y, x] and not void[y, x]
            common += bool(one and true[y, x])
            either += bool(one or true[y, x])
    return common / either if either else 0.0


def slow_ap(truths, results, class_id, threshold):
    """AP of a class; None without objects."""
    entries, objects = [], 0
    for place, (truth, result) in enumerate(zip(truths, results, strict=True)):
        objects += sum(i == class_id for i in truth["class_ids"])
        for k in range(len(result["scores"])):
            if result["class_ids"][k] == class_id:
                entries.append((-result["scores"][k], place, k))
    if not objects:
        return None
    taken, rows = set(), []
    for _, place, k in sorted(entries):
        truth, mask = truths[place], results[place]["masks"][..., k]
        best, match = -1.0, None
        for g, true_class in enumerate(truth["class_ids"]):
            if true_class == class_id:
                overlap = iou_of(mask, truth["masks"][..., g], truth["void"])
                if overlap > best:
                    best, match = overlap, g
        if match is not None and best >= threshold:
            rows.append((place, match) not in taken)
            taken.add((place, match))
            continue
        if (mask & ~truth["void"]).any() and not in_crowd(truth, mask, class_id):
            rows.append(False)
    area, hits = 0.0, 0
    for n, is_right in enumerate(rows):
        if is_right:
            later = [sum(rows[: m + 1]) / (m + 1) for m in range(n, len(rows))]
            area += max(later) / objects
            hits += 1
    return area


def in_crowd(truth, mask, class_id):
    left = mask & ~truth["void"]
    return any(i == -class_id and (left & truth["masks"][..., g]).sum() >= 0.5 * left.sum()
               for g, i in enumerate(truth["class_ids"]))


# --- images --------------------------------------------------------------------------------


def boxes_of(masks):
    boxes = np.zeros((masks.shape[2], 4), int)
    for k in range(masks.shape[2]):
        rows, columns = np.nonzero(masks[..., k])
        if len(rows):
            boxes[k] = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    return boxes


def rectangle(y1, x1, y2, x2):
    mask = np.zeros(SIZE, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def item(masks, class_ids, **more):
    masks = np.stack(masks, -1) if masks else np.zeros((*SIZE, 0), bool)
    return {"masks": masks, "rois": boxes_of(masks), "class_ids": np.array(class_ids, int),
            **{name: np.array(value) for name, value in more.items()}}


def random_pair(rng):
    """A truth with seams, hidden places and perhaps a crowd; detections near it."""
    free, masks, ids, void = np.ones(SIZE, bool), [], [], np.zeros(SIZE, bool)
    for _ in range(rng.integers(0, 5)):
        y, x, h, w = rng.integers(0, 25), rng.integers(0, 35), *rng.integers(6, 15, 2)
        mask = rectangle(y, x, y + h, x + w) & free
        if mask.sum() < 10:
            continue
        free &= ~mask
        inner = rectangle(y + 1, x + 1, y + h - 1, x + w - 1) & mask
        void |= mask & ~inner
        masks.append(inner)
        ids.append(int(rng.integers(1, 4)) * (-1 if rng.random() < 0.15 else 1))
    void |= rectangle(*rng.integers(0, 20, 2), *rng.integers(20, 40, 2)) & free & (
        rng.random() < 0.5)
    found, found_ids = [], []
    for mask, class_id in [*zip(masks, ids, strict=True)] * 2:
        moved = np.roll(mask, rng.integers(-2, 3, 2), (0, 1))
        if moved.any() and rng.random() < 0.8:
            found.append(moved)
            found_ids.append(abs(class_id) if rng.random() < 0.8 else int(rng.integers(1, 4)))
    for _ in range(rng.integers(0, 3)):
        found.append(rectangle(*rng.integers(0, 20, 2), *rng.integers(21, 40, 2)))
        found_ids.append(int(rng.integers(1, 4)))
    scores = np.round(rng.random(len(found)), 1)  # with ties
    return item(masks, ids, void=void), item(found, found_ids, scores=scores)


def evaluated(pairs, kinds=("segm", "bbox")) -> Evaluation:
    evaluator = Evaluator(NAMES, kinds)
    for truth, result in pairs:
        evaluator.add(truth, result)
    return evaluator.finish()


def check(pairs):
    """Compares all classes at both thresholds with the loops."""
    evaluation, seen = evaluated(pairs), 0
    truths, results = zip(*pairs, strict=True)
    for threshold in (0.5, 0.7):
        values = []
        for class_id, name in enumerate(NAMES[1:], 1):
            expected = slow_ap(truths, results, class_id, threshold)
            found = evaluation.voc[threshold]["classes"][name]
            assert found == pytest.approx(-1.0 if expected is None else expected, abs=1e-5), name
            values += [] if expected is None else [expected]
            seen += expected is not None and 0 < expected < 1
        mean = np.mean(values) if values else -1.0
        assert evaluation.voc[threshold]["mAP"] == pytest.approx(mean, abs=1e-5)
        assert evaluation.voc_ap(threshold) == evaluation.voc[threshold]
    return seen


@pytest.mark.parametrize("seed", range(3))
def test_random_images_equal_the_loops(seed):
    rng = np.random.default_rng(seed)
    assert check([random_pair(rng) for _ in range(8)]) >= 1


# --- the rule, case by case ------------------------------------------------------------------

NO_VOID = np.zeros(SIZE, bool)
CAT = rectangle(5, 5, 15, 15)
HALF = rectangle(5, 5, 10, 15)  # IoU 0.5 with it


@pytest.mark.parametrize(("truth", "found", "at_50", "at_70"), [
    (item([CAT], [1], void=NO_VOID), item([CAT], [1], scores=[0.9]), 1.0, 1.0),
    (item([CAT], [1], void=NO_VOID), item([HALF], [1], scores=[0.9]), 1.0, 0.0),  # at least
    # a second detection of one object is false, even where another object is free and overlaps
    (item([CAT, rectangle(5, 10, 15, 21)], [1, 1], void=NO_VOID),
     item([CAT, CAT], [1, 1], scores=[0.9, 0.8]), 0.5, 0.5),
    # void pixels are taken out of what was detected
    (item([CAT], [1], void=rectangle(15, 5, 35, 15)),
     item([rectangle(5, 5, 35, 15)], [1], scores=[0.9]), 1.0, 1.0),
    # what lies in void alone is neither right nor false
    (item([CAT], [1], void=rectangle(20, 20, 30, 30)),
     item([rectangle(21, 21, 25, 25), CAT], [1, 1], scores=[0.9, 0.8]), 1.0, 1.0),
    # one pixel of it outside, and it is false
    (item([CAT], [1], void=rectangle(20, 20, 30, 30)),
     item([rectangle(21, 21, 25, 31), CAT], [1, 1], scores=[0.9, 0.8]), 0.5, 0.5),
    # in a crowd of its class it does not count; in one of another class it is false
    (item([CAT, rectangle(20, 20, 40, 50)], [1, -1], void=NO_VOID),
     item([rectangle(22, 22, 30, 30), CAT], [1, 1], scores=[0.9, 0.8]), 1.0, 1.0),
    (item([CAT, rectangle(20, 20, 40, 50)], [1, -2], void=NO_VOID),
     item([rectangle(22, 22, 30, 30), CAT], [1, 1], scores=[0.9, 0.8]), 0.5, 0.5),
    # an object of one pixel, one at the border, none found, none there
    (item([rectangle(7, 7, 8, 8)], [1], void=NO_VOID),
     item([rectangle(7, 7, 8, 8)], [1], scores=[0.9]), 1.0, 1.0),
    (item([rectangle(30, 40, 40, 50)], [1], void=NO_VOID),
     item([rectangle(30, 40, 40, 50)], [1], scores=[0.9]), 1.0, 1.0),
    (item([CAT], [1], void=NO_VOID), item([], [], scores=[]), 0.0, 0.0),
    (item([], [], void=NO_VOID), item([CAT], [1], scores=[0.9]), -1.0, -1.0),
    (item([], [], void=NO_VOID), item([], [], scores=[]), -1.0, -1.0),
])
def test_one_image(truth, found, at_50, at_70):
    check([(truth, found)])
    voc = evaluated([(truth, found)]).voc
    assert (voc[0.5]["classes"]["cat"], voc[0.7]["classes"]["cat"]) == (at_50, at_70)
    assert voc[0.5]["mAP"] == at_50


def test_area_under_a_known_curve():
    # right, wrong, right, with four objects: precision 1, 1/2, 2/3 at recall 1/4, 1/4, 1/2
    assert area_under([0.7, 0.9, 0.8], [True, True, False], 4) == pytest.approx(
        0.25 * 1 + 0.25 * 2 / 3)
    assert area_under([], [], 3) == 0.0 and np.isnan(area_under([], [], 0))


def test_run_lengths_answer_as_masks_do():
    rng = np.random.default_rng(9)
    pairs = [random_pair(rng) for _ in range(4)]
    coded = [({**truth, "void": rle.encode(np.asfortranarray(truth["void"].astype(np.uint8)))},
              result) for truth, result in pairs]
    assert evaluated(pairs).voc == evaluated(coded).voc


def test_other_data_sets_have_no_voc_numbers_unless_asked():
    truth, found = item([CAT], [1]), item([HALF], [1], scores=[0.9])
    evaluation = evaluated([(truth, found)])
    assert evaluation.voc is None and "voc" not in evaluation.as_dict()
    assert "Pascal VOC" not in str(evaluation)
    assert evaluation.voc_ap(0.5)["mAP"] == 1.0 and evaluation.voc_ap(0.6)["mAP"] == 0.0
    assert evaluation.voc_ap(0.5, "bbox")["classes"]["cat"] == 1.0
    boxes = evaluated([(truth, found)], ("bbox",))
    assert boxes.voc_ap(0.7)["mAP"] == 0.0
    with pytest.raises(ValueError, match="kind: expected one of .'bbox',., received 'segm'"):
        boxes.voc_ap(0.5, "segm")


def test_the_table_and_the_file():
    truth = item([CAT, rectangle(20, 20, 30, 30)], [1, 2], void=NO_VOID)
    evaluation = evaluated([(truth, item([CAT], [1], scores=[0.9]))])
    text = str(evaluation)
    lines = [line.split() for line in text[text.index("Pascal VOC, AP"):].splitlines()[1:5]]
    assert lines == [["IoU", "0.5", "IoU", "0.7"], ["mean", "0.500", "0.500"],
                     ["cat", "1.000", "1.000"], ["dog", "0.000", "0.000"]]
    stored = json.loads(json.dumps(evaluation.as_dict()))["voc"]["0.7"]
    assert stored == {"mAP": 0.5, "classes": {"cat": 1.0, "dog": 0.0, "cow": -1.0, "never": -1.0}}


def test_a_void_of_another_size_is_refused():
    evaluator = Evaluator(NAMES)
    with pytest.raises(ValueError, match=r"image 0: expected a void of the masks' size \(40, 50\)"):
        evaluator.add(item([CAT], [1], void=np.zeros((3, 4), bool)), item([], [], scores=[]))
