"""Makes build/docs: the guides as pages, and the API reference from the docstrings.

    python docs/make_reference.py [FOLDER]

Needs pdoc (`pip install ".[docs]"`) and no network. Open FOLDER/index.html in a browser.
"""

import importlib
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What the reference covers, in its order; everything else in the package is for those who
# change it, and CONTRIBUTING.md is their guide.
MODULES = (
    "mrcnn",
    "mrcnn.config",
    "mrcnn.presets",
    "mrcnn.data.augmenters",
    "mrcnn.results.result",
    "mrcnn.evaluation.evaluation",
    "mrcnn.engine.evaluating",
    "mrcnn.engine.validation",
    "mrcnn.engine.callbacks",
    "mrcnn.visualize",
    "mrcnn.utils",
    "mrcnn.model",
    "mrcnn.parallel_model",
    "mrcnn.commands",
)
PAGES = ("README.md", "DEPARTURES.md", "CONTRIBUTING.md", "CHANGELOG.md", "samples/README.md")
NAME = re.compile(r"\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b")  # of a knob
LINK = re.compile(r'(?P<start>(?:href|src)=")(?P<target>[^"#:]+)(?P<anchor>#[^"]*)?"')
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 54rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328;
       font: 16px/1.55 system-ui, sans-serif; }}
nav {{ border-bottom: 1px solid #d0d7de; padding-bottom: .6rem; }}
nav a {{ margin-right: 1.2rem; white-space: nowrap; }}
a {{ color: #0756b3; }}
pre {{ background: #f6f8fa; padding: .8rem; overflow-x: auto; }}
code {{ background: #f6f8fa; font-size: .9em; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #d0d7de; padding: .35rem .6rem; text-align: left;
         vertical-align: top; }}
img {{ max-width: 100%; }}
</style>
</head>
<body>
<nav>{menu}</nav>
{body}
</body>
</html>
"""


def make(folder, covered=MODULES):
    """Writes the whole site.

    Args:
        folder: where to; an earlier site there is replaced.
        covered: names of the modules of the reference.

    Returns:
        Path of its index.html.

    Raises:
        FileExistsError: the folder is there and holds something else.
    """
    folder = Path(folder)
    if folder.exists():
        if any(folder.iterdir()) and not (folder / "api").is_dir():
            raise FileExistsError(f"{folder} holds something else than documentation")
        shutil.rmtree(folder)
    make_reference(folder / "api", covered)
    pages = {ROOT / name: page_name(name) for name in PAGES}
    pages.update({path: path.with_suffix(".html").name for path in guides()})
    places = {**pages, **{path.parent: name for path, name in pages.items()
                          if path.name == "README.md" and path.parent != ROOT}, **modules()}
    for path, name in pages.items():
        text = page(path.read_text(encoding="utf-8"), path.parent, places, folder)
        (folder / name).write_text(text, encoding="utf-8")
    text = page(settings(), ROOT, places, folder)
    (folder / "settings.html").write_text(text, encoding="utf-8")
    return folder / "index.html"


def guides():
    """The Markdown files of docs/, sorted."""
    return sorted((ROOT / "docs").glob("*.md"))


def modules():
    """{file or folder of a module: its page of the reference}."""
    found = {}
    for name in MODULES:
        path = ROOT.joinpath(*name.split("."))
        found[path if path.is_dir() else path.with_suffix(".py")] = (
            f"api/{name.replace('.', '/')}.html")
    return found


def settings():
    """The knobs of Config with the comments of its source, as Markdown."""
    from mrcnn.config import KNOBS, Config

    lines = ["# Settings", "What a `Config` holds: each knob, its default, and why it is there."]
    reason = []
    for line in (ROOT / "mrcnn" / "config.py").read_text(encoding="utf-8").splitlines():
        knob = re.match(r"    ([A-Z][A-Z0-9_]+) = ", line)
        section = re.match(r"    # --- (.+?) -*$", line)
        if section:
            lines.append(f"## {section[1].capitalize()}")
        elif line.startswith("    # "):
            reason.append(line.strip()[2:])
            continue
        elif knob and knob[1] in KNOBS:
            value = getattr(Config, knob[1])
            value = value.tolist() if hasattr(value, "tolist") else value
            text = NAME.sub(r"`\g<0>`", " ".join(reason))  # else _..._ would be emphasis
            text = re.sub(r'"[a-z]+(_[a-z]+)+"', r"`\g<0>`", text)
            lines.append(f"`{knob[1]} = {value!r}`  \n{text}")
        reason = []
    return "\n\n".join(lines) + "\n"


def page_name(name):
    """The file of a page: index.html for the README, samples-readme.html for that of samples/."""
    if name == "README.md":
        return "index.html"
    return Path(name).with_suffix(".html").as_posix().replace("/", "-").lower()


def make_reference(folder, covered):
    """Writes the API reference, a page a module."""
    import pdoc

    for name in covered:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            setattr(module, public, getattr(module, public))  # `mrcnn` imports on first use
    pdoc.render.configure(docformat="google", footer_text="", search=True, show_source=True)
    pdoc.pdoc(*covered, output_directory=folder)


def page(text, parent, places, folder):
    """Markdown as a page of the site.

    Args:
        text: Markdown.
        parent: folder that its links start from.
        places: {file or folder: page of the site}, so that links between them stay inside.
        folder: of the site; other files that are linked to are copied there.

    Returns:
        HTML text.
    """
    import markdown2  # pdoc brings it

    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    body = markdown2.markdown(text, extras={
        "fenced-code-blocks": {"cssclass": "code"}, "tables": None, "header-ids": None,
        "cuddled-lists": None})
    body = LINK.sub(lambda found: _link(found, parent, places, folder), body)
    return PAGE.format(title=title[1] if title else "mrcnn", menu=_menu(places), body=body)


def _link(found, parent, places, folder):
    """An href or src of a page: another page, or a file that is copied beside it."""
    start, target, anchor = found["start"], found["target"], found["anchor"] or ""
    source = (parent / target).resolve()
    if source in places:
        return f'{start}{places[source]}{anchor}"'
    if source.is_dir():  # a folder of the repository, which the site has not
        return f'title="{target}"'
    if target.startswith("/") or not source.is_file():
        return found[0]
    place = folder / "files" / source.relative_to(ROOT)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    return f'{start}{place.relative_to(folder).as_posix()}{anchor}"'


def _menu(places):
    """Links to the guides and to the reference."""
    first = [("index.html", "mrcnn")]
    guide = [(places[path], _heading(path)) for path in guides()]
    last = [("settings.html", "Settings"), ("api/mrcnn.html", "API reference")]
    return "\n".join(f'<a href="{name}">{title}</a>' for name, title in first + guide + last)


def _heading(path):
    """The first heading of a Markdown file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line[2:]
    return path.stem


if __name__ == "__main__":
    print(make(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs"))
