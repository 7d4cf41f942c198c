"""The command line: `mrcnn` with its commands, also as `python -m mrcnn`.

Each command is a file here that knows click and nothing heavy; what it does stands in
`mrcnn/commands` and is imported when the command runs, so that help comes at once.
"""

import importlib

import click

from mrcnn import __version__
from mrcnn.cli.doors import STOPPED

# In the order of `mrcnn --help`.
COMMANDS = ("demo", "check", "inspect", "train", "evaluate", "detect", "export", "info", "frames",
            "assemble")


class CommandGroup(click.Group):
    """Finds the command NAME in the file of that name."""

    def list_commands(self, ctx):
        """Names in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx, cmd_name):
        """The command, imported now; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"mrcnn.cli.{cmd_name}"), cmd_name)

    def invoke(self, ctx):
        """Runs the command; Ctrl-C before it has begun ends as Ctrl-C in it does."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            ctx.exit(STOPPED)


@click.group("mrcnn", cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mrcnn")
def main():
    """Mask R-CNN for Keras 3, without writing a script.

    \b
    mrcnn demo                           train on generated shapes, in minutes
    mrcnn check data/train               is this data set fit for training?
    mrcnn train data --val data/val      train on it
    mrcnn evaluate MODEL data/val        measure it, with an HTML report
    mrcnn detect MODEL photos/           find the objects in pictures and videos
    mrcnn export MODEL model.onnx        a file that other programs run

    MODEL is a checkpoint, the folder of a run, or coco. `mrcnn COMMAND --help` teaches each
    command.
    """
