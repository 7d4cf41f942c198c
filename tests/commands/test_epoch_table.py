"""The table of a training, the time it says is left, and the quiet while TensorFlow loads."""

import os
import sys

import pytest

from mrcnn.commands.quiet import quiet_start
from mrcnn.commands.training import epoch_table

LOGS = {"loss": 5.25, "rpn_class_loss": 0.5, "rpn_bbox_loss": 1.0, "mrcnn_class_loss": 2.0,
        "mrcnn_bbox_loss": 1.25, "mrcnn_mask_loss": 12345.0}


def columns(line):
    """{name of the column: what stands below it}."""
    found, start = {}, 0
    for name, width in epoch_table.COLUMNS:
        found[name] = line[start:start + width].strip()
        start += width
    return found


def test_values_stand_below_their_names():
    assert columns(epoch_table.header()) == {name: name for name, _ in epoch_table.COLUMNS}
    found = columns(epoch_table.row("100/100", "1000/1000", "12:34 h", 12.3456, LOGS, 0.00123))
    assert found == {"epoch": "100/100", "step": "1000/1000", "left": "12:34 h", "s/step": "12.35",
                     "loss": "5.250", "rpn_class": "0.500", "rpn_bbox": "1.000", "class": "2.000",
                     "bbox": "1.250", "mask": "1.2e+04", "rate": "1.2e-03"}


def test_the_row_of_validation():
    logs = {f"val_{name}": value for name, value in LOGS.items()}
    assert epoch_table.validation_row(LOGS) is None
    line = epoch_table.validation_row(logs)
    assert line.split()[0] == "validation" and columns(line)["bbox"] == "1.250"
    line = epoch_table.validation_row({**logs, "val_mAP": 0.1234, "val_mAP50": 0.5})
    assert line.strip().startswith("mAP 0.123, mAP50 0.500 ") and columns(line)["loss"] == "5.250"


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (42.4, "42 s"), (100, "2 min"), (3600, "60 min"), (7530, "2:06 h"),
    (-3, "0 s")])
def test_durations(seconds, text):
    assert epoch_table.duration(seconds) == text


def test_the_time_left():
    now = [0.0]
    clock = epoch_table.Clock(steps=10, epochs=3, time_of=lambda: now[0])
    clock.begin_epoch()
    now[0] = 100.0  # the network is compiled
    clock.end_step(is_first=True)
    assert clock.left(0, 1) == ""
    for _ in range(9):
        now[0] += 2.0
        clock.end_step(is_first=False)
    assert clock.seconds == pytest.approx(2.0)
    assert clock.left(0, 10) == "40 s"
    now[0] += 30.0  # validation and checkpoint
    clock.begin_epoch()
    assert clock.left(1, 0) == epoch_table.duration(2 * 10 * 2.0 + 2 * 30.0)
    assert clock.outside == 30.0


def test_a_pipe_gets_lines_and_a_moving_one_only_now_and_then(capsys):
    now = [0.0]
    with epoch_table.Screen(time_of=lambda: now[0]) as screen:
        screen.keep("first")
        screen.move("unseen")
        now[0] = 61.0
        screen.move("a minute later")
        screen.move("unseen")
    assert capsys.readouterr().out == "first\na minute later\n"


def test_only_tensorflows_own_talk_is_held_back(capfd):
    with quiet_start():
        os.write(2, b"I0000 00:00:1795278549.628049    7442 port.cc:153] oneDNN custom\n"
                    b"WARNING: All log messages before absl::InitializeLog() is called\n")
        print("a warning of somebody else", file=sys.stderr)
    assert capfd.readouterr().err == "a warning of somebody else\n"


def test_after_an_error_everything_is_shown(capfd):
    with pytest.raises(ValueError), quiet_start():
        os.write(2, b"E0000 00:00:1795278549.628049    7442 x.cc:1] the reason\n")
        raise ValueError
    assert "the reason" in capfd.readouterr().err
