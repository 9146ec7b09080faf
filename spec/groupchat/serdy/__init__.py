"""serdy: dataclasses to bytes and back, in the spirit of serde.

    dumps(value, annotation, format)    encodes a value as bytes
    loads(data, annotation, format)     decodes bytes into a value, or raises DecodeError: never into a part of one
    BINARY, JSON                        the formats; BINARY is the default
    Range                               restricts an int: Annotated[int, Range(0, 255)]
    SerdyError                          base class of SchemaError, EncodeError and DecodeError

How a value is encoded: `schema` derives a shape from the type annotation, the shape (`model`) splits the value into
pieces, and a format (`walk` defines its interface; `binary` and `jsontext` implement it) encodes the pieces as bytes.
README.md follows an example.
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
    """A way to encode the data model, and to decode it again.

    Attributes:
        writer: makes a writer for one value.
        reader: makes a reader for the bytes of one value.
    """

    writer: Callable[[], Writer]
    reader: Callable[[bytes], Reader]


BINARY = Format(BinaryWriter, BinaryReader)
JSON = Format(JsonWriter, JsonReader)


def dumps(value: object, annotation: Any, format: Format = BINARY) -> bytes:
    """Return the bytes of a value.

    Args:
        value: the value to encode.
        annotation: its type, as in a signature: `Room`, `list[Room]`, `Join | Leave`.
        format: the format of the bytes.

    Raises:
        EncodeError: the value is not of that type, or more than 100 values are nested.
        SchemaError: the data model does not support that type.
    """
    writer = format.writer()
    shape(annotation).write(value, writer)
    return writer.finish()


@overload
def loads(data: bytes, annotation: type[T], format: Format = BINARY) -> T: ...
@overload
def loads(data: bytes, annotation: Any, format: Format = BINARY) -> Any: ...
def loads(data: bytes, annotation: Any, format: Format = BINARY) -> Any:
    """Return the value that these bytes encode; every byte must belong to it.

    The bytes need not be trusted: time and memory grow no faster than their number.

    Args:
        data: the bytes.
        annotation: the type of the value.
        format: the format of the bytes.

    Raises:
        DecodeError: the bytes do not encode a value of this type.
        SchemaError: the data model does not support that type.
    """
    reader = format.reader(data)
    value = shape(annotation).read(reader)
    reader.finish()
    return value
