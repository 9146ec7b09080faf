"""What serdy refuses, and where that stands."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

# A field is its name, an item its number, an entry of a map the tuple of its key, and None is between them.
Step = str | int | tuple[object] | None


class SerdyError(ValueError):
    """The root of everything that serdy raises on purpose."""


class SchemaError(SerdyError):
    """A type has no shape: an annotation that the data model does not know."""


class EncodeError(SerdyError):
    """A value does not fit its type.

    Attributes:
        reason: what is wrong.
        path: where in the value, as `$.rooms["lobby"][3]`; `$` is the value itself.
    """

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class DecodeError(SerdyError):
    """Bytes are no value of the type.

    Attributes:
        reason: what is wrong.
        path: where in the value, as for EncodeError.
        offset: how many bytes stand before the last piece that was read, a number or a string or a bracket;
            that piece is wrong, or it is the one at which the reader saw that something around it is.
    """

    def __init__(self, reason: str, path: str, offset: int) -> None:
        super().__init__(reason, path, offset)
        self.reason = reason
        self.path = path
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.path}, byte {self.offset}: {self.reason}"


def place(steps: Sequence[Step]) -> str:
    """Return these steps from the outermost value inwards as one path; keys are cut short."""
    shown = "$"
    for step in steps:
        match step:
            case str():
                shown += f".{step}"
            case int():
                shown += f"[{step}]"
            case (key,):
                shown += f"[{reprlib.repr(key)}]"
    return shown
