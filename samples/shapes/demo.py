"""Train a small Mask R-CNN from nothing on generated shapes, measure it, and draw what it finds.

    make demo                     # or: python samples/shapes/demo.py, or: mrcnn demo

Hardware: two CPU cores, no GPU; 4 to 5 minutes of training.
Expected: mask AP50 of at least 0.90 on 100 held-out images (measured: 0.940).

What it does stands in mrcnn/commands/demo.py, the configuration at its top.
"""

import argparse

from mrcnn.commands.demo import EPOCHS, demo


def main():
    """Train, evaluate, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", default="logs", help="folder for checkpoints")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of 100 steps each")
    parser.add_argument("--output", default="demo.png", help="the picture")
    args = parser.parse_args()
    demo(args.output, args.logs, args.epochs)


if __name__ == "__main__":
    main()
