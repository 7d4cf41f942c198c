"""Every benchmark of `make bench` runs, at tiny sizes, and answers finite numbers."""

import pytest

from benchmarks import run


@pytest.fixture
def options(balloon_dir):
    return run.Options(quick=True, rounds=1, balloon_folder=balloon_dir / "train")


@pytest.mark.parametrize("name", [name for name in run.SUITE if name != "beside_torchvision"])
@pytest.mark.filterwarnings("ignore:.*reached DETECTION_MAX_INSTANCES")
def test_a_benchmark_answers_finite_rows(name, options, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # models name a folder for their logs
    rows, why = run.run_here(name, options)
    assert why is None
    assert rows
    assert all(row.is_finite() and row.what for row in rows)
    assert all(row.high >= row.median >= row.low for row in rows)


def test_torchvision_answers_or_says_why_not(options):
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    rows, why = run.run_here("beside_torchvision", options)
    assert len(rows) == 2 or "does not load here" in why
