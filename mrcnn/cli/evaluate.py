"""`mrcnn evaluate`: measure a model on a data set."""

import sys

import click

from mrcnn.cli.doors import clear_errors
from mrcnn.cli.options import (
    MODEL_HELP,
    Number,
    config_options,
    data_options,
    data_source,
    model_argument,
)

EPILOG = f"""\b
Examples:
  mrcnn evaluate logs data/val                    the newest model of logs
  mrcnn evaluate logs/balloon20260131T0930 data   the subset val of data
  mrcnn evaluate model.h5 data --subset test --confidence 0.9
  mrcnn evaluate model.h5 labels.json --images jpg --limit 200
  mrcnn evaluate model.h5 data/val --ap-at 0.6 --ap-at 0.7
  mrcnn evaluate demo.h5 shapes                   generated shapes

\b
MODEL is {MODEL_HELP}.
DATA is a folder or an annotation file, of the classes that the model was trained on.

\b
Written into the output folder:
  report.html           everything, with curves and pictures; opens anywhere
  evaluation.json       the numbers of it
  detections_bbox.json  boxes in COCO's results format, for pycocotools
  detections_segm.json  masks likewise

\b
AP is COCO's average precision, the number that papers quote: 0 to 1, the mean
over IoU 0.50 to 0.95. AP50 asks for half an overlap only. A Pascal VOC set has
VOC's own AP too. The report says what each number means.
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@model_argument
@click.argument("data")
@data_options
@config_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N images.")
@click.option("--confidence", type=Number(0, 1), metavar="X",
              help="Lowest score that counts for confusion, precision and recall; AP looks at "
                   "all.  [default: DETECTION_MIN_CONFIDENCE of the model]")
@click.option("--iou", type=Number(0, 1, min_open=True), default=0.5, metavar="X",
              show_default=True, help="Least overlap with an object for these.")
@click.option("--ap-at", type=Number(0, 1, min_open=True), multiple=True, metavar="X",
              help="Give the AP at this IoU too. Repeatable.")
@click.option("-o", "--output", type=click.Path(), metavar="DIR",
              help="A new folder.  [default: results/evaluate_<name>_<time>]")
def evaluate(model, data, config, assignments, limit, confidence, iou, ap_at, output, **source):
    """Measures a model on a data set: how much it finds, and how well.

    Every image is looked at once. What was found is compared with the truth: COCO's twelve
    numbers for boxes and masks, a table of the classes, which class is taken for which, and the
    images with the most mistakes, drawn in a report.
    """
    with clear_errors():
        from mrcnn.commands.evaluating import evaluate_checkpoint

        found, folder = evaluate_checkpoint(
            model, data_source(data, **source), output, config, assignments, limit, confidence,
            iou, ap_at)
        _show(found)
        click.echo(f"\nReport: {folder / 'report.html'}")


def _show(evaluation):
    """Tables in colour on a terminal, plain text otherwise."""
    if not sys.stdout.isatty():
        click.echo(str(evaluation).encode(sys.stdout.encoding or "utf-8", "replace"))
        return
    from rich.console import Console

    from mrcnn.evaluation.text import headline

    console = Console(highlight=False, markup=False, emoji=False)
    console.print(headline(evaluation), style="bold")
    for one in evaluation.tables():
        console.print()
        if one.width() < console.width:
            console.print(_table(one))
        else:  # cut off numbers would be worse than wrapped lines
            console.print(one.plain(), soft_wrap=True)


def _table(one):
    """A text.Table as rich has it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=one.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD,
                  caption=one.note or None, caption_justify="left", padding=(0, 1, 0, 0))
    for place, name in enumerate(one.header):
        table.add_column(name, justify="right" if one.is_number(place) else "left", no_wrap=True)
    for row in one.rows:
        table.add_row(*row)
    return table
