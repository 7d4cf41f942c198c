"""A thousand random mutations of each format: never a traceback, never a silent skip.

What counts as silent: a set from which another number of objects is read than its files list, by
a count that knows nothing of the readers, without a single finding that says so.
"""

import json
import re

import numpy as np
import pytest
from breaking import broken_bytes, broken_tree
from tiny_sets import FORMATS, SIDE, listed

from mrcnn.config import Config
from mrcnn.data.check import statistics
from mrcnn.data.check.checking import check_dataset

MUTATIONS = 1000
READER = {"via1": "via", "via2": "via"}
# Warnings that say nothing of anything left out.
BESIDES = {"class-unused", "mostly-crowd", "small-objects", "box-only", "class-unnamed"}


@pytest.fixture(autouse=True)
def no_anchor_search(monkeypatch):
    """Anchor advice has tests of its own, and would be most of the time here."""
    monkeypatch.setattr(statistics, "advise", lambda boxes, frames, config: None)


def small_config():
    return type("Small", (Config,), {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64})()


def checked(folder, name, rng, config):
    """A report; the format is named in half of the cases, recognised in the others."""
    named = READER.get(name, name) if rng.integers(2) else "auto"
    return check_dataset(folder, cache=False, max_workers=1, config=config, format=named)


def count_of(report):
    if report.statistics is None:
        return 0
    return report.statistics["instances"] + report.statistics["crowds"]


def mutated(rng, file, data):
    """The bytes of a file with something wrong: at byte, at value or at word level."""
    if rng.integers(2):
        return broken_bytes(rng, data)
    if file.suffix == ".json":
        text = json.dumps(broken_tree(rng, json.loads(data)))
        return text.encode("utf-8")
    if file.suffix == ".png":
        return [b"", b"\x89PNG\r\n\x1a\n", data[:len(data) // 2], data * 2][rng.integers(4)]
    return broken_words(rng, file, data.decode()).encode("utf-8")


WORDS = ["", " ", "x", "-1", "0", "1e999", "nan", "inf", "9" * 5000, "../../x", "\0", "é", "1.5.2",
         "[", "- a", ": :", "&lol;", "<a>", "</object>", "!!python/object/apply:os.system [ls]"]


def broken_words(rng, file, text):
    """One or two values, tags or lines of a text replaced, removed or put twice."""
    pattern = r"<[^<>]+>|[^<>\s]+" if file.suffix == ".xml" else r"[^\s]+|\n"
    for _ in range(rng.integers(1, 3)):
        found = list(re.finditer(pattern, text))
        if not found:
            return text
        start, end = found[rng.integers(len(found))].span()
        word = [WORDS[rng.integers(len(WORDS))], "", text[start:end] * 2][rng.integers(3)]
        text = text[:start] + word + text[end:]
    return text


@pytest.mark.parametrize("name", FORMATS)
def test_the_sound_set_is_clean_and_counted(tmp_path, name):
    FORMATS[name](tmp_path)
    report = checked(tmp_path, name, np.random.default_rng(0), small_config())
    assert report.clean, str(report)
    assert count_of(report) == listed(name, tmp_path) >= 5
    assert SIDE == report.statistics["image_sizes"]["height"][0]


@pytest.mark.parametrize("name", FORMATS)
def test_mutations(tmp_path, name):
    files = FORMATS[name](tmp_path)
    config, sound = small_config(), listed(name, tmp_path)
    originals = [file.read_bytes() for file in files]
    rng, told = np.random.default_rng(list(name.encode())), 0
    for number in range(MUTATIONS):
        which = int(rng.integers(len(files)))
        broken = mutated(rng, files[which], originals[which])
        files[which].write_bytes(broken)
        try:
            report = checked(tmp_path, name, rng, config)
        except Exception as error:
            raise AssertionError(f"mutation {number} of {files[which].name}: "
                                 f"{broken[:2000]!r}") from error
        expected = listed(name, tmp_path)
        expected = sound if expected is None else expected
        findings = [one for one in report.findings if one.kind not in BESIDES]
        told += bool(findings)
        assert findings or count_of(report) == expected, (
            f"mutation {number} of {files[which].name}: {count_of(report)} of {expected} objects, "
            f"and not a word: {broken[:2000]!r}")
        assert str(report) and json.dumps(report.as_dict())
        files[which].write_bytes(originals[which])
    assert told > MUTATIONS // 4  # the mutations do reach something
