"""Letters: fonts that hold the letters of a text, how large texts get, and texts as pixels.

The font is the DejaVu Sans that comes with matplotlib; where a text has letters that it lacks
(Chinese, say), one of the machine's own fonts that has them.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

# Fonts with many scripts, as the usual systems name them.
_OTHER_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC",
                "Hiragino Sans GB", "Hiragino Sans", "Malgun Gothic", "Apple SD Gothic Neo",
                "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Yu Gothic", "Nirmala UI",
                "Arial Unicode MS", "Noto Sans", "FreeSans")


@lru_cache(maxsize=1)
def usual_font():
    """Path of DejaVu Sans."""
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


def font_for(text):
    """Path of a font that has the letters of a text; the usual one where none has them all."""
    return usual_font() if text.isascii() else _font_with(frozenset(text) - {"\n", "\t"})


@lru_cache(maxsize=256)
def _font_with(letters):
    from matplotlib import font_manager

    candidates = [usual_font()]
    for name in _OTHER_FONTS:
        candidates += [f.fname for f in font_manager.fontManager.ttflist if f.name == name][:1]
    return next((path for path in candidates if _has(path, letters)), candidates[0])


def _has(path, letters):
    from matplotlib.ft2font import FT2Font

    known = FT2Font(path).get_charmap()
    return all(ord(letter) in known for letter in letters)


def font_options(text):
    """Keywords for a text of matplotlib: the user's own font, unless it lacks some letters."""
    if text.isascii():
        return {}
    from matplotlib import font_manager

    own = font_manager.findfont(font_manager.FontProperties())
    return {} if _has(own, frozenset(text) - {"\n", "\t"}) else {"font": Path(font_for(text))}


def text_size(text, points):
    """How much room a text needs in a figure.

    Args:
        text: one line, or several divided by line breaks.
        points: font size.

    Returns:
        (height, width) in points; all letters of a font are equally high here.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font, lines = FontProperties(fname=font_for(text), size=points), text.split("\n")
    width = max(text_to_path.get_text_width_height_descent(one, font, False)[0] for one in lines)
    _, height, _ = text_to_path.get_text_width_height_descent("lp", font, False)
    return height * (1 + 1.2 * (len(lines) - 1)), width


def shortened(text, most):
    """Lines cut to a number of letters each, with an ellipsis where something is missing."""
    most = max(int(most), 3)
    return "\n".join(line if len(line) <= most else line[: most - 1].rstrip() + "…"
                     for line in text.split("\n"))


def most_letters(width, size):
    """How long a label may be: six tenths of a picture's width, and 14 letters where they fit.

    Args:
        width: of the picture.
        size: of the font, in the same unit.
    """
    whole = width / (0.6 * size)
    return max(0.6 * whole, min(0.95 * whole, 14))


def with_ending(name, ending, most):
    """A label of at most so many letters: the name is cut, or left out, before its ending is.

    Args:
        name: of the class, say.
        ending: what stays whole, such as " 0.98".
        most: number of letters.

    Returns:
        The text; "" where not even the ending has room.
    """
    if len(name) + len(ending) <= most:
        return name + ending
    if most - len(ending) >= 3:
        return shortened(name, most - len(ending)) + ending
    return ending.strip() if len(ending.strip()) <= most else ""


def caption_within(text, most):
    """A caption of at most so many letters a line; a number at its end stays whole."""
    name, _, number = text.rpartition(" ")
    if name and "\n" not in text and number.replace(".", "", 1).isdigit():
        return with_ending(name, f" {number}", most) or shortened(text, most)
    return shortened(text, most)


def crowding(count):
    """What letters and lines shrink by where many instances are drawn, 0.6 to 1."""
    return float(np.clip(np.sqrt(20.0 / max(count, 1)), 0.6, 1.0))


@lru_cache(maxsize=4096)
def label_pixels(text, size, ground, ink):
    """A text on its ground, as pixels.

    Args:
        text: one line.
        size: font size in pixels.
        ground, ink: colours, each (red, green, blue) of 0..255.

    Returns:
        [h, w, 3] uint8, not to be written to: equal calls share it.
    """
    from PIL import Image, ImageDraw

    font, pad = _font(font_for(text), size), max(size // 6, 1)
    up, down = font.getmetrics()
    width = int(np.ceil(font.getlength(text))) + 2 * pad
    picture = Image.new("RGB", (width, up + down), ground)
    ImageDraw.Draw(picture).text((pad, 0), text, fill=ink, font=font)
    pixels = np.asarray(picture)
    pixels.flags.writeable = False
    return pixels


@lru_cache(maxsize=32)
def _font(path, size):
    from PIL import ImageFont

    return ImageFont.truetype(path, size)


def ink_on(ground):
    """Black or white, whichever reads better on a colour of floats in 0..1."""
    red, green, blue = ground[:3]
    return (0.0, 0.0, 0.0) if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else (1.0, 1.0, 1.0)
