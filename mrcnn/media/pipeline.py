"""Decoding, detecting, drawing and writing at the same time, with few pictures in memory.

    frames -> [thread] -> batches -> detect [thread] -> draw [thread] -> who asks

Each stage is a generator that `ahead` runs in a thread of its own, a few items ahead of the
next. Order is kept. An error of any stage comes out at the end as itself, and closing the last
generator ends all threads.
"""

import queue
import threading

WAIT = 0.1  # seconds after which a thread that cannot hand on looks whether it is still needed


def found(frames, detect, draw=None, batch=1):
    """Detects in frames.

    Args:
        frames: iterable of Frame.
        detect: function of a list of images that answers a result dict for each.
        draw: function (image, result) that answers a picture; None for no pictures.
        batch: images a call of `detect`.

    Returns:
        a generator of (Frame, result, picture or None), in order. Close it (contextlib.closing)
        when it is not used up.
    """
    results = ahead(_detected(ahead(frames, 2 * batch), detect, batch), batch)
    return ahead(_drawn(results, draw), 2)


def _detected(frames, detect, batch):
    """(Frame, result) one by one, from batches."""
    for part in batches(frames, batch):
        yield from zip(part, detect([frame.image for frame in part]), strict=True)


def _drawn(results, draw):
    for frame, result in results:
        yield frame, result, None if draw is None else draw(frame.image, result)


def batches(items, count):
    """Lists of `count` items, the last one perhaps shorter."""
    part = []
    for item in items:
        part.append(item)
        if len(part) == count:
            yield part
            part = []
    if part:
        yield part


class _End:
    """The last thing that a thread hands on."""

    def __init__(self, error=None):
        self.error = error


def ahead(items, depth):
    """Yields what `items` yields, made by a thread that is at most `depth` items ahead.

    Args:
        items: iterable; where it is a generator, the thread closes it.
        depth: items that wait at most.

    Raises:
        whatever `items` raises, after all that came before.
    """
    line, stopped = queue.Queue(maxsize=max(depth, 1)), threading.Event()
    thread = threading.Thread(target=_make, args=(items, line, stopped), daemon=True)
    thread.start()
    try:
        while not isinstance(item := line.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


def _make(items, line, stopped):
    """The thread: hands on items until they end, fail or are no longer wanted."""
    end, iterator = _End(), None
    try:
        iterator = iter(items)
        for item in iterator:
            if not handed_on(item, line, stopped):
                break
    except BaseException as error:  # it belongs to who asked for the items
        end.error = error
    finally:
        try:
            if hasattr(iterator, "close"):
                iterator.close()
        except BaseException as error:
            end.error = end.error or error
        handed_on(end, line, stopped)


def handed_on(item, line, stopped):
    """Puts an item into the line; False when nobody wants it any more."""
    while not stopped.is_set():
        try:
            line.put(item, timeout=WAIT)
            return True
        except queue.Full:
            continue
    return False
