"""The versions this library stands on, and one clear message when they are not there.

Nothing here imports TensorFlow or Keras: an unsuitable installation often fails in the middle of
its own import, with a message that names neither the cause nor the cure.
"""

import json
import os
import sys
from importlib import metadata, util
from pathlib import Path

PYTHON = (3, 10)
TENSORFLOW = (2, 20)
KERAS = (3, 12)

# TensorFlow is published under several names; all of them install the module `tensorflow`.
TENSORFLOW_NAMES = (
    "tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos", "tensorflow-rocm",
    "tf-nightly", "tf-nightly-cpu",
)


def _release(text):
    """The leading numbers of a version: "2.21.0rc1" gives (2, 21)."""
    numbers = []
    for part in text.split(".")[:2]:
        digits = "".join(char for char in part if char.isdigit())
        numbers.append(int(digits or 0))
    return tuple(numbers)


def _installed(module, names):
    """Version text of the first of `names` installed, "" if only the module is, else None."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "" if util.find_spec(module) else None


def _keras_backend():
    """The backend Keras would choose: the environment first, then its settings file."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def _dotted(version):
    return ".".join(map(str, version))


def _findings():
    """What is wrong with this installation, one phrase each."""
    if sys.version_info[:2] < PYTHON:
        yield f"Python {_dotted(sys.version_info[:3])}"
    for title, module, names, least, below in (
        ("TensorFlow", "tensorflow", TENSORFLOW_NAMES, TENSORFLOW, (3,)),
        ("Keras", "keras", ("keras", "keras-nightly"), KERAS, (4,)),
    ):
        version = _installed(module, names)
        if version is None:
            yield f"no {title}"
        elif version and not least <= _release(version) < below:
            yield f"{title} {version}"


def check_versions():
    """Checks Python, TensorFlow, Keras and the Keras backend, before TensorFlow is imported.

    Raises:
        ImportError: naming what is needed and what was found.
    """
    found = list(_findings())
    if found:
        raise ImportError(
            f"mrcnn needs Python >= {_dotted(PYTHON)}, TensorFlow >= {_dotted(TENSORFLOW)} and "
            f"Keras 3 (>= {_dotted(KERAS)}); found {', '.join(found)}. "
            f"To repair it: pip install --upgrade 'tensorflow>={_dotted(TENSORFLOW)}' "
            f"'keras>={_dotted(KERAS)}'"
        )
    backend = _keras_backend()
    if backend != "tensorflow":
        raise ImportError(
            f"this version of mrcnn runs on Keras with the TensorFlow backend; found the backend "
            f"{backend!r}. Set the environment variable KERAS_BACKEND=tensorflow before Keras is "
            "imported"
        )
