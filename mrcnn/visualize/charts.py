"""Charts and tables: precision and recall, overlaps, weights."""

import html

import numpy as np

from mrcnn.visualize import figure

_LARGE_WEIGHT = 1000.0
_MOST_CELLS_WITH_TEXT = 400


def plot_precision_recall(AP, precisions, recalls):
    """Precision over recall.

    Args:
        AP: average precision at IoU 0.5, for the title.
        precisions, recalls: equally long lists of values in 0..1, as `compute_ap` answers them.

    Returns:
        The figure.
    """
    fig = figure.new_figure((7, 5))
    ax = fig.add_subplot()
    # In steps, so that the area below is the AP.
    ax.plot(recalls, precisions, marker="." if len(recalls) < 50 else None,
            drawstyle="steps-pre")
    ax.set(xlim=(0, 1.05), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    ax.set_title(f"Precision over recall, AP@50 = {AP:.3f}")
    ax.grid(alpha=0.3)
    return figure.finish(fig)


def plot_overlaps(gt_class_ids, pred_class_ids, pred_scores, overlaps, class_names, threshold=0.5):
    """A grid of IoU: one row a detection, one column a truth.

    A cell above the threshold says "match" when the classes agree, else "wrong".

    Args:
        gt_class_ids: [G] class ids of the truth.
        pred_class_ids: [P] class ids of the detections.
        pred_scores: [P] confidences.
        overlaps: [P, G] IoU.
        class_names: name of every class, background first.
        threshold: IoU from which a cell is judged.

    Returns:
        The figure.
    """
    gt_class_ids = np.asarray(gt_class_ids)[np.asarray(gt_class_ids) != 0]
    pred_class_ids = np.asarray(pred_class_ids)[np.asarray(pred_class_ids) != 0]
    rows, columns = len(pred_class_ids), len(gt_class_ids)
    overlaps = np.asarray(overlaps, dtype=np.float32)[:rows, :columns]
    fig = figure.new_figure((min(2.5 + 0.6 * columns, 16), min(2 + 0.42 * rows, 16)))
    fig.set_layout_engine("constrained")  # before the colour bar, which places itself by it
    ax = fig.add_subplot()
    if overlaps.size:
        fig.colorbar(ax.imshow(overlaps, cmap="Blues", vmin=0, vmax=1, aspect="auto"), label="IoU")
    names = [class_names[c] for c in pred_class_ids]
    labels = [f"{n} {s:.2f}" for n, s in zip(names, pred_scores, strict=False)]
    ax.set_yticks(range(rows), labels, fontsize=8)
    ax.set_xticks(range(columns), [class_names[c] for c in gt_class_ids], rotation=90, fontsize=8)
    ax.set(xlabel="truth", ylabel="detections")
    if overlaps.size <= _MOST_CELLS_WITH_TEXT:
        for (i, j), iou in np.ndenumerate(overlaps):
            verdict = "match" if pred_class_ids[i] == gt_class_ids[j] else "wrong"
            text = f"{iou:.2f}\n{verdict}" if iou > threshold else f"{iou:.2f}" if iou > 0 else ""
            ax.text(j, i, text, ha="center", va="center", size=7, color="wk"[int(iou < 0.6)])
    return figure.finish(fig)


def display_table(table):
    """Show rows of cells: as a table in a notebook, else as aligned text on the terminal.

    Args:
        table: a list of rows, each a list of values; the first row may be a heading.

    Returns:
        The aligned text.
    """
    rows = [[str(cell) for cell in row] for row in table]
    columns = max((len(row) for row in rows), default=0)
    widths = [max((len(r[k]) for r in rows if k < len(r)), default=0) for k in range(columns)]
    lines = [" ".join(c.ljust(w) for c, w in zip(r, widths, strict=False)).rstrip() for r in rows]
    text = "\n".join(lines)
    if _in_notebook():
        from IPython.display import HTML, display

        cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        display(HTML("<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"))
    else:
        print(text)
    return _Shown(text)


class _Shown(str):
    """A text that a notebook does not print again as the value of its cell."""

    def _ipython_display_(self):
        pass


def display_weight_stats(model):
    """A table of shape, least, greatest and spread of every weight of the trainable layers.

    Weights that look wrong are marked: "not finite", "all equal" (a dead kernel) and "very large".
    Means and variances of batch-norm are the data's, so they may be large.

    Args:
        model: a MaskRCNN, or anything with `get_trainable_layers()`.

    Returns:
        The table as text, as `display_table` answers it.
    """
    table = [["weight", "shape", "min", "max", "std", ""]]
    for layer in model.get_trainable_layers():
        for variable, value in zip(layer.weights, layer.get_weights(), strict=True):
            value, leaf = np.asarray(value, dtype=np.float32), variable.name.split("/")[-1]
            with np.errstate(invalid="ignore"):  # weights that are not finite are what we look for
                spread = [f"{number:.4f}" for number in (value.min(), value.max(), value.std())]
            remark = _weight_remark(leaf, value)
            table.append([f"{layer.name}/{leaf}", str(value.shape), *spread, remark])
    return display_table(table)


def _weight_remark(leaf, value):
    if not np.all(np.isfinite(value)):
        return "*** not finite"
    if leaf.startswith("kernel") and value.size > 1 and value.min() == value.max():
        return "*** all equal"
    is_large = not leaf.startswith("moving_") and np.abs(value).max() > _LARGE_WEIGHT
    return "*** very large" if is_large else ""


def _in_notebook():
    """True under a notebook kernel (a plain terminal, IPython's included, reads text)."""
    import sys

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and shell.has_trait("kernel")
