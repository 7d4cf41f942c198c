"""`mrcnn train`: from labelled images to a trained model."""

import click
from click.core import ParameterSource

from mrcnn.cli.doors import clear_errors
from mrcnn.cli.options import config_options, data_options

EPILOG = """\b
Examples:
  mrcnn train data                       subsets train and val, or a tenth held out
  mrcnn train data/train --val data/val
  mrcnn train labels.json --images jpg --weights none --small
  mrcnn train data --weights logs/fruit20260131T0930 --epochs 20
  mrcnn train data --config fruit.yaml --set IMAGE_MAX_DIM=512
  mrcnn train data --preset paper        the paper's recipe, 12 epochs
  mrcnn train data --preset torchvision --weights coco --epochs 20
  mrcnn train data --resume              the newest run of these data goes on
  mrcnn train --resume logs/fruit20260131T0930 --epochs 50

\b
What a run's folder holds, below logs/:
  config.yaml       every setting; --config reads it back
  run.json          command line, data, classes, versions, seed
  history.csv       losses and mAP of each epoch; losses.png shows them
  mask_rcnn_*.h5    checkpoints: the last epochs and the best one

Ctrl-C ends after the step at hand; --resume goes on. Exit code 130 then.
"""
# What a run that goes on may still be told; all else is written in its run.json.
WITH_RESUME = {"data", "resume", "output", "name", "epochs", "config", "assignments", "map_every",
               "patience"}


@click.command(epilog=EPILOG, no_args_is_help=True)
@click.argument("data", required=False)
@click.option("--val", metavar="PATH",
              help="Validation set, or the name of a subset of DATA; none for no validation. "
                   "Otherwise the subset val of DATA, or a tenth of the images.")
@click.option("--weights", metavar="START",
              help="coco, imagenet, none, or a weights file (.h5, or torchvision's .pth, "
                   "detectron2's .pkl) or run to start from. coco and imagenet are downloaded on "
                   "first use; with --preset paper or torchvision they are detectron2's or "
                   "torchvision's. Otherwise coco; under such a preset imagenet, with --small "
                   "none.")
@click.option("--small/--no-small", default=None,
              help="A light network for small images: learns from nothing on a CPU. Chosen by "
                   "itself with --weights none where there is no GPU.")
@click.option("--preset", metavar="NAME",
              help="Settings of a school: matterport, paper, torchvision; or of VOC: voc, "
                   "voc+paper. What --config and --set say counts more.")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N",
              help="Epochs of the whole run. Otherwise by the number of images.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N",
              help="Steps of an epoch (STEPS_PER_EPOCH). Otherwise each image about once.")
@click.option("--output", type=click.Path(file_okay=False), default="logs", show_default=True,
              metavar="DIR", help="Folder for the folders of runs.")
@click.option("--name", metavar="NAME", help="Of the run. Otherwise that of the data.")
@click.option("--resume", is_flag=False, flag_value="", metavar="[RUN]",
              help="Go on with a run: the newest of this name, or the one of this folder. Write "
                   "DATA before it.")
@click.option("--augment", type=click.Choice(["standard", "mirror", "none"]),
              help="Mirror, scale and colour the images at random, or mirror alone. Otherwise "
                   "standard; mirror with a --preset that asks for no more (paper, torchvision).")
@click.option("--faulty", type=click.Choice(["refuse", "skip", "use"]),
              help="What happens to data with faults: refuse them, skip the faulty images, or use "
                   "them unchecked (FAULTY_IMAGES). Otherwise refuse.")
@click.option("--map-every", type=click.IntRange(min=0), default=1, show_default=True,
              metavar="N", help="Measure mAP after every N epochs; 0 never.")
@click.option("--patience", type=click.IntRange(min=1), metavar="N",
              help="End a stage when val_mAP has not risen for N epochs.")
@config_options
@data_options
@click.pass_context
def train(ctx, data, resume, format_, **options):
    """Trains a model on DATA: a folder or annotation file of any format that is known.

    Classes, anchors, image size and the length of an epoch follow from the data, the network
    from the machine and the weights; what was chosen is printed and can be set otherwise. The
    data are checked first. From trained weights the heads are trained, then all layers; with
    --preset paper or torchvision all at once.
    """
    from mrcnn.commands.training.options import TrainOptions

    given = {name for name in ctx.params
             if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE}
    _check_words(data, resume, given)
    with clear_errors():
        from mrcnn.commands.training import running

        running.train(TrainOptions(data=data, format=format_, **options), resume)


def _check_words(data, resume, given):
    """A UsageError for words that do not go together."""
    if resume is None and data is None:
        raise click.UsageError("DATA is missing: a folder, an annotation file, or shapes.")
    if resume is None:
        return
    left = sorted(given - WITH_RESUME)
    if left:
        names = ", ".join("--" + name.rstrip("_").replace("_", "-") for name in left)
        raise click.UsageError(f"{names}: a run goes on as it began; with --resume only --epochs, "
                               "--config, --set, --map-every and --patience change it.")
