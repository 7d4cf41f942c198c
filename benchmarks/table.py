"""Rows as a Markdown table, and its place between two markers in benchmarks/RESULTS.md."""

import importlib.metadata
import os
import platform
from pathlib import Path

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"
PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-image", "torch",
            "torchvision")
HEAD = "| what | median | spread | beside | ratio | spread |\n|---|---|---|---|---|---|"


def machine():
    """Processor, cores and the instructions that matter, in one line."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    name = facts.get("model name", name)
    has = facts.get("flags", "").split()
    flags = ", ".join(title for flag, title in (("avx512f", "AVX-512"), ("avx512_bf16", "bf16"))
                      if flag in has)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {name}{f' ({flags})' if flags else ''}"


def versions(names=PACKAGES):
    """Python and the packages that are installed, in one line."""
    found = [f"Python {platform.python_version()}"]
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def number(value):
    """Three digits or so: 0.0123, 1.23, 123, 12345."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(row):
    """One line of the table."""
    spread = "" if row.low == row.high else f"{number(row.low)} to {number(row.high)}"
    ratio = ratios = ""
    if row.ratio is not None:
        ratio = number(row.ratio)
        if row.ratio_low != row.ratio_high:
            ratios = f"{number(row.ratio_low)} to {number(row.ratio_high)}"
    return (f"| {row.what} | {number(row.median)} {row.unit} | {spread} | {row.of} | {ratio} | "
            f"{ratios} |")


def table(rows, missing, settings):
    """The generated part.

    Args:
        rows: list of Row; those of a part stand together.
        missing: {part: why it has no rows}.
        settings: a sentence about the run.
    """
    lines = [f"{machine()}. {versions()}. {settings}"]
    for part in dict.fromkeys(row.part for row in rows):
        lines += ["", f"### {part[0].upper()}{part[1:]}", "", HEAD]
        lines += [line(row) for row in rows if row.part == part]
    if missing:
        lines += ["", "Not measured:", ""]
        lines += [f"- {part}: {why}" for part, why in missing.items()]
    return "\n".join(lines)


def put(path, text):
    """Replace what stands between the markers of a file; all else stays.

    Args:
        path: Markdown file; it is made, or gets the markers at its end, where they are missing.
        text: the generated part.

    Raises:
        ValueError: only one of the markers is there.
    """
    path = Path(path)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if (BEGIN in old) != (END in old):
        raise ValueError(f"{path}: expected both {BEGIN} and {END}, received one of them")
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n".lstrip()
    before, rest = old.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
