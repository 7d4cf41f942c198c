"""The GPU command's processes: one a framework, so that each has the memory for itself."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu_parts.cases import Case
from benchmarks.gpu_parts.child import task_of

ROOT = Path(__file__).resolve().parents[2]
GRACE = 30  # seconds that a case may run on behind the end of its time


def environment(framework, cpu):
    """Of a child: its backend, memory taken on demand, and no GPU where none is wanted."""
    given = {**os.environ, "KERAS_BACKEND": "jax" if framework == "jax" else "torch",
             "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3",
             "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [
                 os.environ.get("PYTHONPATH")])])}
    if cpu:
        given |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return given


def run_module(name, arguments, framework, cpu, limit):
    """Runs a module in a process of its own.

    Returns:
        None, or why it did not end well.
    """
    command = [sys.executable, "-m", f"benchmarks.gpu_parts.{name}", *map(str, arguments)]
    try:
        done = subprocess.run(command, env=environment(framework, cpu), capture_output=True,
                              text=True, timeout=max(limit, 1), check=False)
    except subprocess.TimeoutExpired:
        return "no time left"
    if done.returncode == 0:
        return None
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
    return f"the process ended with {done.returncode}: {''.join(last)[:300]}"


def lines_of(path):
    """The lines of an answer, without one that was cut off."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def run_group(cases, quick, cpu, until):
    """Runs the cases of one group; begins anew behind a case that ended the process.

    Args:
        cases: of one group.
        quick: tiny networks.
        cpu: leave the GPU alone.
        until: time.time() after which no case begins.

    Returns:
        (name of the device or None, {case: numbers or {"error": why}}).
    """
    left, found, device = list(cases), {}, None
    framework = cases[0].framework
    with tempfile.TemporaryDirectory() as folder:
        task, answer = Path(folder, "task.json"), Path(folder, "answer.jsonl")
        while left:
            task.write_text(json.dumps(task_of(framework, left, quick, until)), encoding="utf-8")
            answer.unlink(missing_ok=True)
            why = run_module("child", [task, answer], framework, cpu,
                             until + GRACE - time.time())
            begun = None
            for line in lines_of(answer):
                device = line.get("device", device)
                begun = Case(**line["begins"]) if "begins" in line else begun
                if "case" in line:
                    found[Case(**line.pop("case"))] = line
            left = [case for case in left if case not in found]
            if not left:
                break
            if begun in left:
                found[begun] = {"error": why or "no answer"}
                left.remove(begun)
            else:  # it did not come to a case at all: the next try would not either
                found |= {case: {"error": why or "no answer"} for case in left}
                left = []
    return device, found
