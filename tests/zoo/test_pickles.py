"""Files that hold anything but weights are refused before any of it runs."""

import os
import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
from small_files import torchvision_state, write_pickle

from mrcnn.engine.zoo.reading import is_zoo_file, read_zoo
from mrcnn.engine.zoo.safe_pickle import OpeningPickle, numpy_names


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def torch_zip(path, content, method=zipfile.ZIP_STORED, **files):
    """A zip archive as PyTorch writes it, with any pickle."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("weights/data.pkl", pickle.dumps(content, protocol=2))
        for name, data in files.items():
            archive.writestr(f"weights/data/{name}", data)
    return path


def test_a_command_is_not_run(tmp_path):
    touched = tmp_path / "touched"
    for number, content in enumerate(({"model": Evil(touched)}, [Evil(touched)],
                                      {"a": np.zeros(2), "b": {"c": Evil(touched)}})):
        paths = [write_pickle(tmp_path / f"{number}.pkl", content),
                 torch_zip(tmp_path / f"{number}.pth", content)]
        for path in paths:
            with pytest.raises(ValueError, match=r"asks for the object (posix|os)\.system"):
                read_zoo(path)
    assert not touched.exists()


@pytest.mark.parametrize(("content", "named"), [
    (Namespace(lr=0.1), "argparse.Namespace"),
    (np.random.default_rng(0), "numpy"),
    (getattr, "__builtin__.getattr"),
    (slice(1), "__builtin__.slice"),
    (complex(1), "__builtin__.complex"),
])
def test_other_objects_are_named(tmp_path, content, named):
    path = write_pickle(tmp_path / "other.pkl", {"w": np.zeros(2, np.float32), "x": content})
    with pytest.raises(ValueError, match=f"asks for the object {named}") as caught:
        read_zoo(path)
    assert str(path) in str(caught.value)


def test_arrays_of_objects_are_refused(tmp_path):
    state = {"backbone.body.conv1.weight": np.array([{}, None], object)}
    with pytest.raises(ValueError, match="backbone.body.conv1.weight: an array of"):
        read_zoo(write_pickle(tmp_path / "objects.pkl", state))


def test_attributes_of_what_stands_for_functions_cannot_be_set(tmp_path):
    # The pickle takes the function that makes arrays and tries to give it an attribute.
    raw = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}X\x01\x00\x00\x00aK\x01s\x86b."
    (tmp_path / "attribute.pkl").write_bytes(raw)
    with pytest.raises(ValueError, match="attribute.pkl"):
        read_zoo(tmp_path / "attribute.pkl")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("array", [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4.0)[::2],
    np.asfortranarray(np.arange(6, dtype=">f4").reshape(3, 2)), np.arange(3, dtype=np.float16),
    np.float64(3.5), np.zeros((0, 2), np.float32), np.array([True, False]), np.int64(7),
])
def test_arrays_come_out_as_they_went_in(tmp_path, protocol, array):
    path = tmp_path / "array.pkl"
    path.write_bytes(pickle.dumps(array, protocol=protocol))
    with open(path, "rb") as file:
        found = OpeningPickle(file, path, numpy_names()).load().resolved()
    assert found.dtype.newbyteorder("=") == np.asarray(array).dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_pickles_of_python_2_are_read(tmp_path):
    raw = (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
           b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
           b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
           b"U\x08\x00\x00\x80?\x00\x00\x00\xc0tb.")
    (tmp_path / "two.pkl").write_bytes(raw)
    with open(tmp_path / "two.pkl", "rb") as file:
        found = OpeningPickle(file, "two.pkl", numpy_names()).load().resolved()
    np.testing.assert_array_equal(found, np.float32([1, -2]))


def test_damaged_files(tmp_path):
    whole = write_pickle(tmp_path / "whole.pkl", torchvision_state()).read_bytes()
    for size in (3, 40, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pkl").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="cut.pkl"):
            read_zoo(tmp_path / "cut.pkl")
    with pytest.raises(ValueError, match="squeezed.pth"):
        read_zoo(torch_zip(tmp_path / "squeezed.pth", OrderedDict(), zipfile.ZIP_DEFLATED))


def test_what_counts_as_such_a_file(tmp_path):
    assert is_zoo_file(write_pickle(tmp_path / "a.bin", {}))
    assert is_zoo_file(torch_zip(tmp_path / "b.bin", {}))
    assert not is_zoo_file(tmp_path) and not is_zoo_file(tmp_path / "missing.pth")
    for name, data in {"empty": b"", "h5": b"\x89HDF\r\n\x1a\n", "text": b"hello"}.items():
        (tmp_path / name).write_bytes(data)
        assert not is_zoo_file(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert not is_zoo_file(tmp_path / "model.keras")
