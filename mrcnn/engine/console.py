"""Plain text on the console."""

import numpy as np


def log(text, array=None):
    """Print a line, and the shape, range and dtype of an array beside it.

    Args:
        text: what to call it.
        array: a numpy array, or None for the text alone.
    """
    if array is not None:
        array = np.asarray(array)
        low, high = (f"{v:.5g}" for v in (array.min(), array.max())) if array.size else ("", "")
        text = f"{text:25}shape: {array.shape!s:20}  min: {low:>10}  max: {high:>10}  {array.dtype}"
    print(text)
