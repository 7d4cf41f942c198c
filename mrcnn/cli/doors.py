"""How every command ends when something is wrong: one message, no traceback."""

import contextlib
import sys
import warnings

import click

STOPPED = 130  # what a shell expects after Ctrl-C


@contextlib.contextmanager
def clear_errors():
    """Turns what bad input raises into `Error: <message>` and exit code 1, Ctrl-C into 130.

    A mistake on the command line itself is a click.UsageError, with exit code 2; so is an output
    that is there already. Anything else is a fault of this library and keeps its traceback.
    Warnings are shown as one line each.
    """
    earlier, warnings.showwarning = warnings.showwarning, _show_warning
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(STOPPED)
    except BrokenPipeError:
        raise  # the reader, `head` say, has seen enough: click ends quietly
    except FileExistsError as error:
        raise click.UsageError(_said(error)) from error
    except (ValueError, TypeError, OSError, FloatingPointError, ImportError) as error:
        raise click.ClickException(_said(error)) from error
    finally:
        warnings.showwarning = earlier


def _show_warning(message, *place, **more):
    """What it says, without the line of code that said it."""
    click.echo(f"Warning: {message}", err=True)


def _said(error):
    """The message; of the system's errors the file and the reason, without their number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
