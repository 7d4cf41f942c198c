"""A bar that shows how far a check is, where there is a terminal to show it."""

import sys
from contextlib import contextmanager


@contextmanager
def progress_bar(text):
    """Draws a bar on stderr while the body runs; nothing where stderr is no terminal.

    Args:
        text: what is being done.

    Yields:
        a function (done, total) for `check_dataset`'s `progress`, or None.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, Remaining(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
