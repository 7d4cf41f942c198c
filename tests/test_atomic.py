"""Files that are written whole or not at all: their names, and what errors say."""

import errno
import os

import pytest

from mrcnn._atomic import LONGEST_NAME, atomic_path


def test_the_longest_names_that_a_file_system_takes(tmp_path):
    for name in ("x" * (LONGEST_NAME - 4) + ".jpg", "\u6c17" * 83 + ".png", "short.jpg"):
        with atomic_path(tmp_path / name, keep_ending=True) as path:
            assert path.suffix == os.path.splitext(name)[1]
            assert len(os.fsencode(path.name)) <= LONGEST_NAME
            path.write_text("whole")
        assert (tmp_path / name).read_text() == "whole"


def test_long_names_that_begin_alike_are_written_side_by_side(tmp_path):
    first, second = (tmp_path / ("x" * 250 + end) for end in "ab")
    with atomic_path(first) as one, atomic_path(second) as two:
        one.write_text("a")
        two.write_text("b")
    assert (first.read_text(), second.read_text()) == ("a", "b")


def test_errors_name_the_file_that_was_wanted(tmp_path):
    target = tmp_path / "a.json"
    with pytest.raises(OSError, match="a.json") as found, atomic_path(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (found.value.errno, found.value.filename) == (errno.ENOSPC, str(target))
    target.mkdir()
    with pytest.raises(IsADirectoryError) as found, atomic_path(target) as path:
        path.write_text("")
    assert found.value.filename == str(target)
    with pytest.raises(OSError, match="in words") as found, atomic_path(tmp_path / "b.json"):
        raise OSError("said in words")
    with pytest.raises(FileNotFoundError) as found, atomic_path(tmp_path / "b.json"):
        open(tmp_path / "another")
    assert found.value.filename == str(tmp_path / "another")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
