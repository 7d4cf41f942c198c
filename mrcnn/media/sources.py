"""What there is to look at: picture files, videos and cameras, as people name them."""

import glob
import queue
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import IMAGE_ENDINGS
from mrcnn.data.image_checks import check_image
from mrcnn.data.image_files import read_image, read_image_size
from mrcnn.media.frame import Frame
from mrcnn.media.names import natural_key
from mrcnn.media.pipeline import handed_on

VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".wmv", ".flv",
                 ".mts", ".m2ts", ".3gp", ".ogv")
CAMERA = re.compile(r"(?:camera:)?(\d+)")


@dataclass
class Inputs:
    """Files and cameras of a run.

    Attributes:
        images, videos: list of Path, each once.
        cameras: list of numbers.
    """

    images: list = field(default_factory=list)
    videos: list = field(default_factory=list)
    cameras: list = field(default_factory=list)


def find_inputs(names, recursive=False, outside=None):
    """Finds what is meant by files, folders, patterns such as *.jpg, and cameras (0, camera:0).

    Args:
        names: list of texts or Path.
        recursive: folders with all that is in them.
        outside: a folder that is not looked into: that of the results.

    Returns:
        Inputs. Files of a folder are sorted as people count.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: a folder without pictures and videos.
    """
    inputs, seen = Inputs(), set()
    for name in names:
        camera = CAMERA.fullmatch(str(name))
        if camera and not Path(name).exists():
            inputs.cameras.append(int(camera[1]))
            continue
        for path in _files_of(name, recursive, outside):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                (inputs.videos if _is_video(path) else inputs.images).append(path)
    return inputs


def _files_of(name, recursive, outside):
    path = Path(name)
    if path.is_dir():
        return _files_in(path, recursive, outside)
    if path.exists():
        return [path]
    found = sorted(map(Path, glob.glob(str(name), recursive=True)), key=natural_key)
    if not found:
        raise FileNotFoundError(f"no such file or folder: {name}")
    files = [path for path in found if path.is_file() and _is_known(path)]
    if not files:
        raise DataError(f"{name}: no pictures or videos among {len(found)} files")
    return files


def _files_in(folder, recursive, outside):
    outside = outside and Path(outside).resolve()
    is_within = outside is not None and folder.resolve() in outside.parents
    paths = folder.rglob("*") if recursive else folder.iterdir()
    found = [path for path in paths if _is_known(path) and path.is_file()
             and not (is_within and outside in path.resolve().parents)]
    if not found:
        more = "" if recursive or not any(p.is_dir() for p in folder.iterdir()) else (
            "; --recursive looks into the folders in it")
        raise DataError(f"{folder}: no pictures or videos in this folder{more}")
    return sorted(found, key=natural_key)


def _is_known(path):
    return path.suffix.lower() in IMAGE_ENDINGS + VIDEO_ENDINGS and not path.name.startswith(".")


def _is_video(path):
    """By the ending, and where that says nothing by what the file holds."""
    ending = path.suffix.lower()
    if ending in IMAGE_ENDINGS + VIDEO_ENDINGS:
        return ending in VIDEO_ENDINGS
    try:
        read_image_size(path)
    except ValueError:
        return True
    return False


class ImageFiles:
    """Pictures of files, one after the other; iterating yields Frames.

    Args:
        paths: list of Path.
        names: how each one's outputs are called.
        channels: that the detector takes, as `read_image` has them.
        skip: function (path, why) called for a file that cannot be used.

    Attributes:
        count: number of files.
    """

    def __init__(self, paths, names, channels, skip):
        self.paths, self.names, self.channels, self.skip = paths, names, channels, skip
        self.count = len(paths)

    def __iter__(self):
        for path, name in zip(self.paths, self.names, strict=True):
            try:
                image = check_image(read_image(path, self.channels), self.channels, str(path))
            except (OSError, ValueError, TypeError) as error:
                self.skip(path, str(error))
                continue
            yield Frame(image, name, path)

    def check_any(self):
        """DataError where not one of the files is a picture, by their headers."""
        why = None
        for path in self.paths:
            try:
                read_image_size(path)
                return
            except (OSError, ValueError) as error:
                why = why or error
        count = len(self.paths)
        raise DataError(f"{why}" if count == 1 else
                        f"none of {count} files is a readable picture; the first: {why}")


class Camera:
    """A camera's pictures until it stops; iterating yields Frames, always the newest.

    What it shows while nobody asks is left out, so pictures do not grow old on the way.

    Args:
        number: of the camera, from 0.
        limit: pictures at most; None for no end.
        open_capture: function of the number that answers what cv2.VideoCapture does; for tests.
        clock: function that answers seconds.

    Attributes:
        name, path: camera_<number>.
        rate: frames a second that it announces, or 25.

    Raises:
        DataError: there is no such camera, or it gives no picture.
    """

    count = None

    def __init__(self, number, limit=None, open_capture=None, clock=time.monotonic):
        import cv2

        self.name = f"camera_{number}"
        self.path, self.limit, self._clock = Path(self.name), limit, clock
        self._capture = (open_capture or cv2.VideoCapture)(number)
        there, picture = self._capture.read() if self._capture.isOpened() else (False, None)
        if not there:
            self._capture.release()
            raise DataError(f"camera {number}: it cannot be opened, or gives no pictures")
        self._first = picture
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 240 else 25.0

    def __iter__(self):
        newest, stopped = queue.Queue(maxsize=1), threading.Event()
        thread = threading.Thread(target=self._watch, args=(newest, stopped), daemon=True)
        start, number = self._clock(), 0
        thread.start()
        try:
            while number != self.limit and (seen := newest.get()) is not None:
                picture, moment = seen
                yield Frame(picture[..., ::-1].copy(), f"{self.name}_{number:06d}", self.path,
                            number, max(moment - start, 0.0))
                number += 1
        finally:
            stopped.set()
            thread.join()
            self._capture.release()

    def _watch(self, newest, stopped):
        """Puts each picture in the place of the one before, and None at the end."""
        there, picture = True, self._first
        while there and not stopped.is_set():
            _replace(newest, (picture, self._clock()))
            there, picture = self._capture.read()
        handed_on(None, newest, stopped)  # behind the last picture


def _replace(line, item):
    try:
        line.get_nowait()
    except queue.Empty:
        pass
    line.put(item)
