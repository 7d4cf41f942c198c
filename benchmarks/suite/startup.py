"""From nothing to a model: imports and building, each in a new process."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import row

PART = "import and build"
ROOT = Path(__file__).resolve().parents[2]
TIMED = """
import json, time
start = time.perf_counter()
{code}
print(json.dumps(time.perf_counter() - start))
"""
IMPORTS = {"import mrcnn": "import mrcnn",
           "import tensorflow": "import tensorflow, keras",
           "from mrcnn import MaskRCNN": "from mrcnn import MaskRCNN"}
BUILD = """
from benchmarks.suite.detection import build
start = time.perf_counter()
build({backbone!r}, 1024)
"""


def in_new_process(code):
    """Seconds that the code says it took, in a Python of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    done = subprocess.run([sys.executable, "-c", TIMED.format(code=code)], env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def rows(options):
    """Imports in turn, then building; quick leaves the slow ones out."""
    names = ["import mrcnn"] if options.quick else list(IMPORTS)
    times = {name: [in_new_process(IMPORTS[name]) for _ in range(1 + options.rounds)][1:]
             for name in names}
    found = [row(PART, name, times[name], "s") for name in names]
    if not options.quick:
        tensorflow = times["import tensorflow"]
        ratios = [a / b for a, b in zip(times["from mrcnn import MaskRCNN"], tensorflow,
                                        strict=True)]
        found[-1] = row(PART, names[-1], times[names[-1]], "s", ratios, "import tensorflow")
        for backbone in ("resnet50", "resnet101"):
            built = [in_new_process(BUILD.format(backbone=backbone)) for _ in range(2)]
            found.append(row(PART, f"build {backbone}, inference", built, "s"))
    return found
