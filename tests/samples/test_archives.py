"""Data sets from a server in this process: fetched, unpacked, and refused where they are bad."""

import functools
import http.server
import io
import os
import socket
import stat
import tarfile
import threading
import zipfile

import made
import numpy as np
import pytest

from mrcnn.commands.samples import archives
from mrcnn.data.dataset import DataError


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(address, folder that it serves, list of the paths asked for)."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        """Notes the paths, prints nothing."""

        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}", folder, asked
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def zip_of(path, files):
    """A zip file of {name: bytes}."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def zip_folder(path, folder, *parts):
    """A zip file of some folders below `folder`."""
    files = {str(file.relative_to(folder)): file.read_bytes()
             for part in parts for file in (folder / part).rglob("*") if file.is_file()}
    return zip_of(path, files)


def tar_of(path, members):
    """A tar file of [(name, bytes or None for a folder, or TarInfo)]."""
    with tarfile.open(path, "w") as file:
        for name, content in members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.DIRTYPE if content is None else info.type
                file.addfile(info)
    return path


def names(folder):
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_fetch_unpacks_once_and_deletes_the_archive(server, tmp_path):
    url, served, asked = server
    zip_of(served / "a.zip", {"val/x.txt": b"x", "val/deep/y.txt": b"y", "val/empty/": b""})
    data = tmp_path / "data"
    path = archives.fetch_archive(f"{url}/a.zip?dl=0", data, "val", verbose=0)
    assert path == data / "val" and names(data) == ["val/deep/y.txt", "val/x.txt"]
    archives.fetch_archive(f"{url}/a.zip", data, "val", verbose=0)
    assert len(asked) == 1


def test_an_archive_put_there_by_hand_is_used_and_kept(tmp_path):
    zip_of(tmp_path / "a.zip", {"val/x.txt": b"x"})
    archives.fetch_archive("http://nowhere.invalid/a.zip", tmp_path, "val", verbose=0)
    assert names(tmp_path) == ["a.zip", "val/x.txt"]


def test_a_second_archive_joins_the_folder_of_the_first(tmp_path):
    archives.unpack(zip_of(tmp_path / "a.zip", {"n/a": b"1", "n/same": b"old"}), tmp_path)
    archives.unpack(zip_of(tmp_path / "b.zip", {"n/b": b"2", "n/same": b"new"}), tmp_path)
    assert names(tmp_path / "n") == ["a", "b", "same"]
    assert (tmp_path / "n/same").read_bytes() == b"new"


def test_offline_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"Could not download http.*{port}/a.zip.*put it at "
                                              f"{tmp_path}/data/a.zip"):
        archives.fetch_archive(f"http://127.0.0.1:{port}/a.zip", tmp_path / "data", "val")


def test_a_missing_file_on_the_server(server, tmp_path):
    with pytest.raises(ConnectionError, match="answered 404"):
        archives.fetch_archive(f"{server[0]}/gone.zip", tmp_path / "d", "val", verbose=0)


def test_another_checksum(server, tmp_path):
    zip_of(server[1] / "a.zip", {"val/x": b"x"})
    with pytest.raises(DataError, match="expected MD5 0000, received"):
        archives.fetch_archive(f"{server[0]}/a.zip", tmp_path / "d", "val", "0000", verbose=0)
    assert names(tmp_path / "d") == []


def test_an_archive_of_something_else(server, tmp_path):
    zip_of(server[1] / "a.zip", {"train/x": b"x"})
    with pytest.raises(DataError, match="val was expected in it"):
        archives.fetch_archive(f"{server[0]}/a.zip", tmp_path / "d", "val", verbose=0)


