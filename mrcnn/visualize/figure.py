"""Figures and the things drawn on them: sizes, outlines, boxes, captions; and showing them."""

import collections

import numpy as np

from mrcnn.visualize.painting import mask_outlines

_NO_SCREEN = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}
_OPEN_WITHOUT_SCREEN = 4
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
        headroom = 0.5 if title else 0.0
        height, width = image_shape[:2]
        scale = min(figsize[0] / width, max(figsize[1] - headroom, 0.5) / height)
        size = max(width * scale, 1.0), max(height * scale, 1.0) + headroom
        fig = new_figure(size)
        ax = fig.add_axes([0, 0, 1, 1 - headroom / size[1]])
    ax.set_axis_off()
    ax.set_title(title)
    return ax, is_new


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
    """Show a new figure where that is possible; returns the figure."""
    import matplotlib.pyplot as plt

    if is_new and _has_screen():
        plt.show()
        _silence_echo(fig)
    return fig


def _has_screen():
    import matplotlib

    return matplotlib.get_backend().lower() not in _NO_SCREEN


def _silence_echo(fig):
    """A notebook cell that ends in a drawing call would show the returned figure once more."""
    import sys

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    cell = shell.execution_count

    def display():
        if shell.execution_count != cell:
            raise NotImplementedError  # a later cell: IPython falls back to the usual picture

    fig._ipython_display_ = display


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
    inches = np.sqrt(height * width) * inches_per_px
    crowd = np.clip(np.sqrt(20.0 / max(count, 1)), 0.5, 1.0)
    font = float(np.clip(4 + 0.6 * inches, 5, 13) * crowd)
    return max(font, 4.5), float(np.clip(0.8 + 0.12 * inches, 1, 2.6)), 1 / (72 * inches_per_px)


def show_image(ax, image):
    """Draw the image to the axes' very edges."""
    ax.imshow(image)
    ax.set_xlim(-0.5, image.shape[1] - 0.5)
    ax.set_ylim(image.shape[0] - 0.5, -0.5)


def add_box(ax, box, color, width, style="-", alpha=1.0):
    """Outline of a pixel box (y2, x2 exclusive), along the outer edges of its pixels."""
    from matplotlib.patches import Rectangle

    y1, x1, y2, x2 = (float(v) for v in box)
    corner, size = (x1 - 0.5, y1 - 0.5), (x2 - x1, y2 - y1)
    look = {"linewidth": width, "linestyle": style, "edgecolor": color, "alpha": alpha}
    ax.add_patch(Rectangle(corner, *size, facecolor="none", **look))


def add_outline(ax, mask, box, color, width):
    """Outline of a mask [H, W], looked for inside its box, with a dark rim to stand out."""
    from matplotlib.collections import LineCollection

    lines = mask_outlines(mask, box)
    for ink, size in (((0, 0, 0, 0.4), 2 * width), (color, width)):
        ax.add_collection(LineCollection(lines, colors=[ink], linewidths=size))


def add_caption(ax, text, box, color, image_shape, font, px_per_point):
    """A label on its own background: above the box where there is room, else inside its top."""
    lines = text.split("\n")
    tall = 1.5 * font * px_per_point * len(lines)
    wide = 0.68 * font * px_per_point * max(map(len, lines))
    above = box[0] >= tall
    x = max(min(float(box[1]), image_shape[1] - 1 - wide), 0.0)
    y = float(box[0]) if above else max(float(box[0]), 0.0)
    red, green, blue = color[:3]
    ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
    pad = 0.2 * font * px_per_point
    ground = {"facecolor": (red, green, blue), "alpha": 0.75, "edgecolor": "none"}
    ax.text(
        x + pad - 0.5,
        y - pad - 0.5 if above else y + pad - 0.5,
        text,
        size=font,
        color=ink,
        va="bottom" if above else "top",
        bbox={**ground, "pad": 0.12 * font},
        clip_on=True,
    )
