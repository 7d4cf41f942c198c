"""Data sets from the network: an archive is fetched, checked and unpacked beside its place."""

import os
import posixpath
import shutil
import tarfile
import tempfile
import urllib.parse
import zipfile
import zlib
from pathlib import Path

from mrcnn.data.dataset import DataError
from mrcnn.data.formats.paths import inside
from mrcnn.engine.downloads import download_file

DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError)


def fetch_archive(url, folder, holds, md5=None, verbose=1):
    """Downloads and unpacks an archive, unless what it holds is there already.

    An archive that somebody put into the folder is used and left there; one that was downloaded
    is deleted once it is unpacked.

    Args:
        url: http(s) address of a .zip or .tar file.
        folder: where to unpack; made when missing.
        holds: file or folder in it, relative to `folder`, that says it has been unpacked.
        md5: published checksum, if there is one.
        verbose: 1 shows the progress.

    Returns:
        Path of `folder/holds`.

    Raises:
        ConnectionError: it could not be downloaded; says from where, and where to put it.
        DataError: it is damaged, leads out of the folder or does not hold that.
    """
    folder = Path(folder)
    target = folder / holds
    if target.exists():
        return target
    archive = folder / posixpath.basename(urllib.parse.urlparse(url).path)
    was_there = archive.exists()
    try:
        download_file(url, archive, md5=md5, verbose=verbose)
    except ValueError as error:
        raise DataError(str(error)) from error
    if verbose:
        print(f"Unpacking {archive}")
    unpack(archive, folder)
    if not target.exists():
        raise DataError(f"{archive}: {holds} was expected in it, and is not there")
    if not was_there:
        archive.unlink()
    return target


def unpack(archive, folder):
    """Unpacks a zip or tar file; nothing of it is in `folder` before all of it could be read.

    Args:
        archive: the file.
        folder: an existing folder; files in it are replaced by those of the same name.

    Raises:
        DataError: no such archive, a damaged one, or one with links or with names that lead
            out of the folder.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as temporary:
        try:
            if zipfile.is_zipfile(archive):
                _unpack_zip(archive, temporary)
            elif tarfile.is_tarfile(archive):
                _unpack_tar(archive, temporary)
            else:
                raise ValueError("neither a zip nor a tar file")
        except DAMAGE as error:
            raise DataError(
                f"{archive} is damaged ({error}); delete it and run this again"
            ) from error
        except ValueError as error:
            raise DataError(f"{archive}: {error}; nothing was unpacked") from error
        _merge(temporary, folder)


def _unpack_zip(archive, folder):
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            if not member.is_dir():
                with file.open(member) as source:
                    _write(source, folder, member.filename)


def _unpack_tar(archive, folder):
    with tarfile.open(archive) as file:
        for member in file:
            if member.isfile():
                _write(file.extractfile(member), folder, member.name)
            elif not member.isdir():
                raise ValueError(f"{member.name!r} is a link or a device")


def _write(source, folder, name):
    path = inside(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _merge(source, target):
    """Moves all of `source` into `target`: new folders whole, others entry by entry."""
    for entry in sorted(Path(source).iterdir()):
        there = Path(target, entry.name)
        if entry.is_dir() and there.is_dir():
            _merge(entry, there)
        else:
            os.replace(entry, there)
