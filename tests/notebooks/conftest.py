"""`make test` leaves running the notebooks to `make test-notebooks`, which names this folder."""


def pytest_ignore_collect(collection_path, config):
    """Leave test_notebooks.py out unless it, or its folder, is asked for by name."""
    named = any("notebooks" in str(argument) for argument in config.args)
    return True if collection_path.name == "test_notebooks.py" and not named else None
