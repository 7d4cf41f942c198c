"""Videos read and written: frames, colours, times, sound, damage, and disks that fill up."""

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import clips
import numpy as np
import pytest

from mrcnn.data.dataset import DataError
from mrcnn.media.frame import first_frame_from
from mrcnn.media.video_reader import VideoReader
from mrcnn.media.video_writer import VideoWriter, writing_video

ROOT = Path(__file__).resolve().parents[2]


def numbers(path, **options):
    return [frame.number for frame in VideoReader(path, **options)]


def write(path, pictures, rate=25, **options):
    with writing_video(path, rate, **options) as writer:
        for picture in pictures:
            writer.write(picture)
    return writer


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "codec"), [
    (".mp4", "libx264"), (".mkv", "libx264"), (".mov", "mpeg4"), (".avi", "mpeg4"),
    (".mp4", "libx265"), (".avi", "libx264")])
def test_frames_are_those_that_opencv_reads(tmp_path, ending, codec):
    path = clips.clip(tmp_path / f"a{ending}", 15, codec=codec)
    reader = VideoReader(path)
    expected, rate = clips.pictures_of(path)
    frames = list(reader)
    assert len(frames) == reader.count == len(expected) == 15 and reader.lost == 0
    assert float(reader.rate) == pytest.approx(rate) and reader.size == (48, 64)
    for i, (frame, picture) in enumerate(zip(frames, expected, strict=True)):
        assert (frame.number, frame.name) == (i, f"a_{i:06d}")
        assert frame.time == pytest.approx(i / 25, abs=1e-3)
        assert frame.image.dtype == np.uint8 and clips.psnr(frame.image, picture) > 40


@pytest.mark.parametrize("gop", [12, 250])
def test_a_range_of_an_avi_with_later_coding(tmp_path, gop):
    """AVI has no times of display; FFmpeg's guesses begin late, and go back and forth."""
    path = clips.clip(tmp_path / "a.avi", 60, gop=gop, picture=noisy)
    expected, _ = clips.pictures_of(path)
    frames = list(VideoReader(path, start="30f", end="50f"))
    assert [frame.number for frame in frames] == list(range(30, 50))
    for frame in frames:
        assert clips.psnr(frame.image, expected[frame.number]) > 40


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_video_is_read_upright(tmp_path, turn):
    path = clips.clip(tmp_path / "a.mp4", 3, turn=turn)
    expected, _ = clips.pictures_of(path)  # OpenCV turns it as well
    reader = VideoReader(path)
    assert reader.size == expected[0].shape[:2] == ((64, 48) if turn % 2 else (48, 64))
    for frame, picture in zip(reader, expected, strict=True):
        assert clips.psnr(frame.image, picture) > 40
    assert clips.psnr(next(iter(reader)).image, np.rot90(clips.frame_of(0), turn)) > 30


