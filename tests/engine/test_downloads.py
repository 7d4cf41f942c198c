"""Downloads against a server in this process: resume, checks, and clear errors."""

import functools
import hashlib
import http.server
import socket
import threading

import numpy as np
import pytest

from mrcnn.engine import downloads
from mrcnn.engine.legacy_h5 import write_legacy_h5

DATA = np.random.default_rng(0).bytes(700_000)
MD5 = hashlib.md5(DATA).hexdigest()
SHA256 = hashlib.sha256(DATA).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `files`; `ranges` and `cut` say how well it behaves."""

    def __init__(self, server_state, *args):
        self.state = server_state
        super().__init__(*args)

    def do_GET(self):
        """Whole file, the rest from an offset, or an error."""
        asked = self.headers.get("Range")
        self.state["requests"].append(asked)
        data = self.state["files"].get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.state["ranges"] else 0
        if start and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if self.state["length"]:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : self.state["cut"]])

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def server(monkeypatch):
    """A running server: {"url", "files", "ranges", "cut", "length", "requests"}."""
    monkeypatch.setenv("no_proxy", "*")
    state = {"files": {"/w.h5": DATA}, "ranges": True, "cut": None, "length": True, "requests": []}
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state["url"] = f"http://127.0.0.1:{httpd.server_address[1]}"
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def fetch(server, path, **kwargs):
    """Download /w.h5 quietly."""
    return downloads.download_file(f"{server['url']}/w.h5", path, **{"verbose": 0, **kwargs})


def names(folder):
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("length", [True, False])
def test_full_download(server, tmp_path, capsys, length):
    """Into a new folder, with its checksum; a second call asks nobody."""
    server["length"] = length
    path = tmp_path / "new" / "w.h5"
    assert fetch(server, path, md5=MD5, sha256=SHA256[:8], expected_size=len(DATA)) == str(path)
    assert path.read_bytes() == DATA and names(path.parent) == ["w.h5"]
    assert fetch(server, path, md5=MD5) == str(path)
    assert server["requests"] == [None]
    assert capsys.readouterr().out == ""


def test_progress_when_asked(server, tmp_path, capsys):
    """One line with the name and the megabytes."""
    fetch(server, tmp_path / "w.h5", verbose=1)
    assert "w.h5: 0.7 of 0.7 MB" in capsys.readouterr().out


def test_broken_stream_is_resumed(server, tmp_path):
    """The first try ends early and says so; the next one asks only for the rest."""
    path = tmp_path / "w.h5"
    server["cut"] = 300_000
    with pytest.raises(ConnectionError, match="broke off after 300000 of 700000.*again to cont"):
        fetch(server, path)
    assert names(tmp_path) == ["w.h5.part"]
    server["cut"] = None
    fetch(server, path, md5=MD5)
    assert path.read_bytes() == DATA
    assert server["requests"] == [None, "bytes=300000-"]


def test_server_without_ranges_starts_again(server, tmp_path):
    """It sends everything; the part is not put before it."""
    server["ranges"] = False
    (tmp_path / "w.h5.part").write_bytes(b"x" * 1000)
    fetch(server, tmp_path / "w.h5", md5=MD5)
    assert (tmp_path / "w.h5").read_bytes() == DATA


@pytest.mark.parametrize("size", [700_000, 900_000])
def test_complete_or_too_long_part(server, tmp_path, size):
    """A finished part is used as it is; one that is too long is fetched anew."""
    (tmp_path / "w.h5.part").write_bytes((DATA + b"x" * 200_000)[:size])
    fetch(server, tmp_path / "w.h5", md5=MD5)
    assert (tmp_path / "w.h5").read_bytes() == DATA
    assert len(server["requests"]) == (1 if size == len(DATA) else 2)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"md5": "0" * 32}, f"expected MD5 0+, received {MD5}"),
        ({"sha256": "0" * 8}, f"expected SHA256 0+, received {SHA256}"),
        ({"expected_size": 5}, "expected 5 bytes, received 700000"),
        ({"check": downloads.check_legacy_h5}, "not the published file.*not HDF5"),
    ],
)
def test_wrong_content(server, tmp_path, wanted, message):
    """The bad download goes, so that the next try starts afresh."""
    with pytest.raises(ValueError, match=message):
        fetch(server, tmp_path / "w.h5", **wanted)
    assert names(tmp_path) == []


def test_existing_file_is_never_overwritten(server, tmp_path):
    """Also when its checksum is not the published one: that is the user's to settle."""
    path = tmp_path / "w.h5"
    path.write_bytes(b"mine")
    assert fetch(server, path) == str(path)
    with pytest.raises(ValueError, match="is another file: expected MD5"):
        fetch(server, path, md5=MD5)
    assert path.read_bytes() == b"mine" and server["requests"] == []


def test_not_found(server, tmp_path):
    """The status is in the message."""
    with pytest.raises(ConnectionError, match=r"/none \(the server answered 404"):
        downloads.download_file(f"{server['url']}/none", tmp_path / "w.h5", verbose=0)
    assert names(tmp_path) == []


def test_offline(tmp_path, monkeypatch):
    """Address, reason and the place to put the file by hand."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/w.h5"
    with pytest.raises(ConnectionError, match="refused") as error:
        downloads.download_file(url, tmp_path / "w.h5", verbose=0)
    assert url in str(error.value) and f"put it at {tmp_path}/w.h5" in str(error.value)


def test_disk_errors_are_not_called_network_errors(server, tmp_path):
    """A file where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as error:
        fetch(server, tmp_path / "file" / "w.h5")
    assert not isinstance(error.value, ConnectionError)


def test_download_trained_weights(server, tmp_path, monkeypatch):
    """Layout checked: a web page does not become a weights file."""
    write_legacy_h5(tmp_path / "src.h5", [("conv1", [("conv1/bias:0", np.ones(3))])])
    server["files"] = {"/coco.h5": (tmp_path / "src.h5").read_bytes(), "/page": b"<html>sorry"}
    monkeypatch.setattr(downloads, "COCO_MODEL_URL", f"{server['url']}/coco.h5")
    target = tmp_path / "mask_rcnn_coco.h5"
    assert downloads.download_trained_weights(str(target), verbose=0) == str(target)
    assert target.read_bytes() == (tmp_path / "src.h5").read_bytes()
    monkeypatch.setattr(downloads, "COCO_MODEL_URL", f"{server['url']}/page")
    with pytest.raises(ValueError, match="a web page"):
        downloads.download_trained_weights(tmp_path / "other.h5", verbose=0)
    assert not (tmp_path / "other.h5").exists()


def test_imagenet_weights_path(server, tmp_path, monkeypatch):
    """Keras' folder; a file of the same name with other content stays untouched."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "RESNET50_NOTOP_URL", f"{server['url']}/w.h5")
    monkeypatch.setattr(downloads, "RESNET50_NOTOP_MD5", MD5)
    path = tmp_path / "models" / "w.h5"
    assert downloads.imagenet_weights_path(verbose=0) == str(path)
    assert downloads.imagenet_weights_path("resnet101", verbose=0) == str(path)
    assert len(server["requests"]) == 1
    path.write_bytes(b"a later release")
    other = tmp_path / "models" / "mrcnn" / "w.h5"
    assert downloads.imagenet_weights_path(verbose=0) == str(other)
    assert other.read_bytes() == DATA and path.read_bytes() == b"a later release"
    with pytest.raises(ValueError, match="expected resnet50 or resnet101, received 'resnet18'"):
        downloads.imagenet_weights_path("resnet18")
