"""The versions this library stands on, and one clear message when they are not there.

Nothing here imports Keras or a backend: an unsuitable installation often fails in the middle of
its own import, with a message that names neither the cause nor the cure.
"""

import json
import os
import sys
from importlib import metadata, util
from pathlib import Path

PYTHON = (3, 10)
TENSORFLOW = (2, 20)
JAX = (0, 6)
TORCH = (2, 6)
KERAS = (3, 12)

# Backend -> (title, module, the names it is published under, least version, first one too new).
BACKENDS = {
    "tensorflow": ("TensorFlow", "tensorflow", (
        "tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos",
        "tensorflow-rocm", "tf-nightly", "tf-nightly-cpu",
    ), TENSORFLOW, (3,)),
    "jax": ("JAX", "jax", ("jax",), JAX, (1,)),
    "torch": ("torch", "torch", ("torch",), TORCH, (3,)),
}


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


def keras_backend():
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


def _findings(backend):
    """What is wrong with this installation, one phrase each."""
    if sys.version_info[:2] < PYTHON:
        yield f"Python {_dotted(sys.version_info[:3])}"
    keras = ("Keras", "keras", ("keras", "keras-nightly"), KERAS, (4,))
    for title, module, names, least, below in (BACKENDS[backend], keras):
        version = _installed(module, names)
        if version is None:
            yield f"no {title}"
        elif version and not least <= _release(version) < below:
            yield f"{title} {version}"


def check_versions():
    """Checks Python, Keras and the backend that Keras would choose, before they are imported.

    Raises:
        ImportError: naming what is needed and what was found.
    """
    backend = keras_backend()
    if backend not in BACKENDS:
        raise ImportError(
            f"mrcnn runs on the Keras backends {', '.join(BACKENDS)}; found the backend "
            f"{backend!r}. Set the environment variable KERAS_BACKEND=tensorflow before Keras is "
            "imported"
        )
    found = list(_findings(backend))
    if not found:
        return
    title, module, _, least, _ = BACKENDS[backend]
    others = "" if backend == "tensorflow" else f" on the Keras backend {backend!r}"
    raise ImportError(
        f"mrcnn{others} needs Python >= {_dotted(PYTHON)}, {title} >= {_dotted(least)} and "
        f"Keras 3 (>= {_dotted(KERAS)}); found {', '.join(found)}. "
        f"To repair it: pip install --upgrade '{module}>={_dotted(least)}' "
        f"'keras>={_dotted(KERAS)}'"
    )
