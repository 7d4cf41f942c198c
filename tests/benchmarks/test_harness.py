"""The benchmarks' own tools: rows, tables, paired timing, and that one fault spares the others."""

import json
import sys
import types

import keras
import numpy as np
import pytest

from benchmarks import flops, measuring, run, table

ROW = measuring.row("loader", "an image", [3.0, 1.0, 2.0], "ms", [0.5, 0.25, 0.3], "plain one")


def test_a_row_holds_median_and_spread():
    assert (ROW.median, ROW.low, ROW.high) == (2.0, 1.0, 3.0)
    assert (ROW.ratio, ROW.ratio_low, ROW.ratio_high) == (0.3, 0.25, 0.5)
    assert ROW.is_finite()
    assert not measuring.row("x", "y", [1.0, np.nan], "s").is_finite()
    assert not measuring.row("x", "y", 1.0, "s", np.inf).is_finite()


def test_paired_times_in_turn():
    calls = []
    times = measuring.paired({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4  # one round before
    assert times["a"].shape == times["b"].shape == (3,)
    assert (times["a"] >= 0).all()


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (99.94, "99.9"), (123.4, "123"),
    (45678.9, "45679"),
])
def test_numbers_are_short(value, text):
    assert table.number(value) == text


def test_a_line_of_the_table():
    assert table.line(ROW) == ("| an image | 2 ms | 1 to 3 | plain one | 0.3 | 0.25 to 0.5 |")
    assert table.line(measuring.row("x", "y", 7.0, "s")) == "| y | 7 s |  |  |  |  |"


def test_the_table_names_machine_versions_and_what_is_missing():
    text = table.table([ROW], {"torchvision": "torchvision is not installed"}, "Quick.")
    assert " cores, " in text and "numpy " in text and "Python 3" in text and "Quick." in text
    assert "### Loader" in text
    assert "- torchvision: torchvision is not installed" in text


def test_only_the_part_between_the_markers_is_replaced(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text(f"# Above\n\n{table.BEGIN}\nold\n{table.END}\n\nbelow\n", encoding="utf-8")
    for text in ("first", "second"):
        table.put(path, text)
        assert path.read_text(encoding="utf-8") == (
            f"# Above\n\n{table.BEGIN}\n\n{text}\n\n{table.END}\n\nbelow\n")


def test_markers_are_added_and_half_of_them_refused(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# By hand\n", encoding="utf-8")
    table.put(path, "made")
    assert path.read_text(encoding="utf-8").startswith("# By hand\n\n<!--")
    path.write_text(f"{table.BEGIN}\nno end", encoding="utf-8")
    with pytest.raises(ValueError, match="one of them"):
        table.put(path, "made")
    assert path.read_text(encoding="utf-8") == f"{table.BEGIN}\nno end"


# --- running ----------------------------------------------------------------------------------


def made_up(monkeypatch, name, rows):
    module = types.ModuleType(f"benchmarks.suite.{name}")
    module.rows = rows
    monkeypatch.setitem(sys.modules, f"benchmarks.suite.{name}", module)


def fails(options):
    raise ZeroDivisionError("by nothing\nsecond line")


def is_not_here(options):
    raise measuring.NotHereError("no such set")


def test_one_that_fails_spares_the_others(monkeypatch):
    made_up(monkeypatch, "sound", lambda options: [ROW])
    made_up(monkeypatch, "failing", fails)
    made_up(monkeypatch, "absent", is_not_here)
    made_up(monkeypatch, "endless", lambda options: [measuring.row("x", "never", np.inf, "s")])
    said = []
    rows, missing = run.run_all(["failing", "sound", "absent", "endless"],
                                run.Options(quick=True), said.append)
    assert ROW in rows
    assert missing == {"failing": "ZeroDivisionError: by nothing", "absent": "no such set",
                       "endless": "no finite number for never"}
    assert any("an image" in line for line in said)


def test_a_process_of_its_own_answers_the_same_rows(tmp_path):
    options = run.Options(rounds=2, balloon_folder=tmp_path / "nowhere")
    assert run.run_apart("loading", options) == run.run_here("loading", options)
    rows, why = run.run_apart("no_such_benchmark", options)
    assert rows == [] and "no_such_benchmark" in why


def test_rows_survive_json():
    fields = json.loads(json.dumps(measuring.dataclasses.asdict(ROW)))
    assert measuring.Row(**fields) == ROW


# --- counting ---------------------------------------------------------------------------------


def test_flops_of_a_small_network():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv1")(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="deep")(x)
    x = keras.layers.Conv2DTranspose(5, 2, strides=2, name="mrcnn_mask_deconv")(x)
    x = keras.layers.Dense(7, name="mrcnn_class_logits")(keras.layers.Flatten()(x))
    model = keras.Model([inputs], x)
    work = flops.count(model, [np.zeros((2, 8, 8, 3), np.float32)])
    assert [one.flops for one in work] == [
        2 * 2 * 4 * 4 * (3 * 3 * 3 * 4), 2 * 2 * 4 * 4 * 4 * (3 * 3),
        2 * 2 * 4 * 4 * (2 * 2 * 4 * 5), 2 * 2 * (8 * 8 * 5 * 7)]
    assert work[0].numbers == 2 * 8 * 8 * 3 + 3 * 3 * 3 * 4 + 2 * 4 * 4 * 4
    assert [one.part for one in work] == ["backbone", "backbone", "mask head",
                                          "class and box head"]
    parts = flops.by_part(work)
    assert parts["backbone"][2] == 2
    assert sum(part[0] for part in parts.values()) == flops.total(work)
