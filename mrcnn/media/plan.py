"""What a run will look at and write, checked before a model is opened."""

import datetime
import os
from contextlib import suppress
from pathlib import Path

from mrcnn._atomic import make_writable
from mrcnn.data.dataset import DataError
from mrcnn.media import outputs
from mrcnn.media.frame import parse_moment
from mrcnn.media.names import distinct_names
from mrcnn.media.sources import Camera, ImageFiles, find_inputs
from mrcnn.media.video_reader import VideoReader
from mrcnn.media.video_writer import video_ending

SAVES = ("pictures", "coco", "masks", "labelme")
COCO_FILE = "detections.json"


class Plan:
    """What a run looks at and what it writes, checked before a model is opened.

    Args:
        names: files, folders, patterns and cameras, as `sources.find_inputs` takes them.
        output: folder of the results; None for a new one in results/.
        save: some of SAVES. "pictures" are videos for videos and cameras.
        recursive: folders with all that is in them.
        start, end: range of each video, as `frame.first_frame_from` takes it.
        every: take one frame of so many.
        limit: most frames of each video and camera, and most pictures of all files.
        rate: frames a second of the videos written; None for their own.
        channels: that the model takes.
        overwrite: write into a folder that holds something, and replace files there.
        open_camera: function of (number, limit) that answers a Camera; for tests.

    Attributes:
        output: Path.
        root: the folder that all picture files are in, perhaps in folders of it; None for none.
        skipped: inputs that cannot be read, (path, why).

    Raises:
        FileNotFoundError, DataError: an input is missing, or nothing of all can be read.
        FileExistsError: the output folder holds something already.
        OSError: nothing can be written there.
        ValueError: something else is wrong; the message says it.
    """

    def __init__(self, names, output=None, save=("pictures", "coco"), recursive=False, start=None,
                 end=None, every=1, limit=None, rate=None, channels=3, overwrite=False,
                 open_camera=Camera):
        self.save, self.limit, self.rate, self.channels = list(save), limit, rate, channels
        self._check_save()
        self.output = Path(output) if output is not None else _new_folder()
        _check_output(self.output, overwrite)
        for moment in (start, end):
            if moment is not None:
                parse_moment(moment)
        inputs = find_inputs(names, recursive, self.output)
        self._check_in_place(inputs)
        _check_moving(inputs, start=start, end=end, every=every if every > 1 else None, rate=rate)
        self.skipped = []
        folders = [str(path.resolve().parent) for path in inputs.images]
        self.root = Path(os.path.commonpath(folders)) if _one_drive(folders) else None
        titles = distinct_names([*inputs.images, *inputs.videos])
        self._plan_images(inputs.images[:limit], titles)
        self.videos = self._readers(inputs.videos, titles[len(inputs.images):],
                                    {"start": start, "end": end, "every": every, "limit": limit})
        self.cameras = [open_camera(number, limit) for number in inputs.cameras]
        self._check_channels()
        self._made = _missing(self.output)
        make_writable(self.output)

    def clear(self):
        """Removes the folders that the plan made and that nothing is in."""
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()

    @property
    def target_of_coco(self):
        """Path of the COCO file."""
        return self.output / COCO_FILE

    def target_of_video(self, source):
        """Path of the video that a VideoReader or a Camera becomes."""
        return self.output / f"{source.name}{video_ending(source.path)}"

    def sinks(self):
        """What gets every frame: label images and labelme files, as asked for."""
        kinds = {"masks": outputs.MaskFiles, "labelme": outputs.LabelmeFiles}
        return [kind(self.output / name) for name, kind in kinds.items() if name in self.save]

    def _plan_images(self, paths, titles):
        self.images = ImageFiles(paths, titles[:len(paths)], self.channels,
                                 lambda path, why: self.skipped.append((path, why)))

    def _readers(self, paths, titles, options):
        """A VideoReader each; those that cannot be read are noted, unless nothing is left."""
        readers = []
        for path, title in zip(paths, titles, strict=True):
            try:
                readers.append(VideoReader(path, name=title, grey=self.channels == 1, **options))
            except DataError as error:
                self.skipped.append((path, str(error)))
        if self.images.count and not readers:
            self.images.check_any()
        if self.skipped and not readers and not self.images.count:
            raise DataError(self.skipped[0][1])
        return readers

    def _check_save(self):
        unknown = [name for name in self.save if name not in SAVES]
        if unknown:
            raise ValueError(f"save: expected some of {', '.join(SAVES)}, received {unknown[0]!r}")
        if not self.save:
            raise ValueError(f"nothing to save: expected some of {', '.join(SAVES)}")

    def _check_in_place(self, inputs):
        for path in [*inputs.images, *inputs.videos]:
            if path.resolve().parent == self.output.resolve():
                raise ValueError(f"the results would lie among the inputs, and could replace "
                                 f"{path}: name another output folder than {self.output}")

    def _check_channels(self):
        moving = [*self.videos, *self.cameras]
        if moving and self.channels not in (1, 3):
            raise ValueError(f"{moving[0].path}: videos have 3 channels, the model takes "
                             f"{self.channels} (IMAGE_CHANNEL_COUNT)")


def _check_moving(inputs, **options):
    """ValueError for an option of videos where all inputs are pictures."""
    given = [name for name, value in options.items() if value is not None]
    if given and not (inputs.videos or inputs.cameras):
        raise ValueError(f"{given[0]}: for videos, but all inputs are pictures")


def _one_drive(folders):
    """Whether there are folders, and all on one drive."""
    return len({os.path.splitdrive(folder)[0] for folder in folders}) == 1


def _missing(folder):
    """Folders that have to be made for this one to be, itself first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _new_folder():
    name = Path("results", f"detect_{datetime.datetime.now():%Y%m%dT%H%M%S}")
    number, folder = 2, name
    while folder.exists():
        number, folder = number + 1, Path(f"{name}_{number}")
    return folder


def _check_output(folder, overwrite):
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: expected a folder for the results")
    if folder.is_dir() and not overwrite and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds files already: name another folder, or replace "
                              "what is there by --overwrite")
