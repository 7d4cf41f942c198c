"""How every command ends when something is wrong."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mrcnn import cli
from mrcnn.cli.doors import clear_errors

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("error", "said"), [
    (PermissionError(13, "Permission denied", "a/b.json"), "a/b.json: Permission denied"),
    (OSError(28, "No space left on device"), "No space left on device"),
    (FileNotFoundError("no such file: x"), "no such file: x"),
    (ValueError("x = 3: must be 4"), "x = 3: must be 4"),
])
def test_errors_are_said_without_numbers(error, said):
    with pytest.raises(click.ClickException) as found, clear_errors():
        raise error
    assert found.value.format_message() == said


def test_a_reader_that_has_seen_enough(tmp_path):
    """As in `mrcnn info | head`: no message."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "mrcnn", "info"], stdout=writing, cwd=tmp_path,
                          stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
                          check=False)
    os.close(writing)
    assert b"Error" not in done.stderr and b"Traceback" not in done.stderr


def test_a_warning_is_one_line(capsys):
    earlier = warnings.showwarning
    with warnings.catch_warnings(), clear_errors():
        warnings.simplefilter("always")
        warnings.warn("images[0] holds values up to 65535", stacklevel=1)
    assert capsys.readouterr().err == "Warning: images[0] holds values up to 65535\n"
    assert warnings.showwarning is earlier


def test_ctrl_c_before_a_command_has_begun(monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", interrupted)
    done = CliRunner().invoke(cli.main, ["info"])
    assert done.exit_code == 130 and done.stderr == "Stopped.\n"
