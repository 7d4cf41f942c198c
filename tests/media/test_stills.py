"""Videos into numbered pictures, and back."""

import clips
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import DataError
from mrcnn.media.stills import assemble, extract_frames, frames_apart


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_frame_with_its_number(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 12)
    expected, _ = clips.pictures_of(path)
    assert extract_frames([path], tmp_path / "out") == 12
    assert names_in(tmp_path / "out") == [f"v_{i:06d}.jpg" for i in range(12)]
    for i, picture in enumerate(expected):
        assert clips.psnr(Image.open(tmp_path / "out" / f"v_{i:06d}.jpg"), picture) > 30


@pytest.mark.parametrize(("options", "expected"), [
    ({"interval": 5}, [0, 5, 10]), ({"interval": "0.2s"}, [0, 5, 10]),
    ({"interval": 2, "limit": 3}, [0, 2, 4]), ({"interval": 4, "start": "3f"}, [3, 7, 11]),
    ({"end": "2f"}, [0, 1]), ({"interval": "9s"}, [0])])
def test_an_interval_a_limit_and_a_prefix(tmp_path, options, expected):
    path = clips.clip(tmp_path / "v.mp4", 12)
    progress = []
    count = extract_frames([path], tmp_path / "out", prefix="train", **options,
                           progress=lambda *what: progress.append(what))
    assert names_in(tmp_path / "out") == [f"train_v_{i:06d}.jpg" for i in expected]
    assert count == len(expected) and progress[-1] == (count, count, "v.mp4")


def test_two_videos_of_one_name_and_a_damaged_one(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        clips.clip(tmp_path / folder / "v.mp4", 60)
    clips.damage(tmp_path / "b" / "v.mp4")
    said = []
    count = extract_frames([tmp_path / "a" / "v.mp4", tmp_path / "b" / "v.mp4"],
                           tmp_path / "out", report=said.append)
    names = names_in(tmp_path / "out")
    assert len(names) == count < 120 and names[0] == "a_v_000000.jpg"
    assert names[-1].startswith("b_v_") and f"{120 - count} frames could not be read" in said[0]


def test_extracting_at_the_door(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 3)
    (tmp_path / "bad.mp4").write_text("no")
    with pytest.raises(DataError, match="bad.mp4"):
        extract_frames([path, tmp_path / "bad.mp4"], tmp_path / "out")
    for interval in ("0", "often", "1.5", "-1"):
        with pytest.raises(ValueError, match="expected"):
            extract_frames([path], tmp_path / "out", interval)
    with pytest.raises(ValueError, match="prefix"):
        extract_frames([path], tmp_path / "out", prefix="a/b")
    assert not (tmp_path / "out").exists()
    extract_frames([path], tmp_path / "out")
    with pytest.raises(FileExistsError, match="v_000000.jpg is there"):
        extract_frames([path], tmp_path / "out")
    assert extract_frames([path], tmp_path / "out", overwrite=True) == 3


def test_frames_apart():
    assert [frames_apart(one, 30) for one in (1, "7", "2s", "0.01s")] == [1, 7, 60, 1]


# --- back -------------------------------------------------------------------------------------


def pictures(folder, names, size=(48, 64)):
    folder.mkdir()
    for i, name in enumerate(names):
        Image.fromarray(clips.frame_of(i, size)).save(folder / name)
    return folder


def test_pictures_in_the_order_people_count(tmp_path):
    folder = pictures(tmp_path / "in", ["f8.png", "f9.png", "f10.png", "f11.png"])
    count, notes = assemble(folder, tmp_path / "v.mp4", 12.5)
    read, rate = clips.pictures_of(tmp_path / "v.mp4")
    assert count == len(read) == 4 and rate == 12.5 and notes == []
    for i, picture in enumerate(read):
        assert clips.psnr(picture, clips.frame_of(i)) > 28


def test_frames_and_back_keep_the_sound(tmp_path):
    path = clips.clip(tmp_path / "v.mp4", 25, tone="aac")
    extract_frames([path], tmp_path / "out")
    assemble(tmp_path / "out", tmp_path / "w.mkv", 25, sound=path)
    before, after = clips.pictures_of(path)[0], clips.pictures_of(tmp_path / "w.mkv")[0]
    assert len(after) == 25 and min(map(clips.psnr, after, before)) > 28
    assert clips.sound_of(tmp_path / "w.mkv")[1] == pytest.approx(1, abs=0.06)


def test_grey_and_16_bit_pictures(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(2):
        values = np.full((48, 64), 20000 * i, np.uint16)
        values[:10] = 65535
        Image.fromarray(values).save(tmp_path / "in" / f"{i}.png")
    assemble(tmp_path / "in", tmp_path / "v.mp4")
    assert len(clips.pictures_of(tmp_path / "v.mp4")[0]) == 2


def test_assembling_at_the_door(tmp_path):
    folder = pictures(tmp_path / "in", ["a.png", "b.png"])
    Image.new("RGB", (60, 48)).save(folder / "c.png")
    with pytest.raises(DataError, match="c.png is 60 x 48, a.png before it 64 x 48"):
        assemble(folder, tmp_path / "v.mp4")
    (folder / "c.png").write_text("no picture")
    with pytest.raises(DataError, match="c.png"):
        assemble(folder, tmp_path / "v.mp4")
    (folder / "c.png").unlink()
    with pytest.raises(DataError, match="v.gif: expected a video ending in .mp4"):
        assemble(folder, tmp_path / "v.gif")
    with pytest.raises(FileNotFoundError, match="tone.mp3"):
        assemble(folder, tmp_path / "v.mp4", sound=tmp_path / "tone.mp3")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no pictures"):
        assemble(tmp_path / "empty", tmp_path / "v.mp4")
    (tmp_path / "v.mp4").write_bytes(b"earlier")
    with pytest.raises(FileExistsError, match="v.mp4 is there already"):
        assemble(folder, tmp_path / "v.mp4")
    assert (tmp_path / "v.mp4").read_bytes() == b"earlier"
    assemble(folder, tmp_path / "v.mp4", overwrite=True)
    assert len(clips.pictures_of(tmp_path / "v.mp4")[0]) == 2


def test_a_picture_that_breaks_off_leaves_no_video(tmp_path):
    folder = pictures(tmp_path / "in", ["a.png", "b.png"])
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])  # its header is whole
    with pytest.raises(DataError, match="b.png"):
        assemble(folder, tmp_path / "v.mp4")
    assert names_in(tmp_path) == ["in"]
