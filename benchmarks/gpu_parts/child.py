"""One process of the GPU command: the cases of a group, each row written as soon as it is there.

    python -m benchmarks.gpu_parts.child TASK.json ANSWER.jsonl

The first line of an answer of a case says that it has begun, so that the parent knows which one
took the process with it.
"""

import dataclasses
import gc
import json
import sys
import time

import numpy as np

from benchmarks.gpu_parts.cases import Case
from benchmarks.gpu_parts.devices import device_of, out_of_memory
from benchmarks.measuring import seconds

SECONDS_OF_A_CASE = 3.0
MOST_ROUNDS, LEAST_ROUNDS = 20, 3
STEPS, TRAINING_ROUNDS = 4, 3


def timed(function, quick):
    """Seconds of each call, after two that warm up; as many as fit into some seconds."""
    function()
    spent, found = seconds(function), []
    rounds = int(np.clip(SECONDS_OF_A_CASE / max(spent, 1e-6), LEAST_ROUNDS, MOST_ROUNDS))
    for _ in range(1 if quick else rounds):
        found.append(seconds(function))
    return found


class Measurer:
    """Measures the cases of one framework, one after the other.

    Args:
        framework: "torchvision", "torch" or "jax".
        quick: tiny networks, one round.
    """

    def __init__(self, framework, quick):
        self.framework, self.quick = framework, quick
        self.device = device_of(framework)
        self._kept = (None, None)

    def measure(self, case):
        """A dict of the case's numbers: "network" and "detect", or "step", seconds each."""
        self.device.set_precision(case.precision)
        gc.collect()
        self.device.forget_peak()
        if case.mode == "inference":
            found = {name: timed(way, self.quick)
                     for name, way in self.inference_ways(case).items()}
        else:
            found = {"step": [float(x) for x in self.training_seconds(case)]}
        return {**found, "peak": self.device.peak()}

    def inference_ways(self, case):
        """{"network", "detect": function}."""
        if self.framework == "torchvision":
            from benchmarks.gpu_parts import theirs

            model = self._model(case.row[1:3], lambda: theirs.build(case, self.device, self.quick))
            return theirs.inference_ways(model, case, self.device, self.quick)
        from benchmarks.gpu_parts import ours

        model = self._model(case.precision, lambda: ours.detector(case.precision, self.quick))
        return ours.inference_ways(model, case)

    def training_seconds(self, case):
        """Seconds of a step, one a round."""
        steps, rounds = (1, 1) if self.quick else (STEPS, TRAINING_ROUNDS)
        self._kept = (None, None)
        gc.collect()
        self.device.forget_peak()
        if self.framework == "torchvision":
            from benchmarks.gpu_parts import theirs

            model = theirs.build(case, self.device, self.quick)
            return theirs.training_seconds(model, case, self.device, steps, rounds)
        from benchmarks.gpu_parts import ours

        model = ours.trainer(case.precision, case, self.quick)
        return ours.training_seconds(model, case, steps, rounds)

    def _model(self, key, build):
        """The model of the case before, where it does for this one too."""
        if self._kept[0] != key:
            self._kept = (None, None)
            gc.collect()
            self.device.forget_peak()
            self._kept = (key, build())
        return self._kept[1]


def run(task, write):
    """Measures the cases of a task.

    Args:
        task: {"framework", "quick", "until" (time.time() after which no case begins), "cases"}.
        write: function of a dict, called for every line of the answer.
    """
    measurer = Measurer(task["framework"], task["quick"])
    write({"device": measurer.device.describe()})
    full = {}
    for fields in task["cases"]:
        case = Case(**fields)
        place = case.mode, case.precision, case.height
        if time.time() > task["until"]:
            write({"case": fields, "error": "no time left"})
        elif full.get(place, case.batch + 1) <= case.batch:
            write({"case": fields, "error": "out of memory at a smaller batch"})
        else:
            write({"begins": fields})
            try:
                write({"case": fields, **measurer.measure(case)})
            except Exception as error:  # the other cases shall run
                if out_of_memory(error):
                    full[place] = case.batch
                write({"case": fields, "error": "out of memory" if out_of_memory(error)
                       else f"{type(error).__name__}: {error}".splitlines()[0][:200]})


def task_of(framework, cases, quick, until):
    """The dict that `run` takes."""
    return {"framework": framework, "quick": quick, "until": until,
            "cases": [dataclasses.asdict(case) for case in cases]}


def main():
    """Reads the task, answers line by line."""
    task_path, answer_path = sys.argv[1:3]
    with open(task_path, encoding="utf-8") as file:
        task = json.load(file)
    with open(answer_path, "a", encoding="utf-8") as answer:
        def write(line):
            answer.write(json.dumps(line) + "\n")
            answer.flush()

        run(task, write)


if __name__ == "__main__":
    main()
