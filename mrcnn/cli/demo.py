"""`mrcnn demo`: does it work here, and what does it do?"""

import click

from mrcnn.cli.doors import clear_errors

EPILOG = """\b
Examples:
  mrcnn demo
  mrcnn demo --output shapes.png --logs runs --epochs 3

\b
Measured: two CPU cores, 4 minutes; mask AP50 0.94 on 100 held-out images.
"""


@click.command(epilog=EPILOG)
@click.option("--output", type=click.Path(dir_okay=False), default="demo.png", show_default=True,
              metavar="FILE", help="The picture, replaced where it is there.")
@click.option("--logs", type=click.Path(file_okay=False), default="logs", show_default=True,
              metavar="DIR", help="Folder for the folder of the run.")
@click.option("--epochs", type=click.IntRange(min=1), default=11, show_default=True, metavar="N",
              help="Of 100 steps each.")
def demo(output, logs, epochs):
    """Trains a small model from nothing on generated shapes, measures it and draws what it finds.

    Nothing is downloaded and nothing has to be at hand. The picture shows images that it has
    never seen, its detections beside the truth.
    """
    with clear_errors():
        from mrcnn.commands import demo as work

        work.demo(output, logs, epochs)
