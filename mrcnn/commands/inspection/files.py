"""What `mrcnn inspect` writes: a page by itself, or a folder of it and its pictures."""

import datetime
import os
import shutil
from pathlib import Path

from mrcnn._atomic import atomic_path, make_writable
from mrcnn.commands.inspection.page import JPEG, PNG
from mrcnn.commands.training.data_defaults import run_name
from mrcnn.media.names import naming
from mrcnn.reports.pictures import address_of

INDEX, PICTURES = "index.html", "pictures"


class Album:
    """The pictures, by file name."""

    def __init__(self):
        self.files = {}

    def add(self, name, content, kind=JPEG):
        """Keeps the bytes of a file; answers its address for the page."""
        ending = ".png" if kind == PNG else ".jpg"
        self.files[name + ending] = content
        return address_of(content, kind)


def free_output(data, output=None):
    """Where to write: a folder, or the page alone where the name ends in .html.

    Args:
        data: path of the data set, for the name that is chosen where `output` is None.
        output: folder or .html file that is not there yet, or an empty folder.

    Returns:
        Path.

    Raises:
        FileExistsError: something is there already.
        OSError: nothing can be written there.
    """
    if output is None:
        time = datetime.datetime.now().strftime("%Y%m%dT%H%M%S")
        output = Path("results", f"inspect_{run_name(data)}_{time}")
    output = Path(output)
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise FileExistsError(f"{output} is there already; choose another --output")
    make_writable(next(folder for folder in output.absolute().parents if folder.is_dir()))
    return output


def write_page(output, text, album):
    """Writes the page, alone or in a folder with its pictures, which appears when it is whole.

    Args:
        output: Path of `free_output`.
        text: of the page.
        album: Album.

    Returns:
        Path of the page.

    Raises:
        OSError: it cannot be written; the message names it, and nothing of it is left.
    """
    if output.suffix.lower() == ".html":
        with atomic_path(output) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        return output
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with naming(output):
            (unfinished / PICTURES).mkdir(parents=True)
            for name, content in album.files.items():
                (unfinished / PICTURES / name).write_bytes(content)
            (unfinished / INDEX).write_text(text, encoding="utf-8")
            if output.exists():
                output.rmdir()  # it was empty
            os.replace(unfinished, output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return output / INDEX
