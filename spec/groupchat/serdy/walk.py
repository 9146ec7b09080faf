"""The interface of a format: a writer and a reader for the pieces of the data model.

Bool, int, float, str and bytes are one call each. A value with parts is a generator: it yields the number of the next
part, the caller writes or reads this part, and around the yields the generator handles what the format needs before,
between and after the parts (a count, a bracket, a comma). So writers and readers look alike, and so do their callers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .errors import DecodeError, EncodeError, SerdyError, Step, format_path

if TYPE_CHECKING:
    from .model import Shape

# Of nested values. A level takes at most three frames of Python's stack, which by default has 1000.
MAX_DEPTH = 100


class Walk(ABC):
    """A walk through one value from its beginning to its end, with the path to the current place.

    A walk cannot be used after an error: its path stays at the place of the error, to be reported.
    """

    def __init__(self) -> None:
        self.path: list[Step] = []

    @abstractmethod
    def error(self, reason: str) -> SerdyError:
        """Return the error to raise for a fault at the current place."""

    def enter(self) -> None:
        """Enter a value with parts; the caller then sets `path[-1]` to the step to the current part, or to None."""
        if len(self.path) == MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} nested values")
        self.path.append(None)

    def leave(self) -> None:
        """Leave the value that was entered last."""
        self.path.pop()


class Writer(Walk):
    """Encodes one value, piece by piece. The caller has checked each piece against the type."""

    def error(self, reason: str) -> EncodeError:
        """Return an EncodeError for a fault at the current place."""
        return EncodeError(reason, format_path(self.path))

    @abstractmethod
    def boolean(self, value: bool) -> None:
        """Write a bool."""

    @abstractmethod
    def integer(self, value: int, signed: bool) -> None:
        """Write an int of at most 64 bits; `signed` is whether its type includes negative numbers."""

    @abstractmethod
    def real(self, value: float) -> None:
        """Write a finite float."""

    @abstractmethod
    def text(self, value: str) -> None:
        """Write a str without lone surrogates."""

    @abstractmethod
    def blob(self, value: bytes) -> None:
        """Write bytes."""

    @abstractmethod
    def option(self, present: bool) -> None:
        """Write whether there is a value, which is then the next piece."""

    @abstractmethod
    def enum(self, position: int, names: tuple[str, ...]) -> None:
        """Write the choice of one of these names."""

    @abstractmethod
    def sequence(self, size: int) -> Iterator[int]:
        """Write this many items: yield the number of each before the caller writes it."""

    @abstractmethod
    def mapping(self, size: int) -> Iterator[int]:
        """Write this many entries: yield before each; the caller writes its key with `key`, then its value."""

    def key(self, shape: Shape, value: object) -> None:
        """Write the key of an entry, which is an int, str, bytes or enum."""
        shape.write(value, self)

    @abstractmethod
    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Write fields with these names: yield the position of each before the caller writes it."""

    @abstractmethod
    def union(self, position: int, names: tuple[str, ...]) -> Iterator[int]:
        """Write the name at this position, then a value: yield the position once, for the caller to write it."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return the bytes of everything written."""


class Reader(Walk):
    """Decodes one value, piece by piece, as the caller asks for them.

    It raises DecodeError if the next piece is not the one asked for. It does not read ahead, and allocates nothing
    larger than the bytes that it has.

    Attributes:
        offset: the number of bytes before the last piece that was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0

    def error(self, reason: str) -> DecodeError:
        """Return a DecodeError for a fault at the current place."""
        return DecodeError(reason, format_path(self.path), self.offset)

    @abstractmethod
    def boolean(self) -> bool:
        """Read a bool."""

    @abstractmethod
    def integer(self, signed: bool) -> int:
        """Read an int; the caller checks that it is in the range of its type."""

    @abstractmethod
    def real(self) -> float:
        """Read a float; the caller checks that it is finite."""

    @abstractmethod
    def text(self) -> str:
        """Read a str; the caller checks that it has no lone surrogates."""

    @abstractmethod
    def blob(self) -> bytes:
        """Read bytes."""

    @abstractmethod
    def option(self) -> bool:
        """Read whether there is a value, which is then the next piece."""

    @abstractmethod
    def enum(self, names: tuple[str, ...]) -> int:
        """Read a choice of one of these names; return the position of the name."""

    @abstractmethod
    def sequence(self) -> Iterator[int]:
        """Read items: yield the number of each before the caller reads it."""

    @abstractmethod
    def mapping(self) -> Iterator[int]:
        """Read entries: yield before each; the caller reads its key with `key`, then its value."""

    def key(self, shape: Shape) -> Any:
        """Read the key of an entry; the caller checks that it is not repeated."""
        return shape.read(self)

    @abstractmethod
    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read fields with these names: yield the position of each before the caller reads it.

        The caller checks that each field occurs exactly once.
        """

    @abstractmethod
    def union(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read one of these names, then a value: yield the position once, for the caller to read the value."""

    @abstractmethod
    def finish(self) -> None:
        """Raise DecodeError when there are bytes after the value."""
