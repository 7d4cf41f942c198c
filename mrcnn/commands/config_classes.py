"""Config classes by their name on the command line: file.py:Class, module:Class, file.py."""

import importlib
import importlib.util
import sys
from pathlib import Path

from mrcnn.config import Config

_EXPECTED = "expected a YAML file, file.py:Class or module:Class"


def class_of_source(source):
    """The Config class that a text names.

    Args:
        source: "file.py:Class", "module:Class", or "file.py" where it holds only one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such module or class, or code that fails.
    """
    if source.endswith(".py"):
        return _only_class(_module_of_file(existing(source, source)), source)
    if ".py:" in source:
        path, _, name = source.rpartition(":")
        return _class_of(_module_of_file(existing(path, source)), name, source)
    module, separator, name = source.rpartition(":")
    if not separator or not module:
        raise ValueError(f"--config {source}: {_EXPECTED}")
    return _class_of(_imported(module, source), name, source)


def existing(path, source):
    """The Path of a file; FileNotFoundError where there is none."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"--config {source}: no such file: {path}")
    return path


def _imported(name, source):
    folder = str(Path.cwd())
    if folder not in sys.path:  # the command `mrcnn` does not look here by itself
        sys.path.insert(0, folder)
    return _guarded(lambda: importlib.import_module(name), source)


def _module_of_file(path):
    """The module of a Python file, its folder open to its imports as for a script."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules.setdefault(path.stem, module)
    _guarded(lambda: spec.loader.exec_module(module), str(path))
    return module


def _guarded(load, source):
    """Runs a person's own code; whatever it raises becomes a ValueError that names it."""
    try:
        return load()
    except Exception as error:
        raise ValueError(f"--config {source}: {type(error).__name__}: {error}") from error


def _class_of(module, name, source):
    cls = getattr(module, name, None)
    if isinstance(cls, type) and issubclass(cls, Config):
        return cls
    known = [one.__name__ for one in _config_classes(module)]
    there = f"its Config classes: {', '.join(known)}" if known else "it has no Config class"
    what = "is no Config" if cls is not None else "is not in it"
    raise ValueError(f"--config {source}: {name} {what}; {there}")


def _only_class(module, source):
    classes = _config_classes(module)
    if len(classes) == 1:
        return classes[0]
    names = ", ".join(cls.__name__ for cls in classes) or "none"
    raise ValueError(f"--config {source}: expected one Config class, received {names}; "
                     f"name one as {source}:Class")


def _config_classes(module):
    """The subclasses of Config that a module defines itself."""
    return [value for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Config)
            and value.__module__ == module.__name__]
