"""Time of one `detect` call beside the network alone and the matrix product, in paired runs.

    python benchmarks/detect_time.py --backbone resnet50 --size 1024 --precision bfloat16

The part of `make bench` about detecting, for one network; see `suite/detection.py`.
"""

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from benchmarks import table  # noqa: E402
from benchmarks.run import Options  # noqa: E402
from benchmarks.suite.detection import SIZE, measure  # noqa: E402


def main():
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    print(table.HEAD)
    for row in measure(args.backbone, args.precision, Options(rounds=args.runs), args.size):
        print(table.line(row))


if __name__ == "__main__":
    main()