@pytest.mark.parametrize("height", [64, 720])
def test_colours_survive_reading_and_writing_at_any_size(tmp_path, height):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (height // 16, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    write(tmp_path / "a.mp4", [blocks] * 2)
    frame = next(iter(VideoReader(tmp_path / "a.mp4"))).image
    assert np.abs(frame.astype(int) - blocks)[4:-4].mean() < 4
    with av.open(str(tmp_path / "a.mp4")) as container:  # by the tag that players follow
        decoded = next(container.decode(video=0))
        assert decoded.colorspace in ((1,) if height == 720 else (5, 6))


def test_a_range(tmp_path):
    path = clips.clip(tmp_path / "a.mp4", 40, rate=10)
    assert numbers(path, start=1, end=2) == list(range(10, 20))
    assert numbers(path, start="12f", end="0:02") == list(range(12, 20))
    assert numbers(path, start="35f") == list(range(35, 40))
    assert numbers(path, start="33f", every=3) == [33, 36, 39]
    assert numbers(path, every=9, limit=3) == [0, 9, 18]
    reader = VideoReader(path, start="13f", end="30f", every=4)
    assert reader.count == len(list(reader)) == 5 and reader.lost == 0
    whole = [frame.image for frame in VideoReader(path)]
    for frame in VideoReader(path, start="25f"):  # sought, not counted
        np.testing.assert_array_equal(frame.image, whole[frame.number])


@pytest.mark.parametrize(("options", "message"), [
    ({"start": 2, "end": 1}, "no frame lies between"), ({"start": "10f"}, "there is no frame 10"),
    ({"start": "soon"}, "received 'soon'"), ({"end": "-3"}, "received '-3'")])
def test_a_range_that_is_none(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        VideoReader(clips.clip(tmp_path / "a.mp4"), **options)


@pytest.mark.parametrize(("moment", "expected"), [
    (2, 60), (0.1, 3), ("1.5s", 45), ("7f", 7), ("1:30", 2700), ("1:00:00.5", 108015), ("0", 0)])
def test_moments(moment, expected):
    assert first_frame_from(moment, Fraction(30)) == expected


def test_grey_frames_and_a_variable_rate(tmp_path):
    times = [0, 0.04, 0.05, 0.2, 0.21, 0.5]
    path = clips.clip(tmp_path / "a.mp4", 6, times=times)
    frames = list(VideoReader(path, grey=True))
    assert [round(frame.time, 3) for frame in frames] == times
    assert len({frame.number for frame in frames}) == 6
    assert frames[0].image.shape == (48, 64, 1)


def test_reading_goes_on_behind_damage_and_counts_it(tmp_path):
    path = clips.clip(tmp_path / "a.mp4", 60, picture=noisy)
    sound = [frame.image for frame in VideoReader(path)]
    reader = VideoReader(clips.damage(path))
    frames = list(reader)
    assert 0 < reader.lost < 25 and len(frames) + reader.lost == 60
    read = [frame.number for frame in frames]
    assert read == sorted(set(read)) and read[0] == 0 and read[-1] == 59
    np.testing.assert_array_equal(frames[-1].image, sound[-1])  # its number is still its own


def test_damage_inside_a_range_is_counted(tmp_path):
    path = clips.damage(clips.clip(tmp_path / "a.mp4", 60, picture=noisy))
    reader = VideoReader(path, end="50f")
    assert len(list(reader)) < 50 and reader.lost > 0


def noisy(number, size):
    """Frames that need many bytes, so that damage in the middle meets several."""
    return np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)


def test_a_video_cut_off(tmp_path):
    path = clips.clip(tmp_path / "a.mkv", 60, picture=noisy)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = VideoReader(path)
    count = len(list(reader))
    assert 20 < count < 40 and reader.lost == pytest.approx(60 - count, abs=2)


@pytest.mark.parametrize("content", [b"", b"this is a letter", bytes(10_000)])
def test_a_file_that_is_no_video(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match="not a readable video file: .*a.mp4"):
        VideoReader(tmp_path / "a.mp4")


def test_files_without_one_frame(tmp_path):
    path = clips.clip(tmp_path / "a.mp4", 5)
    data = path.read_bytes()
    at = data.index(b"mdat") + 4
    path.write_bytes(data[:at] + bytes(len(data) - at))  # the index was behind it
    with pytest.raises(DataError, match="a.mp4"):
        VideoReader(path)
    with pytest.raises(FileNotFoundError, match="no such file: .*b.mp4"):
        VideoReader(tmp_path / "b.mp4")


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "codec"), [(".mp4", "h264"), (".mov", "h264"),
                                               (".mkv", "h264"), (".avi", "mpeg4")])
def test_what_is_written_is_what_opencv_reads(tmp_path, ending, codec):
    pictures = [clips.frame_of(i) for i in range(12)]
    path = tmp_path / f"a{ending}"
    writer = write(path, pictures, Fraction(30000, 1001))
    read, rate = clips.pictures_of(path)
    assert len(read) == writer.count == 12 and rate == pytest.approx(29.97, abs=0.01)
    assert min(clips.psnr(*pair) for pair in zip(read, pictures, strict=True)) > 28
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec and stream.codec_context.pix_fmt == "yuv420p"
    assert [file.name for file in tmp_path.iterdir()] == [path.name] and writer.notes == []


def test_an_index_comes_first_for_browsers(tmp_path):
    write(tmp_path / "a.mp4", [clips.frame_of(0)] * 3)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_an_odd_size_gets_a_row_and_a_column_and_says_so(tmp_path):
    picture = clips.frame_of(0, (47, 63))
    writer = write(tmp_path / "a.mp4", [picture] * 2)
    read, _ = clips.pictures_of(tmp_path / "a.mp4")
    assert read[0].shape == (48, 64, 3) and clips.psnr(read[0][:47, :63], picture) > 28
    assert "63 x 47 became 64 x 48" in writer.notes[0]


def test_without_x264_there_is_another_codec_and_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    writer = write(tmp_path / "a.mp4", [clips.frame_of(i) for i in range(5)],
                   tick=Fraction(1, 90000))
    assert len(clips.pictures_of(tmp_path / "a.mp4")[0]) == 5 and "no H.264" in writer.notes[0]


def test_times_are_kept_between_frames_that_are_missing(tmp_path):
    for ending in (".mp4", ".mkv", ".avi"):
        path, times = tmp_path / f"a{ending}", [0, 0.04, 0.2, 0.24, 0.4]
        with writing_video(path, 25, tick=Fraction(1, 12800)) as writer:
            for i, time in enumerate(times):
                writer.write(clips.frame_of(i), time)
        read = [frame.time for frame in VideoReader(path)]
        assert read == pytest.approx(times, abs=2e-3)


@pytest.mark.parametrize(("source", "tone", "target", "codec"), [
    (".mp4", "aac", ".mp4", "aac"), (".mkv", "pcm_s16le", ".mp4", "aac"),
    (".mkv", "pcm_s16le", ".mkv", "pcm_s16le"), (".mkv", "ac3", ".mp4", "ac3"),
    (".mp4", "aac", ".avi", "mp3float"), (".mkv", "mp2", ".mov", "aac")])
