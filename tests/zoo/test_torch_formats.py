"""What PyTorch itself writes is read without it, number by number."""

import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest

from mrcnn.engine.zoo.reading import is_zoo_file
from mrcnn.engine.zoo.torch_file import read_torch

torch = pytest.importorskip("torch", reason="needs torch: make test-backends")


def tensors():
    """Tensors of every kind that weights files hold."""
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) - 5.5
    return OrderedDict(
        plain=base, half=base.half(), wide=base.double(), turned=base.permute(2, 0, 1),
        part=base[1, 1:], steps=base[:, ::2, 1], brain=base.bfloat16(), whole=torch.tensor(7),
        bytes=torch.arange(5, dtype=torch.uint8), yes=torch.tensor([True, False]),
        empty=torch.zeros(0, 3), parameter=torch.nn.Parameter(base.clone()))


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def saved(request, tmp_path):
    """Function that saves and gives the path, in one of the two formats."""
    def save(content):
        torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=request.param)
        assert is_zoo_file(tmp_path / "x.pth")
        return tmp_path / "x.pth"

    return save


def test_every_kind_of_tensor(saved):
    found = read_torch(saved(tensors()))
    assert list(found) == list(tensors())
    for name, tensor in tensors().items():
        expected = tensor.detach().float() if name == "brain" else tensor.detach()
        array = found[name].resolved()
        assert array.dtype == expected.numpy().dtype or name == "empty"
        np.testing.assert_array_equal(array, expected.numpy(), err_msg=name)


def test_a_training_checkpoint(saved):
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    content = {"model": layer.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3,
               "best": np.float64(0.5), "name": "run", "size": torch.Size([2, 3])}
    found = read_torch(saved(content))
    assert found["epoch"] == 3 and found["name"] == "run" and found["size"] == (2, 3)
    np.testing.assert_array_equal(found["model"]["weight"].resolved(),
                                  layer.weight.detach().numpy())


def test_a_whole_module_is_refused(saved):
    with pytest.raises(ValueError, match="asks for the object torch.nn.modules.linear.Linear"):
        read_torch(saved(torch.nn.Linear(3, 2)))


def test_a_file_cut_short(saved, tmp_path):
    path = saved(tensors())
    whole = path.read_bytes()
    for size in (len(whole) // 3, len(whole) - 4):
        (tmp_path / "cut.pth").write_bytes(whole[:size])
        assert is_zoo_file(tmp_path / "cut.pth")
        with pytest.raises(ValueError, match="cut.pth|cut short"):
            for tensor in read_torch(tmp_path / "cut.pth").values():
                tensor.resolved()


def test_a_view_beyond_its_storage_is_refused():
    from mrcnn.engine.zoo.torch_file import Storage, StoredTensor

    storage = Storage("<f4", "0", 4, lambda: bytes(16))
    assert StoredTensor(storage, 1, (3,), (1,)).resolved().shape == (3,)
    for offset, shape, strides in ((2, (3,), (1,)), (0, (2, 2), (3, 1)), (0, (10, 4), (0, 1)),
                                   (4, (1,), (1,)), (0, (5,), (0,))):
        with pytest.raises(ValueError, match="leaves its storage"):
            StoredTensor(storage, offset, shape, strides).resolved()
    with pytest.raises(ValueError, match="cut short"):
        StoredTensor(Storage("<f4", "0", 4, lambda: bytes(15)), 0, (1,), (1,)).resolved()


def test_torch_is_not_imported(saved):
    path = saved(tensors())
    code = ("import sys; from mrcnn.engine.zoo.torch_file import read_torch\n"
            f"read_torch({str(path)!r})['plain'].resolved()\n"
            "assert not any(name.split('.')[0] == 'torch' for name in sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)
