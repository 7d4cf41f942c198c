"""The command line: `mrcnn` with its commands, also as `python -m mrcnn`."""

import click

from mrcnn import __version__
from mrcnn.cli.check import check


@click.group("mrcnn", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mrcnn")
def main():
    """Mask R-CNN for Keras 3: what can be done without writing a script.

    `mrcnn check PATH` looks a data set over before anything is trained on it.
    """


main.add_command(check)
