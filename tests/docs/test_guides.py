"""README and guides against the repository: links, files, make targets, knobs."""

import ast
import re

import pytest
import yaml
from guide_pages import (
    GUIDES,
    PAGES,
    ROOT,
    anchors,
    blocks,
    commands,
    inline,
    links,
    prose,
    text_of,
    words,
)

from mrcnn.config import KNOBS

TREES = ("mrcnn/", "samples/", "docs/", "tests/", "benchmarks/", "notebooks/")
CAPITALS = re.compile(r"(?<![\w.%$])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w/])")
# Names in capitals that are no knobs: of the environment, of modules, of a script's own.
OTHER_CAPITALS = {
    "TF_CPP_MIN_LOG_LEVEL", "TF_GPU_ALLOCATOR", "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND",
    "MRCNN_CACHE", "COCO_MODEL_URL", "OMP_NUM_THREADS",
    "TF_CONFIG", "XLA_FLAGS", "MPLBACKEND", "COCO_NAMES",
}
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def broken_links(text, folder):
    """Relative links whose file, folder or heading is not there."""
    for target in links(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (folder / name).resolve() if name else None
        if path is not None and not path.exists():
            yield f"{target}: no such file"
        elif anchor and (path is None or path.suffix == ".md"):
            if anchor not in anchors(text if path is None else text_of(path)):
                yield f"{target}: no such heading"


@by_page
def test_links_lead_somewhere(page):
    assert list(broken_links(text_of(page), page.parent)) == []


@by_page
def test_files_that_are_named_exist(page):
    names = {name.rstrip("/") for name in inline(text_of(page))
             if name.startswith(TREES) and re.fullmatch(r"[\w./-]+", name)}
    inside_tests = page.name == "DEPARTURES.md"
    missing = [name for name in names if not (ROOT / name).exists()
               and not (inside_tests and (ROOT / "tests" / name).exists())]
    assert missing == []


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"(?:`|^)make ([\w-]+)", text_of(page), re.MULTILINE):
            assert name in targets, f"{page.name}: make {name}"


def config_assignments(code):
    """Names in capitals that a piece of code sets on a Config."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ClassDef) and any("Config" in ast.unparse(b) for b in node.bases):
            for one in node.body:
                if isinstance(one, ast.Assign):
                    yield from (target.id for target in one.targets)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "config":
            if node.attr.isupper():
                yield node.attr


@by_page
def test_knobs_that_are_named_exist(page):
    text = text_of(page)
    known = {*KNOBS, *OTHER_CAPITALS}
    named = {name for piece in inline(text) for name in CAPITALS.findall(piece)}
    named |= set(CAPITALS.findall(prose(text)))
    for language, code in blocks(text):
        if language in ("python", "py"):
            named |= set(config_assignments(code))
        elif language in ("yaml", "yml"):
            named |= {key for key in yaml.safe_load(code) if key.isupper()}
    assert sorted(named - known) == []


def test_there_is_something_to_check():
    names = [page.name for page in GUIDES]
    assert names == ["coming-from-matterport.md", "speed-and-deployment.md",
                     "troubleshooting.md", "two-schools.md", "your-own-data.md"]
    texts = [text_of(page) for page in PAGES]
    assert sum(len(commands(text)) for text in texts) > 20
    assert sum(len(blocks(text, "python")) for text in texts) > 10


def test_links_headings_and_commands_are_found():
    text = "# A `b` c\n[x](#a-b-c) [y](#no) [z](none.md)\n\n```\nmrcnn check \\\n  a | jq .\n```\n"
    assert list(broken_links(text, ROOT)) == ["#no: no such heading", "none.md: no such file"]
    assert commands(text) == ["mrcnn check a | jq ."]
    assert words(commands(text)[0]) == ["mrcnn", "check", "a"]
    assert set(config_assignments("class A(Config):\n    LR_RATE = 1\n")) == {"LR_RATE"}
