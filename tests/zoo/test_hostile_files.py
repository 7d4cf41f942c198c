"""A few bytes that would crash, run or fill the memory: one clear error naming the file."""

import pickle
import resource
import struct
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict

import numpy as np
import pytest
from small_files import torchvision_state, write_pickle

from mrcnn.engine.legacy_h5 import read_legacy_h5
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.engine.zoo.reading import is_zoo_file, read_zoo

NAME = "backbone.body.conv1.weight"
MEGABYTES = 300  # far more than any of these files needs


def number(value):
    """A whole number of any size in a pickle."""
    return b"\x8a\x10" + int(value).to_bytes(16, "little", signed=True)


def row(*values):
    """A tuple of whole numbers in a pickle."""
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(count=2, shape=(2,), strides=(1,), offset=0, build=b""):
    """PyTorch's pickle of one tensor."""
    place = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu" + number(count) + b"tQ"
    return (b"\x80\x02}U" + bytes([len(NAME)]) + NAME.encode()
            + b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + number(offset) + row(*shape)
            + row(*strides) + b"\x89NtR" + build + b"s.")


def torch_zip(path, pickled, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("weights/data.pkl", pickled)
        archive.writestr("weights/data/0", bytes(8), zipfile.ZIP_STORED)
    return path


def refused(path, match):
    """Both questions about the file: is it one, and what is in it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert is_zoo_file(path)
    with pytest.raises(ValueError, match=match) as caught:
        read_zoo(path)
    assert str(path) in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


@pytest.mark.parametrize(("pickled", "match"), [
    (b"\x80\x02}r\xff\xff\xff\x0f.", "place 268435455"),
    (b"\x80\x04\x95" + struct.pack("<Q", 2 ** 40) + b"}.", "1099511627776 bytes are expected"),
    (b"\x80\x04\x8e" + struct.pack("<Q", 2 ** 40) + b"}.", "1099511627776 bytes are expected"),
    (b"\x80\x05\x96" + struct.pack("<Q", 2 ** 40) + b"}.", "1099511627776 bytes are expected"),
    (b"\x80\x02cnumpy.core.numeric\n_frombuffer\n(J\xff\xff\xff\x7fNK\x02\x85U\x01CtR.", ""),
    (b"\x80\x02K\x01" + b"\x85" * 5000 + b"Q.", "refers to"),  # a tuple in a tuple in a ...
    (b"\x80\x02}K\x01" + b"\x85" * 10 ** 6 + b"K\x01s.", "tuples"),  # as the name of a weight
    (b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.", "tuple as a key"),  # 2 ** 60 parts to hash
    (b"\x80\x02}()" + b"2\x86" * 60 + b"K\x01u.", "tuple as a key"),
    (b"\x80\x02()" + b"2\x86" * 60 + b"K\x01d.", "tuple as a key"),
    (b"\x80\x04(\x8f()" + b"2\x86" * 60 + b"\x90.", "tuple as a key"),
    (b"\x80\x04()" + b"2\x86" * 60 + b"\x91.", "tuple as a key"),
    (b"\x80\x02ccollections\nOrderedDict\n()" + b"2\x86" * 60 + b"K\x01\x86\x85\x85R.",
     "damaged"),
])
def test_pickles_that_ask_for_more_than_they_hold(tmp_path, pickled, match):
    (tmp_path / "many.pkl").write_bytes(pickled)
    refused(tmp_path / "many.pkl", match)


@pytest.mark.parametrize(("settings", "match"), [
    ({"count": -2}, "described in an unknown way"),
    ({"count": 2 ** 40, "shape": (2 ** 40,)}, "4398046511104 bytes"),
    ({"shape": (2 ** 40,), "strides": (0,)}, "4398046511104 bytes"),
    ({"strides": (-1,), "offset": 1}, "a shape of"),
    ({"offset": 2 ** 70, "shape": (1,)}, "leaves its storage"),
    ({"shape": (1,), "strides": (2 ** 100,)}, "too large"),
    ({"shape": (1,) * 70, "strides": (1,) * 70}, "dimensions"),
])
def test_tensors_that_leave_their_numbers(tmp_path, settings, match):
    refused(torch_zip(tmp_path / "one.pth", tensor(**settings)), match)


def test_a_checked_tensor_cannot_be_changed(tmp_path):
    # Strides that would read the memory far before the numbers.
    build = b"}U\x07strides" + row(-2 ** 30) + b"sb"
    refused(torch_zip(tmp_path / "built.pth", tensor(build=build)), "changes a tensor")


def test_weights_may_not_share_numbers_without_end(tmp_path):
    state = torchvision_state()
    shared = np.zeros(100_000, np.float32)
    state |= {f"roi_heads.mask_head.mask_fcn{index}.bias": shared for index in range(9, 200)}
    refused(write_pickle(tmp_path / "shared.pkl", state), "more than 4 times its size")


def test_zip_archives_that_are_damaged(tmp_path):
    bomb = torch_zip(tmp_path / "bomb.pth", b"\x80\x02" + bytes(10 ** 7), zipfile.ZIP_DEFLATED)
    refused(bomb, "is compressed")
    raw = torch_zip(tmp_path / "whole.pth", tensor()).read_bytes()
    entry = raw.index(b"PK\x01\x02")  # of data.pkl, in the list at the end
    for place, value in ((6, 0x80), (8, 0x01), (45, 0xFF), (47, 0xFF)):
        broken = bytearray(raw)
        broken[entry + place] = value  # version, encryption, where it begins, its name
        (tmp_path / "broken.pth").write_bytes(broken)
        refused(tmp_path / "broken.pth", "broken.pth")


def test_the_old_format_is_read_with_the_same_care(tmp_path):
    parts = [pickle.dumps(one, 2) for one in (0x1950a86a20f9469cfc6c, 1001, {})]
    for keys in (b"K\x01.", b"]]a.", pickle.dumps(["1"], 2)):
        (tmp_path / "old.pth").write_bytes(b"".join([*parts, tensor(2 ** 50), keys]))
        refused(tmp_path / "old.pth", "old.pth")
    numbers = struct.pack("<q", 2 ** 61) + bytes(8)
    old = b"".join([*parts, tensor(2 ** 61), pickle.dumps(["0"], 2), numbers])
    (tmp_path / "old.pth").write_bytes(old)
    refused(tmp_path / "old.pth", "cut short or damaged")


def test_what_torchvisions_training_script_writes_is_read(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")
    state = {name: torch.tensor(array) for name, array in torchvision_state().items()}
    beside = {"args": Namespace(lr=0.02), "lr_scheduler": {"milestones": Counter([16, 22])},
              "optimizer": {"state": {}, "param_groups": [{"lr": 0.02}]}, "epoch": 25}
    torch.save({"model": OrderedDict(state), **beside}, tmp_path / "model_25.pth")
    assert read_zoo(tmp_path / "model_25.pth").zoo == "torchvision"


def test_a_safetensors_file_is_called_so(tmp_path):
    head = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "x.pth").write_bytes(struct.pack("<Q", len(head)) + head + bytes(4))
    assert not is_zoo_file(tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x.pth.*safetensors"):
        read_legacy_h5(tmp_path / "x.pth")


def test_a_checkpoint_is_something_else(tmp_path):
    path = write_pickle(tmp_path / "model.pkl", torchvision_state())
    with pytest.raises(ValueError, match=r"model.pkl holds weights but no configuration.*presets"):
        MaskRCNN.from_checkpoint(path)
