"""Peak memory of a training step with and without REMATERIALIZE.

    python -m benchmarks.rematerialize [--backbone resnet50] [--side 512] [--batch 2] [--quick]

Each way trains two steps in a process of its own; the peak is the most memory that process ever
held (VmHWM of Linux), less what it held before the first step: features, gradients, and the
momenta, which are the same both ways. On a GPU it says nothing.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

PART = "rematerialize"
STEPS = 2  # the first traces, the second has all momenta


def memory():
    """(most, present) MiB of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    return [int(sizes[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS")]


def train(wanted, backbone, side, batch, quick):
    """Print the MiB that two steps add to this process."""
    from benchmarks.training_step import QUICK, TrainingFeed, build, shapes

    knobs = QUICK if quick else {"BACKBONE": backbone, "IMAGES_PER_GPU": batch,
                                 "IMAGE_MIN_DIM": side, "IMAGE_MAX_DIM": side}
    model = build("all", **{**knobs, "REMATERIALIZE": wanted})
    one = TrainingFeed(shapes(model.config), model.config)[0]
    before = memory()[1]
    for _ in range(STEPS):
        model.keras_model.train_on_batch(one)
    print(f"ADDED {memory()[0] - before:.0f}")


def added(wanted, *settings):
    """MiB that two steps add, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.rematerialize", "--train", str(int(wanted))]
    options = zip(("--backbone", "--side", "--batch"), settings, strict=False)
    command += [str(part) for option in options for part in option]
    command += ["--quick"] * settings[3]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the step failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.rsplit("ADDED", 1)[1])


def measure(*settings):
    """Rows of the two ways; settings: backbone, side in px, batch, whether it is tiny."""
    from benchmarks.measuring import row

    kept, anew = (added(wanted, *settings) for wanted in (False, True))
    what = "tiny" if settings[3] else "{}, {} px, batch {}".format(*settings)
    return [row(PART, f"{what}: features kept", kept, "MiB"),
            row(PART, f"{what}: computed anew", anew, "MiB", anew / kept, "features kept")]


def main():
    """Print both rows, or train one of the ways."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tiny network")
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    settings = (args.backbone, args.side, args.batch, args.quick)
    if args.train is not None:
        train(bool(args.train), *settings)
        return
    for one in measure(*settings):
        ratio = "" if one.ratio is None else f"{one.ratio:7.3f} x {one.of}"
        print(f"{one.what:60} {one.median:8.0f} {one.unit} {ratio}")


if __name__ == "__main__":
    main()
