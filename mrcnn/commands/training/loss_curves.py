"""A picture of how the losses went."""

from mrcnn._atomic import atomic_path


def draw_losses(rows, path):
    """Draws loss and val_loss, and val_mAP where it was measured, over the epochs.

    Args:
        rows: those of history.csv, dicts of texts.
        path: of the picture, replaced where it is there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name in ("loss", "val_loss"):
        _curve(axes, rows, name, "-")
    epochs = [int(row["epoch"]) for row in rows]
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None),
             xlim=(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5))
    lines, names = axes.get_legend_handles_labels()
    if any(row.get("val_mAP") for row in rows):
        right = axes.twinx()
        _curve(right, rows, "val_mAP", "--", color="tab:green")
        right.set(ylabel="val_mAP", ylim=(0, 1))
        lines, names = ([*one, *other] for one, other in zip(
            (lines, names), right.get_legend_handles_labels(), strict=True))
    figure.legend(lines, names, loc="outside upper center", ncols=3)  # it hides no curve
    axes.grid(alpha=0.3)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    with atomic_path(path, keep_ending=True) as unfinished:
        figure.savefig(unfinished, dpi=100)


def _curve(axes, rows, name, style, **more):
    points = [(int(row["epoch"]), float(row[name])) for row in rows if row.get(name)]
    if points:
        axes.plot(*zip(*points, strict=True), style, marker=".", label=name, **more)
