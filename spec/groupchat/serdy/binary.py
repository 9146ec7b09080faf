"""The compact binary format. Both sides know the type, so the bytes contain neither names nor types.

    bool            one byte, 0 or 1
    int             a varint: seven bits per byte, low bits first, the eighth bit set if more bytes follow;
                    if its range includes negative numbers, zigzag first: 0, -1, 1, -2 become 0, 1, 2, 3
    float           eight bytes, IEEE 754, little-endian
    str, bytes      their length in bytes as a varint, then the bytes; str as UTF-8
    option          one byte: 0, or 1 and the value
    enum            the position of the member as a varint, from 0
    list, tuple     the number of items as a varint, then the items
    dict            the number of entries as a varint, then each key with its value, sorted by their bytes
    dataclass       its fields in order; one byte 0 if it has none
    union           the position of the dataclass as a varint, then the dataclass

Two rules hold throughout. A value has exactly one encoding, whatever the order of its dicts, and nothing else is
decoded (0.0 and -0.0 are equal, but are two values). A value takes at least one byte: so a count that is larger than
the number of bytes left is an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .walk import Reader, Writer

MAX_VARINT = 10  # bytes: 64 bits, seven a byte


class BinaryWriter(Writer):
    """Encodes a value in the binary format."""

    def __init__(self) -> None:
        super().__init__()
        self._out = bytearray()

    def boolean(self, value: bool) -> None:
        """Write a byte, 0 or 1."""
        self._out.append(value)

    def integer(self, value: int, signed: bool) -> None:
        """Write a varint, after zigzag if the type is signed."""
        if signed:
            value = value << 1 if value >= 0 else ~(value << 1)
        while value > 0x7F:
            self._out.append(value & 0x7F | 0x80)
            value >>= 7
        self._out.append(value)

    def real(self, value: float) -> None:
        """Write eight bytes."""
        self._out += struct.pack("<d", value)

    def text(self, value: str) -> None:
        """Write the length and the UTF-8 bytes."""
        self.blob(value.encode())

    def blob(self, value: bytes) -> None:
        """Write the length and the bytes."""
        self.integer(len(value), signed=False)
        self._out += value

    def option(self, present: bool) -> None:
        """Write a byte, 0 or 1."""
        self.boolean(present)

    def enum(self, position: int, names: tuple[str, ...]) -> None:
        """Write the position."""
        self.integer(position, signed=False)

    def sequence(self, size: int) -> Iterator[int]:
        """Write the number of items, then the items."""
        self.integer(size, signed=False)
        yield from range(size)

    def mapping(self, size: int) -> Iterator[int]:
        """Write the number of entries, then the entries sorted by their bytes."""
        self.integer(size, signed=False)
        out, entries = self._out, []
        for number in range(size):
            self._out = bytearray()
            yield number
            entries.append(self._out)
        self._out = out
        # Sorting the entries sorts the keys, because no key is a prefix of another.
        self._out += b"".join(sorted(entries))

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Write the fields, or a byte 0 if there are none."""
        if not names:
            self._out.append(0)
        yield from range(len(names))

    def union(self, position: int, names: tuple[str, ...]) -> Iterator[int]:
        """Write the position, then the value."""
        self.enum(position, names)
        yield position

    def finish(self) -> bytes:
        """Return the bytes."""
        return bytes(self._out)


class BinaryReader(Reader):
    """Decodes a value of the binary format."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._position = 0

    def boolean(self) -> bool:
        """Read a byte, 0 or 1."""
        byte = self._take(1)[0]
        if byte > 1:
            raise self.error(f"0 or 1 expected, {byte} found")
        return byte == 1

    def integer(self, signed: bool) -> int:
        """Read a varint, and undo zigzag if the type is signed."""
        value = self._varint()
        return value if not signed else ~(value >> 1) if value & 1 else value >> 1

    def real(self) -> float:
        """Read eight bytes."""
        value: float = struct.unpack("<d", self._take(8))[0]
        return value

    def text(self) -> str:
        """Read a length and that many bytes of UTF-8."""
        utf8 = self.blob()
        try:
            return utf8.decode()
        except UnicodeDecodeError as error:
            raise self.error(f"byte {error.start} of the text is not UTF-8") from None

    def blob(self) -> bytes:
        """Read a length and that many bytes."""
        return self._take(self._count("bytes"))

    def option(self) -> bool:
        """Read a byte, 0 or 1."""
        return self.boolean()

    def enum(self, names: tuple[str, ...]) -> int:
        """Read a position."""
        position = self._varint()
        if position >= len(names):
            raise self.error(f"a position below {len(names)} expected, {position} found")
        return position

    def sequence(self) -> Iterator[int]:
        """Read the number of items, then the items."""
        yield from range(self._count("items"))

    def mapping(self) -> Iterator[int]:
        """Read the number of entries, then the entries, which must be sorted."""
        last = b""
        for number in range(self._count("entries")):
            start = self._position
            yield number
            entry = self._data[start : self._position]
            if entry <= last:
                self.offset = start
                raise self.error("an entry out of order")
            last = entry

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read the fields, or a byte 0 if there are none."""
        if not names and self._take(1) != b"\0":
            raise self.error("0 expected, for a struct without fields")
        yield from range(len(names))

    def union(self, names: tuple[str, ...]) -> Iterator[int]:
        """Read the position, then the value."""
        yield self.enum(names)

    def finish(self) -> None:
        """Raise DecodeError when there are bytes left."""
        if self._position < len(self._data):
            self.offset = self._position
            raise self.error(f"{len(self._data) - self._position} bytes after the end of the value")

    def _take(self, size: int) -> bytes:
        """Consume the next `size` bytes; return them."""
        self.offset = self._position
        if size > len(self._data) - self._position:
            raise self.error(f"{size} bytes expected, {len(self._data) - self._position} left")
        self._position += size
        return self._data[self.offset : self._position]

    def _varint(self) -> int:
        """Read an int from 0 to 2**64 - 1; reject an encoding with more bytes than necessary."""
        start = self._position
        value = 0
        for shift in range(0, 7 * MAX_VARINT, 7):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        self.offset = start
        if byte >= 0x80 or value >> 64:
            raise self.error("a varint of more than 64 bits")
        if byte == 0 and shift:
            raise self.error("a varint with more bytes than necessary")
        return value

    def _count(self, what: str) -> int:
        """Read a number of parts, each of which takes at least one byte."""
        size = self._varint()
        left = len(self._data) - self._position
        if size > left:
            raise self.error(f"{size} {what} announced, {left} bytes left")
        return size
