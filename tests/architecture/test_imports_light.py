"""What may be imported without paying for TensorFlow, each in a fresh interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def loaded_after(statement, *modules):
    """Which of `modules` a fresh interpreter holds after `statement`."""
    code = f"import sys\n{statement}\nprint([m for m in {modules!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("statement", [
    "import mrcnn",
    "import mrcnn; mrcnn.__version__; dir(mrcnn)",
    "from mrcnn import utils",
    "from mrcnn.config import Config; Config()",
    "from mrcnn import Config, Dataset",
    "from mrcnn import visualize",
    "import mrcnn.geometry.masks, mrcnn.geometry.molding, mrcnn.geometry.anchors",
    "import mrcnn.data.dataset, mrcnn.data.ground_truth, mrcnn.data.targets",
    "import mrcnn.evaluation.matching",
])
def test_no_tensorflow(statement):
    assert loaded_after(statement, "tensorflow", "keras", "jax", "torch") == "[]"


def test_plain_import_loads_nothing_heavy():
    assert loaded_after("import mrcnn", "numpy", "scipy", "skimage", "matplotlib") == "[]"


def test_matplotlib_waits_until_something_is_drawn():
    assert loaded_after("from mrcnn import visualize", "matplotlib") == "[]"


def test_unknown_name_is_an_attribute_error():
    import mrcnn

    with pytest.raises(AttributeError, match="module 'mrcnn' has no attribute 'Nothing'"):
        _ = mrcnn.Nothing
    with pytest.raises(ImportError, match="nothing_here"):
        from mrcnn import nothing_here  # noqa: F401


def test_public_names_come_from_their_homes():
    import mrcnn
    from mrcnn.config import Config
    from mrcnn.data.dataset import Dataset
    from mrcnn.data.generator import DataGenerator
    from mrcnn.engine.mask_rcnn import MaskRCNN

    assert mrcnn.Config is Config
    assert mrcnn.Dataset is Dataset
    assert mrcnn.DataGenerator is DataGenerator
    assert mrcnn.MaskRCNN is MaskRCNN
    assert set(mrcnn.__all__) <= set(dir(mrcnn))


def test_version_is_the_projects():
    import mrcnn

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{mrcnn.__version__}"\n' in text


@pytest.mark.parametrize(
    ("given", "level"), [("", "2"), ("os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'", "0")]
)
def test_tensorflow_is_quiet_unless_the_user_says_otherwise(given, level):
    code = f"import os; os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)\n{given}\nimport mrcnn\n"
    code += "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, check=True)
    assert done.stdout.strip() == level


def test_another_backend_is_one_clear_message_on_matterports_path_too():
    done = subprocess.run([sys.executable, "-c", "import mrcnn.model"], cwd=ROOT, text=True,
                          capture_output=True, timeout=120, check=False,
                          env={**os.environ, "KERAS_BACKEND": "openvino"})
    assert done.returncode == 1
    assert "ImportError" in done.stderr and "KERAS_BACKEND=tensorflow" in done.stderr
