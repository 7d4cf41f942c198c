"""Report as text and JSON, and the cache of results."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from check_sets import dataset_of, picture, sound, truncate
from data.toy import ToyDataset, config_with, example
from PIL import Image

from mrcnn.data.check import cache
from mrcnn.data.check.checking import check_dataset
from mrcnn.data.check.report import Report
from mrcnn.data.findings import Finding
from mrcnn.data.formats.annotated import AnnotatedDataset
from mrcnn.data.formats.file_regions import MaskFile
from mrcnn.data.formats.outline_regions import Rectangle


def made_report():
    findings = [Finding("class-unused", "no object", "/set", "class 'x'")]
    findings += [Finding("box-invalid", f"box {i}", "/set/a.json", f"region {i}", i % 2 + 3)
                 for i in range(7)]
    findings += [Finding("image-missing", "gone", "/set/b.jpg", "", 9),
                 Finding("duplicate-id", "twice", "/elsewhere/a.json", "id 5")]
    return Report("/set", findings, check_dataset(dataset_of()).statistics, "/set")


def test_report_counts():
    report = made_report()
    assert not report.clean
    assert report.faulty_images == [3, 4, 9]
    assert (len(report.errors), len(report.warnings), report.exit_code) == (9, 1, 1)
    assert Report("x", [], {}).exit_code == 0
    assert Report("x", [Finding("class-unused", "", "")], {}).clean
    assert Report("x", [Finding("annotations-unreadable", "", "")]).exit_code == 2


def test_text_groups_by_kind_and_shows_the_first_places():
    report = made_report()
    lines = str(report).splitlines()
    assert lines[0] == "/set: not clean: 9 errors in 3 images, 1 warning"
    assert lines[2:4] == ["error image-missing (1): an image that is not there", "  b.jpg: gone"]
    assert "  /elsewhere/a.json, id 5: twice" in lines
    start = lines.index("error box-invalid (7): a box that is empty or inside out")
    assert lines[start + 1] == "  a.json, region 0: box 0"
    assert lines[start + 6] == "  ... and 2 more"
    assert lines.index("warning class-unused (1): a class without a single object") > start
    report.shown = 100
    assert "box 6" in str(report)


def test_json_has_everything(tmp_path):
    report = made_report()
    report.save_json(tmp_path / "r.json")
    stored = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert stored == report.as_dict()
    assert len(stored["findings"]) == 10
    assert stored["findings"][1] == {
        "severity": "error", "kind": "box-invalid", "message": "box 0", "file": "/set/a.json",
        "region": "region 0", "image": 3}
    assert (stored["clean"], stored["errors"], stored["faulty_images"]) == (False, 9, [3, 4, 9])
    again = Report.from_dict(stored)
    assert again == report


def test_names_from_a_set_cannot_write_to_the_terminal():
    evil = "a\x1b[2Jb\nc\udcff"
    report = Report("x", [Finding("image-missing", evil, evil, evil, 0)], None)
    text = str(report)
    assert "\x1b" not in text and "\nc" not in text
    text.encode("utf-8")


# --- cache ------------------------------------------------------------------------------------

@pytest.fixture
def looked_at(monkeypatch):
    """Ids of the images that were really looked at."""
    from mrcnn.data.check import checking

    seen, real = [], checking.check_one

    def watched(dataset, image_id, *more):
        seen.append(image_id)
        return real(dataset, image_id, *more)

    monkeypatch.setattr(checking, "check_one", watched)
    return seen


def looks(seen, *args, **options):
    """How many images a check looked at, and its report."""
    seen.clear()
    report = check_dataset(*args, **options)
    return len(seen), report


def test_a_second_check_of_the_same_is_a_look_up(tmp_path, looked_at, cache_of_checks):
    dataset = sound(tmp_path)
    truncate(dataset.image_info[1]["path"])
    count, first = looks(looked_at, dataset)
    assert count == 3 and len(list(cache_of_checks.iterdir())) == 1
    assert looks(looked_at, dataset) == (0, first)
    dataset.image_size(0)
    dataset.load_mask(2)
    assert looks(looked_at, dataset) == (0, first)
    assert looks(looked_at, dataset, cache=False)[0] == 3
    assert looks(looked_at, dataset, config=config_with())[0] == 3


def test_a_look_up_does_not_mind_sizes_read_meanwhile(tmp_path, looked_at):
    dataset = dataset_of((picture(tmp_path / "a.png"), [Rectangle(1, 2, 9, 9)], None))
    assert looks(looked_at, dataset)[0] == 1
    dataset.load_mask(0)
    assert looks(looked_at, dataset)[0] == 0


def change_time(dataset, tmp_path):
    path = dataset.image_info[0]["path"]
    os.utime(path, ns=(1, 1))


def change_size(dataset, tmp_path):
    path, state = dataset.image_info[0]["path"], os.stat(dataset.image_info[0]["path"])
    with open(path, "ab") as file:
        file.write(b"x")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def change_missing(dataset, tmp_path):
    os.unlink(dataset.image_info[0]["path"])


def change_mask(dataset, tmp_path):
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "m.png")


def change_annotations(dataset, tmp_path):
    other = sound(tmp_path, count=1)
    dataset.image_info[0]["annotations"] = other.image_info[0]["annotations"] or b""


def change_classes(dataset, tmp_path):
    dataset.class_info[2]["name"] = "c"


def change_findings(dataset, tmp_path):
    dataset.add_finding("class-unknown", "?", "a.json", "region 9", 0)


@pytest.mark.parametrize("change", [change_time, change_size, change_missing, change_mask,
                                    change_annotations, change_classes, change_findings])
def test_any_change_makes_a_result_unknown(tmp_path, looked_at, change):
    Image.fromarray(np.ones((48, 64), np.uint8)).save(tmp_path / "m.png")
    os.utime(tmp_path / "m.png", ns=(1, 1))
    dataset = dataset_of((picture(tmp_path / "a.png"), [MaskFile(str(tmp_path / "m.png"))], None))
    first = looks(looked_at, dataset)
    assert first[0] == 1 and looks(looked_at, dataset)[0] == 0
    change(dataset, tmp_path)
    assert looks(looked_at, dataset)[0] == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"findings": 3}', "\x00\xff",
                                     '{"findings": [{"kind": "?"}], "dataset": ""}', "[" * 9999])
def test_a_spoiled_result_is_ignored_and_written_anew(tmp_path, looked_at, cache_of_checks,
                                                      content):
    dataset = sound(tmp_path)
    _, first = looks(looked_at, dataset)
    [file] = cache_of_checks.iterdir()
    file.write_text(content, encoding="latin-1")
    assert looks(looked_at, dataset) == (3, first)
    assert looks(looked_at, dataset) == (0, first)


def test_without_a_place_to_write_it_works(tmp_path, looked_at, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MRCNN_CACHE", str(tmp_path / "file"))
    dataset = sound(tmp_path)
    assert looks(looked_at, dataset)[0] == looks(looked_at, dataset)[0] == 3
    monkeypatch.setattr(cache, "cache_folder", lambda: Path("/proc/no/such"))
    assert looks(looked_at, dataset)[1].clean


def test_only_so_many_results_are_kept(tmp_path, cache_of_checks, monkeypatch):
    monkeypatch.setattr(cache, "KEPT", 3)
    for number in range(6):
        cache.store(f"k{number}", {})
        if (cache_of_checks / f"k{number}.json").exists():
            os.utime(cache_of_checks / f"k{number}.json", (number, number))
    assert sorted(path.name for path in cache_of_checks.iterdir()) == [
        "k3.json", "k4.json", "k5.json"]
    assert stat.S_ISREG((cache_of_checks / "k5.json").stat().st_mode)


def test_where_results_lie(monkeypatch):
    monkeypatch.setenv("MRCNN_CACHE", "/own")
    assert cache.cache_folder() == Path("/own/check")
    monkeypatch.delenv("MRCNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setattr(cache.sys, "platform", "linux")
    assert cache.cache_folder() == Path("/xdg/mrcnn/check")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert cache.cache_folder() == Path("/home/ann/.cache/mrcnn/check")
    monkeypatch.setattr(cache.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache.cache_folder() == Path("/local/mrcnn/check")


def test_what_code_of_a_script_answers_is_looked_at_each_time(tmp_path, cache_of_checks):
    class Own(AnnotatedDataset):
        def load_image(self, image_id):
            return np.zeros((9, 9, 3), np.uint8)

    dataset = Own()
    dataset.add_annotated("own", 1, None)
    dataset.prepare()
    assert check_dataset(dataset).clean and check_dataset(ToyDataset(example())).clean
    assert not cache_of_checks.exists()
