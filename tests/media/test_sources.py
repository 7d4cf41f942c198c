"""What inputs are found, how their outputs are called, and cameras."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import DataError
from mrcnn.media.names import distinct_names
from mrcnn.media.sources import Camera, ImageFiles, find_inputs


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def found(*names, **options):
    inputs = find_inputs(names, **options)
    return [path.name for path in inputs.images], [path.name for path in inputs.videos]


def test_a_folder_in_the_order_people_count(tmp_path):
    fill(tmp_path, "b10.jpg", "b9.JPG", "a.png", "c.mp4", "c.MOV", "notes.txt", ".hidden.jpg",
         "deep/d.jpg")
    assert found(tmp_path) == (["a.png", "b9.JPG", "b10.jpg"], ["c.MOV", "c.mp4"])
    images, _ = found(tmp_path, recursive=True)
    assert images == ["a.png", "b9.JPG", "b10.jpg", "d.jpg"]


def test_files_patterns_and_cameras_each_once(tmp_path, monkeypatch):
    fill(tmp_path, "a.jpg", "b.jpg", "c.avi", "7")
    monkeypatch.chdir(tmp_path)
    assert found("b.jpg", "*.jpg", "c.avi", "./c.avi") == (["b.jpg", "a.jpg"], ["c.avi"])
    inputs = find_inputs(["0", "camera:2", "7"])
    assert inputs.cameras == [0, 2] and [path.name for path in inputs.videos] == ["7"]


def test_a_file_without_a_known_ending_is_what_it_holds(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.dat", "png")
    (tmp_path / "other.dat").write_bytes(b"\0\0\0\x18ftypmp42")
    assert found(tmp_path / "picture.dat", tmp_path / "other.dat") == (["picture.dat"],
                                                                       ["other.dat"])


def test_results_inside_the_inputs_are_left_out(tmp_path):
    fill(tmp_path, "a.jpg", "out/a.jpg", "out/deep/b.jpg")
    assert found(tmp_path, recursive=True, outside=tmp_path / "out")[0] == ["a.jpg"]


@pytest.mark.parametrize(("name", "message"), [
    ("empty", "no pictures or videos in this folder$"), ("nest", "--recursive looks into"),
    ("gone.jpg", "no such file or folder: .*gone.jpg"), ("*.gif", "no such file or folder"),
    ("*.txt", "no pictures or videos among 1 files")])
def test_nothing_there(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    fill(tmp_path, "nest/deep/a.jpg", "a.txt")
    with pytest.raises((DataError, FileNotFoundError), match=message):
        find_inputs([tmp_path / name])


def test_names_are_stems_and_never_two_alike():
    paths = [Path(path) for path in ("x/a.jpg", "y/a.jpg", "b.png", "y/A.png", "y_a.jpg")]
    names = distinct_names(paths)
    assert names[2] == "b" and names[4] == "y_a"
    assert len({name.lower() for name in names}) == 5
    assert names[0] == "x_a" and names[1] == "y_a_2"


def test_broken_pictures_are_skipped_with_a_reason(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), (9, 8, 7)).save(tmp_path / "good.png", exif=exif)
    Image.new("L", (30, 20)).save(tmp_path / "grey.png")
    (tmp_path / "text.jpg").write_text("hello")
    np.save(tmp_path / "two.npy", np.zeros((4, 4, 2, 2)))
    half = (tmp_path / "good.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    paths = sorted(tmp_path.iterdir())
    skipped = []
    source = ImageFiles(paths, distinct_names(paths), 3, lambda *what: skipped.append(what))
    frames = list(source)
    assert [frame.name for frame in frames] == ["good", "grey"]
    assert frames[0].image.shape == (30, 20, 3) and frames[1].image.shape == (20, 30, 3)
    assert [path.name for path, _ in skipped] == ["half.png", "text.jpg", "two.npy"]
    assert all(path.name in why for path, why in skipped)
    ImageFiles(paths, [""] * 5, 3, None).check_any()
    with pytest.raises(DataError, match="none of 2 files .*text.jpg"):
        ImageFiles([tmp_path / "text.jpg", tmp_path / "two.npy"], ["", ""], 3, None).check_any()


class Capture:
    """Stands for cv2.VideoCapture: `count` pictures, then an unplugged cable."""

    def __init__(self, number, count=10, rate=30.0):
        self.number, self.left, self.rate, self.is_open = number, count, rate, True

    def isOpened(self):  # noqa: N802
        return self.number == 0

    def get(self, what):
        return self.rate

    def read(self):
        self.left -= 1
        if self.left < 0:
            return False, None
        return True, np.full((4, 6, 3), (0, 0, self.left), np.uint8)  # BGR

    def release(self):
        self.is_open = False


def test_a_camera_gives_the_newest_picture_until_it_ends():
    captures = []

    def opened(number):
        captures.append(Capture(number))
        return captures[0]

    camera = Camera(0, open_capture=opened)
    frames = list(camera)
    shown = [int(frame.image[0, 0, 0]) for frame in frames]  # red, as RGB
    assert shown and shown == sorted(shown, reverse=True) and camera.rate == 30.0
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    assert not captures[0].is_open


def test_a_camera_with_a_limit_and_one_that_is_none():
    camera = Camera(0, limit=3, open_capture=lambda number: Capture(number, 10**6, rate=0.0))
    assert len(list(camera)) == 3 and camera.rate == 25.0
    for number, count in ((1, 5), (0, 0)):
        with pytest.raises(DataError, match=f"camera {number}: it cannot be opened"):
            Camera(number, open_capture=lambda n, count=count: Capture(n, count))


def test_media_needs_no_tensorflow():
    import subprocess

    code = ("import sys, mrcnn.media.running, mrcnn.commands.detecting\n"
            "print([m for m in ('tensorflow', 'keras', 'av', 'cv2') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2], check=False)
    assert done.stdout.strip() == "[]", done
