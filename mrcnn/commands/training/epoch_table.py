"""The table that a training prints: a line an epoch, and on a terminal one that moves."""

import sys
import time

LOSSES = ("loss", "rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss",
          "mrcnn_mask_loss")
# Column, width. The losses stand under the names of their networks without "_loss".
COLUMNS = (("epoch", 7), ("step", 10), ("left", 9), ("s/step", 8), ("loss", 8),
           ("rpn_class", 10), ("rpn_bbox", 9), ("class", 8), ("bbox", 8), ("mask", 8),
           ("rate", 9))
SECONDS_BETWEEN_LINES = 60  # inside an epoch, where no terminal shows a moving line


def header():
    """The names of the columns."""
    return "".join(f"{name:>{width}}" for name, width in COLUMNS)


def row(epoch="", step="", left="", seconds=None, losses=None, rate=None):
    """One line.

    Args:
        epoch: text, such as "3/30".
        step: text, such as "12/61", or "val".
        left: text, time left of the whole run.
        seconds: of one step, None for none.
        losses: dict with the names of LOSSES; absent ones stay empty.
        rate: learning rate, None for none.
    """
    losses = losses or {}
    values = [epoch, step, left, "" if seconds is None else f"{seconds:.2f}",
              *(_number(losses.get(name)) for name in LOSSES),
              "" if rate is None else f"{rate:.1e}"]
    return "".join(f"{value:>{width}}" for value, (_, width) in zip(values, COLUMNS, strict=True))


def validation_row(logs):
    """The line below it: mAP where it was measured, and the losses; None where there is neither.

    Args:
        logs: dict of an epoch, with "val_loss" and so on, "val_mAP", "val_mAP50".
    """
    losses = {name: logs[f"val_{name}"] for name in LOSSES if f"val_{name}" in logs}
    if not losses and "val_mAP" not in logs:
        return None
    text = "validation"
    if "val_mAP" in logs:
        text = f"mAP {logs['val_mAP']:.3f}, mAP50 {logs['val_mAP50']:.3f}"
    width = sum(width for _, width in COLUMNS[:4])
    return f"{text:>{width}}" + row(losses=losses)[width:].rstrip()


def _number(value):
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.1e}"


def duration(seconds):
    """Seconds as people say them: "42 s", "3 min", "2:05 h"."""
    seconds = max(0, round(seconds))
    if seconds < 100:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60}:{minutes % 60:02} h"


class Clock:
    """How long a step takes, and how long the run still will.

    The first step of a run is no measure: the network is compiled in it.

    Args:
        steps: of an epoch.
        epochs: in all.
        time_of: function that answers seconds.
    """

    def __init__(self, steps, epochs, time_of=time.perf_counter):
        self.steps, self.epochs, self.time_of = steps, epochs, time_of
        self.seconds = None  # of a step, a moving mean
        self.outside = 0.0  # seconds of an epoch that are not steps: validation, checkpoint
        self._last = self._ended = None

    def begin_epoch(self):
        """An epoch begins; what lay between it and the last step counts as outside."""
        now = self.time_of()
        if self._ended is not None:
            self.outside = now - self._ended
        self._last, self._ended = now, None

    def end_step(self, is_first):
        """A step is done."""
        now = self.time_of()
        if not is_first:
            taken = now - self._last
            self.seconds = taken if self.seconds is None else 0.9 * self.seconds + 0.1 * taken
        self._last = self._ended = now

    def left(self, epoch, step):
        """Text: the time until the end of the run.

        Args:
            epoch: the present one, from 0.
            step: steps done in it.
        """
        if self.seconds is None:
            return ""
        epochs = self.epochs - epoch
        steps = epochs * self.steps - step
        return duration(steps * self.seconds + epochs * self.outside)


class Screen:
    """Where the table goes: lines that stay and, on a terminal, a last one that moves.

    A context manager. Where stdout is no terminal, a moving line is printed once a minute.

    Args:
        time_of: function that answers seconds.
    """

    def __init__(self, time_of=time.monotonic):
        self._live, self._time_of = None, time_of
        self._printed = time_of()

    def __enter__(self):
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(highlight=False, markup=False, emoji=False)
            self._live = Live(console=console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_):
        if self._live is not None:
            self._live.stop()
            self._live = None

    def move(self, line):
        """Replaces the moving line."""
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif self._time_of() - self._printed >= SECONDS_BETWEEN_LINES:
            self.keep(line)

    def keep(self, line):
        """Prints a line for good."""
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(""), refresh=True)
            self._live.console.print(Text(line))
        else:
            print(line, flush=True)
        self._printed = self._time_of()
