"""These tests belong to the other backends; on TensorFlow the rest of the suite has them all."""

import keras
import pytest

OTHERS = ("jax", "torch")


def pytest_collection_modifyitems(items):
    """Skips every test of this folder where TensorFlow is the backend."""
    if keras.backend.backend() in OTHERS:
        return
    reason = "for KERAS_BACKEND=jax or torch: make test-backends"
    for item in items:
        if "tests/backends/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason=reason))
