"""`mrcnn inspect`: the page it writes, the pictures on it, and what it refuses."""

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mrcnn import load_dataset
from mrcnn.cli import main
from mrcnn.commands.inspection import drawing as inspecting
from mrcnn.commands.inspection import files
from mrcnn.commands.inspection import panels as inspect_panels
from mrcnn.config import Config

NAMES = [f"{name}.png" for name in ("one", "two", "three", "four")]


def coco_set(folder, boxes=((10, 20, 60, 50), (80, 5, 30, 30)), crowd=False):
    """Four images of 128 x 96 with rectangles (x, y, width, height) of cats and dogs."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        Image.fromarray(np.full((96, 128, 3), 60, np.uint8)).save(folder / name)
        images.append({"id": number, "file_name": name, "width": 128, "height": 96})
        for x, y, w, h in boxes:
            outline = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append({"id": len(annotations) + 1, "image_id": number, "iscrowd": 0,
                                "category_id": len(annotations) % 2 + 1, "area": w * h,
                                "bbox": [x, y, w, h], "segmentation": [outline]})
    if crowd:
        counts = {"counts": [0, 96 * 40, 96 * 88], "size": [96, 128]}
        annotations.append({"id": 99, "image_id": 0, "iscrowd": 1, "category_id": 1, "area": 3840,
                            "bbox": [0, 0, 40, 96], "segmentation": counts})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "<dog>"}]
    (folder / "labels.json").write_text(json.dumps(
        {"images": images, "annotations": annotations, "categories": categories}))
    return folder / "labels.json"


def run(*arguments):
    """(exit code, stdout, stderr) of `mrcnn inspect` in this process."""
    result = CliRunner().invoke(main, ["inspect", *(str(one) for one in arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


class Page(HTMLParser):
    """Texts and pictures of a page; every other resource is a mistake."""

    def __init__(self, path):
        super().__init__()
        self.pictures, self.captions, self.text, self.tags = [], [], "", []
        self.feed(Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert tag not in ("script", "link", "iframe") and "href" not in attrs
        if tag == "img":
            kind, _, content = attrs["src"].partition(";base64,")
            assert kind in ("data:image/jpeg", "data:image/png")
            picture = Image.open(io.BytesIO(base64.b64decode(content)))
            self.pictures.append(np.asarray(picture.convert("RGB")))
            self.captions.append(attrs["alt"])

    def handle_data(self, data):
        self.text += data


def test_a_page_and_its_pictures(tmp_path):
    labels = coco_set(tmp_path / "data", crowd=True)
    code, out, err = run(labels, "--output", tmp_path / "out", "--count", 2, "--augment", 1,
                         "--image", "one.png", "--image", "three")
    assert (code, err) == (0, "")
    assert out == f"Written to {tmp_path / 'out' / 'index.html'}\n"
    page = Page(tmp_path / "out" / "index.html")
    assert page.captions[:3] == ["as annotated: 128 x 96, 2 objects, 1 crowd",
                                 "as the network gets it: 128 x 128, 2 objects, 1 crowd",
                                 "augmented: 128 x 128, 2 objects, 1 crowd"]
    assert page.captions[3] == "as annotated: 128 x 96, 2 objects"
    assert [shape.shape[:2] for shape in page.pictures[:2]] == [(480, 640), (640, 640)]
    assert "4 images, 8 objects, 1 crowd" in page.text
    assert "<dog>" in page.text and "positive anchors" in page.text
    files = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    assert len(files) == len(page.pictures)
    assert {"anchors.jpg", "sizes.png", "mask_1.png", "00000_one_1.jpg"} <= set(files)
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == ["out"]


def test_masks_lie_where_they_were_annotated(tmp_path):
    labels = coco_set(tmp_path)
    dataset, config = load_dataset(labels), Config()
    picture = inspect_panels.annotated_panel(dataset, 0, config).picture
    tinted = (np.abs(picture.astype(int) - 60).max(axis=2) > 12)
    tinted[:, :] &= (picture != picture[..., :1]).any(axis=2)  # letters are grey
    expected = np.zeros((480, 640), bool)
    for x, y, w, h in ((10, 20, 60, 50), (80, 5, 30, 30)):
        expected[5 * y : 5 * (y + h), 5 * x : 5 * (x + w)] = True
    inner = expected.copy()
    for shift in (4, -4):
        inner &= np.roll(expected, shift, 0) & np.roll(expected, shift, 1)
    labels_ = np.zeros_like(expected)  # a label covers 20 rows above or in the box
    for x, y, w, _ in ((10, 20, 60, 50), (80, 5, 30, 30)):
        labels_[max(5 * y - 20, 0) : 5 * y + 25, 5 * x : 5 * (x + w)] = True
    assert tinted[inner & ~labels_].all()
    assert not tinted[~expected & ~labels_].any()


def test_the_network_s_picture_is_padded(tmp_path):
    class Wide(Config):
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
        NUM_CLASSES = 3

    dataset = load_dataset(coco_set(tmp_path))
    panel = inspect_panels.network_panel(dataset, 0, Wide(), np.random.default_rng(0))
    assert panel.picture.shape == (640, 640, 3)
    assert not panel.picture[:60].any() and panel.picture[100:, 300:].any()


def test_the_round_trip_measures_what_mini_masks_lose(tmp_path):
    class Coarse(Config):
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
        NUM_CLASSES, MINI_MASK_SHAPE = 3, (2, 2)

    dataset = load_dataset(coco_set(tmp_path))
    whole = dataset.load_mask
    dataset.load_mask = lambda image_id: (whole(image_id)[0] & ~np.eye(96, 128, dtype=bool)[
        ..., None] & (np.indices((96, 128)).sum(0) % 40 < 30)[..., None], whole(image_id)[1])
    rows = inspect_panels.round_trip(dataset, 0, Coarse(), np.random.default_rng(0))
    fine = inspect_panels.round_trip(load_dataset(tmp_path / "labels.json"), 0, Coarse(),
                                     np.random.default_rng(0))
    assert len(rows) == 2 and all(iou == 1 for iou, _ in fine)
    assert all(0.3 < iou < 0.9 for iou, _ in rows)
    assert re.fullmatch(r"cat, \d+ x \d+ px, IoU 0\.\d\d", rows[0][1].caption)


def test_chance_is_seeded_and_images_have_names(tmp_path):
    dataset = load_dataset(coco_set(tmp_path))
    assert inspecting.choose(dataset, 2, 5) == inspecting.choose(dataset, 2, 5)
    assert len({tuple(inspecting.choose(dataset, 2, seed)) for seed in range(9)}) > 2
    assert inspecting.choose(dataset, 9, 0) == [0, 1, 2, 3]
    assert inspecting.choose(dataset, 1, 0, ("three", "one.png", "3")) == [2, 0, 3]
    with pytest.raises(ValueError, match="--image thre: no image is called so among 4; did you "
                                         "mean three"):
        inspecting.choose(dataset, 1, 0, ("thre",))


def test_two_runs_are_alike_and_the_seed_counts(tmp_path):
    labels = coco_set(tmp_path / "data")
    pages = [tmp_path / f"{name}.html" for name in "abc"]
    for page, seed in zip(pages, (1, 1, 2), strict=True):
        run(labels, "--output", page, "--augment", 1, "--image", "one", "--seed", seed)
    assert pages[0].read_bytes() == pages[1].read_bytes() != pages[2].read_bytes()


def test_settings_change_what_is_shown(tmp_path):
    labels = coco_set(tmp_path / "data")
    assert run(labels, "--output", tmp_path / "a.html", "--set", "IMAGE_MAX_DIM=192", "--set",
               "USE_MINI_MASK=false", "--count", 1)[0] == 0
    page = Page(tmp_path / "a.html")
    assert "as the network gets it: 192 x 192, 2 objects" in page.captions
    assert "Mini-masks" not in page.text and "square, 192 x 192" in page.text


def test_images_without_objects_have_no_anchors(tmp_path):
    labels = coco_set(tmp_path / "data", boxes=())
    code, _, err = run(labels, "--output", tmp_path / "a.html")
    assert (code, err) == (0, "")
    page = Page(tmp_path / "a.html")
    assert page.captions == ["as annotated: 128 x 96, 0 objects",
                             "as the network gets it: 128 x 128, 0 objects"] * 4
    assert "Anchors" not in page.text and "Sizes" not in page.text


def test_a_damaged_image_is_named_and_the_others_are_drawn(tmp_path):
    labels = coco_set(tmp_path / "data")
    (tmp_path / "data" / "two.png").write_bytes(b"text")
    code, out, err = run(labels, "--output", tmp_path / "out")
    assert code == 0 and out.startswith("Written to")
    assert "two.png" in err
    page = Page(tmp_path / "out" / "index.html")
    assert page.captions.count("as annotated: 128 x 96, 2 objects") == 3
    assert "two.png" in page.text


def test_what_is_there_stays(tmp_path):
    labels = coco_set(tmp_path / "data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    code, _, err = run(labels, "--output", tmp_path / "out")
    assert code == 2 and "is there already" in err
    (tmp_path / "page.html").write_text("mine")
    assert run(labels, "--output", tmp_path / "page.html")[0] == 2
    assert (tmp_path / "page.html").read_text() == "mine"
    assert (tmp_path / "out" / "mine.txt").read_text() == "x"


def test_the_default_folder_has_name_and_time(tmp_path, monkeypatch):
    coco_set(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("data/labels.json", "--count", 1)
    assert code == 0
    (folder,) = (tmp_path / "results").iterdir()
    assert re.fullmatch(r"inspect_labels_\d{8}T\d{6}", folder.name)


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_bytes", full)
    album = files.Album()
    album.files["a.jpg"] = b"a"
    with pytest.raises(OSError, match="cannot write .*out: No space left"):
        files.write_page(tmp_path / "out", "", album)
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    labels = coco_set(tmp_path / "data")
    real = Path.write_bytes

    def full(path, content):
        if path.name == "sizes.png":
            raise OSError(28, "No space left on device", str(path))
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = run(labels, "--output", tmp_path / "out")
    assert code == 1 and "No space left on device" in err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("nowhere",), 1, "nowhere"),
    (("data", "--image", "five"), 1, "--image five: no image is called so"),
    (("data", "--set", "IMAGE_MAX_DIMS=3"), 1, "did you mean IMAGE_MAX_DIM"),
    (("data", "--set", "NUM_CLASSES=2"), 1, "NUM_CLASSES: expected 3"),
    (("data", "--subset", "val"), 1, "val"),
    (("data", "--model", "data"), 1, "no checkpoint in this folder"),
    (("data", "--count", "0"), 2, "--count"),
    (("data", "--output", "data/labels.json/x"), 2, "data/labels.json"),
])
def test_mistakes_are_refused_at_the_door(tmp_path, monkeypatch, arguments, code, message):
    coco_set(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    answer, _, err = run(*arguments)
    assert answer == code
    assert message in err and "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_generated_shapes(tmp_path):
    code, _, err = run("shapes", "--count", 2, "--output", tmp_path / "a.html")
    assert (code, err) == (0, "")
    assert "circle" in Page(tmp_path / "a.html").text


def test_no_tensorflow_is_loaded(tmp_path):
    labels = coco_set(tmp_path / "data")
    text = ("import sys; from mrcnn.commands.inspection.drawing import *\n"
            f"source, target = DataSource({str(labels)!r}), {str(tmp_path / 'a.html')!r}\n"
            "inspect_data(InspectOptions(source, target, count=1))\n"
            "print([m for m in ('tensorflow', 'keras', 'matplotlib.pyplot') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_model_is_drawn_beside_the_truth(tmp_path, monkeypatch):
    class Found:
        config = Config()

        def detect(self, images):
            masks = np.zeros((96, 128, 1), bool)
            masks[20:70, 10:70] = True
            return [{"rois": np.array([[20, 10, 70, 70]]), "class_ids": np.array([1]),
                     "scores": np.array([0.9]), "masks": masks} for _ in images]

    class Config3(Config):
        NUM_CLASSES = 3
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 192

    names = ["BG", "cat", "<dog>"]
    monkeypatch.setattr(inspecting, "describe", lambda path: SimpleNamespace(class_names=names))
    monkeypatch.setattr(inspecting, "check_classes", lambda model, dataset: None)
    monkeypatch.setattr(inspecting, "inference_config", lambda *_: Config3())
    monkeypatch.setattr(inspecting, "open_detector", lambda *_: Found())
    labels = coco_set(tmp_path / "data")
    assert run(labels, "--model", "m.h5", "--output", tmp_path / "a.html", "--count", 1)[0] == 0
    page = Page(tmp_path / "a.html")
    assert page.captions[1:3] == ["as the network gets it: 192 x 192, 2 objects",
                                  "detected: 1 object"]
    assert "white where it meets none" in " ".join(page.text.split())


def test_real_data_with_crowds(coco_dir, tmp_path):
    page = tmp_path / "a.html"
    assert run(coco_dir, "--image", "000000262145.jpg", "--output", page)[0] == 0
    assert any("crowd" in caption for caption in Page(page).captions)
