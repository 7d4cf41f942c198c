"""Where the public names are defined, found in the source text: nothing is imported."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def file_of(module):
    """The source file of a dotted module name, or None where the package has no such module."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def tree_of(module):
    """The syntax tree of a module."""
    return ast.parse(file_of(module).read_text(encoding="utf-8"))


def assigned(module, name):
    """The literal that a module assigns to a name at top level, or None."""
    for node in tree_of(module).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None


def public_names(module):
    """The names of `__all__`, or the classes and functions without an underscore."""
    if module == "mrcnn":
        return list(assigned(module, "_HOMES"))
    listed = assigned(module, "__all__")
    if listed is not None:
        return listed
    kinds = (ast.ClassDef, ast.FunctionDef)
    return [node.name for node in tree_of(module).body
            if isinstance(node, kinds) and not node.name.startswith("_")]


def definition(module, name):
    """(module, node) of a class, function or constant, followed through its re-exports.

    Raises:
        LookupError: no such name.
    """
    if module == "mrcnn" and name in assigned(module, "_HOMES"):
        return definition(assigned(module, "_HOMES")[name], name)
    if file_of(module) is None:
        raise LookupError(f"no module {module}")
    for node in tree_of(module).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    if file_of(f"{node.module}.{alias.name}") is not None:
                        return f"{node.module}.{alias.name}", tree_of(f"{node.module}.{alias.name}")
                    return definition(node.module, alias.name)
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(getattr(target, "id", None) == name for target in targets):
                return module, node
    raise LookupError(f"{module} has no {name}")


def parameters(node):
    """Names of a function's parameters, without self and cls."""
    spec = node.args
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
    return [one.arg for one in every if one is not None and one.arg not in ("self", "cls")]


def methods(node):
    """{name: function} of a class body."""
    return {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}


def is_property(node):
    """True for what is read without a call."""
    names = [getattr(one, "id", getattr(one, "attr", "")) for one in node.decorator_list]
    return any(name in ("property", "cached_property", "_Derived") for name in names)
