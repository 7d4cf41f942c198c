"""`mrcnn inspect`: draws what was read of a data set."""

import click

from mrcnn.cli.doors import clear_errors
from mrcnn.cli.options import config_options, data_options, data_source

EPILOG = """\b
Examples:
  mrcnn inspect data/balloon                  eight images, chosen by chance
  mrcnn inspect data --subset val --count 20  others: --seed 1
  mrcnn inspect data --image cat.jpg          this one
  mrcnn inspect data --augment 3              and three augmented versions of each
  mrcnn inspect data --set IMAGE_MAX_DIM=512  as a network of this size gets it
  mrcnn inspect data --model logs/cats        what a model finds, beside the truth

\b
It writes a folder with index.html, which opens in any browser and needs no other file,
and the same pictures as files. An --output ending in .html writes the page alone.
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@click.argument("data", type=click.Path())
@data_options
@click.option("--count", type=click.IntRange(min=1), default=8, show_default=True, metavar="N",
              help="Images to draw.")
@click.option("--image", "names", multiple=True, metavar="NAME",
              help="Draw this image, by its file name or id, in place of chance. Repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
              help="Another number chooses other images.")
@click.option("--augment", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
              help="Draw N augmented versions of each image too.")
@click.option("--model", type=click.Path(), metavar="MODEL",
              help="Draw what this checkpoint, or run, finds beside the truth.")
@config_options
@click.option("--output", type=click.Path(), metavar="PATH",
              help="Folder to write, or an .html file. Otherwise results/inspect_NAME_TIME.")
def inspect(data, count, names, seed, augment, model, config, assignments, output, **source):
    """Draws what was read of DATA: a folder, an annotation file, or "shapes".

    A page shows images with their masks and class names, then as the network gets them: resized,
    padded, with the masks that training keeps. Below come the anchors that stand for objects,
    the sizes of the objects beside those of the anchors, and how often each class occurs. In a
    minute one sees whether masks lie on their objects, names are right and anchors fit.

    Of a set with subsets, train is shown unless --subset says another.
    """
    with clear_errors():
        from mrcnn.commands.inspection.drawing import InspectOptions, inspect_data
        from mrcnn.commands.inspection.files import free_output
        from mrcnn.data.check.progress import progress_bar

        output = free_output(data, output)
        options = InspectOptions(data_source(data, **source), output, count, names, seed, augment,
                                 config, assignments, model)
        with progress_bar("reading objects") as progress:
            page, faults = inspect_data(options, progress)
        for text in faults[:5]:
            click.echo(f"Not drawn or incomplete: {text}", err=True)
        if len(faults) > 5:
            click.echo(f"... and {len(faults) - 5} more: mrcnn check {data}", err=True)
        click.echo(f"Written to {page}")
