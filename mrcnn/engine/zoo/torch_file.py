"""PyTorch's `.pth`, both of its formats, without PyTorch.

Since 1.6 it is a zip archive: `<name>/data.pkl` describes the tensors, `<name>/data/<key>` holds
the numbers of a storage. Before, it was a row of pickles followed by the numbers.
"""

import contextlib
import io
import os
import reprlib
import struct
import zipfile
from dataclasses import dataclass

import numpy as np

from mrcnn.engine.zoo.safe_pickle import (
    Blank,
    Maker,
    OpeningPickle,
    checked_shape,
    count_of,
    numpy_names,
)

# First bytes of the old format: the pickle of PyTorch's magic number.
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1",
    "ByteStorage": "<u1", "BoolStorage": "|b1",
}


@dataclass(eq=False)
class Storage:
    """A row of numbers outside the pickle.

    Attributes:
        kind: a value of STORAGES.
        key: its name in the file.
        count: how many numbers.
        read: function without arguments that answers its bytes; None until that is known.
    """

    kind: str
    key: str
    count: int
    read: object = None

    def __setstate__(self, state):
        """A pickle may not change one that is made."""
        raise ValueError("it changes a storage afterwards, which no weights file does")

    @property
    def itemsize(self):
        """Bytes of one number."""
        return 2 if self.kind == "bf16" else np.dtype(self.kind).itemsize

    def numbers(self):
        """All of them, [count]; bfloat16 as float32."""
        raw = self.read()
        if len(raw) != self.count * self.itemsize:
            raise ValueError(f"storage {self.key!r} has {len(raw)} bytes; expected "
                             f"{self.count * self.itemsize}: the file is cut short or damaged")
        if self.kind == "bf16":
            halves = np.frombuffer(raw, "<u2").astype(np.uint32)
            return (halves << 16).view(np.float32)
        return np.frombuffer(raw, self.kind)


@dataclass(eq=False)
class StoredTensor:
    """A view of a storage, as the pickle describes it.

    Attributes:
        storage: Storage.
        offset: index of the first number.
        shape, strides: in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple

    def __setstate__(self, state):
        """A pickle may not change one that is made, and checked."""
        raise ValueError("it changes a tensor afterwards, which no weights file does")

    @property
    def nbytes(self):
        """Bytes of its numbers."""
        return count_of(self.shape) * self.storage.itemsize

    def resolved(self):
        """The array, its own copy.

        Raises:
            ValueError: the view leaves its storage, or the storage is damaged.
        """
        if self.storage.count and 0 not in self.shape:
            steps = zip(self.shape, self.strides, strict=True)
            last = self.offset + sum((side - 1) * step for side, step in steps)
            if last >= self.storage.count or count_of(self.shape) > self.storage.count:
                raise ValueError(f"a tensor of shape {self.shape} leaves its storage")
        elif 0 not in self.shape:
            raise ValueError(f"a tensor of shape {self.shape} in an empty storage")
        else:
            return np.zeros(self.shape, np.float32)
        numbers = self.storage.numbers()
        strides = [step * numbers.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset:], self.shape, strides)
        return np.array(view)


def is_torch_zip(path):
    """Whether a file is a zip archive of PyTorch's, or the beginning of one."""
    with open(path, "rb") as file:
        head = file.read(300)
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except Exception:  # zipfile raises any kind at damaged data
        return b"/data.pkl" in head  # its first entry


def read_torch(path):
    """What a `.pth` file holds.

    Args:
        path: the file, in either format.

    Returns:
        The object as pickled, in most files a dict; tensors are `StoredTensor`.

    Raises:
        ValueError: it holds anything but tensors, numbers and text, or is damaged.
    """
    with open(path, "rb") as file:
        legacy = file.read(len(LEGACY_START)) == LEGACY_START
    return _read_legacy(path) if legacy else _read_zip(path)


