"""`mrcnn frames` and `mrcnn assemble`: what they say and answer to the shell."""

import clips
import pytest
from click.testing import CliRunner
from PIL import Image

from mrcnn.cli import main


def run(*arguments):
    """(exit code, stdout, stderr)."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_frames_and_back(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 10, tone="aac")
    code, out, _ = run("frames", path, "-o", tmp_path / "out", "--interval", 2, "--limit", 4,
                       "--prefix", "x")
    assert code == 0 and out == f"4 pictures in {tmp_path / 'out'}\n"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        f"x_v_{i:06d}.jpg" for i in (0, 2, 4, 6)]
    code, out, _ = run("assemble", tmp_path / "out", "-o", tmp_path / "w.mp4", "--fps", 12.5,
                       "--audio", path)
    assert code == 0 and out == f"4 frames in {tmp_path / 'w.mp4'}\n"
    assert run("frames", path, "-o", tmp_path / "one", "--limit", 1)[1].startswith("1 picture in")
    assert len(clips.pictures_of(tmp_path / "w.mp4")[0]) == 4
    assert clips.sound_of(tmp_path / "w.mp4")


def test_mistakes(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 3)
    (tmp_path / "bad.mp4").write_text("no")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.mp4").mkdir()
    for expected, word, arguments in (
            (1, "bad.mp4", ("frames", tmp_path / "bad.mp4", "-o", tmp_path / "o")),
            (1, "cannot write to", ("frames", path, "-o", tmp_path / "file" / "o")),
            (1, "interval", ("frames", path, "-o", tmp_path / "o", "--interval", "often")),
            (2, "--output", ("frames", path)),
            (2, "does not exist", ("frames", tmp_path / "gone.mp4", "-o", tmp_path / "o")),
            (1, "no pictures", ("assemble", tmp_path / "empty", "-o", tmp_path / "w.mp4")),
            (2, "--fps", ("assemble", tmp_path, "-o", tmp_path / "w.mp4", "--fps", 0)),
            (2, "nan is no number", ("assemble", tmp_path, "-o", tmp_path / "w.mp4", "--fps",
                                     "nan")),
            (2, "empty.mp4 is a folder", ("assemble", tmp_path / "empty.mp4", "-o",
                                          tmp_path / "empty.mp4", "--overwrite")),
            (1, "v.mp4: it has no sound", ("assemble", tmp_path / "empty", "-o",
                                           tmp_path / "w.mp4", "--audio", path)),
            (1, "bad.mp4: its sound", ("assemble", tmp_path / "empty", "-o", tmp_path / "w.mp4",
                                       "--audio", tmp_path / "bad.mp4"))):
        code, _, err = run(*arguments)
        assert code == expected and word in err and "Traceback" not in err, (arguments, err)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "bad.mp4", "empty", "empty.mp4", "file", "v.mp4"]


def test_an_odd_size_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (63, 47)).save(tmp_path / "in" / "a.png")
    code, out, _ = run("assemble", tmp_path / "in", "-o", tmp_path / "w.mp4")
    assert code == 0 and "Note: 63 x 47 became 64 x 48" in out


@pytest.mark.parametrize("command", ["frames", "assemble", "detect"])
def test_help_teaches(command):
    code, out, _ = run(command, "--help")
    assert code == 0 and f"mrcnn {command} " in out and "Examples" in out
    assert max(map(len, out.splitlines())) <= 80
