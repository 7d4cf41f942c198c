"""`mrcnn evaluate` from the outside, with a tiny untrained network."""

import json
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from mrcnn.cli import main
from mrcnn.cli.evaluate import _show


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of the shapes' classes."""
    from e2e.tiny import tiny_config

    from mrcnn.data.formats.loading import load_dataset
    from mrcnn.engine.checkpoints import save_checkpoint
    from mrcnn.engine.mask_rcnn import MaskRCNN

    folder = tmp_path_factory.mktemp("logs")
    config = tiny_config()
    model = MaskRCNN("inference", config, folder)
    path = folder / "mask_rcnn_tiny_0001.h5"
    save_checkpoint(path, model.keras_model, config=config, epoch=1,
                    class_names=load_dataset("shapes", count=1).class_names)
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_everything_is_written(checkpoint, tmp_path):
    done = run(checkpoint, "shapes", "--limit", 5, "--confidence", 0.2, "--ap-at", 0.6,
               "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "detections_bbox.json", "detections_segm.json", "evaluation.json", "report.html"]
    numbers = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert numbers["images_evaluated"] == 5 and numbers["confidence"] == 0.2
    assert set(numbers["ap_at"]["segm"]) == {"0.5", "0.75", "0.6"}
    row = [f"{numbers[kind]['AP50']:.3f}" for kind in ("bbox", "segm")]
    line = next(line for line in done.output.splitlines() if line.startswith("  AP50 "))
    assert line.split()[1:3] == row
    assert "AP@0.6" in done.output and "report.html" in done.output
    page_text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert str(checkpoint) in page_text and "shapes" in page_text
    again = run(checkpoint, "shapes", "--output", tmp_path / "out")
    assert again.exit_code == 2 and "choose another --output" in again.output


def test_other_classes_are_refused_before_the_network_is_built(checkpoint, tmp_path, monkeypatch):
    from mrcnn.commands import opening

    monkeypatch.setattr(opening, "open_detector", lambda *a, **k: pytest.fail("network built"))
    labels = tmp_path / "labels.json"
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    labels.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 50, "height": 40}],
        "annotations": [], "categories": [{"id": 1, "name": "cat"}]}))
    done = run(checkpoint, labels, "--output", tmp_path / "out")
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert "circle" in done.output and "'cat'" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["shapes", "--confidence", "2"], 2, "0<=x<=1"),
    (["shapes", "--iou", "0"], 2, "0<x<=1"),
    (["nowhere"], 1, "nowhere"),
    (["shapes", "--set", "NO_SUCH_KNOB=1"], 1, "NO_SUCH_KNOB"),
])
def test_mistakes(checkpoint, arguments, code, said, tmp_path):
    done = run(checkpoint, *arguments, "--output", tmp_path / "out")
    assert done.exit_code == code and said in done.output, done.output
    assert "Traceback" not in done.output and not (tmp_path / "out").exists()


def test_help_teaches():
    done = run("--help")
    assert done.exit_code == 0
    for word in ("Examples:", "report.html", "--confidence", "average precision"):
        assert word in done.output


def test_tables_on_a_terminal(monkeypatch, capsys):
    from mrcnn.evaluation.evaluator import Evaluator

    found = Evaluator(["BG", "[red]circle", "square"]).finish()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for width in ("150", "60"):
        monkeypatch.setenv("COLUMNS", width)
        _show(found)
        out = capsys.readouterr().out
        assert "COCO numbers" in out and "[red]circle" in out and "precision" in out
        assert "\N{HORIZONTAL ELLIPSIS}" not in out
