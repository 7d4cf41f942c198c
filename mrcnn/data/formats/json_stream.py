"""Reading JSON: small files whole, large ones element by element with little memory.

Whatever is wrong with the text becomes a DataError that names file, line and column.
"""

import codecs
import json
import re

from mrcnn.data.dataset import DataError

CHUNK = 1 << 20  # bytes read at a time
# An element that goes on beyond the text read so far shows as an error this near to its end, or
# as a number that ends there.
TAIL = 16
SPACE = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder()


def read_json(path):
    """A whole small file.

    Args:
        path: the file, UTF-8 with or without a byte order mark.

    Returns:
        What `json.loads` makes of it.

    Raises:
        DataError: it is no JSON; the message names file, line and column.
        OSError: it cannot be opened.
    """
    with open(path, "rb") as file:
        text = _Text(path, file)
        value = text.value()
        text.end()
    return value


def walk(path, wanted=None):
    """The top level object of a large file, one element at a time.

    Args:
        path: the file, UTF-8 with or without a byte order mark.
        wanted: a key; walking ends after its value. None: the whole file is walked, and it is
            an error when a key stands there twice.

    Yields:
        (key, index, value): an element of the list under `key`; or, with index None, the
        whole value where it is no list. An empty list gives (key, -1, None).

    Raises:
        DataError: it is no JSON, or no object.
        OSError: it cannot be opened.
    """
    with open(path, "rb") as file:
        text, seen = _Text(path, file), set()
        if text.peek() != "{":
            text.fail("expected an object: '{'")
        for key in _keys(text):
            if key in seen:
                text.fail(f"the key {key!r:.80} stands there twice")
            seen.add(key)
            if text.peek() == "[":
                yield from ((key, index, value) for index, value in _elements(text))
            else:
                yield key, None, text.value()
            if key == wanted:
                return
        text.end()


def elements(path, key):
    """Yields (index, value) for the list under one key of a large file; see `walk`."""
    for found, index, value in walk(path, wanted=key):
        if found == key and index is not None and index >= 0:
            yield index, value


def _keys(text):
    """Yields the keys of the object at the cursor; the caller takes each value."""
    text.skip()
    if text.peek() == "}":
        text.skip()
        return
    while True:
        if text.peek() != '"':
            text.fail("expected a key in double quotes")
        key = text.value()
        if text.peek() != ":":
            text.fail("expected ':'")
        text.skip()
        yield key
        if text.after_item("}"):
            return


def _elements(text):
    """Yields (index, value) of the list at the cursor; (-1, None) for an empty one."""
    text.skip()
    if text.peek() == "]":
        text.skip()
        yield -1, None
        return
    index = 0
    while True:
        yield index, text.value()
        index += 1
        if text.after_item("]"):
            return


class _Text:
    """The text of a file from the cursor on, read as it is needed."""

    def __init__(self, path, file):
        self.path, self.file = path, file
        self.text, self.cursor, self.ended = "", 0, False
        self.line, self.column = 1, 1  # of the first character of `text`
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()

    def peek(self):
        """The next character that is no space, the cursor on it; "" at the end."""
        while True:
            self.cursor = SPACE.match(self.text, self.cursor).end()
            if self.cursor < len(self.text):
                return self.text[self.cursor]
            if self.ended:
                return ""
            self.more()

    def skip(self):
        """Steps over one character."""
        self.cursor += 1

    def after_item(self, closing):
        """Steps over ',' or `closing`; True for the latter."""
        found = self.peek()
        if found not in (",", closing) or not found:
            self.fail(f"expected ',' or '{closing}'")
        self.skip()
        return found == closing

    def end(self):
        """Nothing may follow."""
        if self.peek():
            self.fail("expected the end of the file")

    def value(self):
        """Decodes the next value."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.cursor)
            except json.JSONDecodeError as error:
                unfinished = error.pos >= len(self.text) - TAIL or "Unterminated" in error.msg
                if self.ended or not unfinished:
                    self.fail(error.msg, error.pos)
            except RecursionError:
                self.fail("lists or objects nested too deeply")
            except ValueError as error:  # a whole number of thousands of digits
                self.fail(str(error))
            else:
                if self.ended or end < len(self.text) - TAIL:
                    self.cursor = end
                    return value
            self.more(2 * (len(self.text) - self.cursor))

    def more(self, least=0):
        """Forgets what lies before the cursor and reads on, `least` bytes or a CHUNK."""
        self.line, self.column = self.position(self.cursor)
        rest, self.cursor = self.text[self.cursor:], 0
        data = self.file.read(max(CHUNK, least))
        self.ended = not data
        try:
            self.text = rest + self.decoder.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            self.text = rest + error.object[:error.start].decode("utf-8")
            self.fail(f"expected UTF-8 text, received byte 0x{error.object[error.start]:02x}",
                      len(self.text))

    def position(self, place):
        """(line, column), from 1, of a place in `text`."""
        lines = self.text.count("\n", 0, place)
        if not lines:
            return self.line, self.column + place
        return self.line + lines, place - self.text.rindex("\n", 0, place)

    def fail(self, message, place=None):
        """Raises a DataError about a place, the cursor unless given."""
        line, column = self.position(self.cursor if place is None else place)
        raise DataError(f"{self.path}: line {line}, column {column}: no valid JSON: "
                        f"{message}") from None
