"""How far a run is, how fast, and how long it will take: a bar, or a line now and then."""

import sys
import time
from contextlib import contextmanager

SECONDS = 10  # between the lines where there is no terminal


@contextmanager
def showing_pace(file=None, clock=time.monotonic):
    """Shows on stderr how far a run is, while the body runs.

    Args:
        file: text file in place of stderr.
        clock: function that answers seconds.

    Yields:
        function (done, total or None, text) to be called after every item; another text begins
        anew.
    """
    file = file or sys.stderr
    if not file.isatty():
        yield Lines(file, clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
               TextColumn("{task.fields[pace]}"), Remaining())
    with Progress(*columns, console=Console(file=file), transient=True) as bar:
        yield _Bar(bar, clock)


class _Rate:
    """Items a second since the text last changed."""

    def __init__(self, clock):
        self._clock, self._text, self._start = clock, None, clock()

    def __call__(self, done, text):
        """(items a second, whether the text is a new one)."""
        is_new = text != self._text
        if is_new:
            self._text, self._start, self._first = text, self._clock(), done
        seconds = self._clock() - self._start
        return ((done - self._first) / seconds if seconds > 0 else 0.0), is_new


class _Bar:
    def __init__(self, bar, clock):
        self._bar, self._rate, self._task = bar, _Rate(clock), None

    def __call__(self, done, total, text):
        rate, is_new = self._rate(done, text)
        if is_new:
            self._task = self._bar.add_task(text, total=total, pace="")
        self._bar.update(self._task, completed=done, total=total, pace=f"{rate:.1f}/s")


class Lines:
    """A line every SECONDS, for logs; see `showing_pace`."""

    def __init__(self, file, clock):
        self._file, self._clock, self._rate, self._said = file, clock, _Rate(clock), clock()

    def __call__(self, done, total, text):
        rate, _ = self._rate(done, text)
        if self._clock() - self._said < SECONDS or not rate:
            return
        self._said = self._clock()
        left = f", {(total - done) / rate:.0f} s left" if total else ""
        of = f" of {total}" if total else ""
        print(f"{text}: {done}{of}, {rate:.1f}/s{left}", file=self._file, flush=True)
