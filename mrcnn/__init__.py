"""Mask R-CNN on Keras 3, with the interface of Matterport's.

    from mrcnn import MaskRCNN, Config, Dataset, load_dataset

The names are fetched on first use, so that `import mrcnn` and `from mrcnn import utils` stay
quick and load no Keras. Matterport's own paths work too: `mrcnn.config`, `mrcnn.model`,
`mrcnn.utils`, `mrcnn.visualize`.
"""

import importlib
import os

# TensorFlow's information and warnings from C++ are about itself, and many. Errors still show,
# and a level set by the user stands.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"

_HOMES = {
    "MaskRCNN": "mrcnn.engine.mask_rcnn",
    "Config": "mrcnn.config",
    "Dataset": "mrcnn.data.dataset",
    "DataGenerator": "mrcnn.data.generator",
    "load_dataset": "mrcnn.data.formats.loading",
    "save_coco": "mrcnn.data.formats.coco_writer",
    "check_dataset": "mrcnn.data.check.checking",
    "MeanAveragePrecision": "mrcnn.engine.validation",
    "BestCheckpoint": "mrcnn.engine.callbacks",
}
_MODULES = {"augmenters": "mrcnn.data.augmenters"}
_ON_KERAS = ("MaskRCNN", "MeanAveragePrecision", "BestCheckpoint")

__all__ = [*_HOMES, *_MODULES, "__version__"]


def __getattr__(name):
    """Imports a public name from its home on first use."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'mrcnn' has no attribute {name!r}")
    if name in _ON_KERAS:
        importlib.import_module("mrcnn._versions").check_versions()
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})


def _help_imgaug():
    """Scripts may import imgaug after this package; see CONTRIBUTING.md, "The .pth file"."""
    try:
        hook = importlib.import_module("mrcnn_imgaug_hook")
    except ImportError:
        return
    hook.install()


_help_imgaug()