@contextlib.contextmanager
def _zip_of(path):
    """A zip archive; ValueError where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: cut short or damaged: {error}") from error


def _read_zip(path):
    with _zip_of(path) as archive:
        names = {entry.filename: entry for entry in archive.infolist()}
        [pickled] = [name for name in names if name.endswith("/data.pkl")][:1]
        folder = pickled.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in names and _plain(archive, names[order], path) != b"little":
            raise ValueError(f"{path}: written on a big-endian machine, which is not read here")

        def reader(key):
            entry = names.get(f"{folder}data/{key}")
            if entry is None:
                raise ValueError(f"{path}: storage {key!r} is missing")

            def read():
                with _zip_of(path) as again:
                    return _plain(again, entry, path)

            return read

        def storage(pid):
            one = _storage_of(pid, path)
            one.read = reader(one.key)
            return one

        file = io.BytesIO(_plain(archive, names[pickled], path))
        return OpeningPickle(file, path, _torch_names(), storage).load()


def _plain(archive, entry, path):
    """The bytes of an entry, which PyTorch stores as they are: so many at most as the file has."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{path}: {entry.filename} is compressed, which PyTorch does not do: "
                         "unpack the archive and load the .pth file in it, or save it again")
    return archive.read(entry)


def _read_legacy(path):
    """Magic number, version, machine, object, keys; then count and numbers of each storage."""
    found = {}

    def storage(pid):
        one = _storage_of(pid, path)
        return found.setdefault(one.key, one)

    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        for _ in range(3):
            OpeningPickle(file, path, {}).load()
        answer = OpeningPickle(file, path, _torch_names(), storage).load()
        for key in OpeningPickle(file, path, {}).load():
            one = found.get(key) if isinstance(key, str) else None
            if one is None:
                raise ValueError(f"{path}: numbers of an unknown storage {reprlib.repr(key)}")
            head = file.read(8)
            left = end - file.tell()
            if (len(head) < 8 or struct.unpack("<q", head)[0] != one.count
                    or one.count * one.itemsize > left):
                raise ValueError(f"{path}: storage {key!r} is cut short or damaged")
            one.read = _later(path, file.tell(), one.count * one.itemsize)
            file.seek(one.count * one.itemsize, 1)
    if any(one.read is None for one in found.values()):
        raise ValueError(f"{path}: some storages are missing; the file is cut short")
    return answer


def _later(path, start, size):
    """Function that reads a part of a file when it is wanted."""
    def read():
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)

    return read


def _storage_of(pid, path):
    """Storage of a persistent id: ("storage", type, key, place, count, ...)."""
    fine = isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"
    if (not fine or pid[1] not in STORAGES.values() or type(pid[4]) is not int or pid[4] < 0
            or not isinstance(pid[2], (str, int)) or any(pid[5:])):
        raise ValueError(f"{path}: a storage that is described in an unknown way")
    return Storage(pid[1], str(pid[2]), pid[4])


def _rebuilt(storage, offset, shape, strides, *_):
    """Stands for torch._utils._rebuild_tensor_v2."""
    shape, strides = checked_shape(shape), checked_shape(strides)
    fine = isinstance(storage, Storage) and type(offset) is int and offset >= 0
    if not fine or len(shape) != len(strides):
        raise ValueError("a tensor that is described in an unknown way")
    return StoredTensor(storage, offset, shape, strides)


def _torch_names():
    """{(module, name): ours} that PyTorch's weights need."""
    names = numpy_names()  # scores and the like beside the weights
    names.update({("torch", name): kind for name, kind in STORAGES.items()})
    names["torch._utils", "_rebuild_tensor"] = Maker(_rebuilt)
    names["torch._utils", "_rebuild_tensor_v2"] = Maker(_rebuilt)
    names["torch._utils", "_rebuild_parameter"] = Maker(lambda tensor, *_: tensor)
    names["torch", "Size"] = Maker(lambda sides=(): tuple(sides))
    names["torch", "device"] = Blank
    # Beside the weights in what torchvision's training script writes: options and schedule.
    names["argparse", "Namespace"] = names["collections", "Counter"] = Blank
    return names
