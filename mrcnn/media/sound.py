"""The sound of a video on its way into another file."""

import math
import os
from fractions import Fraction

from mrcnn.data.dataset import DataError
from mrcnn.media.video_reader import quiet, reason

# What players know in each kind of file; sound of any other coding is coded anew.
COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"},
    ".m4v": {"aac", "mp3", "ac3", "eac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    ".mkv": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "vorbis", "dts",
             "pcm_s16le", "pcm_s24le"},
    ".avi": {"mp3", "ac3", "pcm_s16le"},
}
CODED = {".avi": "mp3"}  # all others: aac


def check_sound(path):
    """FileNotFoundError or DataError where a file is not there, or has no sound."""
    import av

    if not os.path.isfile(path):
        raise FileNotFoundError(f"no such file: {path}")
    quiet()
    try:
        with av.open(str(path), metadata_errors="replace") as file:
            if file.streams.audio:
                return
    except av.error.FFmpegError as error:
        raise DataError(f"{path}: its sound cannot be read ({reason(error)})") from error
    raise DataError(f"{path}: it has no sound")


class Sound:
    """Takes the first sound track of a file along, packet by packet, beside the pictures.

    Args:
        path: file with sound: a video, or an audio file.
        output: PyAV's output container; nothing has been written to it yet.
        ending: its ending, such as ".mp4".
        start: seconds in `path` that become 0 in the output.

    Attributes:
        trouble: why there is no sound, or no more of it; None where all is well.
    """

    def __init__(self, path, output, ending, start=0.0):
        import av

        quiet()
        self.output, self.start, self.trouble = output, Fraction(start), None
        self._last = -math.inf  # a damaged file can go back in time, which no container takes
        self._coder = self._resampler = self._packets = self._waiting = None
        try:
            self._input = av.open(str(path), metadata_errors="replace")
        except av.error.FFmpegError as error:
            self._input, self.trouble = None, f"its sound cannot be read ({reason(error)})"
            return
        tracks = self._input.streams.audio
        if tracks:
            self._add_track(tracks[0], ending)

    def feed(self, until):
        """Writes the packets that start before `until`, seconds in the output."""
        import av

        while self._packets is not None:
            try:
                packet = self._waiting or next(self._packets, None)
                if packet is None:
                    self._packets = None
                    return
                self._waiting = packet
                if packet.dts is not None and self._seconds(packet.dts) >= until:
                    return
                self._waiting = None
                self._write(packet)
            except (av.error.InvalidDataError, av.error.EOFError) as error:
                self._waiting = None
                self.trouble = f"its sound has damaged parts ({reason(error)})"

    def finish(self, until):
        """Writes what is left before `until`; seconds in the output."""
        self.feed(until)
        if self._coder is not None:
            for frame in self._resampler.resample(None):
                self.output.mux(self._coder.encode(frame))
            self.output.mux(self._coder.encode(None))

    def close(self):
        """Gives the file back."""
        if self._input is not None:
            self._input.close()

    def _add_track(self, track, ending):
        import av

        codec = track.codec_context.name if track.codec_context else None
        try:
            if codec in COPIED[ending]:
                self._target = self.output.add_stream_from_template(track)
            else:
                self._code_anew(track, CODED.get(ending, "aac"))
        except (av.error.FFmpegError, ValueError) as error:
            self.trouble = f"its sound ({codec}) can be neither copied nor coded ({error})"
            return
        if self.start > 1:
            self._input.seek(int((self.start - 1) * av.time_base))
        self._track, self._packets = track, self._input.demux(track)

    def _code_anew(self, track, name):
        import av

        rate = track.codec_context.sample_rate
        rate = rate if rate in (32000, 44100, 48000) else 48000
        layout = "mono" if track.codec_context.layout.nb_channels == 1 else "stereo"
        self._coder = self.output.add_stream(name, rate=rate, layout=layout)
        self._resampler = av.AudioResampler(self._coder.format.name, layout, rate,
                                            self._coder.codec_context.frame_size or None)

    def _seconds(self, stamp):
        return stamp * self._track.time_base - self.start

    def _write(self, packet):
        if self._coder is not None:
            for frame in packet.decode():
                self._encode(frame)
        elif packet.dts is not None and self._last < packet.dts and self._seconds(packet.dts) >= 0:
            self._last = packet.dts
            shift = round(self.start / self._track.time_base)
            packet.pts = packet.dts = packet.dts - shift
            packet.stream = self._target
            self.output.mux(packet)

    def _encode(self, frame):
        if frame.pts is None or frame.pts * frame.time_base < self.start:
            return
        frame.pts -= round(self.start / frame.time_base)
        for part in self._resampler.resample(frame):
            self.output.mux(self._coder.encode(part))
