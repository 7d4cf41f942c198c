"""Fixtures that find the reference files and the real images beside the repository."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"reference folder {name!r} is not beside the repository (expected {folder})")
    return folder


@pytest.fixture(autouse=True)
def cache_of_checks(tmp_path_factory, monkeypatch) -> Path:
    """Results of `check_dataset` stay out of the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MRCNN_CACHE", str(folder))
    return folder / "check"


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The recorded outputs of the reference model."""
    return _folder("golden")


@pytest.fixture(scope="session")
def balloon_dir() -> Path:
    """The balloon set: train/ and val/ with VIA annotations."""
    return _folder("data/balloon")


@pytest.fixture(scope="session")
def coco_dir() -> Path:
    """A slice of COCO 2017 with real annotation files."""
    return _folder("data/coco_tiny")
