"""What a format has to offer: a writer and a reader of the kinds of the data model.

Bool, int, float, str and bytes are one call each. What has parts is a generator: it yields the number of the part
that comes next, the caller writes or reads this part, and what the format wants before, between and after the parts
(a count, a bracket, a comma) is done around the yields. Writers and readers thus look alike, and so do their callers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .errors import DecodeError, EncodeError, SerdyError, Step, place

if TYPE_CHECKING:
    from .model import Shape

# Values inside values. A level takes at most three frames, and Python has 1000 of them unless told otherwise.
MAX_DEPTH = 100


class Walk(ABC):
    """A way through one value from its beginning to its end, and the place on it.

    After an error a walk is of no use: nobody takes back the steps that led there, for they are the path to tell.
    """

    def __init__(self) -> None:
        self.path: list[Step] = []

    @abstractmethod
    def error(self, reason: str) -> SerdyError:
        """Return the error to raise for what is wrong here."""

    def enter(self) -> None:
        """Go into a value with parts; `path[-1]` is then for the caller to say which of them it is at, if any."""
        if len(self.path) == MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} values inside each other")
        self.path.append(None)

    def leave(self) -> None:
        self.path.pop()


class Writer(Walk):
    """Takes one value, piece by piece. The caller has checked every piece against the type."""

    def error(self, reason: str) -> EncodeError:
        return EncodeError(reason, place(self.path))

    @abstractmethod
    def boolean(self, value: bool) -> None: ...

    @abstractmethod
    def integer(self, value: int, signed: bool) -> None:
        """Write an int of at most 64 bits; `signed` tells whether its type has negative ones."""

    @abstractmethod
    def real(self, value: float) -> None:
        """Write a finite float."""

    @abstractmethod
    def text(self, value: str) -> None:
        """Write a str without lone surrogates."""

    @abstractmethod
    def blob(self, value: bytes) -> None: ...

    @abstractmethod
    def option(self, present: bool) -> None:
        """Write that there is no value, or that there is one: it follows as the next piece."""

    @abstractmethod
    def enum(self, position: int, names: tuple[str, ...]) -> None:
        """Write the choice of one of these names."""

    @abstractmethod
    def sequence(self, size: int) -> Iterator[int]:
        """Write so many items: yield the number of each before the caller writes it."""

    @abstractmethod
    def mapping(self, size: int) -> Iterator[int]:
        """Write so many entries: yield before each; the caller writes its key with `key`, then its value."""

    def key(self, shape: Shape, value: object) -> None:
        """Write the key of an entry, which is an int, str, bytes or enum."""
        shape.write(value, self)

    @abstractmethod
    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Write the fields of these names: yield the position of each before the caller writes it."""

    @abstractmethod
    def union(self, position: int, names: tuple[str, ...]) -> Iterator[int]:
        """Write a value of one of these names: yield its position once, for the caller to write it."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return all that was written."""


class Reader(Walk):
    """Gives one value back, piece by piece, as the caller asks for them.

    It raises DecodeError for anything else than the piece that was asked for. It reads nothing ahead and allocates
    nothing that is larger than the bytes it has in hand.

    Attributes:
        offset: how many bytes stand before the last piece that was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0

    def error(self, reason: str) -> DecodeError:
        return DecodeError(reason, place(self.path), self.offset)

    @abstractmethod
    def boolean(self) -> bool: ...

    @abstractmethod
    def integer(self, signed: bool) -> int:
        """Read an int; the caller checks whether it is in the range of its type."""

    @abstractmethod
    def real(self) -> float:
        """Read a float; the caller checks that it is finite."""

    @abstractmethod
    def text(self) -> str:
        """Read a str; the caller checks that it has no lone surrogates."""

    @abstractmethod
    def blob(self) -> bytes: ...

    @abstractmethod
    def option(self) -> bool:
        """Read whether there is a value: it is then the next piece."""

    @abstractmethod
    def enum(self, names: tuple[str, ...]) -> int:
        """Read a choice of one of these names; return its position."""

    @abstractmethod
    def sequence(self) -> Iterator[int]:
        """Read items: yield the number of each before the caller reads it."""

    @abstractmethod
    def mapping(self) -> Iterator[int]:
        """Read entries: yield before each; the caller reads its key with `key`, then its value."""

    def key(self, shape: Shape) -> Any:
        """Read the key of an entry; the caller checks that it is not there twice."""
        return shape.read(self)

    @abstractmethod
    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read fields of these names: yield the position of each before the caller reads it.

        The caller checks that all are there and none is there twice.
        """

    @abstractmethod
    def union(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read a value of one of these names: yield its position once, for the caller to read it."""

    @abstractmethod
    def finish(self) -> None:
        """Raise DecodeError when there is more than the one value."""
