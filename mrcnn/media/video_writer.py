"""Writing videos: H.264 that browsers play, with the sound of another file."""

from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from mrcnn._atomic import atomic_path
from mrcnn.data.dataset import DataError
from mrcnn.media.names import partial_path
from mrcnn.media.sound import Sound
from mrcnn.media.video_reader import colors_of, quiet, reason

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".avi")
FINEST = 65535  # ticks a second that the codec mpeg4 can count
QUALITY = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "mpeg4": {"qmin": "2", "qmax": "5"},
}


def video_ending(path):
    """The ending that a video made from this one gets: its own where it can be written."""
    ending = Path(path).suffix.lower()
    return ending if ending in ENDINGS else ".mp4"


@contextmanager
def writing_video(path, rate, **options):
    """Yields a VideoWriter whose video gets its name when the body ends.

    Ctrl-C keeps what is there so far as a sound video, under the name of `names.partial_path`;
    any other error leaves nothing, and an earlier `path` as it was.
    """
    with atomic_path(path, keep_ending=True) as unfinished:
        writer = VideoWriter(unfinished, rate, shown_path=path, **options)
        try:
            yield writer
        except KeyboardInterrupt:
            if writer.count:
                writer.close()
                unfinished.replace(partial_path(path))
            raise
        except BaseException:
            writer.abandon()
            raise
        writer.close()


class VideoWriter:
    """Writes pictures into a video; it is opened when the first one tells its size.

    .avi is coded as MPEG-4 Part 2, everything else as H.264 where this PyAV has it. A side of
    odd length gets one more row or column, a copy of the last.

    Args:
        path: file to write, with one of ENDINGS.
        rate: frames a second.
        sound: file whose first sound track is taken along, or None.
        sound_start: seconds in `sound` where the video begins.
        tick: seconds, Fraction: what times are rounded to; None for one frame.
        pixel_aspect: width of a pixel by its height.
        shown_path: what messages call the file; None for `path`.

    Attributes:
        count: pictures written.
        notes: what happened to them that was not asked for; texts.
    """

    def __init__(self, path, rate, sound=None, sound_start=0.0, tick=None, pixel_aspect=1,
                 shown_path=None):
        self.path, self.shown_path = Path(path), Path(shown_path or path)
        self.rate = Fraction(rate).limit_denominator(1001)
        self.count, self.notes, self.pixel_aspect = 0, [], Fraction(pixel_aspect)
        self._sound_file, self._sound_start, self._tick = sound, sound_start, tick
        self._container = self._stream = self._sound = None
        self._last, self._end = -1, 0.0

    def write(self, picture, time=None):
        """Adds a picture.

        Args:
            picture: [H, W, 3] uint8 RGB, of one size throughout.
            time: seconds from the video's start, growing; None for one frame after the last.

        Raises:
            OSError: it cannot be written; the message names the file.
            ValueError: the picture has another size than the first.
        """
        with self._named_errors():
            if self._container is None:
                self._open(picture.shape)
            self._write(picture, time)

    def close(self):
        """Writes what is still on the way; DataError where there was no picture at all."""
        if self._container is None:
            raise DataError(f"{self.shown_path}: not one frame to write")
        with self._named_errors():
            try:
                self._mux(self._stream.encode())
                if self._sound is not None:
                    self._sound.finish(self._end)
            finally:
                self._close()

    def abandon(self):
        """Closes the file, whatever it holds."""
        import av

        with suppress(av.error.FFmpegError, OSError):
            self._close()

    def _close(self):
        container, self._container = self._container, None
        try:
            if container is not None:
                container.close()
        finally:
            if self._sound is not None:
                self._sound.close()
                if self._sound.trouble:
                    self.notes.append(self._sound.trouble)
                self._sound = None

    @contextmanager
    def _named_errors(self):
        """FFmpeg's errors with the name that the file will have."""
        import av

        try:
            yield
        except av.error.FFmpegError as error:
            raise OSError(f"cannot write {self.shown_path}: {reason(error)}") from error

    def _open(self, shape):
        import av

        quiet()
        self._shape = shape
        height, width = (side + side % 2 for side in shape[:2])
        ending, codec = self.path.suffix.lower(), self._codec()
        faststart = {"movflags": "+faststart"} if ending in (".mp4", ".m4v", ".mov") else {}
        self._container = av.open(str(self.path), "w", options=faststart)
        stream = self._container.add_stream(codec, rate=self.rate, options=QUALITY[codec])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = self.pixel_aspect
        self._colors = colors_of(height)
        stream.codec_context.colorspace = self._colors
        tick = self._tick
        if tick is None or ending == ".avi" or (codec == "mpeg4" and tick.denominator > FINEST):
            tick = 1 / self.rate
        self._tick = stream.codec_context.time_base = tick
        self._stream = stream
        if (height, width) != tuple(shape[:2]):
            self.notes.append(f"{shape[1]} x {shape[0]} became {width} x {height}: "
                              "H.264 and MPEG-4 need even sides")
        if self._sound_file is not None:
            self._sound = Sound(self._sound_file, self._container, ending, self._sound_start)

    def _codec(self):
        import av

        if self.path.suffix.lower() == ".avi":
            return "mpeg4"
        if "libx264" in av.codecs_available:
            return "libx264"
        self.notes.append("this PyAV has no H.264: coded as MPEG-4, which browsers do not play")
        return "mpeg4"

    def _write(self, picture, time):
        import av

        if picture.shape != self._shape:
            raise ValueError(f"{self.shown_path}: expected pictures of {_size(self._shape)}, "
                             f"received one of {_size(picture.shape)}")
        height, width = self._stream.height, self._stream.width
        if picture.shape[:2] != (height, width):
            picture = np.pad(picture, ((0, height - picture.shape[0]),
                                       (0, width - picture.shape[1]), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=self._colors)
        step = max(round(1 / self.rate / self._tick), 1)
        stamp = self._last + step if time is None else round(Fraction(time) / self._tick)
        if self._last < 0 and time is None:
            stamp = 0
        frame.pts, frame.time_base = max(stamp, self._last + 1), self._tick
        self._last = frame.pts
        self._mux(self._stream.encode(frame))
        self.count += 1
        self._end = float(self._last * self._tick + 1 / self.rate)
        if self._sound is not None:
            self._sound.feed(self._end)

    def _mux(self, packets):
        self._container.mux(packets)


def _size(shape):
    return f"{shape[1]} x {shape[0]}"
