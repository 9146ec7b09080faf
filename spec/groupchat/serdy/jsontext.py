"""JSON (RFC 8259) as UTF-8, for people and for other languages.

    bool, int, float    true and false; numbers
    str                 a string
    bytes               a string in base64 (RFC 4648, section 4, with padding)
    option              null, or the value
    enum                the name of the member as a string
    list, tuple         an array
    dict                an object; an int as a key is in quotes
    dataclass           an object of its fields
    union               an object of one entry: the name of the dataclass, and the dataclass

JSON is read as the type asks for it, piece by piece, and no further: what comes is never built into a tree first.
White space and the order of an object are free, and 1 is a float too, as JSON has but one kind of number. Nothing
else is: each name once, all of them and no others, no NaN, and nothing after the end. Ints are exact here up to
64 bits; a reader that makes a float of every number, as JavaScript does, has 53 of them.
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

MAX_DIGITS = 20  # of 64 bits, and the sign
# What stands for a kind of value. The quantifiers are possessive, so that no text takes long to be refused.
INT = rb"-?(?:0|[1-9][0-9]*+)"
INTEGER = re.compile(rb"(" + INT + rb")(?![.eE0-9])")
QUOTED_INTEGER = re.compile(rb'"(' + INT + rb')"')
NUMBER = re.compile(rb"(" + INT + rb"(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)")
STRING = re.compile(rb'("(?:[^"\\\x00-\x1f]++|\\.)*+")')
BOOLEAN = re.compile(rb"(true|false)")
SPACE = re.compile(rb"[ \t\n\r]*+")


class JsonWriter(Writer):
    def __init__(self) -> None:
        super().__init__()
        self._out: list[str] = []

    def boolean(self, value: bool) -> None:
        self._out.append("true" if value else "false")

    def integer(self, value: int, signed: bool) -> None:
        self._out.append(str(value))

    def real(self, value: float) -> None:
        self._out.append(repr(value))

    def text(self, value: str) -> None:
        self._out.append(json.dumps(value, ensure_ascii=False))

    def blob(self, value: bytes) -> None:
        self.text(base64.b64encode(value).decode())

    def option(self, present: bool) -> None:
        if not present:
            self._out.append("null")

    def enum(self, position: int, names: tuple[str, ...]) -> None:
        self.text(names[position])

    def sequence(self, size: int) -> Iterator[int]:
        return self._parts("[", size, "]")

    def mapping(self, size: int) -> Iterator[int]:
        return self._parts("{", size, "}")

    def key(self, shape: Shape, value: object) -> None:
        at = len(self._out)
        super().key(shape, value)
        if not self._out[at].startswith('"'):
            self._out[at] = f'"{self._out[at]}"'
        self._out.append(":")

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        for position in self._parts("{", len(names), "}"):
            self.enum(position, names)
            self._out.append(":")
            yield position

    def union(self, position: int, names: tuple[str, ...]) -> Iterator[int]:
        for _ in self._parts("{", 1, "}"):
            self.enum(position, names)
            self._out.append(":")
            yield position

    def finish(self) -> bytes:
        return "".join(self._out).encode()

    def _parts(self, opening: str, size: int, closing: str) -> Iterator[int]:
        self._out.append(opening)
        for number in range(size):
            if number:
                self._out.append(",")
            yield number
        self._out.append(closing)


class JsonReader(Reader):
    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._at = 0
        self._quoted = False  # an int is expected in quotes

    def boolean(self) -> bool:
        return self._token(BOOLEAN, "true or false") == "true"

    def integer(self, signed: bool) -> int:
        pattern, what = (QUOTED_INTEGER, "an int in quotes") if self._quoted else (INTEGER, "an int")
        token = self._token(pattern, what)
        if len(token) > MAX_DIGITS:  # int() takes time that grows with the square of the digits
            raise self.error("an int of more than 64 bits")
        return int(token)

    def real(self) -> float:
        return float(self._token(NUMBER, "a number"))

    def text(self) -> str:
        try:
            value: str = json.loads(self._token(STRING, "a string"))
        except json.JSONDecodeError:
            raise self.error("an escape that JSON does not have") from None
        return value

    def blob(self) -> bytes:
        text = self.text()
        try:
            value = base64.b64decode(text)
        except ValueError:
            value = b""
        if base64.b64encode(value).decode() != text:  # the decoder forgives much
            raise self.error("no base64")
        return value

    def option(self) -> bool:
        return not self._found(b"null")

    def enum(self, names: tuple[str, ...]) -> int:
        name = self.text()
        if name not in names:
            raise self.error(f"{reprlib.repr(name)} is none of: {', '.join(names)}")
        return names.index(name)

    def sequence(self) -> Iterator[int]:
        return self._parts(b"[", b"]")

    def mapping(self) -> Iterator[int]:
        return self._parts(b"{", b"}")

    def key(self, shape: Shape) -> Any:
        self._quoted = True
        key = super().key(shape)
        self._quoted = False
        self._expect(b":")
        return key

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        for _ in self._parts(b"{", b"}"):
            position = self.enum(names)
            self._expect(b":")
            yield position

    def union(self, names: tuple[str, ...]) -> Iterator[int]:
        self._expect(b"{")
        position = self.enum(names)
        self._expect(b":")
        yield position
        self._expect(b"}")

    def finish(self) -> None:
        self._skip()
        if self._at < len(self._data):
            raise self.error(f"{len(self._data) - self._at} bytes after the end of the value")

    def _parts(self, opening: bytes, closing: bytes) -> Iterator[int]:
        self._expect(opening)
        if self._found(closing):
            return
        for number in count():
            yield number
            if self._found(closing):
                return
            self._expect(b",")

    def _skip(self) -> None:
        """Go to the next piece."""
        self.offset = self._at = SPACE.match(self._data, self._at).end()  # type: ignore[union-attr]  # "" matches

    def _found(self, mark: bytes) -> bool:
        """Go past this mark if it is the next piece; return whether it is."""
        self._skip()
        found = self._data.startswith(mark, self._at)
        self._at += len(mark) * found
        return found

    def _expect(self, mark: bytes) -> None:
        if not self._found(mark):
            raise self.error(f"{mark.decode()} expected")

    def _token(self, pattern: re.Pattern[bytes], what: str) -> str:
        """Go past what matches the pattern; return its first group."""
        self._skip()
        match = pattern.match(self._data, self._at)
        if match is None:
            raise self.error(f"{what} expected")
        self._at = match.end()
        try:
            return match[1].decode()
        except UnicodeDecodeError:
            raise self.error("no UTF-8") from None
