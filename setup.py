"""Puts `mrcnn_imgaug.pth` beside the package; all else stands in pyproject.toml.

CONTRIBUTING.md, "The .pth file", says why it is there. A wheel takes it along as one more
top-level file; an editable install is a wheel too (PEP 660), to which it is added afterwards.
"""

import base64
import hashlib
import shutil
import zipfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

PTH = "mrcnn_imgaug.pth"


class BuildWithPth(build_py):
    """Copies the .pth file to the root of what is built."""

    def run(self):
        super().run()
        if not self.editable_mode:
            self.mkpath(self.build_lib)
            shutil.copyfile(PTH, Path(self.build_lib, PTH))

    def get_outputs(self, include_bytecode=1):
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib, PTH))]


class EditableWithPth(editable_wheel):
    """Adds the .pth file to the wheel of an editable install, and to that wheel's record."""

    def run(self):
        super().run()
        for wheel in Path(self.dist_dir).glob("*.whl"):
            _add_to_wheel(wheel, PTH)


def _add_to_wheel(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    if name in files:
        return
    files[name] = Path(name).read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
    record = next(entry for entry in files if entry.endswith(".dist-info/RECORD"))
    files[record] += f"{name},sha256={digest},{len(files[name])}\n".encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)


setup(
    license="MIT",
    cmdclass={"build_py": BuildWithPth, "editable_wheel": EditableWithPth},
)
