"""Figures and the things drawn on them: sizes, outlines, boxes, captions; and showing them."""

import collections
import sys

import numpy as np

from mrcnn.visualize.lettering import (
    caption_within,
    crowding,
    font_options,
    ink_on,
    most_letters,
    shortened,
    text_size,
)
from mrcnn.visualize.painting import mask_outlines
from mrcnn.visualize.placement import place_labels

_NO_SCREEN = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}
_OPEN_WITHOUT_SCREEN = 4
_HEADROOM = 0.5  # inches for a title
_NARROWEST, _LOWEST = 3.0, 1.2  # inches; a thinner image gets margins, for its labels
_THIN = 1.8  # times thinner than the axes: an image that gets margins
_open_figures = collections.deque()


def image_axes(image_shape, figsize, ax=None, title=""):
    """Axes to draw one image on.

    Args:
        image_shape: (H, W, ...) of the image.
        figsize: (width, height) in inches that a new figure must fit into.
        ax: axes to use instead of a new figure.
        title: text above the image.

    Returns:
        (axes, True if the figure is new).
    """
    is_new = ax is None
    if is_new:
        headroom = _HEADROOM if title else 0.0
        height, width = image_shape[:2]
        scale = min(figsize[0] / width, max(figsize[1] - headroom, 0.5) / height)
        wide = max(width * scale, min(_NARROWEST, figsize[0]))
        tall = max(height * scale, min(_LOWEST, max(figsize[1] - headroom, 0.5)))
        fig = new_figure((wide, tall + headroom))
        ax = fig.add_axes([0, 0, 1, tall / (tall + headroom)])
    ax.set_axis_off()
    set_title(ax, title)
    return ax, is_new


def set_title(ax, title, points=12):
    """A title above the axes, smaller or shortened where it would be wider than they are."""
    title = str(title)
    room = 72 * ax.get_position().width * ax.figure.get_size_inches()[0] * 0.97
    wide = text_size(title, points)[1] if title else 0
    if wide > room:
        points = max(points * room / wide, 7)
        letters = len(max(title.split("\n"), key=len)) * room / text_size(title, points)[1]
        title = shortened(title, letters)
    ax.set_title(title, fontsize=points, parse_math=False, **font_options(title))


def new_figure(size_inches):
    """A pyplot figure; without a screen only the last few stay open, so memory stays flat.

    A closed figure can still be saved through the returned object.
    """
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=size_inches)
    if not _has_screen():
        _open_figures.append(fig)
        while len(_open_figures) > _OPEN_WITHOUT_SCREEN:
            plt.close(_open_figures.popleft())
    return fig


def finish(fig, is_new=True):
    """Show a new figure where that is possible; returns the figure.

    In a notebook, a figure of the caller's own is shown by the notebook itself at the end of the
    cell. Either way it appears once: the cell's last value does not repeat it.
    """
    pyplot = sys.modules.get("matplotlib.pyplot")  # where it is not loaded, nothing is its own
    if pyplot and _has_screen() and pyplot.fignum_exists(getattr(fig, "number", None)):
        if is_new:
            pyplot.show()
        _silence_echo(fig)
    return fig


def _has_screen():
    import matplotlib

    return matplotlib.get_backend().lower() not in _NO_SCREEN


