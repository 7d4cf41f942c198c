"""REMATERIALIZE keeps one stage's features at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("peak_memory.py")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak")
def test_features_computed_anew_need_less_memory():
    """480 MiB are kept in the one way, a quarter of it and the stages' ends in the other."""
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    anew, kept = map(float, done.stdout.split()[-2:])
    assert kept - anew > 200, done.stdout
