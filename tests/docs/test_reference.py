"""The API reference: every public name has a docstring that names its arguments.

Read from the source text, so no TensorFlow is needed; the site itself is built where pdoc is
installed.
"""

import ast
import importlib.util
import re
import subprocess
import sys

import pytest
from public_sources import ROOT, definition, file_of, is_property, methods, parameters, public_names

from mrcnn.config import KNOBS

FEW = 2  # parameters that a docstring of one sentence may leave to their names
ELSEWHERE = re.compile(r"(those of|[Oo]thers? as|[Aa]s|[Ss]ee|above) (`|scikit-image|the constr)")
# Methods that Keras calls and explains, and what the class says of the step they are.
OF_KERAS = {"build", "call", "compute_output_shape", "compute_output_spec", "get_config"}
# They follow from other knobs; what IMAGE_MEAN is, two-schools.md says.
COMPUTED = ["IMAGE_MEAN", "BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE", "BACKBONE_SHAPES"]
LAYERS = {"AnchorLayer", "BatchNorm", "DetectionLayer", "DetectionTargetLayer", "ProposalLayer",
          "PyramidROIAlign", "TimeDistributed"}


def load(path):
    """A script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = load(ROOT / "docs" / "make_reference.py").MODULES


def unnamed(text, names):
    """Those of `names` that do not occur in the text as words."""
    return [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def complaint(node, inherited=""):
    """What a function's docstring lacks, or None."""
    text = ast.get_docstring(node) or inherited
    if not text:
        return "no docstring"
    names = [name for name in parameters(node) if name != "kwargs"]
    missing = unnamed(text, names)
    if missing and len(names) > FEW and not ELSEWHERE.search(text) and not inherited:
        return f"the docstring does not name {', '.join(missing)}"
    return None


def base_methods(module, node):
    """The methods of a class's bases, as far as the package defines them."""
    found = {}
    for base in reversed(node.bases):
        try:
            home, parent = definition(module, getattr(base, "id", ""))
        except LookupError:
            continue
        if isinstance(parent, ast.ClassDef):
            found.update(base_methods(home, parent))
            found.update(methods(parent))
    return found


def class_complaints(module, node):
    """Complaints of a class, its constructor and its public methods."""
    text = ast.get_docstring(node) or ""
    if not text:
        yield node.name, "no docstring"
    own, above = methods(node), base_methods(module, node)
    if "__init__" in own:
        text += ast.get_docstring(own["__init__"]) or ""
        names = [name for name in parameters(own["__init__"]) if name not in ("args", "kwargs")]
        missing = unnamed(text, names) if "__init__" not in above else []
        if missing:
            yield node.name, f"the docstring does not name {', '.join(missing)}"
    if node.name in LAYERS:
        return
    for name, method in own.items():
        if name.startswith(("_", "on_")) or name in OF_KERAS or is_property(method):
            continue
        inherited = ast.get_docstring(above[name]) if name in above else ""
        found = complaint(method, inherited or "")
        if found:
            yield f"{node.name}.{name}", found


def complaints(module):
    """One line for each public name of a module that lacks something."""
    lines = []
    for name in public_names(module):
        home, node = definition(module, name)
        if isinstance(node, ast.FunctionDef):
            found = complaint(node)
            lines += [f"{home}.{name}: {found}"] if found else []
        elif isinstance(node, ast.ClassDef):
            lines += [f"{home}.{what}: {found}" for what, found in class_complaints(home, node)]
    return lines


@pytest.mark.parametrize("module", MODULES)
def test_public_names_say_what_they_take(module):
    assert file_of(module), f"{module} is in docs/make_reference.py and not in the package"
    assert public_names(module), f"{module} offers no name"
    found = complaints(module)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("text", "expected"), [
    ("def f(a): pass", "no docstring"),
    ('def f(a, b, c):\n    """Adds a to b."""', "does not name c"),
    ('def f(a, b, c):\n    """Adds a, b and c."""', None),
    ('def f(a, b, c):\n    """Adds; arguments are those of `g`."""', None),
    ('def f(a, b):\n    """Adds two numbers."""', None),
    ('def f(self, a, bb, c):\n    """Adds a, b and c."""', "does not name bb"),
])
def test_a_poor_docstring_is_caught(text, expected):
    found = complaint(ast.parse(text).body[0])
    assert found is None if expected is None else expected in found


def test_a_name_is_followed_to_its_definition():
    home, node = definition("mrcnn.model", "fpn_classifier_graph")
    assert (home, node.name) == ("mrcnn.nets.heads", "build_classifier_head")
    assert definition("mrcnn", "MaskRCNN")[0] == "mrcnn.engine.mask_rcnn"
    with pytest.raises(LookupError, match="has no nothing"):
        definition("mrcnn.utils", "nothing")


def test_the_site_is_built(tmp_path):
    if importlib.util.find_spec("pdoc") is None:
        pytest.skip("pdoc is not installed (the extra `docs`)")
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import make_reference as site; "
              "site.make(sys.argv[2], ('mrcnn.config', 'mrcnn.utils'))")
    command = [sys.executable, "-c", script, str(ROOT / "docs"), str(tmp_path / "site")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    site = tmp_path / "site"
    assert "IMAGE_MAX_DIM" in (site / "api/mrcnn/config.html").read_text(encoding="utf-8")
    settings = (site / "settings.html").read_text(encoding="utf-8")
    assert [name for name in KNOBS if f"<code>{name} = " not in settings] == COMPUTED
    assert "<em>" not in settings  # IMAGE_MAX_DIM in a sentence is a name, not emphasis
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r'(?:href|src)="([^"#:]*)#?([^":]*)"', text):
            found = site / target if target else page
            if target.startswith("api/"):
                continue  # this test makes two pages of it
            assert found.exists(), f"{page.name}: {target}"
            if anchor:
                assert f'id="{anchor}"' in found.read_text(encoding="utf-8"), (page.name, anchor)
