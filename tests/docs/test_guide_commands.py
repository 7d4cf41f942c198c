"""The command lines in README and guides, handed to the parsers they are for, and not run."""

import importlib.util
import inspect
import re
import sys

import click
import pytest
from guide_pages import PAGES, ROOT, commands, text_of, words

from mrcnn.cli import main
from mrcnn.config import KNOBS


def command_lines():
    """Each command line of the pages, once."""
    found = {command: page.name for page in PAGES for command in commands(text_of(page))}
    return [pytest.param(command, id=f"{page}: {command}") for command, page in found.items()]


def parse(command):
    """Hands a command line to the parser it is for, without running it.

    Raises:
        click.UsageError, SystemExit: it would be refused.
    """
    line = words(command)
    if line[0].startswith("python") and line[1] != "-m":
        parse_sample(line[1], line[2:])
        return
    parse_mrcnn(line[3:] if line[0].startswith("python") else line[1:])


def parse_mrcnn(line):
    """A line after `mrcnn`: the command, its options and arguments, and their values.

    A path need not exist, and a name in capitals stands for whatever is in its place.
    """
    context = click.Context(main, info_name="mrcnn")
    if line[0].startswith("-"):
        main.make_parser(context).parse_args(line)
        return
    command = main.get_command(context, line[0])
    if command is None:
        raise click.UsageError(f"no command {line[0]!r}")
    if len(line) == 1:
        return  # the command's name in a sentence
    context = click.Context(command, parent=context, info_name=line[0])
    values, _, _ = command.make_parser(context).parse_args(line[1:])
    if values.get("help"):
        return
    for parameter in command.params:
        check_value(context, parameter, values.get(parameter.name))


def check_value(context, parameter, value):
    """Refuses a required value that is missing, a bad choice or number, an unknown knob."""
    if value in (None, ()) or value is getattr(click.core, "UNSET", None):
        if parameter.required:
            raise click.MissingParameter(ctx=context, param=parameter)
        return
    several = isinstance(value, (list, tuple))
    for one in value if several else [value]:
        is_number = not isinstance(parameter.type, (click.Path, click.File))
        if is_number and not re.fullmatch(r"[A-Z]+", str(one)):
            parameter.type.convert(one, parameter, context)
        if "--set" in parameter.opts:
            knob, separator, _ = one.partition("=")
            if not separator or knob not in {*KNOBS, "KEY"}:
                raise click.BadParameter(f"{one}: no such knob", context, parameter)


def parse_sample(path, line):
    """A line of a script in samples/, by the script's own argument parser."""
    from mrcnn.commands.samples.options import parser_of
    from mrcnn.commands.samples.sample import Sample

    spec = importlib.util.spec_from_file_location(path.replace("/", "_")[:-3], ROOT / path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kinds = [value for value in vars(module).values() if inspect.isclass(value)
             and issubclass(value, Sample) and value.__module__ == spec.name]
    parser_of(kinds[0]()).parse_args(line)


@pytest.mark.parametrize("command", command_lines())
def test_command_lines_are_understood(command):
    parse(command)


@pytest.mark.parametrize("command", [
    "mrcnn chekc data", "mrcnn check --strict", "mrcnn check data --sbset val",
    "mrcnn check data --limit many", "python -m mrcnn check data --strictly",
])
def test_a_stale_command_is_caught(command):
    with pytest.raises(click.UsageError):
        parse(command)


def test_a_stale_sample_command_is_caught():
    parse("python samples/balloon/balloon.py train --dataset=DIR --weights=coco")
    with pytest.raises(SystemExit):
        parse("python samples/balloon/balloon.py train --data=DIR")
