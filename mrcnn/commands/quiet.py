"""TensorFlow's talk about itself while it loads, kept off the screen."""

import os
import re
import sys
import tempfile
from contextlib import contextmanager

# Lines of its C++ logging: I, W or E, month and day, a time; and the line before the first one.
_TALK = re.compile(r"^([IWE]\d{4} \d\d:\d\d:|WARNING: All log messages before absl|"
                   r"To enable the following instructions: )")


@contextmanager
def quiet_start():
    """Holds back what the body writes to stderr, and shows all but TensorFlow's log lines after.

    They are written before any setting can silence them. With TF_CPP_MIN_LOG_LEVEL=0 everything
    is shown as it comes; so is it where the body raises.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "2":  # what mrcnn/__init__.py sets
        # A harmless line of oneDNN about integers, on processors that have AVX-512, is an error
        # to TensorFlow; what really fails is raised as well.
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    try:
        before = os.dup(2)
    except OSError:  # no stderr at all, as in a windowed program
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        left_out = None  # after an error all lines may matter
        try:
            yield
            left_out = _TALK
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            held.seek(0)
            lines = held.read().decode("utf-8", "replace").splitlines(keepends=True)
            sys.stderr.write("".join(line for line in lines
                                     if left_out is None or not left_out.match(line)))
            sys.stderr.flush()

