"""Run the notebooks from top to bottom, each in a kernel of its own, all in one clean folder.

    python notebooks/execute.py                  # all of them, and save their outputs in place
    python notebooks/execute.py demo             # one

`make notebooks` does the former. `train_shapes` comes first and leaves its model for the others.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from mrcnn._atomic import atomic_path

HERE = Path(__file__).resolve().parent
NAMES = ("train_shapes", "demo", "inspect_data", "inspect_model", "inspect_weights")
TIME_LIMIT = 1800  # seconds a cell
# What TensorFlow writes about itself before Python can ask it not to.
ABOUT_ITSELF = re.compile(r"^(WARNING: All log messages before absl.*|[IWE]\d{4} .*)\n?", re.M)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def executed(notebook, folder, environment=None):
    """A notebook with the outputs of a run.

    Args:
        notebook: as nbformat reads it; not changed.
        folder: where it runs; gets what the notebook writes, and a copy of `shapes_model.py`.
        environment: variables for its kernel besides this process' own.

    Returns:
        A copy with new outputs, without what differs from run to run on its own.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    shutil.copy(HERE / "shapes_model.py", folder)
    notebook = nbformat.from_dict(notebook)
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    client = NotebookClient(notebook, timeout=TIME_LIMIT, kernel_name="python3",
                            record_timing=False, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **quiet, **(environment or {})})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in map(_tidied, _joined(cell.outputs)) if out]
    return notebook


def _joined(outputs):
    """Neighbouring pieces of one stream as one output."""
    joined = []
    for out in outputs:
        last = joined[-1] if joined else None
        if last and out.output_type == last.output_type == "stream" and out.name == last.name:
            last.text += out.text
        else:
            joined.append(out)
    return joined


def _tidied(out):
    """An output as a terminal would show it at the end; None when nothing is left."""
    if out.output_type == "stream":
        text = COLOURS.sub("", ABOUT_ITSELF.sub("", out.text))
        out.text = "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))
        return out if out.text.strip() else None
    return out


def main(names):
    """Run the notebooks named, train_shapes' model first, and save each in place."""
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.exit(f"no notebook {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory() as folder:
        if (HERE / "logs").is_dir():
            shutil.copytree(HERE / "logs", Path(folder) / "logs")
        for name in [name for name in NAMES if name in (names or NAMES)]:
            print(f"== {name}", flush=True)
            path = HERE / f"{name}.ipynb"
            done = executed(nbformat.read(path, as_version=4), folder)
            with atomic_path(path) as unfinished:
                nbformat.write(done, unfinished)


if __name__ == "__main__":
    main(sys.argv[1:])
