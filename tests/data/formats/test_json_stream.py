"""The streaming reader against Python's own, with chunks so small that everything is cut."""

import json
import random

import pytest

from mrcnn.data.dataset import DataError
from mrcnn.data.formats import json_stream
from mrcnn.data.formats.json_stream import elements, read_json, walk

TREE = {"a": [1, 2.5, -3e10, "x\u20ac\U0001F600\\\"", None, True, {"q": [1, [2]]}], "c": [],
        "b": 12345678901234567890, "d": {"e": []}, "": [[]]}


@pytest.fixture(autouse=True)
def tiny_chunks(monkeypatch):
    monkeypatch.setattr(json_stream, "CHUNK", 7)


def regrown(path):
    """The tree that `walk` tells of."""
    tree = {}
    for key, index, value in walk(path):
        if index is None:
            tree[key] = value
        else:
            tree.setdefault(key, []).extend([value] if index >= 0 else [])
    return tree


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("form", [{}, {"indent": 1}, {"ensure_ascii": False},
                                  {"separators": (",", ":")}])
def test_everything_is_read(tmp_path, encoding, form):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(TREE, **form), encoding=encoding)
    assert read_json(path) == TREE
    assert regrown(path) == TREE
    assert [value for _, value in elements(path, "a")] == TREE["a"]
    assert list(elements(path, "c")) == []


def test_a_cut_file_is_an_error_wherever_it_is_cut(tmp_path):
    text, path = json.dumps(TREE), tmp_path / "a.json"
    for end in range(len(text)):
        path.write_text(text[:end])
        for read in (read_json, regrown):
            with pytest.raises(DataError, match=r"a.json: line 1, column \d+: "):
                read(path)


def test_errors_stand_where_pythons_stand(tmp_path):
    path, rng = tmp_path / "a.json", random.Random(0)
    text = json.dumps(TREE, indent=1).encode()
    broken = 0
    for _ in range(1000):
        data = bytearray(text)
        data[rng.randrange(len(data))] = rng.randrange(128)
        path.write_bytes(data)
        try:
            expected = json.loads(bytes(data))
        except json.JSONDecodeError as error:
            broken += 1
            with pytest.raises(DataError, match=f"line {error.lineno}, column {error.colno}: "):
                read_json(path)
        else:
            assert json.dumps(read_json(path)) == json.dumps(expected)
    assert broken > 300


@pytest.mark.parametrize(("data", "expected"), [
    (b"", "line 1, column 1: .*Expecting value"),
    (b'{"a":\n "x\xff"}', "line 2, column 4: .*UTF-8 text, received byte 0xff"),
    (b'{"a":\n  ' + b"[" * 100000, "line 1, column 1: .*nested too deeply"),
    (b'{"a": ' + b"1" * 5000 + b"}", "line 1, column 1: .*4300 digits"),
    (b"{} {}", "line 1, column 4: .*end of the file"),
])
def test_what_else_may_be_wrong(tmp_path, data, expected):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(DataError, match=expected):
        read_json(path)


@pytest.mark.parametrize(("text", "expected"), [
    ("[1]", "expected an object"),
    ("3", "expected an object"),
    ('{"a": 1, "a": 2}', "'a' stands there twice"),
    ('{"a": [1 2]}', r"column 10: .*expected ',' or '\]'"),
    ('{"a" 1}', "expected ':'"),
    ('{a: 1}', "expected a key in double quotes"),
    ('{"a": 1} x', "expected the end of the file"),
])
def test_a_walk_stops_at_mistakes(tmp_path, text, expected):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=expected):
        list(walk(path))


def test_a_walk_for_one_key_ends_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, 2], "b": [3], "c": what')
    assert list(elements(path, "b")) == [(0, 3)]


def test_little_text_is_held_at_a_time(tmp_path, monkeypatch):
    path, held = tmp_path / "a.json", []
    path.write_text(json.dumps({"a": [{"id": i, "text": "x" * 40} for i in range(1000)]}))
    more = json_stream._Text.more

    def watched(self, *args):
        more(self, *args)
        held.append(len(self.text))

    monkeypatch.setattr(json_stream, "CHUNK", 200)
    monkeypatch.setattr(json_stream._Text, "more", watched)
    assert [value["id"] for _, value in elements(path, "a")] == list(range(1000))
    assert max(held) < 400
