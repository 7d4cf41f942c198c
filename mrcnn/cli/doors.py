"""How every command ends when something is wrong: one message, no traceback."""

import contextlib
import sys

import click

STOPPED = 130  # what a shell expects after Ctrl-C


@contextlib.contextmanager
def clear_errors():
    """Turns what bad input raises into `Error: <message>` and exit code 1, Ctrl-C into 130.

    A mistake on the command line itself is a click.UsageError, with exit code 2. Anything else
    is a fault of this library and keeps its traceback.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(STOPPED)
    except (ValueError, TypeError, OSError, FloatingPointError, ImportError) as error:
        raise click.ClickException(str(error)) from error
