"""Write a file or a folder whole or not at all: temporary name, fsync, rename."""

import os
import re
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STALE_SECONDS = 24 * 3600  # another machine's leftover is not touched before this age
LONGEST_NAME = 255  # bytes that file systems allow
_TEMP_NAME = re.compile(r"^\..+\.(?P<host>[A-Za-z0-9_-]+)-(?P<pid>\d+)\.tmp(\.\w+)?$")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname()) or "host"


@contextmanager
def atomic_path(path: str | os.PathLike, keep_ending: bool = False) -> Iterator[Path]:
    """Give a temporary path in the same folder; rename it to `path` on success.

    The rename is atomic and both the file and its folder are synchronised to disk, so
    after a crash `path` holds the old content or the new one, never a part.

    Args:
        path: the final path; its folder is created when missing.
        keep_ending: the temporary name ends as the final one does, for writers that choose
            their format by it; otherwise it ends in .tmp.

    Yields:
        The path to write to. The body must have closed the file when it ends. When the
        body raises, the temporary file is removed and `path` stays as it was.

    Raises:
        OSError: the folder or the file cannot be written; it names `path`, also where the body's
            own error names no file, or the temporary one.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = target.with_name(_temp_name(target.name, target.suffix if keep_ending else ""))
    try:
        yield temp
        sync_file(temp)
        os.replace(temp, target)
        sync_folder(target.parent)
    except OSError as error:
        if error.strerror is None or error.filename not in (None, str(temp)):
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        temp.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a new folder that becomes `path` on success, in place of an earlier one.

    Yields:
        A path that is not there yet, for the body to make. When the body raises, `path` stays as
        it was.

    Raises:
        OSError: the folder cannot be written.
    """
    target = Path(path)
    workshop = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
    try:
        yield workshop / "new"
        if target.exists():
            os.replace(target, workshop / "old")
        os.replace(workshop / "new", target)
    except BaseException:
        if (workshop / "old").exists() and not target.exists():
            os.replace(workshop / "old", target)
        raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def make_writable(folder: str | os.PathLike) -> None:
    """Makes a folder and tries whether files can be written there.

    Raises:
        OSError: they cannot; the message names the folder.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"cannot write to {folder}: {error.strerror or error}") from error


def refuse_existing(path: str | os.PathLike, overwrite: bool) -> None:
    """FileExistsError where something is at `path` that may not be overwritten."""
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} exists; overwrite=True replaces it")


def _temp_name(name: str, ending: str) -> str:
    """The hidden name, cut where it would be too long for a file system."""
    tail = f".{_host()}-{os.getpid()}.tmp{ending}"
    room = LONGEST_NAME - 1 - len(os.fsencode(tail))
    if len(os.fsencode(name)) > room:
        mark = f"~{zlib.crc32(os.fsencode(name)):08x}"  # two long names may begin alike
        name = os.fsencode(name)[:room - len(mark)].decode(errors="ignore") + mark
    return f".{name}{tail}"


def sync_file(path: str | os.PathLike) -> None:
    """Force the content of a closed file to disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: str | os.PathLike) -> None:
    """Force a folder's names to disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders; its rename is journalled
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse; nothing more can be done
        pass
    finally:
        os.close(handle)


def remove_leftovers(folder: str | os.PathLike) -> list[Path]:
    """Delete temporary files that killed processes left in `folder`.

    A file of this machine goes when its process no longer lives; one of another machine
    when it is older than a day.

    Returns:
        The deleted paths.
    """
    removed = []
    for path in Path(folder).glob(".*.tmp*"):
        match = _TEMP_NAME.match(path.name)
        if match and _is_stale(path, match["host"], int(match["pid"])):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _is_stale(path: Path, host: str, pid: int) -> bool:
    if host == _host():
        return not _alive(pid)
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except OSError:  # gone meanwhile
        return False


def _alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives and belongs to somebody else
        return True
    return True
