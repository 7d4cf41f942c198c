"""The wheel holds the whole package, nothing else, and works away from the source tree."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def call(*command, cwd, env=None):
    """Runs a command and answers what it printed; its error output explains a failure."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True,
                          text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the tree (building leaves files behind), made without network."""
    pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = ("mrcnn", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE",
               "mrcnn_imgaug.pth", "mrcnn_imgaug_hook.py", "tests", "samples")
    source.mkdir()
    for name in tracked:
        if (ROOT / name).exists():
            call("cp", "-r", ROOT / name, source / name, cwd=ROOT)
    call(sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation",
         "--no-index", "--quiet", "--wheel-dir", folder, cwd=source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder into which the wheel is installed."""
    target = tmp_path_factory.mktemp("installed")
    call(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--target", target, wheel, cwd=target)
    return target


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_is_in_the_wheel(wheel):
    wanted = {path.relative_to(ROOT).as_posix() for kind in ("*.py", "*.html")
              for path in (ROOT / "mrcnn").rglob(kind)}
    assert wanted - names_in(wheel) == set()
    assert {"mrcnn/py.typed", "mrcnn_imgaug.pth", "mrcnn_imgaug_hook.py"} <= names_in(wheel)


def test_nothing_else_is_in_the_wheel(wheel):
    roots = {name.split("/")[0] for name in names_in(wheel)}
    info = {root for root in roots if root.endswith(".dist-info")}
    assert len(info) == 1
    assert roots - info == {"mrcnn", "mrcnn_imgaug.pth", "mrcnn_imgaug_hook.py"}
    assert not [name for name in names_in(wheel)
                if "test" in re.split(r"[^a-z]", name.lower().replace("tests", "test"))]


def test_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [entry for entry in archive.namelist() if entry.endswith("METADATA")]
        text = archive.read(name).decode()
        assert any(entry.endswith("LICENSE") for entry in archive.namelist())
    assert "\nName: mrcnn\n" in text
    assert "\nRequires-Python: >=3.10\n" in text
    assert "\nRequires-Dist: tensorflow>=2.20\n" in text
    assert "MIT" in text


def test_import_from_the_installed_wheel(installed, tmp_path):
    code = ("import mrcnn, sys\n"
            "from mrcnn.config import Config\n"
            "from mrcnn import utils, visualize\n"
            "Config().validate()\n"
            "assert 'tensorflow' not in sys.modules\n"
            "print(mrcnn.__file__)")
    env = {**os.environ, "PYTHONPATH": str(installed)}
    where = call(sys.executable, "-c", code, cwd=tmp_path, env=env).strip()
    assert Path(where).is_relative_to(installed), where


def test_model_imports_from_the_installed_wheel(installed, tmp_path):
    code = "import mrcnn.model as modellib; print(modellib.MaskRCNN.__name__)"
    env = {**os.environ, "PYTHONPATH": str(installed), "TF_CPP_MIN_LOG_LEVEL": "3"}
    assert "MaskRCNN" in call(sys.executable, "-c", code, cwd=tmp_path, env=env)


def test_pth_installs_the_hook_at_start_up(tmp_path):
    """Both the wheel and a broken or absent hook: start-up stays silent and alive."""
    (tmp_path / "mrcnn_imgaug.pth").write_bytes((ROOT / "mrcnn_imgaug.pth").read_bytes())
    start = f"import site, sys; site.addsitedir({str(tmp_path)!r}); print(vars(sys).get('hooked'))"
    hook = tmp_path / "mrcnn_imgaug_hook.py"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env["PYTHONNOUSERSITE"] = "1"

    def started():
        done = subprocess.run([sys.executable, "-S", "-c", start], cwd=tmp_path, env=env,
                              capture_output=True, text=True, timeout=60, check=True)
        assert done.stderr == ""
        return done.stdout.strip()

    assert started() == "None"
    hook.write_text("this is no Python", encoding="utf-8")
    assert started() == "None"
    hook.write_text("def install():\n    raise RuntimeError('x')\n", encoding="utf-8")
    assert started() == "None"
    hook.write_text("import sys\ndef install():\n    sys.hooked = 'yes'\n", encoding="utf-8")
    assert started() == "yes"


def test_editable_wheel_carries_the_pth_and_its_record(tmp_path):
    """What `pip install -e .` builds, through the hook that pip itself calls."""
    source = tmp_path / "source"
    (source / "mrcnn").mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "mrcnn_imgaug.pth"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "mrcnn" / "__init__.py").write_text("", encoding="utf-8")
    (source / "mrcnn_imgaug_hook.py").write_text("", encoding="utf-8")
    code = ("from setuptools.build_meta import build_editable\n"
            f"print(build_editable({str(tmp_path)!r}))")
    call(sys.executable, "-c", code, cwd=source)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("mrcnn_imgaug.pth") == (ROOT / "mrcnn_imgaug.pth").read_bytes()
        (record,) = [entry for entry in archive.namelist() if entry.endswith("RECORD")]
        assert archive.read(record).decode().count("mrcnn_imgaug.pth,sha256=") == 1
