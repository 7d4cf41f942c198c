"""The report: valid HTML that needs no other file, whatever was measured."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from scored import scene

from mrcnn.data.dataset import Dataset
from mrcnn.evaluation.evaluator import Evaluator
from mrcnn.reports import charts, pictures
from mrcnn.reports.page import page_of, save_report

VOID = {"meta", "img", "br", "link", "input", "hr"}
NAMES = ["BG", "circle", "square", "triangle"]
NASTY = '<script>alert("x")</script> & $x_1$'


class Checker(HTMLParser):
    """Every tag closed in its order; pictures and texts are kept."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.pictures, self.text = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.pictures.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


class Plain(Dataset):
    """Grey images of the sizes of given scenes."""

    def __init__(self, pairs):
        super().__init__()
        self.sizes = [truth["masks"].shape[:2] for truth, _ in pairs]

    def load_image(self, image_id):
        return np.full((*self.sizes[image_id], 3), 128, np.uint8)


def measured(pairs, names=NAMES, **options):
    evaluator = Evaluator(names, confidence=0.4, **options)
    for number, (truth, result) in enumerate(pairs):
        evaluator.add(truth, result, name=f"image <{number}>.jpg")
    return evaluator.finish(details={"model": NASTY, "dataset": "shapes", "seconds": 3.0,
                                     "versions": {"mrcnn": "1"}, "knobs": {"BACKBONE": "x"}})


def pairs_of(count, class_count=4, seed=1, most=6):
    rng = np.random.default_rng(seed)
    return [scene(rng, class_count, most) for _ in range(count)]


@pytest.fixture(scope="module")
def report():
    """(evaluation, page, checker) of twenty images."""
    pairs = pairs_of(20)
    evaluation = measured(pairs, ["BG", NASTY, *NAMES[2:]], iou_thresholds=(0.5, 0.7))
    page = page_of(evaluation, Plain(pairs), worst=5, best=2)
    return evaluation, page, Checker(page)


