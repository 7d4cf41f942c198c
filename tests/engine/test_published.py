"""Published weights of the other school, against a server in this process."""

import hashlib
import pickle

import numpy as np
import pytest
from engine.test_downloads import server  # noqa: F401 (a fixture)
from zoo.small_files import imagenet_state, torchvision_state

from mrcnn.engine import downloads, published
from mrcnn.engine.legacy_h5 import read_legacy_h5, write_legacy_h5

CONTENT = pickle.dumps(torchvision_state(), protocol=2)
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
IMAGENET = pickle.dumps(imagenet_state(), protocol=2)


@pytest.fixture
def site(server, tmp_path, monkeypatch):  # noqa: F811
    """A server with one file of each kind, and caches below a folder of the test's."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    net = f"/models/net-{hashlib.sha256(IMAGENET).hexdigest()[:8]}.pth"
    server["files"] |= {f"/models/coco-{DIGITS}.pth": CONTENT, "/models/coco-00000000.pth": CONTENT,
                        "/zoo/mask_rcnn/123/model_final.pkl": CONTENT, net: IMAGENET}
    monkeypatch.setattr(published, "_PYTORCH", f"{server['url']}/models/")
    monkeypatch.setattr(published, "COCO", {
        ("torchvision", "resnet50"): f"{server['url']}/models/coco-{DIGITS}.pth",
        ("torchvision", "resnet101"): f"{server['url']}/models/coco-00000000.pth",
        ("paper", "resnet50"): f"{server['url']}/zoo/mask_rcnn/123/model_final.pkl"})
    monkeypatch.setattr(published, "IMAGENET", {("pytorch", "resnet50"): server["url"] + net})
    return server


def test_fetched_once_and_checked(site, tmp_path):
    path = published.coco_weights_path("torchvision", verbose=0)
    assert path == str(tmp_path / "keras" / "models" / f"coco-{DIGITS}.pth")
    assert published.coco_weights_path("torchvision", verbose=0) == path
    assert len(site["requests"]) == 1
    path = published.coco_weights_path("paper", verbose=0)
    assert path.endswith("/mask_rcnn_model_final.pkl")
    with pytest.raises(ValueError, match=f"expected SHA256 00000000, received {DIGITS}"):
        published.coco_weights_path("torchvision", "resnet101", verbose=0)
    site["files"]["/zoo/mask_rcnn/123/model_final.pkl"] = b"<html>"
    (tmp_path / "keras" / "models" / "mask_rcnn_model_final.pkl").unlink()
    with pytest.raises(ValueError, match="the download is not the published file"):
        published.coco_weights_path("paper", verbose=0)
    site["files"].clear()
    with pytest.raises(ConnectionError, match="put it at .*mask_rcnn_model_final.pkl"):
        published.coco_weights_path("paper", verbose=0)


def test_what_is_here_already_is_taken(site, tmp_path):
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / f"coco-{DIGITS}.pth").write_bytes(CONTENT)
    assert published.coco_weights_path("torchvision") == str(cache / f"coco-{DIGITS}.pth")
    (tmp_path / "here" / f"coco-{DIGITS}.pth").write_bytes(CONTENT)
    assert published.coco_weights_path("torchvision") == f"coco-{DIGITS}.pth"
    (tmp_path / "here" / "model_final.pkl").write_bytes(CONTENT)
    assert published.coco_weights_path("paper") == "model_final.pkl"
    assert not site["requests"]


def test_networks_without_published_weights(site):
    with pytest.raises(ValueError, match="for BACKBONE resnet50, received 'resnet18'"):
        published.coco_weights_path("paper", "resnet18")
    with pytest.raises(ValueError, match="expected resnet50 or resnet101, received 'resnet18'"):
        published.imagenet_path("resnet18", "pytorch")


def test_imagenet_in_each_style(site, tmp_path, monkeypatch):
    kernel = np.random.default_rng(0).random((7, 7, 3, 4), np.float32)
    bias = np.arange(4, dtype=np.float32)
    write_legacy_h5(tmp_path / "w.h5", [
        ("conv1", [("conv1/kernel:0", kernel), ("conv1/bias:0", bias)]), ("relu", []),
        ("res2a_branch2a", [("res2a_branch2a/kernel:0", kernel)])])
    content = (tmp_path / "w.h5").read_bytes()
    site["files"]["/keras.h5"] = content
    monkeypatch.setattr(downloads, "RESNET50_NOTOP_URL", f"{site['url']}/keras.h5")
    monkeypatch.setattr(downloads, "RESNET50_NOTOP_MD5", hashlib.md5(content).hexdigest())
    plain = published.imagenet_path("resnet50", verbose=0)
    assert published.imagenet_path("resnet50", "matterport", verbose=0) == plain
    turned = published.imagenet_path("resnet50", "caffe", verbose=0)
    assert turned == str(tmp_path / "keras" / "models" / "mrcnn" / "keras_rgb.h5")
    arrays = read_legacy_h5(turned)
    np.testing.assert_array_equal(arrays["conv1", "conv1", "kernel"], kernel[:, :, ::-1])
    np.testing.assert_array_equal(arrays["conv1", "conv1", "bias"], bias)
    np.testing.assert_array_equal(arrays["res2a_branch2a", "res2a_branch2a", "kernel"], kernel)
    assert published.imagenet_path("resnet50", "caffe", verbose=0) == turned
    assert len(site["requests"]) == 1
    monkeypatch.setitem(published.IMAGENET, ("caffe", "resnet101"),
                        f"{site['url']}/zoo/mask_rcnn/123/model_final.pkl")
    deep = published.imagenet_path("resnet101", "caffe", verbose=0)  # no part of the resnet50
    assert deep.endswith("mask_rcnn_model_final.pkl")
    assert published.imagenet_path("resnet101", verbose=0) == plain
    torchs = published.imagenet_path("resnet50", "pytorch", verbose=0)
    assert torchs.endswith(".pth") and len(site["requests"]) == 3


def test_the_addresses_are_those_of_the_publishers():
    for url in (*published.COCO.values(), *published.IMAGENET.values()):
        assert url.startswith(("https://download.pytorch.org/models/",
                               "https://dl.fbaipublicfiles.com/detectron2/"))
        assert url.endswith(".pkl") or published._DIGITS.search(url)
