"""The pages people read, taken apart: links, headings, blocks of code, command lines, names."""

import re
import shlex
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "DEPARTURES.md",
                                  "samples/README.md")] + GUIDES
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+?)\s*#*$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^(?:\$ )?((?:python3? -m )?mrcnn [a-z].*|python3? samples/\S+\.py .*)$")


def text_of(path):
    """A page's text."""
    return path.read_text(encoding="utf-8")


def prose(text):
    """The text without its blocks of code, for links and headings."""
    return BLOCK.sub("", text)


def blocks(text, *languages):
    """(language, code) of fenced blocks; all where no language is asked for."""
    found = [(match[2], _dedented(match[3], len(match[1]))) for match in BLOCK.finditer(text)]
    return [pair for pair in found if not languages or pair[0] in languages]


def _dedented(code, depth):
    return "\n".join(line[depth:] if line[:depth].isspace() or not depth else line
                     for line in code.splitlines()) + "\n"


def links(text):
    """Targets of links and pictures outside blocks of code."""
    return LINK.findall(prose(text))


def anchors(text):
    """The fragments that headings make on the web: lower case, spaces to hyphens, numbered."""
    seen, found = Counter(), []
    for heading in HEADING.findall(prose(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def inline(text):
    """What stands between single backticks outside blocks."""
    return INLINE.findall(prose(text))


def commands(text):
    """Command lines of `mrcnn` and of the samples: in blocks, and whole in backticks."""
    lines = []
    for language, code in blocks(text):
        if language in ("", "sh", "bash", "shell", "console"):
            lines += re.sub(r"\s*\\\n\s*", " ", code).splitlines()
    lines += inline(text)
    return [match[1] for line in lines if (match := COMMAND.match(line.strip()))]


def words(command):
    """A command line as a list of words, comments left out, up to a pipe or the next command."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|;&")
    lexer.whitespace_split = True
    found = []
    for word in lexer:
        if set(word) <= set("|;&"):
            break
        found.append(word)
    return found
