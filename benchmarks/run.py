"""Every benchmark that runs in some minutes on two cores, and the table of what they measured.

    make bench
    python -m benchmarks.run [--quick] [--only detect --only loader] [--out benchmarks/RESULTS.md]

Each runs in a process of its own, one after the other. The numbers to compare between machines
and versions are the ratios: both of their sides are measured in turn in one process.
`--quick` runs all at tiny sizes in this process, to see that they work; its times mean nothing.
"""

import argparse
import dataclasses
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from benchmarks import table  # noqa: E402
from benchmarks.measuring import NotHereError, Row  # noqa: E402

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
BALLOON = ROOT.parent / "shared" / "data" / "balloon" / "train"
# In the order of the table; the modules of benchmarks/suite, each with `PART` and `rows(options)`.
SUITE = ("matrix", "detection", "beside_torchvision", "training", "loading", "pasting",
         "evaluation", "startup", "memory")
LIMIT = 900  # seconds of one benchmark


@dataclasses.dataclass(frozen=True)
class Options:
    """What a benchmark is told.

    Attributes:
        quick: tiny sizes.
        rounds: how often each thing is timed.
        balloon_folder: folder of the balloon set's photographs, or None.
    """

    quick: bool = False
    rounds: int = 5
    balloon_folder: Path | None = BALLOON

    def balloon(self):
        """The balloon set's folder; NotHereError without it."""
        if self.balloon_folder is None or not Path(self.balloon_folder).is_dir():
            raise NotHereError("the balloon set is not there: name it with --balloon")
        return Path(self.balloon_folder)


def run_here(name, options):
    """(rows, why there are none or None) of one benchmark, in this process."""
    module = importlib.import_module(f"benchmarks.suite.{name}")
    try:
        rows = list(module.rows(options))
    except NotHereError as error:
        return [], str(error)
    except Exception as error:  # the others shall run, and the table says why this one did not
        return [], f"{type(error).__name__}: {error}".splitlines()[0]
    wrong = [row.what for row in rows if not row.is_finite()]
    return rows, f"no finite number for {', '.join(wrong)}" if wrong else None


def run_apart(name, options):
    """`run_here` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "rows.json")
        command = [sys.executable, "-m", "benchmarks.run", "--one", name, str(answer),
                   "--rounds", str(options.rounds), "--balloon", str(options.balloon_folder)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True,
                                  text=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return [], f"not done after {LIMIT} s"
        if done.returncode or not answer.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return [], f"the process ended with {done.returncode}: {last}"
        found = json.loads(answer.read_text(encoding="utf-8"))
    return [Row(**one) for one in found["rows"]], found["why"]


def run_all(names, options, say=print):
    """Runs benchmarks one after the other.

    Returns:
        (rows, {part: why it has none}).
    """
    rows, missing = [], {}
    for name in names:
        start = time.perf_counter()
        found, why = (run_here if options.quick else run_apart)(name, options)
        rows += found
        if why:
            missing[name.replace("_", " ")] = why
        for row in found:
            say(table.line(row))
        say(f"-- {name}: {why or 'done'} ({time.perf_counter() - start:.0f} s)")
    return rows, missing


def parsed(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in one process")
    parser.add_argument("--only", action="append", choices=SUITE, help="run these alone")
    parser.add_argument("--rounds", type=int, help="how often each is timed (default 5, quick 1)")
    parser.add_argument("--balloon", type=Path, default=BALLOON, help="photographs of the balloons")
    parser.add_argument("--out", type=Path, help="Markdown file to put the table into (default: "
                        "benchmarks/RESULTS.md, where all ran and not quickly)")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Runs, prints and writes."""
    args = parsed(arguments)
    options = Options(args.quick, args.rounds or (1 if args.quick else 5), args.balloon)
    if args.one:
        rows, why = run_here(args.one[0], options)
        found = {"rows": [dataclasses.asdict(row) for row in rows], "why": why}
        Path(args.one[1]).write_text(json.dumps(found), encoding="utf-8")
        return
    start = time.perf_counter()
    rows, missing = run_all(args.only or SUITE, options)
    minutes = (time.perf_counter() - start) / 60
    settings = (f"Medians of {options.rounds} rounds, least to most behind them; the whole took "
                f"{minutes:.0f} minutes.")
    text = table.table(rows, missing, settings)
    out = args.out or (None if args.quick or args.only else RESULTS)
    if out:
        table.put(out, text)
        print(f"written to {out}")
    else:
        print(text)


if __name__ == "__main__":
    main()
