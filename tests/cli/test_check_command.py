"""`mrcnn check`: what it prints, writes and answers to the shell."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mrcnn
from mrcnn.cli import main

ROOT = Path(__file__).resolve().parents[2]


def via_set(folder, count=2, boxes=((10, 10, 60, 50),)):
    """A folder of images with VIA rectangles (x, y, width, height)."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for number in range(count):
        name = f"{number}.jpg"
        pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
        regions = [{"region_attributes": {"kind": "cat"}, "shape_attributes": {
            "name": "rect", "x": x, "y": y, "width": w, "height": h}} for x, y, w, h in boxes]
        entries[name] = {"filename": name, "size": 1, "regions": regions, "file_attributes": {}}
    (folder / "via_region_data.json").write_text(json.dumps(entries))
    return folder


def run(*arguments):
    """(exit code, stdout, stderr) of `mrcnn` in this process."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_clean_set(tmp_path):
    code, out, err = run("check", via_set(tmp_path))
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path}: clean")
    assert "2 images, 2 objects, 0 crowds" in out and "\x1b" not in out
    assert re.search(r"cat\s+2\s+0\s+2", out)


def test_faults(tmp_path):
    via_set(tmp_path, boxes=((10, 10, 60, 50), (10, 10, 0, 5), (400, 10, 20, 20)))
    (tmp_path / "1.jpg").write_bytes(b"\xff\xd8")
    code, out, _ = run("check", tmp_path)
    assert code == 1
    assert "not clean: 4 errors in 2 images" in out
    assert "error image-unreadable (1)" in out and "  1.jpg: it cannot be read" in out
    assert "error box-invalid (2)" in out and "error outside-image (1)" in out
    assert out.count("region 1") == 2
    _, out, _ = run("check", tmp_path, "--limit", 1)
    assert out.count("region 1") == 1 and "... and 1 more" in out


def test_strict_counts_warnings(tmp_path):
    via_set(tmp_path, boxes=((10, 10, 60, 50), (1, 1, 3, 3)))
    assert run("check", tmp_path)[0] == 1 - 1
    assert run("check", tmp_path, "--strict", "--image-size", 128)[0] == 1
    assert run("check", tmp_path, "--image-size", 128)[0] == 0


def test_what_cannot_be_read_is_code_2(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [')
    (tmp_path / "empty").mkdir()
    for path, word in ((tmp_path / "a.json", "line 1"), (tmp_path, "a.json: line 1"),
                       (tmp_path / "empty", "looked for")):
        code, out, _ = run("check", path)
        assert code == 2 and "cannot be read" in out and word in out
        assert "\\n" not in out  # a message of several lines is shown as one
    code, _, err = run("check", tmp_path / "nowhere")
    assert code == 2 and "does not exist" in err
    assert run("check")[0] == 2
    via_set(tmp_path)
    for extra in (("--image-size", 100), ("--format", "cocoa"), ("--max-workers", 0),
                  ("--json", tmp_path / "no" / "r.json"), ("--nonsense",)):
        code, _, err = run("check", tmp_path, *extra)
        assert code == 2 and "Error: " in err and "Traceback" not in err, extra


def test_json_in_a_file_and_on_the_screen(tmp_path):
    via_set(tmp_path / "set")
    code, out, _ = run("check", tmp_path / "set", "--json", tmp_path / "r.json")
    stored = json.loads((tmp_path / "r.json").read_text())
    assert code == 0 and "clean" in out
    assert stored["clean"] is True and stored["statistics"]["instances"] == 2
    _, out, _ = run("check", tmp_path / "set", "--json", "-", "--no-cache")
    assert json.loads(out) == stored


def test_json_replaces_a_report_and_nothing_else(tmp_path):
    file = via_set(tmp_path / "set") / "via_region_data.json"
    before = file.read_bytes()
    for name in (file, tmp_path / "set" / "0.jpg"):
        code, out, err = run("check", tmp_path / "set", "--json", name)
        assert code == 2 and not out and f"{name} is there already and no report" in err
    assert file.read_bytes() == before
    for _ in range(2):
        assert run("check", tmp_path / "set", "--json", tmp_path / "r.json")[0] == 0
    for name in (tmp_path / "set", tmp_path / "set" / "0.jpg" / "r.json"):
        code, out, err = run("check", tmp_path / "set", "--json", name)
        assert code == 2 and not out and f"cannot write {name}" in err


def test_each_subset_in_turn(tmp_path):
    via_set(tmp_path / "train", count=3)
    (via_set(tmp_path / "val") / "0.jpg").unlink()
    code, out, _ = run("check", tmp_path, "--json", tmp_path / "r.json")
    assert code == 1
    assert f"{tmp_path} (train): clean" in out and f"{tmp_path} (val): not clean" in out
    stored = json.loads((tmp_path / "r.json").read_text())
    assert stored["clean"] is False and set(stored["subsets"]) == {"train", "val"}
    assert stored["subsets"]["val"]["errors"] == 1
    code, out, _ = run("check", tmp_path, "--subset", "train")
    assert code == 0 and "val" not in out.replace(str(tmp_path), "")
    code, out, _ = run("check", tmp_path, "--subset", "test")
    assert code == 2 and "train" in out


def test_images_elsewhere_and_another_class_attribute(tmp_path):
    via_set(tmp_path / "images")
    file = tmp_path / "labels.json"
    text = (tmp_path / "images" / "via_region_data.json").read_text()
    file.write_text(text.replace('"kind": "cat"', '"kind": "cat", "colour": "red"'))
    assert run("check", file)[0] != 0
    code, out, _ = run("check", file, "--images", tmp_path / "images",
                       "--class-attribute", "colour", "--format", "via")
    assert code == 0 and re.search(r"red\s+2\s+0\s+2", out)


def test_help_teaches():
    code, out, _ = run("check", "--help")
    assert code == 0 and "mrcnn check data/balloon" in out and "Exit code" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run("--version") == (0, f"mrcnn, version {mrcnn.__version__}\n", "")
    assert "check" in run("--help")[1]


def test_it_starts_without_tensorflow_and_help_without_numpy(tmp_path):
    code = ("import sys; from mrcnn.cli import main\n"
            "try: main({})\nexcept SystemExit as end: assert not end.code, end.code\n"
            "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])")
    for arguments, loaded in ((["--help"], []), (["check", str(via_set(tmp_path))], ["numpy"])):
        done = subprocess.run([sys.executable, "-c", code.format(arguments)], cwd=ROOT, text=True,
                              capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(loaded)


def test_python_m_works_and_says_its_name(tmp_path):
    done = subprocess.run([sys.executable, "-m", "mrcnn", "check", str(via_set(tmp_path))],
                          cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "clean" in done.stdout and done.stderr == ""
    done = subprocess.run([sys.executable, "-m", "mrcnn"], cwd=ROOT, capture_output=True,
                          text=True, timeout=120, check=False)
    assert "Usage: mrcnn [OPTIONS]" in done.stdout + done.stderr


def test_a_pipe_that_cannot_hold_a_letter_gets_another(tmp_path):
    via_set(tmp_path / "sét")
    done = subprocess.run([sys.executable, "-m", "mrcnn", "check", str(tmp_path / "sét")], cwd=ROOT,
                          capture_output=True, timeout=120, check=False,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and b"clean" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("columns", [80, 160])
def test_on_a_terminal_there_are_tables_and_a_bar(tmp_path, columns):
    via_set(tmp_path / "set", count=3, boxes=((10, 10, 60, 50), (10, 10, 0, 5), (300, 1, 9, 9)))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mrcnn", "check", str(tmp_path / "set")], cwd=ROOT,
        stdout=follower, stderr=follower, stdin=follower,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"})
    os.close(follower)
    output = b""
    while chunk := read(leader):
        output += chunk
    assert process.wait(60) == 1
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode()).replace("\r\n", "\n")
    assert b"\x1b[" in output and "checking set" in text
    report = text[text.index("not clean"):]
    assert "box-invalid" in report and "┃" in report and re.search(r"cat\s+│\s+3", report)
    assert max(map(len, report.splitlines())) <= columns


def read(handle):
    """What a terminal has to say; b"" once its other end is closed."""
    try:
        return os.read(handle, 4096)
    except OSError:
        return b""
