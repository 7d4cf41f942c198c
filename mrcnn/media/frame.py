"""`Frame`: a picture of a video, a camera or a file; and moments of a video."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d*)?)")  # 1:30 or 1:02:03.5
AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(s|f?)")


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture with where it comes from.

    Attributes:
        image: [H, W, C] uint8 as a rule, RGB, upright.
        name: how its outputs are called, without ending; no two of one run are alike.
        path: the file it comes from; what a camera is called.
        number: its number in the video, from 0; None for a picture file.
        time: seconds since the video's first picture.
    """

    image: np.ndarray
    name: str
    path: Path
    number: int | None = None
    time: float = 0.0


def first_frame_from(moment, rate):
    """The number of the first frame at or after a moment.

    Args:
        moment: seconds as a number; or a text: "90", "90s", "1:30", "1:02:03.5", or frames, "300f".
        rate: frames a second.

    Returns:
        int, from 0.

    Raises:
        ValueError: it is none of these.
    """
    amount, is_frames = parse_moment(moment)
    return int(amount) if is_frames else math.ceil(amount * rate - 1e-6)


def parse_moment(moment):
    """(amount, whether it counts frames) of a moment as `first_frame_from` takes it."""
    text = str(moment).strip()
    clock, amount = CLOCK.fullmatch(text), AMOUNT.fullmatch(text)
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds), False
    if amount and not (amount[2] == "f" and "." in amount[1]):
        return float(amount[1]), amount[2] == "f"
    raise ValueError("expected seconds (90, 1:30) or a frame (300f), "
                     f"received {moment!r}")
