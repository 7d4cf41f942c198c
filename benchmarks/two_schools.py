"""Train the same small network under Matterport's settings and under the paper's, and compare.

    python benchmarks/two_schools.py shapes
    python benchmarks/two_schools.py balloon --data DIR --epochs 60

Hardware: two CPU cores; see RESULTS.md for times and results.

Both start from random weights, see the same images in the same order, for as many steps. So
nothing is frozen (FREEZE_AT = 0, FREEZE_BN = False), and both have the optimizer of the small
networks, which is what learns from nothing in so few steps: what differs is the rest of the
preset. DIR is the balloon folder with train/ and val/.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "samples" / "balloon")]

# What a training from random weights in a few hundred steps needs, whatever the school.
FROM_NOTHING = {
    "FREEZE_AT": 0, "FREEZE_BN": False, "LR_SCHEDULE": "cosine", "WARMUP_STEPS": 50,
    "GRADIENT_CLIP_NORM": 5.0, "WEIGHT_DECAY_MODE": "mean", "SEED": 1,
}


def shapes_sets(options):
    """The demonstration's: (Config class, training set, {name: set to measure on})."""
    from mrcnn.commands import demo
    from mrcnn.data.formats.loading import load_dataset

    def drawn(count, seed):
        return load_dataset("shapes", format="shapes", count=count, seed=seed)

    held_out = drawn(demo.HELD_OUT, demo.HELD_OUT_SEED)
    return demo.DemoConfig, drawn(demo.IMAGES, 0), {"held out": held_out}


def balloon_sets(options):
    """The balloon sample's with `--small`."""
    from balloon import BalloonDataset, SmallBalloonConfig

    sets = {}
    for subset in ("train", "val"):
        sets[subset] = BalloonDataset()
        sets[subset].load_balloon(options.data, subset, max_side=512)
        sets[subset].prepare()
    return SmallBalloonConfig, sets["train"], sets


def trained(name, preset, options):
    """Trains under one preset and measures.

    Returns:
        Dict: steps, minutes, and for each set the AP and AP50 of masks and boxes.
    """
    from mrcnn import MaskRCNN, augmenters
    from mrcnn.presets import with_preset

    config_class, train_set, sets = {"shapes": shapes_sets, "balloon": balloon_sets}[name](options)
    config = with_preset(config_class, preset)()
    for knob, value in {**FROM_NOTHING, **json.loads(options.also)}.items():
        setattr(config, knob, value)
    epochs = options.epochs or {"shapes": 11, "balloon": 60}[name]
    model = MaskRCNN("training", config, options.logs)
    augmentation = augmenters.FlipLeftRight() if name == "balloon" else None
    started = time.perf_counter()
    model.train(train_set, None, config.LEARNING_RATE, epochs, "all", augmentation=augmentation,
                verbose=2)
    minutes = (time.perf_counter() - started) / 60
    detector = MaskRCNN.from_checkpoint(model.find_last(), model_dir=options.logs)
    row = {"data": name, "preset": preset, "steps": epochs * config.STEPS_PER_EPOCH,
           "minutes": round(minutes, 2)}
    for subset, dataset in sets.items():
        found = detector.evaluate(dataset, verbose=0)
        row[subset] = {kind: {n: round(float(numbers[n]), 3) for n in ("AP", "AP50", "AP75")}
                       for kind, numbers in (("mask", found.segm), ("box", found.bbox))}
    return row


def main():
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=["shapes", "balloon"])
    parser.add_argument("--presets", nargs="+", default=["matterport", "paper"])
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "data" / "balloon"))
    parser.add_argument("--also", default="{}", metavar="JSON", help="more knobs, for both")
    parser.add_argument("--logs", default="logs")
    options = parser.parse_args()
    for preset in options.presets:
        print(json.dumps(trained(options.name, preset, options)), flush=True)


if __name__ == "__main__":
    main()
