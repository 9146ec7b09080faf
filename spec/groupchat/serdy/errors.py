"""The errors of serdy, and the place where each occurred."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

# The step to a field is its name, to an item its number, and to an entry of a map the tuple of its key. None stands
# for no step: the walk is between two parts.
Step = str | int | tuple[object] | None


class SerdyError(ValueError):
    """Base class of all errors of serdy."""


class SchemaError(SerdyError):
    """A type has no shape: the data model does not support its annotation."""


class EncodeError(SerdyError):
    """A value does not match its type.

    Attributes:
        reason: what is wrong.
        path: the place in the value, e.g. `$.rooms["lobby"][3]`; `$` is the value itself.
    """

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class DecodeError(SerdyError):
    """Bytes do not encode a value of the type.

    Attributes:
        reason: what is wrong.
        path: the place in the value, as for EncodeError.
        offset: the number of bytes before the last piece that was read (a number, a string, a bracket). Either that
            piece is wrong, or the reader noticed there that the value around it is.
    """

    def __init__(self, reason: str, path: str, offset: int) -> None:
        super().__init__(reason, path, offset)
        self.reason = reason
        self.path = path
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.path}, byte {self.offset}: {self.reason}"


def format_path(steps: Sequence[Step]) -> str:
    """Return the steps from the outermost value inwards as a path; keys are shortened."""
    path = "$"
    for step in steps:
        match step:
            case str():
                path += f".{step}"
            case int():
                path += f"[{step}]"
            case (key,):
                path += f"[{reprlib.repr(key)}]"
    return path
