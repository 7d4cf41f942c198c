"""Small videos for tests: made by PyAV, with what phones and the world do to them."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

GROUND, SQUARE = (200, 80, 40), (60, 220, 30)


def frame_of(number, size=(48, 64)):
    """[H, W, 3] uint8: a green square that moves right by two pixels a frame."""
    picture = np.full((*size, 3), GROUND, np.uint8)
    left = 4 + 2 * number % (size[1] - 28)
    picture[10:30, left:left + 20] = SQUARE
    return picture


def clip(path, frames=10, size=(48, 64), rate=25, codec="libx264", tone=None, turn=0,
         picture=frame_of, times=None, gop=12, silence=0.0):
    """Writes a video.

    Args:
        path: its ending says the container.
        frames: how many.
        size: (height, width), even.
        rate: frames a second.
        codec: of the pictures.
        tone: codec of a sound of 440 Hz as long as the pictures, or None.
        turn: quarter turns counter-clockwise that players are told to make.
        picture: function (number, size) that answers a frame.
        times: seconds of every frame; None for even ones.
        gop: frames from one key frame to the next.
        silence: seconds before the sound is heard.

    Returns:
        Path.
    """
    with av.open(str(path), "w") as container:
        options = {"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {"qmax": "3"}
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream(tone, rate=44100, layout="mono") if tone else None
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i, size), "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            _beep(container, sound, frames / rate, silence)
    if turn:
        _turn(Path(path), turn)
    return Path(path)


def _turn(path, turn):
    """Writes the matrix of a phone that was held otherwise into an .mp4."""
    a, b, c, d = {1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}[turn]
    data, one = bytearray(path.read_bytes()), 1 << 16
    start = data.index(b"tkhd") + 44  # behind version, times, id, duration, layer and volume
    data[start:start + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0,
                                         1 << 30)
    path.write_bytes(data)


def _beep(container, stream, seconds, silence):
    rate, size = stream.rate, stream.codec_context.frame_size or 1024
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    wave[:int(rate * silence)] = 0
    is_whole = stream.format.name.startswith("s16")
    wave = (wave * 32767).astype(np.int16) if is_whole else wave.astype(np.float32)
    for start in range(0, len(wave), size):
        frame = av.AudioFrame.from_ndarray(wave[None, start:start + size], stream.format.name,
                                           "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def damage(path, start=0.4, end=0.5):
    """Zeroes a part of a file, given as shares of its length; returns the path."""
    data = bytearray(Path(path).read_bytes())
    first, last = int(len(data) * start), int(len(data) * end)
    data[first:last] = bytes(last - first)
    Path(path).write_bytes(data)
    return path


def pictures_of(path):
    """(list of [H, W, 3] uint8 RGB, frames a second) as OpenCV reads a video."""
    import cv2

    video, pictures = cv2.VideoCapture(str(path)), []
    while True:
        there, picture = video.read()
        if not there:
            return pictures, video.get(cv2.CAP_PROP_FPS)
        pictures.append(picture[..., ::-1])


def sound_of(path):
    """(codec, seconds, loudest frequency in Hz) of a file's sound; None where it has none."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        parts = [frame.to_ndarray() for frame in container.decode(stream)]
        wave = np.concatenate([part.mean(axis=0) for part in parts]).astype(float)
        loudest = np.argmax(np.abs(np.fft.rfft(wave))) * stream.rate / len(wave)
        return stream.codec_context.name, len(wave) / stream.rate, loudest


def onset_of(path):
    """Seconds at which the sound of a file is first heard."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = frame.to_ndarray().astype(float).reshape(-1, frame.samples)[0]
            full = 32768 if "16" in frame.format.name else 1
            heard = np.flatnonzero(np.abs(wave) > 0.1 * full)
            if len(heard):
                return frame.time + heard[0] / frame.sample_rate


def psnr(first, second):
    """Decibels between two pictures of 0..255."""
    error = np.mean((np.asarray(first, float) - np.asarray(second, float)) ** 2)
    return 10 * np.log10(255 ** 2 / max(error, 1e-9))


def find_green(images):
    """A detector: a Result each, with one object, the greenest region; none without green."""
    from mrcnn.results.result import Result

    answers = []
    for image in images:
        image = np.asarray(image).astype(int)
        mask = (image[..., 1] > image[..., 0] + 50) & (image[..., 1] > image[..., 2] + 50)
        rows, columns = np.nonzero(mask)
        boxes = ([[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]]
                 if len(rows) else [])
        count = len(boxes)
        rois = np.array(boxes, np.int32).reshape(-1, 4)
        answers.append(Result(
            {"rois": rois, "class_ids": np.ones(count, np.int32),
             "scores": np.full(count, 0.9, np.float32), "masks": mask[..., None][..., :count]},
            image.shape, ["BG", "square", "disk"], image))
    return answers
