"""serdy: dataclasses to bytes and back, in the spirit of serde.

    dumps(value, annotation, format)    a value to bytes
    loads(data, annotation, format)     bytes to a value, or DecodeError: never a part of one
    BINARY, JSON                        the formats; BINARY unless another is asked for
    Range                               Annotated[int, Range(0, 255)]
    SerdyError                          SchemaError, EncodeError, DecodeError are its kinds

The way of a value: `schema` makes a shape of a type annotation, the shape (`model`) takes the value apart, and a
format (`walk` says what it must offer; `binary` and `jsontext` do) makes bytes of the pieces. README.md walks it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from .binary import BinaryReader, BinaryWriter
from .errors import DecodeError, EncodeError, SchemaError, SerdyError
from .jsontext import JsonReader, JsonWriter
from .schema import Range, shape
from .walk import Reader, Writer

__all__ = [
    "BINARY",
    "JSON",
    "DecodeError",
    "EncodeError",
    "Format",
    "Range",
    "SchemaError",
    "SerdyError",
    "dumps",
    "loads",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Format:
    """A way to write the data model down, and to read it again."""

    writer: Callable[[], Writer]
    reader: Callable[[bytes], Reader]


BINARY = Format(BinaryWriter, BinaryReader)
JSON = Format(JsonWriter, JsonReader)


def dumps(value: object, annotation: Any, format: Format = BINARY) -> bytes:
    """Return the bytes of a value.

    Args:
        value: what is written.
        annotation: its type, as it would stand in a signature: `Room`, `list[Room]`, `Join | Leave`.
        format: how it is written.

    Raises:
        EncodeError: the value is not of that type, or more than 100 values are inside each other.
        SchemaError: the data model has no such type.
    """
    writer = format.writer()
    shape(annotation).write(value, writer)
    return writer.finish()


@overload
def loads(data: bytes, annotation: type[T], format: Format = BINARY) -> T: ...
@overload
def loads(data: bytes, annotation: Any, format: Format = BINARY) -> Any: ...
def loads(data: bytes, annotation: Any, format: Format = BINARY) -> Any:
    """Return the value that these bytes are, all of them, to the last one.

    The bytes may come from anybody. Time and memory grow no faster than their number.

    Raises:
        DecodeError: they are no value of this type.
        SchemaError: the data model has no such type.
    """
    reader = format.reader(data)
    value = shape(annotation).read(reader)
    reader.finish()
    return value
