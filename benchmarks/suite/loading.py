"""The training loader's CPU time an image beside a plain scikit-image one, on the balloon set."""

import sys
from pathlib import Path

import numpy as np

from benchmarks.measuring import row

PART = "loader"
QUICK_IMAGES = 2


def _loader():
    """`benchmarks/loader.py`, which finds its neighbour where it is run as a script."""
    folder = str(Path(__file__).resolve().parents[1])
    if folder not in sys.path:
        sys.path.append(folder)
    from benchmarks import loader

    return loader


def rows(options):
    """One row; every array of the two loaders is compared first."""
    folder = options.balloon()
    from mrcnn import load_dataset

    loader = _loader()
    dataset = load_dataset(folder, format="via")
    ours = loader.Ours(dataset, loader.BalloonConfig())
    plain = loader.ReferenceLoader(folder)
    count = QUICK_IMAGES if options.quick else len(plain.entries)
    times = loader.paired(ours, plain, count, options.rounds)
    own, other = times[:, :, 0].mean(axis=1), times[:, :, 1].mean(axis=1)
    return [row(PART, f"balloon at 1024 px, {count} photographs, CPU an image", 1e3 * own, "ms",
                np.asarray(own / other), "plain scikit-image loader")]
