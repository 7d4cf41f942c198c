"""Fetch published weight files: resumed where it broke, checked, never half in place."""

import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from mrcnn._atomic import sync_file, sync_folder
from mrcnn.engine.legacy_h5 import check_legacy_h5

COCO_MODEL_URL = (
    "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
)
RESNET50_NOTOP_URL = (
    "https://github.com/fchollet/deep-learning-models/releases/download/v0.2/"
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
RESNET50_NOTOP_MD5 = "a268eb855778b3df3c7506639542a6af"
TIMEOUT = 30.0  # seconds without a byte before a connection counts as broken
_BLOCK = 1 << 18


def download_file(
    url: str,
    path: str | os.PathLike,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    expected_size: int | None = None,
    check: Callable[[Path], object] | None = None,
    verbose: int = 1,
) -> str:
    """Download a file, unless it is there already.

    The bytes go to `path + ".part"`, which an interrupted download leaves behind and the
    next one continues where the server can. Only a complete and checked file gets the name.

    Args:
        url: http(s) address.
        path: where to put the file; its folder is created when missing. An existing file
            is never overwritten.
        md5: published checksum, if there is one.
        sha256: published checksum or its first digits, if there is one.
        expected_size: published size in bytes, if there is one.
        check: called with the complete `.part` file; raises ValueError if it is no good.
        verbose: 1 shows the progress.

    Returns:
        The path.

    Raises:
        ConnectionError: no connection, an HTTP error, or the stream broke off; says where
            the file comes from and where to put it by hand.
        ValueError: the content is not what was published; the bad download is deleted. An
            existing file with another checksum is left alone.
    """
    path, checksums = Path(path), {"md5": md5, "sha256": sha256}
    if path.exists():
        try:
            _check_sums(path, checksums)
        except ValueError as error:
            raise ValueError(f"{path} is another file: {error}; delete or move it") from None
        return str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _fetch(url, part, verbose)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and not _is_network(error):
            raise
        raise ConnectionError(
            f"Could not download {url} ({_reason(error)}). Run it again to continue, or "
            f"fetch the file in another way and put it at {path.absolute()}"
        ) from error
    _verify(part, url, checksums, expected_size, check)
    sync_file(part)
    os.replace(part, path)
    sync_folder(path.parent)
    return str(path)


def download_trained_weights(coco_model_path: str | os.PathLike, verbose: int = 1) -> str:
    """Download Matterport's weights trained on COCO (release v2.0) to a path.

    No checksum was published: the size the server announces and the HDF5 layout are checked.

    Args:
        coco_model_path: target file; nothing happens when it exists.
        verbose: 1 shows the progress.

    Returns:
        The path.

    Raises:
        ConnectionError, ValueError: as `download_file`.
    """
    return download_file(COCO_MODEL_URL, coco_model_path, check=check_legacy_h5, verbose=verbose)


def imagenet_weights_path(backbone: str = "resnet50", verbose: int = 1) -> str:
    """Path of the ResNet-50 ImageNet weights (no top), downloaded on first use.

    Kept where Keras keeps its own downloads (`~/.keras/models`, or `$KERAS_HOME/models`),
    and taken from there when Keras already fetched this very file. A later Keras file of
    the same name has other weights, so ours then goes to the folder `mrcnn` below.

    Args:
        backbone: "resnet50" or "resnet101"; the latter starts from the same file, as it
            always did: its layers of the same name are filled.
        verbose: 1 shows the progress.

    Returns:
        The path.

    Raises:
        ValueError: no ImageNet weights are published for that backbone.
        ConnectionError: as `download_file`.
    """
    if backbone not in ("resnet50", "resnet101"):
        raise ValueError(
            f"ImageNet weights: expected resnet50 or resnet101, received {backbone!r}, for which "
            "none are published in this layout; train from scratch or load your own file"
        )
    models = models_folder()
    path = models / RESNET50_NOTOP_URL.rsplit("/", 1)[1]
    if path.exists() and _digest(path, "md5") != RESNET50_NOTOP_MD5:
        path = models / "mrcnn" / path.name
    return download_file(RESNET50_NOTOP_URL, path, md5=RESNET50_NOTOP_MD5, verbose=verbose)


def models_folder() -> Path:
    """Where Keras keeps downloaded weights: `$KERAS_HOME/models` or `~/.keras/models`."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def _fetch(url: str, part: Path, verbose: int) -> None:
    """Bring `part` to the full length, going on from what it holds."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "mrcnn"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return  # the part was complete already
        part.unlink()  # it is of another file, or damaged
        _fetch(url, part, verbose)
        return
    with response:
        resumed = response.status == 206 and _range_start(response) == start
        if response.status == 206 and not resumed:
            raise http.client.HTTPException("the server sent another range than asked for")
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        with open(part, "ab" if resumed else "wb") as file:
            _copy(response, file, start, total, verbose and part.name.removesuffix(".part"))
    size = part.stat().st_size
    if total is not None and size != total:
        raise http.client.HTTPException(f"the connection broke off after {size} of {total} bytes")


def _range_start(response: http.client.HTTPResponse) -> int | None:
    """The first byte that a 206 answer holds."""
    words = response.headers.get("Content-Range", "").replace("bytes ", "").split("-")
    return int(words[0]) if words[0].isdigit() else None


def _copy(response, file, done: int, total: int | None, label: str | int) -> None:
    """Copy the stream; with a label print a progress line, at most five times a second."""
    shown = 0.0
    while block := response.read(_BLOCK):
        file.write(block)
        done += len(block)
        if label and (time.monotonic() - shown > 0.2 or done == total):
            shown = time.monotonic()
            of_all = f" of {total / 1e6:.1f}" if total else ""
            print(f"\r{label}: {done / 1e6:.1f}{of_all} MB", end="", flush=True)
    if label:
        print()


def _verify(part: Path, url: str, checksums: dict, size: int | None, check) -> None:
    """Delete the download and raise when it is not what was published."""
    try:
        found = part.stat().st_size
        if found == 0 or (size is not None and found != size):
            raise ValueError(f"expected {size or 'some'} bytes, received {found}")
        _check_sums(part, checksums)
        if check is not None:
            check(part)
    except ValueError as error:
        part.unlink()
        raise ValueError(f"{url}: the download is not the published file: {error}") from error


def _check_sums(path: Path, checksums: dict) -> None:
    """ValueError where a file's checksum does not begin with the published digits."""
    for algorithm, expected in checksums.items():
        if expected and not (digest := _digest(path, algorithm)).startswith(expected):
            raise ValueError(f"expected {algorithm.upper()} {expected}, received {digest}")


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is_network(error: OSError) -> bool:
    """Whether an OSError came from the connection and not from the disk."""
    return isinstance(
        error, (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)
    )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    return str(getattr(error, "reason", "") or error) or type(error).__name__
