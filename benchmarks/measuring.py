"""What every benchmark stands on: rows of the table, paired timing, this machine's own speed."""

import dataclasses
import math
import time

import numpy as np

MATRIX_SIDE = 4096
QUICK_MATRIX_SIDE = 256


class NotHereError(Exception):
    """What a benchmark needs is not on this machine; the message says what."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        part: the benchmark it belongs to.
        what: what was measured, in words.
        median, low, high: of all rounds, in `unit`.
        unit: "s", "ms", "GFLOP/s", "MiB", ...
        ratio: the number that counts on another machine too; None where there is none.
        ratio_low, ratio_high: its spread over the rounds.
        of: what `ratio` is a ratio to.
    """

    part: str
    what: str
    median: float
    low: float
    high: float
    unit: str
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    of: str = ""

    def is_finite(self):
        """Whether every number of it is one."""
        numbers = [self.median, self.low, self.high]
        numbers += [x for x in (self.ratio, self.ratio_low, self.ratio_high) if x is not None]
        return all(math.isfinite(number) for number in numbers)


def row(part, what, samples, unit, ratios=None, of=""):
    """A Row of the numbers of all rounds.

    Args:
        part, what, unit, of: see `Row`.
        samples: one number a round, or one number.
        ratios: one ratio a round, taken inside that round; or one; or None.
    """
    samples = np.atleast_1d(np.asarray(samples, np.float64))
    found = {}
    if ratios is not None:
        ratios = np.atleast_1d(np.asarray(ratios, np.float64))
        found = {"ratio": float(np.median(ratios)), "ratio_low": float(ratios.min()),
                 "ratio_high": float(ratios.max()), "of": of}
    return Row(part, what, float(np.median(samples)), float(samples.min()),
               float(samples.max()), unit, **found)


def seconds(function):
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def paired(ways, rounds, warm_up=1):
    """Times several functions in turn, so that what else the machine does hits all alike.

    Args:
        ways: {name: function without arguments}.
        rounds: how often each is timed.
        warm_up: rounds before, which do not count.

    Returns:
        {name: seconds [rounds]}.
    """
    for _ in range(warm_up):
        for function in ways.values():
            function()
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, function in ways.items():
            times[name].append(seconds(function))
    return {name: np.array(values) for name, values in times.items()}


def matrix_product(side, dtype="float32"):
    """A function that multiplies two square matrices on TensorFlow and waits, and its FLOP."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal([side, side], seed=1), dtype)
    product = tf.function(lambda x: tf.linalg.matmul(x, x))

    def run():
        product(matrix)[0, 0].numpy()

    run()
    return run, 2 * side**3


def matrix_side(quick):
    """Side of the matrices whose product is this machine's measure."""
    return QUICK_MATRIX_SIDE if quick else MATRIX_SIDE