def linked(target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo("in/link")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(("make", "message"), [
    (lambda p: zip_of(p, {"ok": b"1", "../evil": b"2"}), "'../evil' leads out of"),
    (lambda p: zip_of(p, {"ok": b"1", "/tmp/evil": b"2"}), "leads out of"),
    (lambda p: zip_of(p, {"ok": b"1", "a\\..\\..\\evil": b"2"}), "leads out of"),
    (lambda p: tar_of(p, [("ok", b"1"), ("../../evil", b"2")]), "leads out of"),
    (lambda p: tar_of(p, [("ok", b"1"), ("", linked("/etc"))]), "'in/link' is a link"),
    (lambda p: tar_of(p, [("ok", b"1"), ("", linked("ok", tarfile.LNKTYPE))]), "is a link"),
    (lambda p: p.write_bytes(b"this is a letter"), "neither a zip nor a tar file"),
])
def test_nothing_is_unpacked_of_an_archive_that_is_not_sound(tmp_path, make, message):
    target = tmp_path / "inner" / "data"
    target.mkdir(parents=True)
    make(tmp_path / "a.bin")
    with pytest.raises(DataError, match=message):
        archives.unpack(tmp_path / "a.bin", target)
    assert names(tmp_path) == ["a.bin"] and os.listdir(target) == []


def test_a_link_in_a_zip_becomes_no_link(tmp_path):
    info = zipfile.ZipInfo("n/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    archives.unpack(tmp_path / "a.zip", tmp_path)
    assert not (tmp_path / "n/link").is_symlink()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_damaged_archive_says_so_and_leaves_nothing(tmp_path, kind):
    content = np.random.default_rng(0).bytes(5000)
    path = tmp_path / "a.bin"
    (zip_of(path, {"n/x": content}) if kind == "zip" else tar_of(path, [("n/x", content)]))
    data = bytearray(path.read_bytes())
    if kind == "zip":
        data[1000:1100] = bytes(100)
    else:
        del data[3000:]
    path.write_bytes(data)
    with pytest.raises(DataError, match="a.bin is damaged .*; delete it"):
        archives.unpack(path, tmp_path)
    assert names(tmp_path) == ["a.bin"]


def images_of(coco, folder, subset, year, url):
    """Names of the images that `load_coco` adds, all of them files."""
    dataset = coco.CocoDataset()
    dataset.load_coco(folder, subset, year, auto_download=url)
    assert all(os.path.isfile(info["path"]) for info in dataset.image_info)
    return [os.path.basename(info["path"]) for info in dataset.image_info]


def test_coco_download(server, tmp_path):
    url, served, asked = server
    made.coco_folder(tmp_path / "made", [("val", "2017"), ("train", "2017"), ("minival", "2014")])
    zip_folder(served / "annotations_trainval2017.zip", tmp_path / "made", "annotations")
    zip_folder(served / "val2017.zip", tmp_path / "made", "val2017")
    minival = tmp_path / "made/annotations/instances_minival2014.json"
    zip_of(served / "instances_minival2014.json.zip", {minival.name: minival.read_bytes()})
    zip_folder(served / "val2014.zip", tmp_path / "made", "val2014")
    coco, data = made.script("coco"), tmp_path / "data"
    assert images_of(coco, data, "val", 2017, url) == ["val0.jpg", "val1.jpg"]
    os.remove(data / "annotations/instances_minival2014.json")  # it came with the others
    assert images_of(coco, data, "minival", "2014", url) == ["minival0.jpg", "minival1.jpg"]
    assert len(asked) == 4
    coco.download_coco(data, "val", "2017", url)
    assert len(asked) == 4 and not list(data.rglob("*.zip"))


def test_voc_download(server, tmp_path):
    url, served, asked = server
    made.voc_folder(tmp_path / "made")
    with tarfile.open(served / "VOCtrainval_11-May-2012.tar", "w") as file:
        file.add(tmp_path / "made", arcname=".")
    voc, data = made.script("voc"), tmp_path / "data"
    voc.download_voc(data, "2012", url)
    voc.download_voc(data, "2012", url)
    assert voc.folder_of(data, "2012") == str(data / "VOCdevkit" / "VOC2012")
    assert len(asked) == 1 and not list(data.glob("*.tar"))
    assert names(data) == names(tmp_path / "made")


def test_a_download_that_fails_ends_the_command_with_one_line(server, tmp_path):
    voc = made.script("voc").Voc()
    with pytest.raises(SystemExit, match="error: Could not download .*VOCtrainval_06-Nov-2007"):
        voc.main(["train", f"--dataset={tmp_path}/d", "--weights=none", "--year=2007",
                  f"--download={server[0]}"])
