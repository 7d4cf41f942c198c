"""losses.png: every point is seen, from the first epoch on."""

import pytest

from mrcnn.commands.training.loss_curves import draw_losses


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_the_legend_hides_no_point_and_epochs_are_whole(epochs, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig",
                        lambda figure, path, **_: kept.append(figure) or open(path, "w").close())
    draw_losses([{"epoch": str(i), "loss": "2.5", "val_loss": str(6 / i), "val_mAP": str(1 - 1 / i)}
                 for i in range(1, epochs + 1)], tmp_path / "losses.png")
    figure = kept[0]
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "loss", "val_loss", "val_mAP"]
    assert not any(legend.overlaps(axes.get_window_extent()) for axes in figure.axes)
    ticks = figure.axes[0].get_xticks()
    assert all(tick == round(tick) for tick in ticks) and any(1 <= t <= epochs for t in ticks)
