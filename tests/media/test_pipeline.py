"""Threads: order, overlap, bounded memory, and ends of every kind."""

import gc
import threading
import weakref
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.media.pipeline import ahead, batches, found

LONG = 30  # seconds after which a test has failed


class BoomError(Exception):
    pass


def frames(count, broken_at=None):
    for i in range(count):
        if i == broken_at:
            raise BoomError(f"frame {i}")
        yield SimpleNamespace(image=np.full((4, 4, 3), i), number=i)


def detect(images):
    return [{"value": int(image[0, 0, 0])} for image in images]


def draw(image, result):
    return image + result["value"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
        assert not thread.is_alive(), thread


@pytest.mark.parametrize(("count", "batch"), [(0, 1), (1, 4), (7, 1), (7, 3), (8, 4)])
def test_everything_comes_out_once_and_in_order(count, batch):
    sizes = []

    def noting(images):
        sizes.append(len(images))
        return detect(images)

    out = list(found(frames(count), noting, draw, batch))
    assert [frame.number for frame, _, _ in out] == list(range(count))
    for i, (_, result, picture) in enumerate(out):
        assert result == {"value": i} and (picture == 2 * i).all()
    assert sizes == [len(part) for part in batches(range(count), batch)]
    assert all(size == batch for size in sizes[:-1])


def test_without_drawing_there_is_no_picture():
    assert [picture for _, _, picture in found(frames(3), detect, None)] == [None] * 3


def test_decoding_goes_on_while_the_network_is_at_work():
    further = threading.Event()

    def source():
        yield from frames(2)
        further.set()  # reached only if the third is asked for
        yield from frames(1)

    def waiting(images):
        assert further.wait(LONG), "no frame was decoded meanwhile"
        return detect(images)

    assert len(list(found(source(), waiting, draw, 1))) == 3


def test_the_network_goes_on_while_pictures_are_drawn_and_written():
    later = threading.Event()

    def noting(images):
        if images[0][0, 0, 0] == 2:
            later.set()
        return detect(images)

    def slow(image, result):
        assert later.wait(LONG), "nothing was detected meanwhile"
        return image

    with closing(found(frames(4), noting, slow, 1)) as out:
        next(out)
        assert later.is_set()


def test_few_frames_are_alive_at_a_time():
    alive, most = weakref.WeakSet(), []

    class Item(SimpleNamespace):
        __hash__ = object.__hash__

    def source():
        for i in range(200):
            item = Item(image=np.zeros((2, 2, 3)), number=i)
            alive.add(item)
            most.append(len(alive))
            yield item
            del item

    for _ in found(source(), detect, draw, 2):
        pass
    assert len(most) == 200 and max(most) <= 20


@pytest.mark.parametrize("place", ["decode", "detect", "draw", "count"])
def test_an_error_of_any_thread_comes_out_as_itself_after_what_came_before(place):
    def broken_detect(images):
        if images[0][0, 0, 0] == 3:
            raise BoomError("network")
        return detect(images)[: 0 if place == "count" and images[0][0, 0, 0] == 3 else None]

    def broken_draw(image, result):
        if result["value"] == 3:
            raise BoomError("paint")
        return image

    source = frames(100, broken_at=3 if place == "decode" else None)
    out = found(source, broken_detect if place == "detect" else detect,
                broken_draw if place == "draw" else draw, 1)
    seen = []
    if place == "count":
        out = found(source, lambda images: detect(images)[1:], draw, 1)
    with pytest.raises(ValueError if place == "count" else BoomError):
        for frame, _, _ in out:
            seen.append(frame.number)
    assert seen == ([] if place == "count" else [0, 1, 2])


def test_closing_early_ends_all_threads_and_closes_the_source():
    closed = threading.Event()

    def source():
        try:
            yield from frames(10**9)
        finally:
            closed.set()

    with closing(found(source(), detect, draw, 2)) as out:
        next(out)
    assert closed.wait(LONG)


def test_ctrl_c_in_the_reader_ends_all_threads():
    closed = threading.Event()

    def source():
        try:
            yield from frames(10**9)
        finally:
            closed.set()

    with pytest.raises(KeyboardInterrupt), closing(found(source(), detect, draw, 2)) as out:
        for frame, _, _ in out:
            if frame.number == 5:
                raise KeyboardInterrupt
    assert closed.is_set()


def test_an_error_while_the_source_is_closed_is_not_lost():
    def source():
        try:
            yield 1
        finally:
            raise BoomError

    with pytest.raises(BoomError):
        list(ahead(source(), 1))
