"""File names out of annotation files stay inside the data set."""

import os

import pytest

from mrcnn.data.formats.paths import PathOutsideError, image_files, image_of_stem, inside


@pytest.mark.parametrize(("name", "expected"), [
    ("a.jpg", "a.jpg"),
    ("sub/a.jpg", "sub/a.jpg"),
    ("sub\\a.jpg", "sub/a.jpg"),
    ("./sub/../a.jpg", "a.jpg"),
    ("..a.jpg", "..a.jpg"),
    ("sub/..\\a.jpg", "a.jpg"),
])
def test_a_name_inside_is_followed(tmp_path, name, expected):
    assert inside(tmp_path, name) == tmp_path / expected


@pytest.mark.parametrize("name", [
    "../a.jpg", "sub/../../a.jpg", "..\\a.jpg", "/etc/passwd", "C:\\a.jpg", "c:/a.jpg", ".",
    "sub/..",
])
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(PathOutsideError, match="leads out of"):
        inside(tmp_path, name)


@pytest.mark.parametrize("name", ["", "  ", "a\0.jpg", None, 3, ["a.jpg"], "a" * 300, "\ud800.jpg"])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a file name"):
        inside(tmp_path, name)


def test_a_neighbour_of_the_same_beginning_is_outside(tmp_path):
    with pytest.raises(PathOutsideError):
        inside(tmp_path / "set", "../set2/a.jpg")


def test_an_absolute_name_inside_and_a_wider_root_are_fine(tmp_path):
    assert inside(tmp_path, str(tmp_path / "a.jpg")) == tmp_path / "a.jpg"
    found = inside(tmp_path / "labels", "../images/a.jpg", root=tmp_path)
    assert found == tmp_path / "images" / "a.jpg"


def test_images_of_a_folder(tmp_path):
    for name in ("b.JPG", "a.png", "a.json", ".hidden.png", "c.tif"):
        (tmp_path / name).touch()
    os.mkdir(tmp_path / "sub")
    assert [path.name for path in image_files(tmp_path)] == ["a.png", "b.JPG", "c.tif"]
    assert image_of_stem(tmp_path, "b") == tmp_path / "b.JPG"
    assert image_of_stem(tmp_path, "d") is None
