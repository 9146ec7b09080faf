"""JSON (RFC 8259) as UTF-8, for people and for other languages.

    bool, int, float    true and false; numbers
    str                 a string
    bytes               a string in base64 (RFC 4648, section 4, with padding)
    option              null, or the value
    enum                a string, the name of the member
    list, tuple         an array
    dict                an object; an int key is in quotes
    dataclass           an object of its fields
    union               an object of one entry: the name of the dataclass, and the dataclass

JSON is read piece by piece, as the type requires, and is never built into a tree first. White space and the order of
an object are free, and 1 is a float too, since JSON has only one kind of number. Nothing else is free: each name occurs
exactly once, there are no other names, no NaN, and nothing after the end. Ints are exact up to 64 bits; a reader that
turns every number into a float, as JavaScript does, keeps only 53 bits.
"""

from __future__ import annotations

import base64
import json
import re
import reprlib
from collections.abc import Iterator
from itertools import count
from typing import Any

from .model import Shape
from .walk import Reader, Writer

MAX_DIGITS = 20  # of an int of 64 bits, including the sign
# Patterns of values. The quantifiers are possessive, so that every text is rejected quickly.
INT = rb"-?(?:0|[1-9][0-9]*+)"
INTEGER = re.compile(rb"(" + INT + rb")(?![.eE0-9])")
QUOTED_INTEGER = re.compile(rb'"(' + INT + rb')"')
NUMBER = re.compile(rb"(" + INT + rb"(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)")
STRING = re.compile(rb'("(?:[^"\\\x00-\x1f]++|\\.)*+")')
BOOLEAN = re.compile(rb"(true|false)")
SPACE = re.compile(rb"[ \t\n\r]*+")


class JsonWriter(Writer):
    """Encodes a value as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._out: list[str] = []

    def boolean(self, value: bool) -> None:
        """Write `true` or `false`."""
        self._out.append("true" if value else "false")

    def integer(self, value: int, signed: bool) -> None:
        """Write a number."""
        self._out.append(str(value))

    def real(self, value: float) -> None:
        """Write a number."""
        self._out.append(repr(value))

    def text(self, value: str) -> None:
        """Write a string."""
        self._out.append(json.dumps(value, ensure_ascii=False))

    def blob(self, value: bytes) -> None:
        """Write a string in base64."""
        self.text(base64.b64encode(value).decode())

    def option(self, present: bool) -> None:
        """Write `null` if there is no value."""
        if not present:
            self._out.append("null")

    def enum(self, position: int, names: tuple[str, ...]) -> None:
        """Write the name as a string."""
        self.text(names[position])

    def sequence(self, size: int) -> Iterator[int]:
        """Write an array."""
        return self._parts("[", size, "]")

    def mapping(self, size: int) -> Iterator[int]:
        """Write an object."""
        return self._parts("{", size, "}")

    def key(self, shape: Shape, value: object) -> None:
        """Write a key as a string, an int in quotes."""
        place = len(self._out)
        super().key(shape, value)
        if not self._out[place].startswith('"'):
            self._out[place] = f'"{self._out[place]}"'
        self._out.append(":")

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Write an object of the fields."""
        for position in self._parts("{", len(names), "}"):
            self.enum(position, names)
            self._out.append(":")
            yield position

    def union(self, position: int, names: tuple[str, ...]) -> Iterator[int]:
        """Write an object of one entry, named after the dataclass."""
        for _ in self._parts("{", 1, "}"):
            self.enum(position, names)
            self._out.append(":")
            yield position

    def finish(self) -> bytes:
        """Return the JSON as UTF-8."""
        return "".join(self._out).encode()

    def _parts(self, opening: str, size: int, closing: str) -> Iterator[int]:
        self._out.append(opening)
        for number in range(size):
            if number:
                self._out.append(",")
            yield number
        self._out.append(closing)


class JsonReader(Reader):
    """Decodes a value from JSON."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._position = 0
        self._quoted = False  # an int is expected in quotes

    def boolean(self) -> bool:
        """Read `true` or `false`."""
        return self._token(BOOLEAN, "true or false") == "true"

    def integer(self, signed: bool) -> int:
        """Read a number without fraction and exponent; as a key, in quotes."""
        pattern, what = (QUOTED_INTEGER, "an int in quotes") if self._quoted else (INTEGER, "an int")
        token = self._token(pattern, what)
        if len(token) > MAX_DIGITS:  # the time of int() grows with the square of the number of digits
            raise self.error("an int of more than 64 bits")
        return int(token)

    def real(self) -> float:
        """Read a number."""
        return float(self._token(NUMBER, "a number"))

    def text(self) -> str:
        """Read a string."""
        try:
            value: str = json.loads(self._token(STRING, "a string"))
        except json.JSONDecodeError:
            raise self.error("an invalid escape") from None
        return value

    def blob(self) -> bytes:
        """Read a string in base64."""
        text = self.text()
        try:
            value = base64.b64decode(text)
        except ValueError:
            value = b""
        if base64.b64encode(value).decode() != text:  # the decoder accepts much that is not base64
            raise self.error("not base64")
        return value

    def option(self) -> bool:
        """Read `null`, or leave the value to be read."""
        return not self._skip_if_next(b"null")

    def enum(self, names: tuple[str, ...]) -> int:
        """Read a name as a string."""
        name = self.text()
        if name not in names:
            raise self.error(f"{reprlib.repr(name)} is not one of: {', '.join(names)}")
        return names.index(name)

    def sequence(self) -> Iterator[int]:
        """Read an array."""
        return self._parts(b"[", b"]")

    def mapping(self) -> Iterator[int]:
        """Read an object."""
        return self._parts(b"{", b"}")

    def key(self, shape: Shape) -> Any:
        """Read a key, which is a string."""
        self._quoted = True
        key = super().key(shape)
        self._quoted = False
        self._expect(b":")
        return key

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read an object of the fields, in any order."""
        for _ in self._parts(b"{", b"}"):
            position = self.enum(names)
            self._expect(b":")
            yield position

    def union(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read an object of one entry, named after the dataclass."""
        self._expect(b"{")
        position = self.enum(names)
        self._expect(b":")
        yield position
        self._expect(b"}")

    def finish(self) -> None:
        """Raise DecodeError when there is anything but white space left."""
        self._skip_space()
        if self._position < len(self._data):
            raise self.error(f"{len(self._data) - self._position} bytes after the end of the value")

    def _parts(self, opening: bytes, closing: bytes) -> Iterator[int]:
        self._expect(opening)
        if self._skip_if_next(closing):
            return
        for number in count():
            yield number
            if self._skip_if_next(closing):
                return
            self._expect(b",")

    def _skip_space(self) -> None:
        """Skip white space before the next piece."""
        self.offset = self._position = SPACE.match(self._data, self._position).end()  # type: ignore[union-attr]  # "" matches

    def _skip_if_next(self, mark: bytes) -> bool:
        """Skip this mark if it is the next piece; return whether it is."""
        self._skip_space()
        is_next = self._data.startswith(mark, self._position)
        self._position += len(mark) * is_next
        return is_next

    def _expect(self, mark: bytes) -> None:
        if not self._skip_if_next(mark):
            raise self.error(f"{mark.decode()} expected")

    def _token(self, pattern: re.Pattern[bytes], what: str) -> str:
        """Skip the next piece, which must match the pattern; return the first group of the match."""
        self._skip_space()
        match = pattern.match(self._data, self._position)
        if match is None:
            raise self.error(f"{what} expected")
        self._position = match.end()
        try:
            return match[1].decode()
        except UnicodeDecodeError:
            raise self.error("not UTF-8") from None
