"""The GPU command without a GPU: its cases, processes, check, table and roofline."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import flops, gpu
from benchmarks.gpu_parts import child, comparing, devices, processes, profile, report
from benchmarks.gpu_parts.cases import Case, all_cases, groups

ROOT = Path(__file__).resolve().parents[2]
SMALL = Case("torch", "training", "tf32", 2, 128, 128)


def test_cases_are_those_of_the_table():
    cases = all_cases()
    assert len(cases) == len(set(cases)) == 3 * 2 * (2 * 2 + 4)
    assert {case.batch for case in cases if case.mode == "training"} == {2, 4, 8, 16}
    assert {(case.height, case.width) for case in cases} == {(1024, 1024), (800, 1333)}
    rows = {framework: {case.row for case in cases if case.framework == framework}
            for framework in ("torchvision", "torch", "jax")}
    assert rows["torchvision"] == rows["torch"] == rows["jax"]


def test_a_process_holds_one_framework_and_on_jax_one_precision_in_rising_batches():
    found = groups(all_cases())
    assert [key for key in found if key[0] == "torch"] == [("torch",)]
    assert len([key for key in found if key[0] == "jax"]) == 4
    for key, cases in found.items():
        assert {case.framework for case in cases} == {key[0]}
        if key[0] == "jax":
            batches = [case.batch for case in cases]
            assert batches == sorted(batches)


# --- the child --------------------------------------------------------------------------------


class FakeMeasurer:
    """Answers a second a batch; memory ends at batch 8, and batch 4 in bfloat16 is faulty."""

    def __init__(self, framework, quick):
        self.device = SimpleNamespace(describe=lambda: f"fake {framework}")

    def measure(self, case):
        if case.batch >= 8:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if case.batch == 4 and case.precision == "bfloat16":
            raise FloatingPointError("losses [nan]\nmore")
        return {"step": [float(case.batch)], "peak": 1 << 30}


def answers(monkeypatch, cases, until):
    monkeypatch.setattr(child, "Measurer", FakeMeasurer)
    lines = []
    child.run(child.task_of("torch", cases, True, until), lines.append)
    assert lines[0] == {"device": "fake torch"}
    return {Case(**line["case"]): line for line in lines if "case" in line}


def test_a_full_memory_spares_the_other_rows(monkeypatch):
    cases = all_cases(["torch"], ["training"])
    found = answers(monkeypatch, cases, time.time() + 60)
    for case, line in found.items():
        expected = {2: None, 4: None, 8: "out of memory", 16: "out of memory at a smaller batch"}
        wanted = expected[case.batch]
        if (case.batch, case.precision) == (4, "bfloat16"):
            wanted = "FloatingPointError: losses [nan]"
        assert line.get("error") == wanted
    assert set(found) == set(cases)


def test_no_case_begins_after_its_time(monkeypatch):
    found = answers(monkeypatch, all_cases(["torch"], ["training"]), time.time() - 1)
    assert {line["error"] for line in found.values()} == {"no time left"}


@pytest.mark.parametrize(("error", "full"), [
    (RuntimeError("CUDA out of memory. Tried to allocate"), True),
    (RuntimeError("RESOURCE_EXHAUSTED: Failed to allocate request"), True),
    (type("OutOfMemoryError", (RuntimeError,), {})("x"), True),
    (RuntimeError("shapes do not fit"), False),
])
def test_out_of_memory_is_told_from_other_errors(error, full):
    assert devices.out_of_memory(error) == full


# --- the parent -------------------------------------------------------------------------------


def fake_process(ends):
    """A stand-in for `run_module`: each call answers cases until the next of `ends`."""
    starts = []

    def run_module(name, arguments, framework, cpu, limit):
        task = json.loads(Path(arguments[0]).read_text())
        last = ends[len(starts)]
        starts.append([Case(**fields) for fields in task["cases"]])
        with open(arguments[1], "a") as answer:
            answer.write(json.dumps({"device": "fake"}) + "\n")
            for fields in task["cases"]:
                answer.write(json.dumps({"begins": fields}) + "\n")
                if last is not None and fields["batch"] == last:
                    answer.write('{"case": {"frame')
                    return "the process ended with -9: killed"
                answer.write(json.dumps({"case": fields, "step": [1.0], "peak": None}) + "\n")
        return None

    return run_module, starts


def test_a_case_that_kills_the_process_is_left_out_and_the_rest_goes_on(monkeypatch):
    cases = all_cases(["torch"], ["training"], ["tf32"])
    stand_in, starts = fake_process([4, 16])
    monkeypatch.setattr(processes, "run_module", stand_in)
    device, found = processes.run_group(cases, True, True, time.time() + 60)
    assert device == "fake"
    assert [[case.batch for case in left] for left in starts] == [[2, 4, 8, 16], [8, 16]]
    assert {case.batch: found[case].get("error") for case in cases} == {
        2: None, 4: "the process ended with -9: killed", 8: None,
        16: "the process ended with -9: killed"}


def test_a_process_that_never_begins_is_not_started_again(monkeypatch):
    calls = []
    monkeypatch.setattr(processes, "run_module", lambda *args: calls.append(args) or "no module")
    device, found = processes.run_group([SMALL], True, True, time.time() + 60)
    assert (device, found) == (None, {SMALL: {"error": "no module"}})
    assert len(calls) == 1


def test_a_process_says_how_it_ended():
    why = processes.run_module("no_such_part", [], "torch", True, 60)
    assert "the process ended with 1" in why and "no_such_part" in why


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setitem(gpu.NEEDED, "jax", ("keras", "no_such_package"))
    monkeypatch.setitem(gpu.NEEDED, "torch", ("keras",))
    assert gpu.available(["torch", "jax"]) == (["torch"], {"jax": "no_such_package not installed"})


# --- the check --------------------------------------------------------------------------------


def outputs(seed=0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.5, (2, 9, 2))
    rows = [corner, corner + 0.3, rng.integers(1, 4, (2, 9, 1)), rng.uniform(0, 1, (2, 9, 1))]
    detections = np.concatenate(rows, axis=-1)
    detections[:, 7:, 4] = 0
    return {"detections": detections, "rpn_class": rng.uniform(size=(2, 50, 2)),
            "rpn_bbox": rng.normal(size=(2, 50, 4))}


def test_equal_answers_in_another_order_are_right():
    expected = outputs()
    actual = {**expected, "detections": expected["detections"][:, [3, 0, 1, 2, 6, 5, 4, 7, 8]]}
    assert comparing.compare(expected, actual, "float32") == {
        "scores": 0.0, "deltas": 0.0, "found": 1.0, "ok": True}


def test_other_answers_are_wrong_in_float32_and_only_told_in_bfloat16():
    expected, actual = outputs(), outputs()
    actual["detections"][:, :, 4] = 3 - actual["detections"][:, :, 4]
    found = comparing.compare(expected, actual, "float32")
    assert found["ok"] is False and found["found"] < 0.5
    actual = {**outputs(), "rpn_class": expected["rpn_class"] + 0.01}
    assert comparing.compare(expected, actual, "float32")["ok"] is False
    told = comparing.compare(expected, actual, "bfloat16")
    assert told["ok"] is None and told["scores"] == pytest.approx(0.01)


def test_no_detections_at_all_are_not_right():
    empty = {**outputs(), "detections": np.zeros((2, 9, 6))}
    assert comparing.compare(empty, empty, "float32")["ok"] is False


# --- table and roofline -----------------------------------------------------------------------


def run_of(found, **more):
    return {"devices": {"torch": "a GPU"}, "frameworks": ["torchvision", "torch"], "checks": {},
            "found": found, "missing": {"jax": "jax not installed"}, "minutes": 1.0, **more}


def test_the_table_sets_ours_beside_theirs():
    theirs = dataclasses.replace(SMALL, framework="torchvision")
    larger = dataclasses.replace(SMALL, batch=4)
    run = run_of({SMALL: {"step": [0.5, 0.4, 1.0], "peak": 3 << 30},
                  theirs: {"step": [1.0], "peak": 2 << 30}, larger: {"error": "out of memory"}},
                 checks={("torch", "tf32"): {"error": "no time left"}})
    text = report.text(run)
    assert ("| step, 128x128, batch 2, tf32 | 2 (2 to 2) | 2.00 | 4 (2 to 5) | 3.00 | 2.00 |"
            in text)
    assert "| step, 128x128, batch 4, tf32 | not asked |  | out of memory |  |  |" in text
    assert "- torch: a GPU" in text and "- jax: not run, jax not installed" in text
    assert "- torch, tf32: no time left" in text
    assert len(json.loads(json.dumps(report.as_json(run)))["cases"]) == 3


def test_a_layer_takes_the_longer_of_computing_and_moving():
    work = [flops.Work("conv1", 4e12, 1e9), flops.Work("fpn_p2", 1e12, 8e9)]
    rates = {"tf32": 2e12, "bytes": 16e9}
    found = profile.floors(work, rates, "tf32")
    assert found["backbone"] == pytest.approx((4.0, 4.0, 2.0))
    assert found["pyramid"] == pytest.approx((1.0, 32.0, 2.0))
    text = profile.roofline(work, rates, "tf32", 1)
    assert "all" in text and "4e+03 ms" in text


def test_events_of_the_device_are_added_up():
    event = SimpleNamespace
    line = SimpleNamespace(name="Stream #1", events=[event(name="conv", duration_ns=2e6),
                                                  event(name="conv", duration_ns=1e6),
                                                  event(name="copy", duration_ns=1e6)])
    host = SimpleNamespace(name="/host:CPU", lines=[line])
    twice = SimpleNamespace(name="XLA Modules", events=line.events)
    device = SimpleNamespace(name="/device:GPU:0", lines=[line, twice])
    text = profile.events_table([host, device])
    assert text.startswith("4 ms in 3 events")
    assert "75.0%      2 x conv" in text.splitlines()[1]


# --- all of it ----------------------------------------------------------------------------------


@pytest.mark.timeout(900)
def test_the_command_runs_on_a_processor(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    command = [sys.executable, "benchmarks/gpu.py", "--cpu", "--quick", "--frameworks", "torch",
               "--precisions", "tf32", "--no-check", "--out", str(tmp_path)]
    # One thread: torch's threads wait for each other where other processes hold the cores.
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    cases = json.loads((tmp_path / "RESULT.json").read_text())["cases"]
    assert len(cases) == 5 and not [case for case in cases if "error" in case], cases
    for case in cases:
        names = ["step"] if case["mode"] == "training" else ["network", "detect"]
        assert all(seconds > 0 for name in names for seconds in case[name])
    assert "| step, 128x128, batch 2, tf32 |" in (tmp_path / "RESULT.md").read_text()
