"""`mrcnn detect`: what it finds, says and answers to the shell."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import clips
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pycocotools.coco import COCO

from mrcnn.cli import main
from mrcnn.commands import detecting, opening
from mrcnn.commands.pace import showing_pace
from mrcnn.config import Config

ROOT = Path(__file__).resolve().parents[2]


class Green:
    """A model that finds green, in place of a MaskRCNN."""

    class_names = ["BG", "square", "disk"]

    def __init__(self, config):
        self.config, self.calls = config, []

    def detect(self, images, classes=None, min_confidence=None, masks="array"):
        self.calls.append((len(images), classes, min_confidence, masks))
        return [result.filter(classes) for result in clips.find_green(images)]

    def detect_tiled(self, image, classes=None, min_confidence=None):
        self.calls.append(("tiled", classes, min_confidence))
        return clips.find_green([image])[0]


@pytest.fixture
def models(monkeypatch, tmp_path):
    """Opening any file gives a Green; the list holds those that were opened."""
    opened = []

    def describe(path):
        return opening.Description(str(path), Config(), Green.class_names, 3, None)

    def open_detector(path, config=None, assignments=()):
        opened.append(Green(opening.inference_config(describe(path), config, assignments)))
        return opened[-1]

    monkeypatch.setattr(opening, "describe", describe)
    monkeypatch.setattr(opening, "open_detector", open_detector)
    monkeypatch.chdir(tmp_path)
    Path("m.h5").write_bytes(b"")
    return opened


def run(*arguments):
    """(exit code, stdout, stderr)."""
    result = CliRunner().invoke(main, ["detect", "m.h5", *(str(one) for one in arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def photo(path, number=0):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(clips.frame_of(number)).save(path)
    return path


def test_a_folder_with_all_sorts_of_things(models):
    photo("in/a.png")
    photo("in/b.jpg", 3)
    Path("in/text.jpg").write_text("no picture")
    clips.clip("in/v.mp4", 6)
    code, out, err = run("in")
    (folder,) = Path("results").iterdir()
    assert code == 0, err
    assert out.splitlines()[:2] == ["8 objects in 2 pictures and 6 frames", "  square  8"]
    assert "Skipped: " in out and "text.jpg" in out
    for name in ("v.mp4", "detections.json"):
        assert f"Written: {folder / name}" in out
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.jpg", "detections.json",
                                                              "v.mp4"]
    assert len(COCO(str(folder / "detections.json")).imgs) == 8
    assert models[0].calls[0][3] == "lazy"


def test_options_reach_the_model(models):
    photo("a.png")
    assert run("a.png", "--classes", "disk, 1", "--confidence", 0.3, "--batch", 4, "-o", "x",
               "--set", "DETECTION_MAX_INSTANCES=7")[0] == 0
    model = models[0]
    assert model.calls == [(1, ["disk", 1], 0.3, "lazy")]
    assert model.config.BATCH_SIZE == 4 and model.config.DETECTION_MAX_INSTANCES == 7
    assert run("a.png", "--tiled", "-o", "y")[0] == 0
    assert models[1].calls == [("tiled", None, None)]
    code, out, _ = run("a.png", "--classes", "disk", "-o", "z")
    assert code == 0 and out.startswith("0 objects in 1 picture\n")


def test_splash(models):
    picture = np.asarray(Image.open(photo("a.png")))
    assert run("a.png", "--splash", "-o", "x", "--save", "pictures")[0] == 0
    splashed = np.asarray(Image.open("x/a.png")).astype(int)
    inside = (picture == clips.SQUARE).all(axis=2)
    np.testing.assert_array_equal(splashed[inside], picture[inside])
    assert np.ptp(splashed[~inside], axis=1).max() == 0
    assert sorted(os.listdir("x")) == ["a.png"]


def test_what_is_saved(models):
    photo("a.png")
    assert run("a.png", "--save", "masks,labelme,coco", "-o", "x")[0] == 0
    assert sorted(os.listdir("x")) == ["detections.json", "labelme", "masks"]
    assert run("a.png", "--no-pictures", "-o", "y")[0] == 0
    assert os.listdir("y") == ["detections.json"]


def test_mistakes_are_found_before_a_model_is_opened(models):
    photo("in/a.png")
    os.mkdir("empty")
    Path("text.jpg").write_text("no picture")
    clips.clip("v.mp4", 5)
    for expected, word, arguments in (
            (1, "no such file", ("gone.png",)), (1, "no pictures or videos", ("empty",)),
            (1, "text.jpg", ("text.jpg",)), (1, "'cat' is not known; known are", (
                "in", "--classes", "cat")),
            (1, "0 is the background", ("in", "--classes", "0")), (1, "expected names", (
                "in", "--classes", ",")), (2, "nan is no number", ("in", "--fps", "nan")),
            (2, "nan is no number", ("in", "--confidence", "nan")),
            (2, "holds files already", ("in", "-o", "in")), (1, "save:", ("in", "--save", "gif")),
            (1, "nothing to save", ("in", "--no-pictures", "--save", "pictures")),
            (1, "no frame", ("v.mp4", "--start", "9f")), (1, "'soon'", ("v.mp4", "--end", "soon")),
            (1, "start: for videos", ("in", "--start", 3)), (1, "rate: for videos", (
                "in", "--fps", 3)),
            (1, "cannot write to", ("in", "-o", "text.jpg/out")),
            (1, "IMAGES_PER_GPUS", ("in", "--set", "IMAGES_PER_GPUS=1")),
            (2, "--splash", ("in", "--splash", "--no-pictures")), (2, "--every", (
                "in", "--every", 0)), (2, "Missing argument", ())):
        code, _, err = run(*arguments)
        assert code == expected and word in err and "Traceback" not in err, (arguments, err)
    assert models == [] and not Path("results").exists()


def test_an_error_of_the_network_leaves_no_empty_folder(models, monkeypatch):
    photo("a.png")
    monkeypatch.setattr(Green, "detect", lambda *_, **__: 1 / 0)
    with pytest.raises(AssertionError, match="division"):
        run("a.png")
    assert not Path("results").exists()


SLOW = """
import sys, time
sys.path.insert(0, "tests")
import clips
from mrcnn.cli import main
from mrcnn.commands import opening
from mrcnn.config import Config

