"""Pickles read without what makes pickle dangerous.

A pickle is a small program that may call whatever it can import. Here it imports nothing: each
name that it may mention stands for one of our own classes, which only keep what they are given.
Arrays are made from that afterwards, with their sizes checked. Any other name is refused.
"""

import os
import pickle
import pickletools
import reprlib
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

MOST_TUPLES = 50_000  # several times what a ResNet-101's weights and optimizer have
# Types of numbers that weights files hold: numpy's names, little-endian.
NUMBER_TYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")


class OpeningPickle(pickle._Unpickler):
    """An unpickler that knows only the names it is given.

    Python's own, not the one in C, since what becomes a key can be looked at there: a tuple of a
    tuple of a tuple, each twice in the next, is short to write and takes years to hash.

    Args:
        file: open for reading, binary.
        path: for messages.
        names: {(module, name): what stands for it}.
        storages: function of the tuple that a persistent id is; None where there are none.

    Raises (from `load`):
        ValueError: the pickle mentions another name, or is no pickle at all; names it.
    """

    dispatch = dict(pickle._Unpickler.dispatch)  # what is done for each opcode; more below

    def __init__(self, file, path, names, storages=None):
        super().__init__(file, encoding="latin1")  # pickles of Python 2 are read too
        self._file, self._path, self._names, self._storages = file, path, names, storages

    def find_class(self, module, name):
        """Called by pickle for each name."""
        found = self._names.get((module, name))
        if found is None:
            raise ValueError(
                f"{self._path}: the file asks for the object {module}.{name}, and a weights file "
                "needs numbers and their names only: nothing of it was loaded. If you trust it, "
                "open it where it was written and save the weights alone (in PyTorch: "
                "torch.save(model.state_dict(), path))"
            )
        return found

    def persistent_load(self, pid):
        """Called by pickle for what lies outside of it."""
        if self._storages is None:
            raise ValueError(f"{self._path}: the file refers to {reprlib.repr(pid)} outside of it")
        return self._storages(pid)

    def load(self):
        """The next pickle of the file."""
        try:
            check_sizes(self._file)
            return super().load()
        except ValueError as error:
            known = str(error).startswith(str(self._path))
            raise error if known else ValueError(f"{self._path}: {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # pickle raises any kind at damaged data
            raise ValueError(f"{self._path}: damaged, or no weights file: {error}") from error


def _checking(load, keys_of):
    """An operation of the unpickler that first looks at what will be hashed.

    Args:
        load: the operation.
        keys_of: function of the stack.
    """
    def checked(unpickler):
        for key in keys_of(unpickler.stack):
            check_key(key)
        load(unpickler)
    return checked


for _opcode, _keys_of in ((pickle.SETITEM, lambda stack: stack[-2:-1]),
                          (pickle.SETITEMS, lambda stack: stack[::2]),
                          (pickle.DICT, lambda stack: stack[::2]),
                          (pickle.ADDITEMS, lambda stack: stack),
                          (pickle.FROZENSET, lambda stack: stack)):
    OpeningPickle.dispatch[_opcode[0]] = _checking(OpeningPickle.dispatch[_opcode[0]], _keys_of)


def check_key(key):
    """ValueError for a key that is no text and no number."""
    if not isinstance(key, (str, bytes, int, float, type(None))):
        raise ValueError(f"a {type(key).__name__} as a key; expected a name or a number")


def check_sizes(file):
    """Refuse a pickle that would take far more memory than it is long.

    A few damaged bytes are enough: they may ask for place number four billion of the pickle's
    memory, or for a text of terabytes.

    Args:
        file: open for reading, binary; stays where it is.

    Raises:
        ValueError: a size or a place that the pickle cannot have.
    """
    start, places, tuples = file.tell(), 0, 0
    bounded = _Bounded(file)
    for code, argument, _ in pickletools.genops(bounded):
        if code.name == "FRAME":
            bounded.check(argument)
        elif code.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            places += 1
            if argument > places:
                raise ValueError(f"damaged: it asks for place {argument} of its memory, and "
                                 f"{places} are in use")
        elif code.name == "MEMOIZE":
            places += 1
        elif code.name.startswith("TUPLE"):  # one in another without end would crash Python
            tuples += 1
            if tuples > MOST_TUPLES:
                raise ValueError(f"more than {MOST_TUPLES} tuples, which no weights file has")
    file.seek(start)


class _Bounded:
    """A file from which no more can be asked than it has."""

    def __init__(self, file):
        start = file.tell()
        self._end = file.seek(0, os.SEEK_END)
        self._file, self.tell, self.readline = file, file.tell, file.readline
        file.seek(start)

    def check(self, count):
        """ValueError where fewer bytes are left."""
        left = self._end - self._file.tell()
        if count > left:
            raise ValueError(f"cut short or damaged: {count} bytes are expected, {left} are left")

    def read(self, count):
        """So many bytes."""
        self.check(count)
        return self._file.read(count)


class Blank:
    """Stands for an object that is not needed; takes anything and keeps nothing."""

    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        """A new one."""
        return super().__new__(cls)

    def __setstate__(self, state):
        """Ignored."""


class Maker:
    """Stands for a function or class: `make(*arguments)` in its place.

    It has no attributes that a pickle could set.
    """

    __slots__ = ("__make",)

    def __init__(self, make):
        object.__setattr__(self, "_Maker__make", make)

    def __call__(self, *arguments):
        """What the pickle takes for the result."""
        return self.__make(*arguments)

    def __setattr__(self, name, value):
        raise ValueError(f"a weights file may not change {name!r}")


def ordered_dict(pairs=()):
    """Stands for collections.OrderedDict, which PyTorch also hangs versions of modules on."""
    for key, _ in pairs:
        check_key(key)
    return _Ordered(pairs)


class _Ordered(OrderedDict):
    """An OrderedDict that ignores attributes."""

    def __setstate__(self, state):
        """Ignored: `_metadata` of a state_dict."""


@dataclass(eq=False)
class PickledType:
    """A numpy type as a pickle describes it.

    Attributes:
        code: kind and size, such as "f4".
        order: "<", ">", "|" or "=".
    """

    code: str
    order: str = "<"

    def __setstate__(self, state):
        """numpy's (version, byte order, fields, ...)."""
        self.order = state[1] if len(state) > 1 else "<"

    def resolved(self):
        """numpy.dtype of a plain number; ValueError for any other."""
        code = self.code.lstrip("<>|=") if isinstance(self.code, str) else None
        if code not in NUMBER_TYPES:
            raise ValueError(
                f"an array of type {reprlib.repr(self.code)}; expected plain numbers")
        order = self.order if self.order in ("<", ">") else "="
        return np.dtype(order + code) if code[1:] != "1" else np.dtype(code)


@dataclass(eq=False)
class PickledArray:
    """A numpy array as a pickle describes it: its state, not yet an array."""

    state: tuple = field(default=())

    def __setstate__(self, state):
        """numpy's (version, shape, type, whether Fortran, bytes)."""
        self.state = tuple(state)

    @property
    def shape(self):
        """As described, not yet checked; None where there is none."""
        shape = self.state[1] if len(self.state) > 1 else None
        return shape if isinstance(shape, tuple) else None

    @property
    def nbytes(self):
        """Bytes of its numbers."""
        raw = self.state[-1] if self.state else b""
        return len(raw) if isinstance(raw, (bytes, bytearray, str)) else 0

    def resolved(self):
        """The array.

        Raises:
            ValueError: no plain numbers, or not as many as the shape says.
        """
        if len(self.state) != 5 or not isinstance(self.state[2], PickledType):
            raise ValueError("an array that is described in an unknown way")
        _, shape, kind, fortran, raw = self.state
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(raw, (bytes, bytearray)):
            raise ValueError("an array of objects; expected plain numbers")
        flat = np.frombuffer(raw, kind.resolved())
        shape = checked_shape(shape)
        if flat.size != count_of(shape):
            raise ValueError(f"an array of shape {shape} with {flat.size} numbers")
        return flat.reshape(shape, order="F" if fortran else "C")


def checked_shape(shape):
    """A tuple of sizes; ValueError where it is anything else."""
    if not isinstance(shape, (tuple, list)) or not all(
            type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"a shape of {reprlib.repr(shape)}")
    return tuple(shape)


def count_of(shape):
    """How many numbers an array of this shape has, in whole numbers of any size."""
    count = 1
    for side in shape:
        count *= side
    return count


def _pickled_scalar(kind, raw=b""):
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(kind, PickledType):
        raise ValueError("a number that is described in an unknown way")
    return PickledArray((1, (), kind, False, raw))


def _pickled_buffer(raw, kind, shape, order):
    """An array in the newest protocol."""
    return PickledArray((1, shape, kind, order == "F", raw))


def _encoded(text, encoding):
    """Bytes, as Python 3 writes them in the protocol of Python 2."""
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError(f"bytes in the encoding {reprlib.repr(encoding)}")
    return text.encode("latin1")


def _no_bytes():
    """What Python 3 writes for empty bytes in the protocol of Python 2."""
    return b""


def numpy_names():
    """{(module, name): ours} for pickled numpy arrays, of any version of numpy and Python."""
    names = {("numpy", "ndarray"): Blank, ("numpy", "dtype"): Maker(
        lambda code, *_: PickledType(code))}
    for core in ("numpy.core", "numpy._core"):
        multiarray = f"{core}.multiarray"
        names[multiarray, "_reconstruct"] = Maker(lambda *_: PickledArray())
        names[multiarray, "scalar"] = Maker(_pickled_scalar)
        names[f"{core}.numeric", "_frombuffer"] = Maker(_pickled_buffer)
    names["_codecs", "encode"] = Maker(_encoded)
    names["__builtin__", "bytes"] = names["builtins", "bytes"] = Maker(_no_bytes)
    names["collections", "OrderedDict"] = Maker(ordered_dict)
    return names
