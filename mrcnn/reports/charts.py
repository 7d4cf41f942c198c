"""Charts of an Evaluation as SVG text. They use no pyplot, so they leave other figures alone."""

import io

import numpy as np

from mrcnn.evaluation.text import KINDS

MOST_NAMED = 10  # classes with a colour and a name of their own
RIGHT, FALSE, GREY = "#2b7bba", "#d1495b", "#9aa0a6"
_COLORS = ("#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d", "#1f78b4",
           "#b2182b", "#666666")


def precision_recall(curve, class_names, kind):
    """Precision over recall: all classes at IoU 0.5 and 0.75, and each class at 0.5.

    Args:
        curve: see `rates.recall_curves`.
        class_names: names by class id, the background first.
        kind: "bbox" or "segm", for the title.

    Returns:
        Figure.
    """
    fig, ax = _axes(f"Precision over recall, {KINDS[kind]}", "recall", "precision")
    classes = curve["classes"] if len(class_names) > 2 else {}  # one class is all classes
    is_named = len(classes) <= MOST_NAMED
    for number, (class_id, values) in enumerate(classes.items()):
        look = {"color": _COLORS[number % len(_COLORS)] if is_named else GREY, "linewidth": 1.2,
                "alpha": 0.9 if is_named else 0.5}
        line, = ax.plot(curve["recall"], values, **look)
        if is_named:
            line.set_label(_plain(class_names[class_id]))
    every = "all classes, " if classes else ""
    for iou, values in curve["overall"].items():
        ax.plot(curve["recall"], values, color="black", linewidth=2.2,
                linestyle="-" if iou == 0.5 else "--", label=f"{every}IoU {iou:g}")
    _legend(ax)
    return fig


def over_confidence(by_confidence, chosen):
    """Precision, recall and F1 over the confidence, with the chosen one marked."""
    fig, ax = _axes("What a confidence gives", "least confidence of a detection", "")
    steps = np.array(by_confidence["confidence"])
    for name, color in (("precision", RIGHT), ("recall", "#e08214"), ("f1", "black")):
        values = np.array(by_confidence[name])
        known = values >= 0
        ax.plot(steps[known], values[known], color=color, label="F1" if name == "f1" else name)
    ax.axvline(chosen, color=GREY, linestyle="--", label=f"this report: {chosen:g}")
    if by_confidence["best"] is not None:
        ax.axvline(by_confidence["best"], color="black", linestyle=":", linewidth=1,
                   label=f"best F1: {by_confidence['best']:g}")
    _legend(ax)
    return fig


def score_histogram(by_confidence):
    """How many detections of each confidence are right, and how many false."""
    fig, ax = _axes("Detections by confidence", "confidence", "detections")
    right, false = np.array(by_confidence["right"]), np.array(by_confidence["false"])
    edges = np.linspace(0, 1, len(right) + 1)
    look = {"width": 0.9 / len(right), "align": "edge"}
    ax.bar(edges[:-1], right, color=RIGHT, label="right", **look)
    ax.bar(edges[:-1], false, bottom=right, color=FALSE, label="false", **look)
    ax.set_ylim(0, max(1, (right + false).max()) * 1.25)  # room for the legend
    _legend(ax)
    return fig


def as_svg(fig):
    """The SVG text of a figure; letters stay letters."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mrcnn"}):
        fig.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _axes(title, across, up):
    from matplotlib.figure import Figure

    fig = Figure(figsize=(5.6, 4.0), layout="constrained", facecolor="white")
    ax = fig.add_subplot()
    ax.set(title=title, xlabel=across, ylabel=up, xlim=(0, 1.005), ylim=(0, 1.02))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return fig, ax


def _legend(ax):
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, framealpha=0.7)


def _plain(name):
    """A name that matplotlib takes neither for mathematics nor for a line to leave out."""
    name = name if len(name) <= 24 else name[:23] + "\N{HORIZONTAL ELLIPSIS}"
    return name.replace("$", r"\$").lstrip("_") or "_"