class Slow:
    class_names, config = ["BG", "square"], Config()
    def detect(self, images, **options):
        time.sleep(0.05)
        print("looking", flush=True)
        return clips.find_green(images)

opening.describe = lambda path: opening.Description(path, Config(), Slow.class_names, 2, None)
opening.open_detector = lambda *_, **__: Slow()
main(["detect", *sys.argv[1:]])
"""


def test_ctrl_c_from_the_keyboard(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 400)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(path), str(path), "-o", str(tmp_path / "out")], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.endswith("Stopped.\n") and "Traceback" not in err
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["detections.partial.json", "v.partial.mp4"]
    assert all(f"Kept what was done: {tmp_path / 'out' / name}" in err for name in names)
    count = len(clips.pictures_of(tmp_path / "out" / "v.partial.mp4")[0])
    assert 5 < count < 400
    assert abs(len(COCO(str(tmp_path / "out" / "detections.partial.json")).imgs) - count) <= 1


def test_a_real_network_through_and_through(tmp_path):
    """A tiny one that was never trained, from its checkpoint to files."""
    from e2e.tiny import tiny_config

    from mrcnn.engine.checkpoints import save_checkpoint
    from mrcnn.engine.mask_rcnn import MaskRCNN

    config = tiny_config(DETECTION_MAX_INSTANCES=5)
    model = MaskRCNN("inference", config, str(tmp_path))
    path = str(tmp_path / "tiny.h5")
    save_checkpoint(path, model.keras_model, config=config, epoch=1,
                    class_names=["BG", "square", "circle", "triangle"])
    clips.clip(tmp_path / "v.mp4", 5, tone="aac")
    photo(tmp_path / "a.png")
    result = CliRunner().invoke(main, [
        "detect", path, str(tmp_path / "v.mp4"), str(tmp_path / "a.png"), "-o",
        str(tmp_path / "out"), "--confidence", "0"])
    assert result.exit_code == 0, result.output
    assert len(clips.pictures_of(tmp_path / "out" / "v.mp4")[0]) == 5
    assert clips.sound_of(tmp_path / "out" / "v.mp4")
    coco = COCO(str(tmp_path / "out" / "detections.json"))
    expected = model.detect([clips.frame_of(0)], min_confidence=0.0)[0]
    (image_id,) = [row["id"] for row in coco.imgs.values() if row["file_name"] == "a.png"]
    rows = coco.loadAnns(coco.getAnnIds(imgIds=image_id))
    assert len(rows) == expected.count > 0
    masks = np.stack([coco.annToMask(row) for row in rows], axis=-1)
    np.testing.assert_array_equal(masks, expected["masks"])


# --- how far it is ----------------------------------------------------------------------------


def test_lines_where_there_is_no_terminal():
    now, file = [0.0], io.StringIO()
    with showing_pace(file, clock=lambda: now[0]) as progress:
        for done in range(1, 31):
            progress(done, 40, "v.mp4")
            now[0] += 1
    lines = file.getvalue().splitlines()
    assert lines == ["v.mp4: 11 of 40, 1.0/s, 29 s left", "v.mp4: 21 of 40, 1.0/s, 19 s left"]


def test_a_bar_where_there_is_one():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now, file = [0.0], Terminal()
    with showing_pace(file, clock=lambda: now[0]) as progress:
        for done in range(1, 9):
            progress(done, 8, "v.mp4")
            now[0] += 0.5
    assert "v.mp4" in file.getvalue() and "8/8" in file.getvalue() and "2.0/s" in file.getvalue()


def test_classes_by_number_and_unknown_ones():
    names = ["BG", "7", "car"]
    assert detecting.wanted_classes("7, car,2", names) == ["7", "car", 2]
    with pytest.raises(ValueError, match="'bus'"):
        detecting.wanted_classes("bus", names)


def test_objects_of_one_class_in_pictures_and_in_videos():
    """Told apart in pictures, of one steady colour in videos."""
    image = np.zeros((40, 80, 3), np.uint8)
    masks = np.zeros((40, 80, 2), bool)
    masks[10:30, 10:30, 0] = masks[10:30, 50:70, 1] = True
    result = {"rois": np.array([[10, 10, 30, 30], [10, 50, 30, 70]]), "masks": masks,
              "class_ids": np.array([1, 1]), "scores": np.array([0.9, 0.8])}
    still = detecting.painter(["BG", "disk"], is_video=False)(image, result)
    frame = detecting.painter(["BG", "disk"])(image, result)
    assert (still[27, 20] != still[27, 60]).any() and still[27, 20].any()
    np.testing.assert_array_equal(frame[27, 20], frame[27, 60])
