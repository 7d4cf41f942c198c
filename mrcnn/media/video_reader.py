"""Reading videos, frame by frame, past what is damaged in them."""

import os
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from mrcnn.data.dataset import DataError
from mrcnn.media.frame import Frame, first_frame_from

USUAL_RATE = Fraction(25)  # frames a second, for a video that does not say
HIGHEST_RATE = 1000
UNKNOWN_COLORS = 2  # FFmpeg's number where a video does not say how its colours are coded
HD_HEIGHT = 720  # from here on players take BT.709 for granted, below it BT.601


class VideoReader:
    """A range of a video's frames, upright, RGB. Iterating yields Frames and opens the file anew.

    Broken frames are left out and counted; the others keep their numbers and times.

    Args:
        path: video file.
        start, end: the range, as `frame.first_frame_from` takes it; `end` is exclusive. None
            for the video's own.
        every: take one frame of so many.
        limit: frames at most; None for all.
        name: how the frames are called, with their number behind; None for the file's stem.
        grey: frames of one channel, [H, W, 1].

    Attributes:
        rate: Fraction, frames a second; the average where it varies.
        size: (height, width) upright.
        pixel_aspect: Fraction, width of a pixel by its height, upright.
        tick: Fraction, seconds, that its times are multiples of.
        origin: Fraction, seconds in the file at which its pictures begin.
        has_sound: whether it has a sound track.
        first: number of the first frame of the range.
        count: frames to expect; None where the file does not tell.
        lost: frames that could not be read, by the end of an iteration.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is no video, or not one frame of it can be decoded.
        ValueError: the range is none, or lies behind the video's end.
    """

    def __init__(self, path, start=None, end=None, every=1, limit=None, name=None, grey=False):
        if not os.path.exists(path):
            raise FileNotFoundError(f"no such file: {path}")
        self.path, self.every, self.limit, self.grey = Path(path), every, limit, grey
        self.name, self.lost, self._unseen = name or self.path.stem, 0, 0
        self._shift = None
        with self._opened() as (container, stream):
            frame = next(self._decoded(container, stream), None)
            if frame is None:
                raise DataError(f"not a readable video file: {path} (no frame can be decoded)")
            self._describe(container, stream, frame)
        self.first = 0 if start is None else first_frame_from(start, self.rate)
        self._end = None if end is None else first_frame_from(end, self.rate)
        self._check_range()
        self.count = self._expected()

    def __iter__(self):
        self.lost = self._unseen = seen = taken = 0
        wanted, number = self.first, -1
        with self._opened() as (container, stream):
            self._seek(container, stream)
            for frame in self._decoded(container, stream):
                number = self._number(frame, number)
                if self._end is not None and number >= self._end:
                    return
                seen += number >= self.first
                if number < wanted:
                    continue
                wanted = self.first + ((number - self.first) // self.every + 1) * self.every
                yield self._framed(frame, number)
                taken += 1
                if taken == self.limit:
                    return
            self._count_lost(seen)

    # --- the file -----------------------------------------------------------------------------

    @contextmanager
    def _opened(self):
        import av

        quiet()
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except av.error.FFmpegError as error:
            raise DataError(f"not a readable video file: {self.path} ({reason(error)})") from error
        with container:
            if not container.streams.video:
                raise DataError(f"not a readable video file: {self.path} (it has no pictures)")
            stream = container.streams.best("video") or container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream

    def _decoded(self, container, stream):
        """Every sound frame, in the order of time."""
        import av

        packets, newest = container.demux(stream), None
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                self._unseen += packet.is_discard
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:  # a damaged packet: the next one may be sound
                self.lost += 1
                continue
            for frame in frames:
                time = self._time(frame)
                is_late = None not in (time, newest) and time <= newest
                if frame.is_corrupt or is_late:  # damage can put frames behind their followers
                    self.lost += 1
                    continue
                newest = time
                yield frame

    def _seek(self, container, stream):
        """To the last key frame before the range; where that fails, it is read from frame 0."""
        import av

        if self.first == 0:
            return
        seconds = (self.first - 1) / self.rate + self.origin
        try:
            container.seek(int(seconds / stream.time_base), stream=stream)
        except av.error.FFmpegError:
            container.seek(0)

    def _describe(self, container, stream, frame):
        self.rate = _rate(stream)
        self.origin = (stream.start_time or 0) * stream.time_base  # seconds, of the first frame
        self.tick, self.has_sound = stream.time_base, bool(container.streams.audio)
        self._announced = _announced(container, stream, self.rate)
        self._is_exact = bool(stream.frames) and "mp4" in container.format.name
        self._coded, self._turns = (frame.height, frame.width), round(frame.rotation / 90) % 4
        if container.format.name == "avi" and frame.pts != frame.dts:
            self._shift = frame.dts
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        self.size = self._coded[::-1] if self._turns % 2 else self._coded
        self.pixel_aspect = 1 / aspect if self._turns % 2 else aspect

    # --- frames -------------------------------------------------------------------------------

    def _time(self, frame):
        """Seconds in the file, None where it does not tell.

        AVI has no times of display. Where they are not those of decoding FFmpeg guesses them, and
        the times at which frames leave the decoder say more.
        """
        if self._shift is None:
            return frame.time
        if frame.dts is None:
            return None
        return float((frame.dts - self._shift) * frame.time_base + self.origin)

    def _number(self, frame, last):
        """By its time, so that it stays the same where frames before it are lost."""
        time = self._time(frame)
        if time is None:
            return last + 1
        return max(last + 1, round((Fraction(time) - self.origin) * self.rate))

    def _framed(self, frame, number):
        time = self._time(frame)
        time = number / self.rate if time is None else Fraction(time) - self.origin
        return Frame(self._picture(frame), f"{self.name}_{number:06d}", self.path, number,
                     float(time))

    def _picture(self, frame):
        height, width = self._coded
        colors = colors_of(height) if frame.colorspace == UNKNOWN_COLORS else None
        image = frame.to_ndarray(format="gray" if self.grey else "rgb24", width=width,
                                 height=height, src_colorspace=colors)
        image = image[:, :, None] if self.grey else image
        return np.ascontiguousarray(np.rot90(image, self._turns)) if self._turns else image

    # --- the range ----------------------------------------------------------------------------

    def _check_range(self):
        if self._end is not None and self._end <= self.first:
            raise ValueError(f"the range ends at frame {self._end} and starts at {self.first}: "
                             "no frame lies between")
        if self._announced and self.first >= self._announced:
            seconds, asked = (float(count / self.rate) for count in (self._announced, self.first))
            raise ValueError(f"{self.path} has {self._announced} frames ({seconds:.1f} s): there "
                             f"is no frame {self.first} ({asked:.1f} s)")

    def _last(self):
        ends = [end for end in (self._end, self._announced) if end is not None]
        return min(ends, default=None)

    def _expected(self):
        last = self._last()
        if last is None:
            return self.limit
        count = -(-(last - self.first) // self.every)
        return count if self.limit is None else min(count, self.limit)

    def _count_lost(self, seen):
        """At the file's end: what it announced for the range against what came."""
        if self._announced is None:
            return
        missing = self._last() - self.first - seen - self._unseen
        if (self._is_exact and self.first == 0) or missing > self.rate:  # others only estimate
            self.lost = max(missing, self.lost if missing > 0 else 0)


def quiet():
    """FFmpeg prints a line for every damaged packet; what matters is counted and reported."""
    import av

    av.logging.set_libav_level(av.logging.FATAL)


def reason(error):
    """FFmpeg's words for an error, without its number."""
    return getattr(error, "strerror", None) or str(error)


def colors_of(height):
    """The colour coding that players take for granted."""
    from av.video.reformatter import Colorspace

    return Colorspace.ITU709 if height >= HD_HEIGHT else Colorspace.ITU601


def _rate(stream):
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate < HIGHEST_RATE:
            return Fraction(rate)
    return USUAL_RATE


def _announced(container, stream, rate):
    """Frames that the file says it has; None where it says nothing."""
    if stream.frames:
        return stream.frames
    if stream.duration:
        return max(round(stream.duration * stream.time_base * rate), 1)
    if container.duration and container.duration > 0:
        return max(round(Fraction(container.duration, 1_000_000) * rate), 1)
    return None
