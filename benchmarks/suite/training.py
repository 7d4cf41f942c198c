"""A training step; see `benchmarks/training_step.py`."""

from benchmarks.training_step import PART, rows

__all__ = ["PART", "rows"]
