"""A bounded store of decoded and resized images, in memory or in a folder.

Masks are not kept: they can come from anything that `load_mask` reads, whose changes nobody
could see from here, and drawing them is quick. An image is kept under all it depends on, so that
a file or a Config that has changed is never answered with what was before.
"""

import hashlib
import os
import threading
import time
import uuid
import warnings
import weakref
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrcnn import __version__
from mrcnn.data.dataset import Dataset

MEGABYTE = 1 << 20
NAME = "mrcnn-image-{}.npz"
LEFT_BEHIND = 3600  # seconds after which a file that is still being written belongs to nobody
LOOK_AGAIN = 60  # seconds between looks at what other processes put into the folder
KNOBS = ("IMAGE_RESIZE_MODE", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "IMAGE_MIN_SCALE",
         "IMAGE_CHANNEL_COUNT")

_shared = weakref.WeakValueDictionary()
_shared_lock = threading.Lock()


@dataclass
class ResizedImage:
    """What `resize_image` answered, and the shape from before."""

    image: np.ndarray
    original_shape: tuple
    window: tuple
    scale: float
    padding: list
    crop: tuple | None = None


def cache_of(config):
    """The ImageCache a Config asks for, one for all who ask alike; None where it wants none."""
    if not config.IMAGE_CACHE_MB or config.IMAGE_RESIZE_MODE == "crop":
        return None
    wanted = config.IMAGE_CACHE_MB, config.IMAGE_CACHE_DIR
    with _shared_lock:
        cache = _shared.get(wanted)
        if cache is None:
            cache = _shared[wanted] = ImageCache(wanted[0] * MEGABYTE, wanted[1])
    return cache


def image_key(dataset, config, image_id):
    """A text that stands for the resized image; None where its file alone does not make it."""
    path = dataset.image_info[image_id].get("path")
    if not path or getattr(dataset.load_image, "__func__", None) is not Dataset.load_image:
        return None
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    file = os.path.abspath(path), state.st_mtime_ns, state.st_size
    return repr((__version__, *file, *(getattr(config, knob) for knob in KNOBS)))


class ImageCache:
    """Keeps the images used last, at most so many bytes of them. Any thread may use it.

    Args:
        limit_bytes: all images together; one that is larger by itself is not kept.
        folder: where to keep them, made if it is missing; None for memory. Images of earlier
            runs count, so a folder does not grow from run to run. Processes that share a folder
            may pass the limit for a minute by what the others have just written.

    Raises:
        OSError: the folder cannot be made or read.
    """

    def __init__(self, limit_bytes, folder=None):
        self.limit = limit_bytes
        self._store = _Memory() if folder is None else _Folder(Path(folder))
        self._lock = threading.Lock()
        self._failed = False

    def __len__(self):
        return len(self._store.sizes)

    @property
    def bytes(self):
        """Size of all that is kept."""
        return self._store.sizes.total

    def get(self, key):
        """The ResizedImage kept under a key, a copy of its own; None where there is none."""
        with self._lock:
            read = self._store.reader(key)
        found = read() if read else None
        return None if found is None else _unpacked(*found)

    def put(self, key, resized):
        """Keeps a copy of a ResizedImage, and drops those that were not used for longest."""
        if resized.crop is not None:
            return
        image, numbers = _packed(resized)
        if image.nbytes > self.limit:
            return
        try:
            self._store.write(key, image, numbers, self._lock)
            with self._lock:
                self._store.shrink(self.limit)
        except OSError as error:
            if not self._failed:
                warnings.warn(f"IMAGE_CACHE_DIR: images cannot be kept: {error}", stacklevel=2)
            self._failed = True


class _Sizes(OrderedDict):
    """Name -> bytes, what was used last at the end, and their sum."""

    total = 0

    def use(self, name, size):
        """Adds a name or changes its size, and puts it last."""
        self.total += size - self.get(name, 0)
        self[name] = size
        self.move_to_end(name)

    def drop_first(self):
        """Takes the first name out and answers it."""
        name, size = self.popitem(last=False)
        self.total -= size
        return name


class _Memory:
    def __init__(self):
        self.sizes, self._entries = _Sizes(), {}

    def reader(self, key):
        entry = self._entries.get(key)
        if entry is None:
            return None
        self.sizes.move_to_end(key)
        return lambda: entry

    def write(self, key, image, numbers, lock):
        with lock:
            self._entries[key] = image, numbers
            self.sizes.use(key, image.nbytes)

    def shrink(self, limit):
        while self.sizes.total > limit:
            del self._entries[self.sizes.drop_first()]


class _Folder:
    """One file an image; the time of a file is when it was used last."""

    def __init__(self, folder):
        self.folder = folder
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._look()
        except OSError as error:
            raise OSError(f"IMAGE_CACHE_DIR: {folder} is no folder to be used: {error}") from error

    def _look(self):
        """Finds out what lies in the folder, oldest first."""
        files = []
        for entry in os.scandir(self.folder):
            if entry.name.startswith("mrcnn-image-"):
                try:
                    state = entry.stat()
                    if entry.name.endswith(".npz"):
                        files.append((state.st_mtime_ns, entry.name, state.st_size))
                    elif time.time() - state.st_mtime > LEFT_BEHIND:
                        os.unlink(entry.path)
                except OSError:
                    continue  # gone meanwhile
        self.sizes, self._looked = _Sizes(), time.monotonic()
        for _, name, size in sorted(files):
            self.sizes.use(name, size)

    def _name(self, key):
        return NAME.format(hashlib.sha256(key.encode()).hexdigest()[:40])

    def reader(self, key):
        name = self._name(key)
        if name in self.sizes:
            self.sizes.move_to_end(name)
        return lambda: self._read(self.folder / name)

    def _read(self, path):
        try:
            os.utime(path)
            with np.load(path) as file:
                return file["image"], file["numbers"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # missing, or damaged and soon written anew

    def write(self, key, image, numbers, lock):
        name = self._name(key)
        unfinished = self.folder / f"mrcnn-image-{uuid.uuid4().hex}.tmp"
        try:
            with open(unfinished, "wb") as file:
                np.savez(file, image=image, numbers=numbers)
            size = unfinished.stat().st_size
            os.replace(unfinished, self.folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
        with lock:
            self.sizes.use(name, size)

    def shrink(self, limit):
        if self.sizes.total > limit and time.monotonic() - self._looked > LOOK_AGAIN:
            self._look()
        while self.sizes.total > limit:
            (self.folder / self.sizes.drop_first()).unlink(missing_ok=True)


def _packed(resized):
    """(image without its padding, all other numbers float64)."""
    y1, x1, y2, x2 = resized.window
    numbers = [*resized.original_shape, *resized.window, resized.scale,
               *(side for pair in resized.padding[:2] for side in pair)]
    return resized.image[y1:y2, x1:x2].copy(), np.array(numbers, np.float64)


def _unpacked(image, numbers):
    """The inverse of `_packed`."""
    *sides, scale, top, bottom, left, right = numbers.tolist()
    shape, window = (tuple(int(n) for n in part) for part in (sides[:3], sides[3:]))
    padding = [(int(top), int(bottom)), (int(left), int(right)), (0, 0)]
    framed = np.zeros((image.shape[0] + sum(padding[0]), image.shape[1] + sum(padding[1]),
                       image.shape[2]), image.dtype)
    framed[window[0] : window[2], window[1] : window[3]] = image
    return ResizedImage(framed, shape, window, scale, padding)