def test_sound_goes_along_copied_where_it_can_be(tmp_path, source, tone, target, codec):
    origin = clips.clip(tmp_path / f"a{source}", 50, tone=tone)
    writer = write(tmp_path / f"b{target}", [clips.frame_of(i) for i in range(50)], sound=origin)
    name, seconds, loudest = clips.sound_of(tmp_path / f"b{target}")
    assert name.startswith(codec) and seconds == pytest.approx(2, abs=0.08)
    assert loudest == pytest.approx(440, abs=3) and writer.notes == []


def test_sound_of_a_range_begins_with_it(tmp_path):
    origin = clips.clip(tmp_path / "a.mp4", 75, tone="aac")
    write(tmp_path / "b.mp4", [clips.frame_of(i) for i in range(25)], sound=origin,
          sound_start=1.5)
    _, seconds, loudest = clips.sound_of(tmp_path / "b.mp4")
    assert seconds == pytest.approx(1, abs=0.06) and loudest == pytest.approx(440, abs=4)


@pytest.mark.parametrize(("tone", "ending"), [("aac", ".mp4"), ("mp2", ".mkv")])
@pytest.mark.parametrize("start", [0.6, 1.6])
def test_sound_and_pictures_stay_together(tmp_path, tone, ending, start):
    """Copied or coded anew, what is heard at 2 s is heard at 2 s less the start."""
    origin = clips.clip(tmp_path / f"a{ending}", 75, tone=tone, silence=2)
    assert clips.onset_of(origin) == pytest.approx(2, abs=0.03)
    write(tmp_path / "b.mp4", [clips.frame_of(i) for i in range(35)], sound=origin,
          sound_start=start)
    assert clips.onset_of(tmp_path / "b.mp4") == pytest.approx(2 - start, abs=0.06)


def test_a_file_without_sound_and_one_with_damaged_sound(tmp_path):
    silent = clips.clip(tmp_path / "a.mp4", 5)
    assert write(tmp_path / "b.mp4", [clips.frame_of(0)] * 5, sound=silent).notes == []
    assert clips.sound_of(tmp_path / "b.mp4") is None
    torn = clips.damage(clips.clip(tmp_path / "c.mkv", 50, tone="mp2"), 0.5, 0.7)
    write(tmp_path / "d.mp4", [clips.frame_of(0)] * 50, sound=torn)
    assert clips.sound_of(tmp_path / "d.mp4")[1] > 0.5


def test_a_picture_of_another_size(tmp_path):
    with pytest.raises(ValueError, match="a.mp4: expected pictures of 64 x 48, received.* 60 x 48"):
        write(tmp_path / "a.mp4", [clips.frame_of(0), clips.frame_of(0, (48, 60))])
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_nothing_and_an_earlier_video_as_it_was(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"earlier")
    with pytest.raises(RuntimeError), writing_video(tmp_path / "a.mp4", 25) as writer:
        writer.write(clips.frame_of(0))
        raise RuntimeError
    assert (tmp_path / "a.mp4").read_bytes() == b"earlier" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(DataError, match="not one frame"):
        write(tmp_path / "b.mp4", [])


def test_ctrl_c_leaves_a_sound_video_under_another_name(tmp_path):
    origin = clips.clip(tmp_path / "o.mp4", 50, tone="aac")
    with pytest.raises(KeyboardInterrupt), writing_video(tmp_path / "a.mp4", 25,
                                                         sound=origin) as writer:
        for i in range(10):
            writer.write(clips.frame_of(i))
        raise KeyboardInterrupt
    assert {file.name for file in tmp_path.iterdir()} == {"o.mp4", "a.partial.mp4"}
    assert len(clips.pictures_of(tmp_path / "a.partial.mp4")[0]) == 10
    assert clips.sound_of(tmp_path / "a.partial.mp4")[1] == pytest.approx(0.4, abs=0.06)


def test_ctrl_c_before_the_first_picture_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_video(tmp_path / "a.mp4", 25):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


FULL = """
import resource, sys
import numpy as np
from mrcnn.media.video_writer import writing_video
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
rng = np.random.default_rng(0)
try:
    with writing_video(sys.argv[1], 25) as writer:
        for i in range(int(sys.argv[2])):
            writer.write(rng.integers(0, 256, (96, 128, 3), np.uint8))
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("count", [12, 200])
def test_a_file_that_cannot_grow_is_an_error_that_names_it(tmp_path, count):
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "a.mp4"), str(count)],
                          cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert re.fullmatch(r"cannot write .*a\.mp4: File too large\n", done.stdout), done
    assert not list(tmp_path.iterdir())


def test_a_writer_keeps_the_shape_of_pixels(tmp_path):
    write(tmp_path / "a.mp4", [clips.frame_of(0)] * 2, pixel_aspect=Fraction(4, 3))
    assert VideoReader(tmp_path / "a.mp4").pixel_aspect == Fraction(4, 3)


def test_frames_that_come_too_close_still_follow_each_other(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", 25)
    for time in (0.0, 0.0, 0.01, 0.5):
        writer.write(clips.frame_of(0), time)
    writer.close()
    assert len(clips.pictures_of(tmp_path / "a.mp4")[0]) == 4
