"""One clear message where the installation cannot work."""

import importlib
import json
from importlib import metadata

import pytest

from mrcnn import _versions


@pytest.fixture
def installed(monkeypatch):
    """Pretends that exactly these distributions are installed; starts from a good set."""
    versions = {"tensorflow-cpu": "2.21.0", "keras": "3.15.1"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(_versions.metadata, "version", version)
    monkeypatch.setattr(_versions.util, "find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    return versions


def test_a_good_installation_passes(installed):
    _versions.check_versions()
    del installed["tensorflow-cpu"]
    installed["tensorflow"] = "2.20.0rc0"
    _versions.check_versions()


def test_this_installation_passes(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    _versions.check_versions()


@pytest.mark.parametrize(("name", "version", "found"), [
    ("tensorflow-cpu", "2.12.1", "TensorFlow 2.12.1"),
    ("tensorflow-cpu", "3.0.0", "TensorFlow 3.0.0"),
    ("tensorflow-cpu", None, "no TensorFlow"),
    ("keras", "2.12.0", "Keras 2.12.0"),
    ("keras", "3.3.3", "Keras 3.3.3"),
    ("keras", None, "no Keras"),
])
def test_unsuitable_version_is_named_with_what_is_needed(installed, name, version, found):
    if version is None:
        del installed[name]
    else:
        installed[name] = version
    with pytest.raises(ImportError, match=rf"needs .*TensorFlow >= 2\.20 .*found {found}\..*pip"):
        _versions.check_versions()


def test_old_python_is_named(installed, monkeypatch):
    monkeypatch.setattr(_versions.sys, "version_info", (3, 9, 2))
    with pytest.raises(ImportError, match=r"needs Python >= 3\.10.*found Python 3\.9\.2"):
        _versions.check_versions()


def test_a_build_without_distribution_name_is_trusted(installed, monkeypatch):
    del installed["tensorflow-cpu"]
    monkeypatch.setattr(_versions.util, "find_spec", lambda name: object())
    _versions.check_versions()


def test_unknown_backend_is_named(installed, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    with pytest.raises(ImportError, match=r"backend 'openvino'.*KERAS_BACKEND=tensorflow"):
        _versions.check_versions()


@pytest.mark.parametrize(("backend", "title", "good", "old"), [
    ("jax", "JAX", "0.10.2", "0.5.3"), ("torch", "torch", "2.13.0", "2.5.1")])
def test_each_backend_needs_itself_and_no_tensorflow(installed, monkeypatch, backend, title, good,
                                                     old):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    del installed["tensorflow-cpu"]
    with pytest.raises(ImportError, match=rf"{title} >= .*found no {title}\..*pip .*'{backend}>="):
        _versions.check_versions()
    installed[backend] = old
    with pytest.raises(ImportError, match=rf"'{backend}' needs .*found {title} {old}\."):
        _versions.check_versions()
    installed[backend] = good
    _versions.check_versions()


def test_backend_from_the_settings_file(installed, monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    _versions.check_versions()
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}), encoding="utf-8")
    with pytest.raises(ImportError, match="found no torch"):
        _versions.check_versions()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    _versions.check_versions()


def test_message_comes_before_tensorflow_is_touched(installed, monkeypatch):
    mrcnn = importlib.import_module("mrcnn")
    monkeypatch.delitem(vars(mrcnn), "MaskRCNN", raising=False)
    del installed["tensorflow-cpu"]
    with pytest.raises(ImportError, match="found no TensorFlow"):
        _ = mrcnn.MaskRCNN


def test_floors_are_those_of_the_project(request):
    text = (request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    for line in (f'"tensorflow>={_versions._dotted(_versions.TENSORFLOW)}"',
                 f'"keras>={_versions._dotted(_versions.KERAS)},<4"',
                 f'jax = ["jax>={_versions._dotted(_versions.JAX)}"]',
                 f'torch = ["torch>={_versions._dotted(_versions.TORCH)}"]',
                 f'requires-python = ">={_versions._dotted(_versions.PYTHON)}"'):
        assert line in text, line
    needed = text.split("\ndependencies = [")[1].split("]")[0]
    wanted = {line.strip().strip(',"') for line in needed.splitlines() if line.strip()}
    listed = (request.config.rootpath / "requirements.txt").read_text(encoding="utf-8")
    assert wanted == {line for line in listed.splitlines() if line and not line.startswith("#")}
