"""The data model: the shapes that values have, whatever the format.

A shape writes a value of its type to any Writer and reads one from any Reader. Which values belong to a type is said
here and nowhere else: formats know bytes, shapes know values. Types are meant exactly: True is no int, 1 is no float,
an object of a subclass is none of the class; so what is read back has the type that was written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from .walk import Reader, Walk, Writer


class Shape(Protocol):
    """One kind of value, with what there is to know about it."""

    def write(self, value: Any, to: Writer) -> None:
        """Write the value; raise EncodeError when it does not fit this shape."""

    def read(self, source: Reader) -> Any:
        """Read a value that fits this shape; raise DecodeError when the next bytes are none."""


def expect(cls: type, value: object, walk: Walk) -> None:
    """Raise the error of this walk unless the value is of exactly this class."""
    if type(value) is not cls:
        # The value itself is not shown: it may be huge, and its repr may be anything.
        raise walk.error(f"{cls.__name__} expected, {type(value).__name__} found")


@dataclass(frozen=True)
class Boolean:
    def write(self, value: Any, to: Writer) -> None:
        expect(bool, value, to)
        to.boolean(value)

    def read(self, source: Reader) -> bool:
        return source.boolean()


@dataclass(frozen=True)
class Integer:
    """An int from `low` to `high`, both included, of at most 64 bits."""

    low: int = -(1 << 63)
    high: int = (1 << 63) - 1

    def write(self, value: Any, to: Writer) -> None:
        expect(int, value, to)
        self._check(value, to)
        to.integer(value, self.low < 0)

    def read(self, source: Reader) -> int:
        value = source.integer(self.low < 0)
        self._check(value, source)
        return value

    def _check(self, value: int, walk: Walk) -> None:
        if not self.low <= value <= self.high:
            raise walk.error(f"an int from {self.low} to {self.high} expected")


@dataclass(frozen=True)
class Real:
    """A finite float. JSON has no others, and NaN would be a value that is not equal to what was written."""

    def write(self, value: Any, to: Writer) -> None:
        expect(float, value, to)
        self._check(value, to)
        to.real(value)

    def read(self, source: Reader) -> float:
        value = source.real()
        self._check(value, source)
        return value

    def _check(self, value: float, walk: Walk) -> None:
        if not math.isfinite(value):
            raise walk.error("a finite float expected")


@dataclass(frozen=True)
class Text:
    """A str without lone surrogates, which are no characters and have no place in UTF-8 (RFC 3629, section 3)."""

    def write(self, value: Any, to: Writer) -> None:
        expect(str, value, to)
        self._check(value, to)
        to.text(value)

    def read(self, source: Reader) -> str:
        value = source.text()
        self._check(value, source)
        return value

    def _check(self, value: str, walk: Walk) -> None:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise walk.error(f"character {error.start} is a lone surrogate") from None


@dataclass(frozen=True)
class Blob:
    def write(self, value: Any, to: Writer) -> None:
        expect(bytes, value, to)
        to.blob(value)

    def read(self, source: Reader) -> bytes:
        return source.blob()


@dataclass(frozen=True)
class Option:
    """None, or a value of one shape."""

    item: Shape

    def write(self, value: Any, to: Writer) -> None:
        to.option(value is not None)
        if value is not None:
            self.item.write(value, to)

    def read(self, source: Reader) -> Any:
        return self.item.read(source) if source.option() else None


@dataclass(frozen=True)
class Sequence:
    """Items of one shape, any number of them, in a list or a tuple."""

    cls: type[list[Any]] | type[tuple[Any, ...]]
    item: Shape

    def write(self, value: Any, to: Writer) -> None:
        expect(self.cls, value, to)
        to.enter()
        for number in to.sequence(len(value)):
            to.path[-1] = number
            self.item.write(value[number], to)
        to.leave()

    def read(self, source: Reader) -> Any:
        items = []
        source.enter()
        for number in source.sequence():
            source.path[-1] = number
            items.append(self.item.read(source))
            source.path[-1] = None
        source.leave()
        return items if self.cls is list else self.cls(items)


@dataclass(frozen=True)
class Map:
    """A dict from an int, str, bytes or enum to values of one shape. Its order does not count, as `==` has it."""

    key: Shape
    item: Shape

    def write(self, value: Any, to: Writer) -> None:
        expect(dict, value, to)
        to.enter()
        # The writer comes first: zip asks it once more at the end, and that is when it closes the map.
        for number, (key, item) in zip(to.mapping(len(value)), value.items(), strict=True):
            to.path[-1] = number
            to.key(self.key, key)
            to.path[-1] = (key,)
            self.item.write(item, to)
        to.leave()

    def read(self, source: Reader) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        source.enter()
        for number in source.mapping():
            source.path[-1] = number
            key = source.key(self.key)
            source.path[-1] = (key,)
            if key in entries:
                raise source.error("a second entry of this key")
            entries[key] = self.item.read(source)
            source.path[-1] = None
        source.leave()
        return entries


@dataclass(eq=False)
class Struct:
    """The fields of a dataclass. They are set once all are known: the class may stand in one of its own fields."""

    cls: type
    names: tuple[str, ...]
    fields: tuple[Shape, ...] = field(default=(), repr=False)

    def write(self, value: Any, to: Writer) -> None:
        expect(self.cls, value, to)
        to.enter()
        for position in to.struct(self.names):
            to.path[-1] = name = self.names[position]
            self.fields[position].write(getattr(value, name), to)
        to.leave()

    def read(self, source: Reader) -> Any:
        found: dict[str, Any] = {}
        source.enter()
        for position in source.struct(self.names):
            source.path[-1] = name = self.names[position]
            if name in found:
                raise source.error("a second field of this name")
            found[name] = self.fields[position].read(source)
            source.path[-1] = None
        source.leave()
        for name in self.names:
            if name not in found:
                raise source.error(f"field {name} of {self.cls.__name__} is missing")
        try:
            return self.cls(**found)
        except ValueError as error:  # the class's own rules, in its __post_init__
            raise source.error(f"no {self.cls.__name__}: {error}") from error


@dataclass(frozen=True)
class Enumeration:
    """The members of an enum in the order of their definition; aliases are not counted."""

    cls: type[Enum]
    members: tuple[Enum, ...]
    names: tuple[str, ...]

    def write(self, value: Any, to: Writer) -> None:
        expect(self.cls, value, to)
        if value not in self.members:
            raise to.error(f"one member of {self.cls.__name__} expected")  # two flags together are none
        to.enum(self.members.index(value), self.names)

    def read(self, source: Reader) -> Enum:
        return self.members[source.enum(self.names)]


@dataclass(frozen=True)
class Union:
    """A value of one of several dataclasses, and a tag that tells which."""

    structs: tuple[Struct, ...]
    names: tuple[str, ...]

    def write(self, value: Any, to: Writer) -> None:
        for position, struct in enumerate(self.structs):
            if type(value) is struct.cls:
                for _ in to.union(position, self.names):
                    struct.write(value, to)
                return
        raise to.error(f"{' or '.join(self.names)} expected, {type(value).__name__} found")

    def read(self, source: Reader) -> Any:
        for position in source.union(self.names):
            value = self.structs[position].read(source)
        return value
