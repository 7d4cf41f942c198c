"""The Python in README and guides: it compiles, and what it names exists, arguments included."""

import ast
import builtins
import re

import pytest
from guide_pages import PAGES, blocks, text_of
from public_sources import assigned, definition, file_of, methods, parameters, public_names

# What variables of these names hold in the guides' code.
HOLDS = {
    "model": ("mrcnn", "MaskRCNN"), "config": ("mrcnn", "Config"), "dataset": ("mrcnn", "Dataset"),
    "train_set": ("mrcnn", "Dataset"), "val_set": ("mrcnn", "Dataset"),
    "result": ("mrcnn.results.result", "Result"),
    "evaluation": ("mrcnn.engine.evaluating", "ModelEvaluation"),
}
MODULES = {
    "utils": "mrcnn.utils", "visualize": "mrcnn.visualize", "modellib": "mrcnn.model",
    "augmenters": "mrcnn.data.augmenters", "mrcnn": "mrcnn", "commands": "mrcnn.commands",
}


def python_blocks():
    """(page and number, code) of all blocks of Python."""
    found = []
    for page in PAGES:
        for number, (_, code) in enumerate(blocks(text_of(page), "python", "py")):
            found.append(pytest.param(code, id=f"{page.stem}-{number}"))
    return found


def unknown_names(code):
    """Imports, methods and arguments in a piece of code that the package does not have."""
    modules = dict(MODULES)
    own = {node.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "mrcnn":
            yield from _unknown_imports(node, modules)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr not in own:
                yield from _unknown_attribute(node, modules)
        if isinstance(node, ast.Call):
            yield from _unknown_arguments(node, modules, code)


def _unknown_imports(node, modules):
    for alias in node.names:
        full = f"{node.module}.{alias.name}"
        if node.module == "mrcnn" and alias.name in MODULES:
            modules[alias.asname or alias.name] = MODULES[alias.name]
        elif file_of(full) is not None:
            modules[alias.asname or alias.name] = full
        else:
            try:
                definition(node.module, alias.name)
            except LookupError as error:
                yield str(error)


def _unknown_attribute(node, modules):
    holder, name = node.value.id, node.attr
    if holder in modules and file_of(f"{modules[holder]}.{name}") is None:
        known = [*public_names(modules[holder]), "augmenters", "__version__"]
        if name not in known and assigned(modules[holder], name) is None:
            yield f"{holder}.{name} does not exist"
    elif holder in HOLDS and not name.isupper():
        if name not in members(*HOLDS[holder]):
            yield f"{holder}.{name} does not exist"


def members(module, name):
    """Methods, attributes and documented attributes of a class of the package."""
    home, node = definition(module, name)
    found = set(methods(node))
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and getattr(one.value, "id", "") == "self":
            found.add(one.attr)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            found.add(one.target.id)
    for base in node.bases:
        if getattr(base, "id", "") in dir(builtins):
            found |= set(dir(getattr(builtins, base.id)))
        elif isinstance(base, ast.Name):
            found |= members(home, base.id)
    return found


def _unknown_arguments(node, modules, code):
    """Keyword arguments that the function or method called does not take."""
    function = _called(node.func, modules, code)
    if function is None:
        return
    known = parameters(function)
    if function.args.kwarg is not None:
        return
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in known:
            yield f"{ast.unparse(node.func)} takes no {keyword.arg}"


def _called(target, modules, code):
    """The definition of what is called, where it is the package's; None otherwise."""
    try:
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            if target.value.id in HOLDS:
                _, node = definition(*HOLDS[target.value.id])
                return methods(node).get(target.attr)
            if target.value.id in modules:
                return _function(*definition(modules[target.value.id], target.attr))
        if isinstance(target, ast.Name) and target.id in assigned("mrcnn", "_HOMES"):
            if not re.search(rf"\b(def|class) {target.id}\b", code):
                return _function(*definition("mrcnn", target.id))
    except LookupError:
        pass
    return None


def _function(module, node):
    """A function, or the constructor of a class."""
    if isinstance(node, ast.ClassDef):
        return methods(node).get("__init__")
    return node if isinstance(node, ast.FunctionDef) else None


@pytest.mark.parametrize("code", python_blocks())
def test_code_compiles_and_names_what_exists(code):
    compile(code, "guide", "exec")
    assert list(unknown_names(code)) == []


@pytest.mark.parametrize(("code", "expected"), [
    ("from mrcnn import Nothing", "mrcnn has no Nothing"),
    ("from mrcnn import utils\nutils.nothing()", "utils.nothing does not exist"),
    ("from mrcnn.model import nothing", "mrcnn.model has no nothing"),
    ("model.train(train_set, val_set, rate=1)", "model.train takes no rate"),
    ("model.nothing()", "model.nothing does not exist"),
    ("from mrcnn import utils\nutils.resize_image(image, side=3)",
     "utils.resize_image takes no side"),
])
def test_a_stale_name_in_code_is_caught(code, expected):
    assert expected in list(unknown_names(code))
