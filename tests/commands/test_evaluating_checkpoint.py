"""`commands.evaluating`: what is refused at the door, and how data gets a checkpoint's classes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.commands import evaluating
from mrcnn.commands.reading import DataSource
from mrcnn.data.formats.loading import load_dataset


def coco_set(folder, labels):
    """A COCO file with one square of each class name; returns its path."""
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(folder / "a.png")
    annotations = [{"id": i + 1, "image_id": 1, "category_id": i + 1, "iscrowd": 0, "area": 100,
                    "bbox": [2, 2, 10, 10], "segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]]}
                   for i in range(len(labels))]
    path = folder / "labels.json"
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 50, "height": 40}],
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(labels)]}))
    return path


def described(*names):
    return SimpleNamespace(class_names=["BG", *names], num_classes=1 + len(names), config=None)


def test_data_get_the_order_of_the_checkpoint(tmp_path):
    path = coco_set(tmp_path / "set", ["dog", "cat"])
    dataset, subset = evaluating.load_data(DataSource(path), described("cat", "bird", "dog"))
    assert dataset.class_names == ["BG", "cat", "bird", "dog"] and subset is None
    np.testing.assert_array_equal(np.sort(dataset.load_mask(0)[1]), [1, 3])


def test_other_classes_are_refused(tmp_path):
    path = coco_set(tmp_path / "set", ["dog", "wolf"])
    with pytest.raises(ValueError, match="'cat', 'dog'.*'dog', 'wolf'"):
        evaluating.load_data(DataSource(path), described("cat", "dog"))


def test_unnamed_objects_take_the_name_of_the_only_class(balloon_dir):
    """Balloon's VIA files name no class: whose model has one class needs no option."""
    dataset, subset = evaluating.load_data(DataSource(balloon_dir), described("balloon"))
    assert dataset.class_names == ["BG", "balloon"] and subset == "val"
    with pytest.raises(ValueError, match="'cat', 'dog'.*'object'"):
        evaluating.load_data(DataSource(balloon_dir), described("cat", "dog"))


def test_shapes_are_not_those_of_training():
    known = described(*load_dataset("shapes", count=1).class_names[1:])
    dataset, _ = evaluating.load_data(DataSource("shapes"), known, limit=3)
    assert len(dataset.image_ids) == 3
    trained = load_dataset("shapes", count=3)
    assert dataset.image_info[0]["shapes"] != trained.image_info[0]["shapes"]


def test_the_folder_is_new(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = evaluating.new_folder(None, "demo")
    assert folder.parts[0] == "results" and folder.name.startswith("evaluate_demo_")
    assert not Path("results").exists()
    Path("empty").mkdir()
    assert evaluating.new_folder("empty", "demo") == Path("empty")
    Path("empty/report.html").write_text("mine")
    for taken in ("empty", "empty/report.html"):
        with pytest.raises(FileExistsError, match="choose another --output"):
            evaluating.new_folder(taken, "demo")
    with pytest.raises(PermissionError, match="cannot be made"):
        evaluating.new_folder("empty/report.html/inside", "demo")
    if Path("/proc").is_dir():  # the system says it is writable, but nothing can be made there
        with pytest.raises(PermissionError, match="cannot be made"):
            evaluating.new_folder("/proc/results", "demo")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot write to"):
        evaluating.new_folder(tmp_path / "new", "demo")


def test_all_of_it_is_written_or_nothing(tmp_path):
    class Full:
        """An evaluation whose report meets a full disk."""

        iou_types = ("bbox", "segm")

        def save_detections(self, path, kind):
            path.parent.mkdir(exist_ok=True)
            path.write_text("[]")

        def save_json(self, path):
            path.write_text("{}")

        def save_html(self, path, dataset):
            raise OSError(28, "No space left on device", str(path))

    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(OSError, match=r"report\.html"):
            evaluating.save_all(Full(), folder, None)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_nothing_heavy_is_imported():
    code = ("import sys, mrcnn.commands.evaluating, mrcnn.engine.evaluating, mrcnn.reports.page\n"
            "import mrcnn.evaluation.evaluator\n"
            "print([m for m in ('tensorflow', 'keras', 'matplotlib', 'jinja2') "
            "if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True, cwd=Path(__file__).resolve().parents[2])
    assert done.stdout.strip() == "[]"