def _silence_echo(fig):
    """A notebook cell that ends in a drawing call would show the returned figure once more."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    cell = shell.execution_count

    def display():
        if shell.execution_count != cell or not _is_echoing(shell):
            raise NotImplementedError  # IPython falls back to the usual picture

    fig._ipython_display_ = display


def _is_echoing(shell):
    """True while the shell prints the value of a cell, False while it is told to display."""
    frame = sys._getframe()
    while frame is not None and frame.f_locals.get("self") is not shell.displayhook:
        frame = frame.f_back
    return frame is not None


def style_sizes(ax, image_shape, count=1):
    """Sizes that stay legible from a thumbnail to a poster.

    Args:
        ax: the axes the image is drawn on.
        image_shape: (H, W, ...) of the image.
        count: how many instances are labelled; beyond 20 the letters shrink.

    Returns:
        (font size in points, line width in points, image pixels per point).
    """
    position, (paper_width, paper_height) = ax.get_position(), ax.figure.get_size_inches()
    height, width = image_shape[:2]
    fits = position.width * paper_width / width, position.height * paper_height / height
    inches_per_px = min(fits)
    inches, crowd = np.sqrt(height * width) * inches_per_px, crowding(count)
    font = float(np.clip(4 + 0.6 * inches, 5, 13) * crowd)
    line = float(np.clip(0.8 + 0.12 * inches, 1, 2.6) * crowd)
    return max(font, 5.0), line, 1 / (72 * inches_per_px)


def show_image(ax, image):
    """Draw the image to the axes' very edges, or into their middle where their shape differs.

    Margins come only where the image is much thinner than the axes, and belong to the axes: a
    label may stand there.
    """
    height, width = image.shape[:2]
    ax.imshow(image)
    position, (paper_width, paper_height) = ax.get_position(), ax.figure.get_size_inches()
    ratio = position.width * paper_width / (position.height * paper_height) * height / width
    across = (ratio - 1) / 2 * width if ratio > _THIN else 0
    along = (1 / ratio - 1) / 2 * height if ratio < 1 / _THIN else 0
    ax.set_xlim(-0.5 - across, width - 0.5 + across)
    ax.set_ylim(height - 0.5 + along, -0.5 - along)


def add_box(ax, box, color, width, style="-", alpha=1.0):
    """Outline of a pixel box (y2, x2 exclusive), along the outer edges of its pixels."""
    from matplotlib.patches import Rectangle

    y1, x1, y2, x2 = (float(v) for v in box)
    corner, size = (x1 - 0.5, y1 - 0.5), (x2 - x1, y2 - y1)
    look = {"linewidth": width, "linestyle": style, "edgecolor": color, "alpha": alpha}
    ax.add_patch(Rectangle(corner, *size, facecolor="none", **look))


def add_outline(ax, part, window, color, width):
    """Outline of a mask, given inside its window, with a dark rim to stand out."""
    from matplotlib.collections import LineCollection

    lines = mask_outlines(part, window)
    for ink, size in (((0, 0, 0, 0.4), 2 * width), (color, width)):
        ax.add_collection(LineCollection(lines, colors=[ink], linewidths=size))


def add_captions(ax, captions, font, px_per_point):
    """Labels on their own ground beside their boxes, where there is room for them.

    See `placement.place_labels` for which are left out, and where the others go.

    Args:
        ax: the axes, with the image shown on them.
        captions: rows of (text, (y1, x1, y2, x2) pixels, colour); the first are placed first.
        font: size in points.
        px_per_point: image pixels per point.
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    pad, room = 0.15 * font, (right - left) / px_per_point
    most = max(most_letters(room, font), 8)
    texts = [caption_within(str(text), most) for text, _, _ in captions]
    sizes = [np.array(text_size(text, font)) * (1, 1.03) + 2 * pad + 0.6 for text in texts]
    boxes = np.array([box for _, box, _ in captions], dtype=np.float64).reshape(-1, 4) - 0.5
    places = place_labels(boxes, [size * px_per_point for size in sizes],
                          (top, left, bottom, right))
    for text, size, place, (_, _, color) in zip(texts, sizes, places, captions, strict=True):
        if place is not None:
            y, x = np.array(place) + (size / 2) * px_per_point
            _add_text(ax, text, x, y, color, font, pad)


def _add_text(ax, text, x, y, color, font, pad):
    """A text around a point, on a ground of a colour."""
    ground = {"facecolor": tuple(color[:3]), "alpha": 0.8, "edgecolor": "none", "pad": pad}
    ax.text(x, y, text, size=font, color=ink_on(color), bbox=ground, ha="center", va="center",
            clip_on=True, parse_math=False, **font_options(text))
