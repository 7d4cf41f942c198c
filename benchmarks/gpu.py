"""Ours beside torchvision's Mask R-CNN on one NVIDIA GPU, in one run below nine minutes.

    python benchmarks/gpu.py --out results [--frameworks torchvision torch] [--profile]

Needs no TensorFlow: keras (with namex and optree, which it needs) and JAX or torch; torchvision
where there is to be a comparison. Each framework has processes of its own, so that the peak memory
is its own. First our network is checked against the same weights on the processor; then come
inference (1024 x 1024 and 800 x 1333, batch 1 and 8) and training steps (batch 2 to 16), each in
tf32 and bfloat16. A row that runs out of memory or of time says so. `RESULT.md` and `RESULT.json`
are written to the folder as the groups end; `--profile` writes where the time goes, with a
roofline, in place of the table. `--cpu --quick` runs all of it with tiny networks on a processor.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import numpy as np  # noqa: E402

from benchmarks.gpu_parts import cases, report  # noqa: E402
from benchmarks.gpu_parts.comparing import compare  # noqa: E402
from benchmarks.gpu_parts.processes import run_group, run_module  # noqa: E402

MINUTES = 8.5
CHECK_LIMIT = 75  # seconds of one process of the check
# How the time is shared out: JAX compiles every row.
SHARES = {"torchvision": 1.0, "torch": 1.5, "jax": 2.5}
NEEDED = {"torchvision": ("torch", "torchvision", "keras"), "torch": ("torch", "keras"),
          "jax": ("jax", "keras")}


def available(frameworks):
    """(those that can be imported, {other: why not})."""
    missing = {}
    for name in frameworks:
        lacks = [module for module in NEEDED[name] if not importlib.util.find_spec(module)]
        if lacks:
            missing[name] = f"{' and '.join(lacks)} not installed"
    return [name for name in frameworks if name not in missing], missing


def answers_of(framework, precisions, cpu, limit):
    """({"precision/output": array}, None) of a process of its own, or (None, why not)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answers.npz")
        why = run_module("check", [",".join(precisions), path], framework, cpu, limit)
        if why:
            return None, why
        with np.load(path) as arrays:
            return dict(arrays), None


def check(framework, precisions, cpu, until):
    """{(framework, precision): what `compare` answers, or {"error": why}}."""
    sides, most = [], 60 * MINUTES if cpu else CHECK_LIMIT
    for where, asked in (("processor", ["float32"]), ("device", precisions)):
        arrays, why = answers_of(framework, asked, cpu or where == "processor",
                                 min(most, until - time.time()))
        if why:
            return {(framework, precision): {"error": f"on the {where}: {why}"}
                    for precision in precisions}
        sides.append(arrays)
    expected, actual = sides
    outputs = [key.split("/", 1)[1] for key in expected]
    return {
        (framework, precision): compare({name: expected[f"float32/{name}"] for name in outputs},
                                        {name: actual[f"{precision}/{name}"] for name in outputs},
                                        precision)
        for precision in precisions
    }


def measure(args):
    """Runs everything and writes after each group; answers the run."""
    start = time.time()
    frameworks, missing = available(args.frameworks)
    run = {"devices": {}, "frameworks": frameworks, "checks": {}, "found": {},
           "missing": missing, "minutes": 0.0}
    end = start + 60 * args.minutes
    for name in frameworks if not args.no_check else ():
        if name != "torchvision":
            run["checks"] |= check(
                name, list(dict.fromkeys(["float32", *args.precisions])), args.cpu, end)
            write(run, args.out, start)
    left = cases.groups(cases.all_cases(frameworks, args.modes, args.precisions, args.quick))
    while left:
        group = next(iter(left))
        weights = {key: SHARES[key[0]] * len(asked) for key, asked in left.items()}
        share = weights[group] / sum(weights.values())
        until = time.time() + share * (end - time.time())
        device, found = run_group(left.pop(group), args.quick, args.cpu, until)
        if device:
            run["devices"][group[0]] = device
        run["found"] |= found
        write(run, args.out, start)
    return run


def write(run, folder, start):
    """RESULT.md and RESULT.json as far as the run has come."""
    run["minutes"] = (time.time() - start) / 60
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULT.md").write_text(report.text(run), encoding="utf-8")
    (folder / "RESULT.json").write_text(json.dumps(report.as_json(run), indent=1),
                                        encoding="utf-8")


def profile(args):
    """Writes PROFILE_<framework>_<precision>.txt for each; answers the texts."""
    frameworks, missing = available([name for name in args.frameworks if name != "torchvision"])
    texts = [f"{name}: not run, {why}" for name, why in missing.items()]
    args.out.mkdir(parents=True, exist_ok=True)
    end = time.time() + 60 * args.minutes
    for name in frameworks:
        for precision in args.precisions:
            path = args.out / f"PROFILE_{name}_{precision}.txt"
            why = run_module("profile", [name, precision, int(args.quick), path.resolve()], name,
                             args.cpu, end - time.time())
            texts.append(f"{name}, {precision}: {why}" if why
                         else path.read_text(encoding="utf-8"))
    return texts


def parsed(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("logs", "gpu"), help="folder to write to")
    parser.add_argument("--frameworks", nargs="+", choices=cases.FRAMEWORKS,
                        default=list(cases.FRAMEWORKS))
    parser.add_argument("--modes", nargs="+", choices=cases.MODES, default=list(cases.MODES))
    parser.add_argument("--precisions", nargs="+", choices=cases.PRECISIONS,
                        default=["tf32", "bfloat16"])
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the whole run")
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    parser.add_argument("--no-check", action="store_true", help="leave the self check out")
    parser.add_argument("--cpu", action="store_true", help="leave the GPU alone")
    parser.add_argument("--quick", action="store_true", help="tiny networks, one round")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Measures or profiles, and prints; ends with 1 where the self check failed."""
    args = parsed(arguments)
    if args.profile:
        print("\n\n".join(profile(args)))
        return 0
    run = measure(args)
    print(report.text(run))
    return int(any(one.get("ok") is False for one in run["checks"].values()))


if __name__ == "__main__":
    sys.exit(main())
