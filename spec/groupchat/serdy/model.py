"""The data model: the shapes of values, independent of the format.

A shape writes a value of its type to any Writer, and reads one from any Reader. Only shapes decide which values belong
to a type: formats know bytes, shapes know values. Types match exactly: True is not an int, 1 is not a float, and an
instance of a subclass is not an instance of the class. So a value is read back with the type with which it was written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from .walk import Reader, Walk, Writer


class Shape(Protocol):
    """A type of values: how its values are checked, written and read."""

    def write(self, value: Any, writer: Writer) -> None:
        """Write a value; raise EncodeError when it does not have this shape."""

    def read(self, reader: Reader) -> Any:
        """Return a value of this shape; raise DecodeError when the next bytes do not encode one."""


def check_type(cls: type, value: object, walk: Walk) -> None:
    """Raise the error of this walk unless the value is an instance of exactly this class.

    Args:
        cls: the class.
        value: the value to check.
        walk: the writer or reader, which knows the place of the value.
    """
    if type(value) is not cls:
        # The value is not shown: it may be huge, and its repr may contain anything.
        raise walk.error(f"{cls.__name__} expected, {type(value).__name__} found")


@dataclass(frozen=True)
class Boolean:
    """A bool."""

    def write(self, value: Any, writer: Writer) -> None:
        """Write a bool."""
        check_type(bool, value, writer)
        writer.boolean(value)

    def read(self, reader: Reader) -> bool:
        """Read a bool."""
        return reader.boolean()


@dataclass(frozen=True)
class Integer:
    """An int from `low` to `high`, both inclusive, of at most 64 bits."""

    low: int = -(1 << 63)
    high: int = (1 << 63) - 1

    def write(self, value: Any, writer: Writer) -> None:
        """Write an int within the range."""
        check_type(int, value, writer)
        self._check(value, writer)
        writer.integer(value, self.low < 0)

    def read(self, reader: Reader) -> int:
        """Read an int within the range."""
        value = reader.integer(self.low < 0)
        self._check(value, reader)
        return value

    def _check(self, value: int, walk: Walk) -> None:
        if not self.low <= value <= self.high:
            raise walk.error(f"an int from {self.low} to {self.high} expected")


@dataclass(frozen=True)
class Real:
    """A finite float. JSON has no other floats, and a NaN that is read back would not equal the one written."""

    def write(self, value: Any, writer: Writer) -> None:
        """Write a finite float."""
        check_type(float, value, writer)
        self._check(value, writer)
        writer.real(value)

    def read(self, reader: Reader) -> float:
        """Read a finite float."""
        value = reader.real()
        self._check(value, reader)
        return value

    def _check(self, value: float, walk: Walk) -> None:
        if not math.isfinite(value):
            raise walk.error("a finite float expected")


@dataclass(frozen=True)
class Text:
    """A str without lone surrogates, which UTF-8 cannot encode (RFC 3629, section 3)."""

    def write(self, value: Any, writer: Writer) -> None:
        """Write a str."""
        check_type(str, value, writer)
        self._check(value, writer)
        writer.text(value)

    def read(self, reader: Reader) -> str:
        """Read a str."""
        value = reader.text()
        self._check(value, reader)
        return value

    def _check(self, value: str, walk: Walk) -> None:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise walk.error(f"character {error.start} is a lone surrogate") from None


@dataclass(frozen=True)
class Blob:
    """Any bytes."""

    def write(self, value: Any, writer: Writer) -> None:
        """Write bytes."""
        check_type(bytes, value, writer)
        writer.blob(value)

    def read(self, reader: Reader) -> bytes:
        """Read bytes."""
        return reader.blob()


@dataclass(frozen=True)
class Option:
    """None, or a value of one shape."""

    item: Shape

    def write(self, value: Any, writer: Writer) -> None:
        """Write whether there is a value, and the value."""
        writer.option(value is not None)
        if value is not None:
            self.item.write(value, writer)

    def read(self, reader: Reader) -> Any:
        """Read a value, or None."""
        return self.item.read(reader) if reader.option() else None


@dataclass(frozen=True)
class Sequence:
    """Any number of items of one shape, in a list or a tuple."""

    cls: type[list[Any]] | type[tuple[Any, ...]]
    item: Shape

    def write(self, value: Any, writer: Writer) -> None:
        """Write the items of a list or tuple."""
        check_type(self.cls, value, writer)
        writer.enter()
        for number in writer.sequence(len(value)):
            writer.path[-1] = number
            self.item.write(value[number], writer)
        writer.leave()

    def read(self, reader: Reader) -> Any:
        """Read the items of a list or tuple."""
        items = []
        reader.enter()
        for number in reader.sequence():
            reader.path[-1] = number
            items.append(self.item.read(reader))
            reader.path[-1] = None
        reader.leave()
        return items if self.cls is list else self.cls(items)


@dataclass(frozen=True)
class Map:
    """A dict from int, str, bytes or enum keys to values of one shape. Its order is irrelevant, as for `==`."""

    key: Shape
    item: Shape

    def write(self, value: Any, writer: Writer) -> None:
        """Write the entries of a dict."""
        check_type(dict, value, writer)
        writer.enter()
        # The writer must come first: at the end, zip advances it once more, which closes the map.
        for number, (key, item) in zip(writer.mapping(len(value)), value.items(), strict=True):
            writer.path[-1] = number
            writer.key(self.key, key)
            writer.path[-1] = (key,)
            self.item.write(item, writer)
        writer.leave()

    def read(self, reader: Reader) -> dict[Any, Any]:
        """Read the entries of a dict; a repeated key is an error."""
        entries: dict[Any, Any] = {}
        reader.enter()
        for number in reader.mapping():
            reader.path[-1] = number
            key = reader.key(self.key)
            reader.path[-1] = (key,)
            if key in entries:
                raise reader.error("a repeated key")
            entries[key] = self.item.read(reader)
            reader.path[-1] = None
        reader.leave()
        return entries


@dataclass(eq=False)
class Struct:
    """The fields of a dataclass. They are set after construction, because a field may contain the class itself."""

    cls: type
    names: tuple[str, ...]
    fields: tuple[Shape, ...] = field(default=(), repr=False)

    def write(self, value: Any, writer: Writer) -> None:
        """Write the fields of a dataclass."""
        check_type(self.cls, value, writer)
        writer.enter()
        for position in writer.struct(self.names):
            writer.path[-1] = name = self.names[position]
            self.fields[position].write(getattr(value, name), writer)
        writer.leave()

    def read(self, reader: Reader) -> Any:
        """Read the fields of a dataclass, each exactly once, in the order of the format."""
        values: dict[str, Any] = {}
        reader.enter()
        for position in reader.struct(self.names):
            reader.path[-1] = name = self.names[position]
            if name in values:
                raise reader.error("a repeated field")
            values[name] = self.fields[position].read(reader)
            reader.path[-1] = None
        reader.leave()
        for name in self.names:
            if name not in values:
                raise reader.error(f"field {name} of {self.cls.__name__} is missing")
        try:
            return self.cls(**values)
        except ValueError as error:  # from the class's own checks in its __post_init__
            raise reader.error(f"not a valid {self.cls.__name__}: {error}") from error


@dataclass(frozen=True)
class Enumeration:
    """A member of an enum; members are in definition order, without aliases."""

    cls: type[Enum]
    members: tuple[Enum, ...]
    names: tuple[str, ...]

    def write(self, value: Any, writer: Writer) -> None:
        """Write a member."""
        check_type(self.cls, value, writer)
        if value not in self.members:
            raise writer.error(f"one member of {self.cls.__name__} expected")  # a combination of flags is not a member
        writer.enum(self.members.index(value), self.names)

    def read(self, reader: Reader) -> Enum:
        """Read a member."""
        return self.members[reader.enum(self.names)]


@dataclass(frozen=True)
class Union:
    """A value of one of several dataclasses, and a tag that identifies the dataclass."""

    structs: tuple[Struct, ...]
    names: tuple[str, ...]

    def write(self, value: Any, writer: Writer) -> None:
        """Write the tag of a dataclass, then the dataclass."""
        for position, struct in enumerate(self.structs):
            if type(value) is struct.cls:
                for _ in writer.union(position, self.names):
                    struct.write(value, writer)
                return
        raise writer.error(f"{' or '.join(self.names)} expected, {type(value).__name__} found")

    def read(self, reader: Reader) -> Any:
        """Read a tag, then the dataclass that it identifies."""
        for position in reader.union(self.names):
            value = self.structs[position].read(reader)
        return value
