"""Ctrl-C that waits for a good moment."""

import signal
import threading


class CtrlC:
    """Notes the first Ctrl-C while `waiting` holds; everything else raises KeyboardInterrupt.

    A context manager, for the main thread: signals go to no other one. An exception in the middle
    of anything can be lost or can leave work half done, so the body asks by `check` in between.

    Args:
        waiting: whether the first Ctrl-C is only noted; it may be changed at any time.
        notice: printed when it is noted; "" for nothing.

    Attributes:
        presses: how often Ctrl-C came.
    """

    def __init__(self, waiting=True, notice=""):
        self.waiting, self.notice = waiting, notice
        self.presses, self._before = 0, None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, number, frame):
        self.presses += 1
        if self.presses > 1 or not self.waiting:
            raise KeyboardInterrupt
        if self.notice:
            print(self.notice, flush=True)

    def check(self):
        """Raises KeyboardInterrupt if Ctrl-C came."""
        if self.presses:
            raise KeyboardInterrupt
