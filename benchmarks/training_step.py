"""A training step beside the forward pass of its trunk and heads, and what the loader keeps.

    python -m benchmarks.training_step [--quick] [--backbone resnet50] [--side 512] [--batch 2]
        [--layers all] [--precision float32] [--balloon ../shared/data/balloon/train]

The forward pass holds backbone, pyramid, proposal network and both heads, as `detect` compiles
them (batch-norm folded, weights constant), on the images and on as many rois as the step trains:
no proposals, targets, losses or gradients.
Both run in turn on one batch. The busy fraction is the step's time on that batch, kept in
memory, over its time when the feed loads every batch from files: 1 means that no step waits.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.measuring import paired, row  # noqa: E402
from mrcnn import Config, MaskRCNN, kernels, load_dataset  # noqa: E402
from mrcnn.data.shapes import ShapesDataset  # noqa: E402
from mrcnn.data.training_feed import TrainingFeed  # noqa: E402
from mrcnn.engine.folding import FoldedModel  # noqa: E402

PART = "training step"
STEPS = 4  # of `fit` in one timing of the feed


class BenchConfig(Config):
    """The default sizes with the shapes' four classes."""

    NAME, NUM_CLASSES = "bench", 4
    IMAGES_PER_GPU = 2  # and no SEED, which would choose slower operations that repeat exactly
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 512


QUICK = {"BACKBONE": "resnet18", "BACKBONE_WIDTH": 16, "TOP_DOWN_PYRAMID_SIZE": 16,
         "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, "RPN_CONV_CHANNELS": 16,
         "MASK_CONV_CHANNELS": 16, "FPN_CLASSIF_FC_LAYERS_SIZE": 32, "TRAIN_ROIS_PER_IMAGE": 12,
         "PRE_NMS_LIMIT": 200, "POST_NMS_ROIS_TRAINING": 60, "MAX_GT_INSTANCES": 4,
         "RPN_ANCHOR_SCALES": (8, 16, 32, 48, 64), "RPN_TRAIN_ANCHORS_PER_IMAGE": 32}


def build(layers="all", **knobs):
    """A compiled training model with random weights."""
    keras.utils.set_random_seed(0)
    model = MaskRCNN("training", type("BenchConfig", (BenchConfig,), knobs)(), "logs")
    model.set_trainable(layers, verbose=0)
    model.compile(0.001, 0.9)
    return model


def shapes(config):
    """A set of drawn shapes of the model's image size."""
    dataset = ShapesDataset()
    side = config.IMAGE_MAX_DIM
    dataset.load_shapes(8, side, side, seed=0, min_size=side // 5, max_size=side // 2)
    dataset.prepare()
    return dataset


def trunk_and_heads(graph):
    """The layers that compute, as a model of images, metas and both heads' rois."""
    images, metas = (graph.get_layer(f"input_image{end}").output for end in ("", "_meta"))
    rois, positive = (graph.get_layer(f"roi_align_{head}").input[0]
                      for head in ("classifier", "mask"))
    names = ("rpn_class_logits", "rpn_bbox", "mrcnn_class_logits", "mrcnn_bbox", "mrcnn_mask")
    return keras.Model([images, metas, rois, positive],
                       [graph.get_layer(name).output for name in names])


def rois_like(tensor, batch):
    """Boxes of all pyramid levels for a roi tensor [B, R, 4]."""
    corner, size = np.random.default_rng(0).uniform(0.0, 0.5, (2, batch, tensor.shape[1], 2))
    return np.concatenate([corner, corner + size], axis=-1).astype(np.float32)


def ways_of(model, batch):
    """{name: function} of the forward pass and the whole step on one batch."""
    graph = trunk_and_heads(model.keras_model)
    images = batch["input_image"]
    inputs = [images, batch["input_image_meta"],
              *(rois_like(tensor, len(images)) for tensor in graph.inputs[2:])]
    folded = FoldedModel(graph)
    forward = kernels.compile_forward(folded.model, weights=folded.weights())
    # `train_on_batch` answers numbers, so it has ended when it returns.
    return {"forward": lambda: forward(*inputs),
            "step": lambda: model.keras_model.train_on_batch(batch)}


def step_rows(model, batch, rounds, what):
    """The step as a multiple of the forward pass."""
    times = paired(ways_of(model, batch), rounds)
    return [row(PART, f"{what}: forward of trunk and heads", times["forward"], "s"),
            row(PART, f"{what}: step", times["step"], "s", times["step"] / times["forward"],
                "forward")]


def busy_row(model, dataset, batch, rounds, what):
    """How much of a step's time is not spent waiting for the next batch."""
    fit = {"epochs": 1, "steps_per_epoch": STEPS, "verbose": 0, "shuffle": False}
    feed = TrainingFeed(dataset, model.config)
    ways = {"kept": lambda: model.keras_model.fit(Kept(batch), **fit),
            "loaded": lambda: model.keras_model.fit(feed, **fit)}
    times = paired(ways, rounds)
    return row(PART, f"{what}: step with the feed", times["loaded"] / STEPS, "s",
               times["kept"] / times["loaded"], "time a step takes without loading (busy fraction)")


class Kept(keras.utils.PyDataset):
    """The same batch again and again."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    @property
    def num_batches(self):
        """Endless."""
        return None

    def __getitem__(self, index):
        return self.batch


def measure(rounds, layers="all", balloon=None, **knobs):
    """Rows of one configuration.

    Args:
        rounds: how often each is timed.
        layers: the stage that is trained.
        balloon: folder of the balloon set for the busy fraction; None takes drawn shapes.
        **knobs: of Config.
    """
    model = build(layers, **knobs)
    config = model.config
    what = (f"{config.BACKBONE}, {config.IMAGE_MAX_DIM} px, batch {config.BATCH_SIZE}, {layers}, "
            f"{config.PRECISION}")
    drawn = shapes(config)
    batch = TrainingFeed(drawn, config)[0]
    found = step_rows(model, batch, rounds, what)
    if balloon is None:
        return [*found, busy_row(model, drawn, batch, rounds, f"{what}, shapes")]
    model = build(layers, **{**knobs, "NUM_CLASSES": 2})
    dataset = load_dataset(balloon)
    batch = TrainingFeed(dataset, model.config)[0]
    return [*found, busy_row(model, dataset, batch, rounds, f"{what}, balloon")]


def rows(options):
    """What `make bench` takes: float32 and bfloat16, the whole network and the heads."""
    if options.quick:
        return measure(options.rounds, **QUICK)
    folder = options.balloon_folder
    balloon = folder if folder and Path(folder).is_dir() else None
    found = measure(options.rounds, balloon=balloon)
    for settings in ({"layers": "heads"}, {"PRECISION": "bfloat16"}):
        found += measure(options.rounds, **settings)[:2]
    return found


def main():
    """Print the rows of one configuration."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny network")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--layers", default="all")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--balloon", type=Path)
    args = parser.parse_args()
    knobs = QUICK if args.quick else {
        "BACKBONE": args.backbone, "IMAGES_PER_GPU": args.batch,
        "IMAGE_MIN_DIM": args.side, "IMAGE_MAX_DIM": args.side}
    knobs = {**knobs, "PRECISION": args.precision}
    for one in measure(args.rounds, args.layers, args.balloon, **knobs):
        ratio = "" if one.ratio is None else f"{one.ratio:7.3f} x {one.of}"
        print(f"{one.what:70} {one.median:8.3f} {one.unit} {ratio}")


if __name__ == "__main__":
    main()
