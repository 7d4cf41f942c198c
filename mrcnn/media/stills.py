"""Videos into numbered pictures, and numbered pictures into a video."""

import glob
import os
from pathlib import Path

from mrcnn._atomic import make_writable
from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import image_files
from mrcnn.data.image_files import read_image, read_image_size
from mrcnn.media.frame import parse_moment
from mrcnn.media.names import (
    check_ending,
    check_free,
    distinct_names,
    natural_key,
)
from mrcnn.media.outputs import write_picture
from mrcnn.media.pipeline import ahead
from mrcnn.media.sound import check_sound
from mrcnn.media.video_reader import VideoReader
from mrcnn.media.video_writer import ENDINGS, writing_video


def frames_apart(interval, rate):
    """How many frames lie from one that is taken to the next.

    Args:
        interval: a number of frames, or seconds as "2s" or "0.5s".
        rate: frames a second.

    Raises:
        ValueError: it is neither, or less than one frame.
    """
    text = str(interval).strip()
    if text.endswith("s"):
        return max(round(parse_moment(text)[0] * rate), 1)
    if not text.isdigit() or int(text) < 1:
        raise ValueError("interval: expected a number of frames from 1, or seconds such as 2s, "
                         f"received {interval!r}")
    return int(text)


def extract_frames(videos, folder, interval=1, limit=None, prefix="", start=None, end=None,
                   overwrite=False, progress=None, report=print):
    """Writes frames of videos as `{prefix}_{stem}_{i:06d}.jpg`, i the frame's number in the video.

    Args:
        videos: list of paths.
        folder: where to; it is made.
        interval: frames from one picture to the next, or seconds: "2s".
        limit: pictures of each video at most; None for all.
        prefix: goes before the names; without one they begin with the video's.
        start, end: range, as `VideoReader` takes it.
        overwrite: replace pictures that are there.
        progress: function (done, total or None, text).
        report: function called with a text for each video that had broken frames.

    Returns:
        number of pictures written.

    Raises:
        FileNotFoundError, DataError: a video is missing or unreadable: found before anything is
            written.
        FileExistsError: pictures of that name are there already.
        OSError: nothing can be written there.
    """
    if "/" in prefix or os.sep in prefix:
        raise ValueError(f"prefix: expected a part of a file name, received {prefix!r}")
    names = distinct_names(videos)
    names = [f"{prefix}_{name}" if prefix else name for name in names]
    readers = []
    for path, name in zip(videos, names, strict=True):
        every = frames_apart(interval, VideoReader(path).rate)
        readers.append(VideoReader(path, start, end, every, limit, name))
    _check_no_frames(folder, names, overwrite)
    make_writable(folder)
    done, counts = 0, [reader.count for reader in readers]
    total = None if None in counts else sum(counts)
    for reader in readers:
        for frame in ahead(reader, 4):
            write_picture(Path(folder, f"{frame.name}.jpg"), frame.image)
            done += 1
            if progress is not None:
                progress(done, total, reader.path.name)
        if reader.lost:
            report(lost_text(reader))
    return done


def _check_no_frames(folder, names, overwrite):
    for name in names:
        earlier = sorted(Path(folder).glob(f"{glob.escape(name)}_[0-9]*.jpg"))
        if earlier and not overwrite:
            raise FileExistsError(f"{earlier[0]} is there already; --overwrite replaces it")


def lost_text(reader):
    """A line about frames that could not be read."""
    number = reader.lost
    return f"{reader.path}: {number} frame{'s' * (number > 1)} could not be read and left out"


def assemble(folder, path, rate=25, sound=None, overwrite=False, progress=None):
    """Writes the pictures of a folder as a video, in the order people count.

    Args:
        folder: of pictures that are all of one size.
        path: the video, .mp4, .m4v, .mov, .mkv or .avi.
        rate: frames a second.
        sound: file whose sound goes with it, cut at the video's end; or None.
        overwrite: replace a file that is there.
        progress: function (done, total, text).

    Returns:
        (number of frames, notes of the writer).

    Raises:
        DataError: no pictures, an unreadable one, or one of another size, found before anything
            is written, or `sound` has none; the message names it.
        FileExistsError: the video is there already.
    """
    check_ending(path, ENDINGS, "a video")
    check_free(path, overwrite)
    if sound is not None:
        check_sound(sound)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"no such folder: {folder}")
    files = sorted(image_files(folder), key=natural_key)
    _check_sizes(folder, files)
    make_writable(Path(path).parent)
    with writing_video(path, rate, sound=sound) as writer:
        for done, picture in enumerate(ahead(_pictures(files), 4), start=1):
            writer.write(picture)
            if progress is not None:
                progress(done, len(files), Path(path).name)
    return writer.count, writer.notes


def _pictures(files):
    from mrcnn.visualize.painting import to_rgb

    for file in files:
        try:
            yield to_rgb(read_image(file))
        except ValueError as error:
            raise DataError(str(error)) from error


def _check_sizes(folder, files):
    """By their headers: all pictures are of the first one's size."""
    if not files:
        raise DataError(f"{folder}: no pictures in this folder")
    first = None
    for file in files:
        try:
            size = read_image_size(file)
        except ValueError as error:
            raise DataError(str(error)) from error
        first = first or size
        if size != first:
            raise DataError(f"{file} is {size[1]} x {size[0]}, {files[0].name} before it "
                            f"{first[1]} x {first[0]}: a video has one size")
