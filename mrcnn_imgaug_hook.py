"""Makes `import imgaug` succeed for scripts that were written for Matterport's Mask R-CNN.

imgaug 0.4.0, the last one, fails on NumPy 2 for the want of `np.sctypes`, and is often not
installed at all. `install()` looks after these two cases and touches nothing but this import: an
installed imgaug is used, with `np.sctypes` put back just before; without one, the stand-in in
`mrcnn/data/imgaug_standin` takes the name.

This module is loaded at every start of Python, so it imports nothing but the standard library.
"""

import sys

NAME = "imgaug"


class ImgaugFinder:
    """Stands first in `sys.meta_path` to see the import, and asks all the others for it."""

    serves = NAME  # tells a second copy of this module that one is at work already

    def find_spec(self, fullname, path=None, target=None):
        """The spec of the real imgaug if anybody has it, otherwise of the stand-in."""
        if fullname != NAME:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                restore_sctypes()
                return spec
        return standin_spec()


def restore_sctypes():
    """Puts `np.sctypes` back, which NumPy 2 removed and imgaug 0.4.0 reads."""
    import numpy as np

    if hasattr(np, "sctypes"):
        return
    np.sctypes = {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64, np.longdouble],
        "complex": [np.complex64, np.complex128, np.clongdouble],
        "others": [bool, object, bytes, str, np.void],
    }


def standin_spec():
    """The stand-in under the name `imgaug`, or None where the package lies elsewhere."""
    import os
    from importlib.util import spec_from_file_location

    here = os.path.dirname(os.path.abspath(__file__))
    folder = os.path.join(here, "mrcnn", "data", "imgaug_standin")
    file = os.path.join(folder, "__init__.py")
    if not os.path.isfile(file):
        return None
    return spec_from_file_location(NAME, file, submodule_search_locations=[folder])


def install():
    """Looks after `import imgaug` from now on; a second call does nothing."""
    if not any(getattr(finder, "serves", None) == NAME for finder in sys.meta_path):
        sys.meta_path.insert(0, ImgaugFinder())