def test_the_page_stands_alone(report):
    _, page, checker = report
    assert page.startswith("<!DOCTYPE html>")
    assert all(address.startswith("data:image/") for address in checker.pictures)
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(", page)
    assert "script" not in checker.tags and "link" not in checker.tags
    assert len(page) < 600_000


def test_names_of_classes_images_and_models_are_text(report):
    _, page, checker = report
    assert "<script" not in page
    assert any(NASTY in text for text in checker.text)
    assert any("image <" in text for text in checker.text)
    for address in checker.pictures:
        content = base64.b64decode(address.partition(",")[2])
        assert b"<script" not in content


def test_the_numbers_are_on_the_page(report):
    evaluation, _, checker = report
    text = " ".join(" ".join(checker.text).split())
    assert f"{evaluation.segm['AP']:.3f}" in text and f"{evaluation.bbox['APs']:.3f}" in text
    assert f"AP at IoU 0.7 {evaluation.ap_at['bbox'][0.7]:.3f}" in text
    for row in evaluation.confusion[1:, 1:]:
        for count in row[row > 0]:
            assert str(count) in text
    assert f"at a confidence of {evaluation.by_confidence['best']:g}" in text


def test_the_worst_images_come_first_with_their_pictures(report):
    evaluation, page, checker = report
    shown = [int(number) for number in re.findall(r"\(image (\d+)\)", page)]
    assert shown == evaluation.worst[:5] + evaluation.best[:2]
    jpegs = [a for a in checker.pictures if a.startswith("data:image/jpeg")]
    assert len(jpegs) == len(shown)
    for address in jpegs:
        picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
        assert picture.width > picture.height and picture.width <= 2 * pictures.SIDE + pictures.GAP


@pytest.mark.parametrize(("count", "classes"), [(0, 1), (0, 80), (3, 1), (20, 80)])
def test_few_and_many_classes_and_images(count, classes):
    names = ["BG", *(f"class number {i}" for i in range(1, classes + 1))]
    pairs = pairs_of(count, classes + 1)
    page = page_of(measured(pairs, names), Plain(pairs), worst=2, best=1)
    checker = Checker(page)
    assert len(checker.pictures) >= 4
    assert len(page) < 1_500_000


def test_boxes_alone():
    truth = {"rois": [[5, 5, 20, 20]], "class_ids": [1]}
    evaluator = Evaluator(NAMES, "bbox")
    evaluator.add(truth, {**truth, "class_ids": [2], "scores": [0.8]})
    evaluation = evaluator.finish()
    dataset = Plain([({"masks": np.zeros((40, 40, 0))}, None)])
    checker = Checker(page_of(evaluation, dataset))
    assert "circle taken for square" in " ".join(checker.text)


def test_many_mistakes_are_told_by_kind():
    boxes = [[0, 10 * i, 9, 10 * i + 9] for i in range(6)]
    evaluator = Evaluator(NAMES, "bbox")
    evaluator.add({"rois": boxes[:4], "class_ids": [1, 1, 1, 3]},
                  {"rois": boxes[3:], "class_ids": [2, 3, 3], "scores": [0.8, 0.61, 0.72]})
    dataset = Plain([({"masks": np.zeros((40, 60, 0))}, None)])
    text = " ".join(Checker(page_of(evaluator.finish(), dataset)).text)
    assert ("0 of 4 found; missed circle (3), false triangle (2, up to 0.72), "
            "triangle taken for square 0.80") in text


def test_what_is_to_be_known_of_the_data_stands_at_the_head():
    evaluation = measured([])
    assert 'class="note"' not in page_of(evaluation)
    evaluation.details["note"] = "The model was trained on these images <all>."
    page = page_of(evaluation)
    assert page.index("on these images &lt;all&gt;.") < page.index("COCO numbers")


def test_one_class_is_not_drawn_twice():
    pairs = pairs_of(3, 2)
    for names, lines in ((["BG", "cat"], ["IoU 0.5", "IoU 0.75"]),
                         (["BG", "cat", "dog"], ["cat", "all classes, IoU 0.5",
                                                 "all classes, IoU 0.75"])):
        evaluation = measured(pairs, names)
        figure = charts.precision_recall(evaluation.curves["segm"], names, "segm")
        assert figure.axes[0].get_legend_handles_labels()[1] == lines


def test_an_image_that_is_gone_leaves_its_row():
    class Gone(Plain):
        """Deleted since."""

        def load_image(self, image_id):
            raise FileNotFoundError("no such file: gone.jpg")

    pairs = pairs_of(2)
    assert "no such file: gone.jpg" in page_of(measured(pairs), Gone(pairs))


def test_a_report_is_not_overwritten(tmp_path):
    path = tmp_path / "report.html"
    save_report(measured([]), path)
    before = path.read_text(encoding="utf-8")
    with pytest.raises(FileExistsError, match="report.html exists"):
        save_report(measured([]), path)
    path.write_text("mine")
    save_report(measured([]), path, overwrite=True)
    assert path.read_text(encoding="utf-8") == before


def test_another_dataset_is_refused(tmp_path):
    pairs = pairs_of(2)
    other = Plain(pairs)
    other.add_image("one", 0, None)
    with pytest.raises(ValueError, match="which has an image 1; this one has 1"):
        save_report(measured(pairs), tmp_path / "report.html", other)
    assert not any(tmp_path.iterdir())


# --- pictures ---------------------------------------------------------------------------------


def colored(panel, state):
    """Share of a panel whose pixels lean to the colour of a state, on a grey ground."""
    color = np.array(pictures.COLORS[state]) * 255
    near = np.abs(panel.astype(float) - (0.7 * 128 + 0.3 * color)).max(axis=2) < 12
    return near.mean()


@pytest.mark.parametrize(("ids", "found", "score", "expected"), [
    ([1], [1], 0.9, ("right", "right")), ([1], [2], 0.9, ("misnamed", "misnamed")),
    ([1], [1], 0.1, ("mistake", None)), ([-1], [1], 0.9, ("uncounted", "uncounted")),
])
def test_colours_say_what_became_of_an_object(ids, found, score, expected):
    masks = np.zeros((100, 100, 1), bool)
    masks[20:80, 20:80] = True
    truth = {"rois": [[20, 20, 80, 80]], "class_ids": ids, "masks": masks}
    evaluation = measured([(truth, {**truth, "class_ids": found, "scores": [score]})])
    record = evaluation.records[0]
    picture = pictures.pair_picture(np.full((100, 100, 3), 128, np.uint8), record,
                                    evaluation.outcome(record), NAMES)
    assert picture.shape == (400, 806, 3)
    for panel, state in zip((picture[:, :400], picture[:, 406:]), expected, strict=True):
        for other in pictures.COLORS:
            share = colored(panel, other)
            assert (0.25 < share < 0.4) if other == state else share < 0.02


@pytest.mark.parametrize("size", [(1, 1), (3000, 40), (40, 3000), (900, 1200)])
def test_pictures_of_any_size_stay_small(size):
    masks = np.ones((*size, 1), bool)
    truth = {"rois": [[0, 0, *size]], "class_ids": [1], "masks": masks}
    evaluation = measured([(truth, {**truth, "scores": [0.9]})])
    record = evaluation.records[0]
    picture = pictures.pair_picture(np.zeros((*size, 3), np.uint8), record,
                                    evaluation.outcome(record), NAMES)
    assert picture.shape[0] <= 400 and picture.shape[1] <= 806
    assert pictures.as_jpeg(picture).startswith("data:image/jpeg;base64,")


def test_charts_leave_pyplot_alone(report):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    evaluation = report[0]
    svg = charts.as_svg(charts.score_histogram(evaluation.by_confidence))
    assert svg.count("<svg") == 1 and "detections" in svg
    assert plt.get_fignums() == before
