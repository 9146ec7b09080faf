"""The compact binary format. Both sides know the type, so there are no names and no types among the bytes.

    bool            one byte, 0 or 1
    int             a varint: seven bits a byte, the low ones first, the eighth bit set where more follow;
                    with negative ones in its range, zigzag first: 0, -1, 1, -2 are 0, 1, 2, 3
    float           eight bytes, IEEE 754, the low ones first
    str, bytes      their length in bytes as a varint, then the bytes; str as UTF-8
    option          one byte: 0, or 1 and the value
    enum            the position of the member as a varint, the first is 0
    list, tuple     the number of items as a varint, then the items
    dict            the number of entries as a varint, then each key with its value, by ascending bytes
    dataclass       its fields in their order; one byte 0 when it has none
    union           the position of the dataclass as a varint, then the dataclass

Two rules hold for all of it. A value has one encoding, whatever the order of its dicts, and nothing else is decoded
(0.0 and -0.0 are equal, but two values). A value takes at least one byte: so no count can be larger than the bytes
that are left, and none is believed that is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .walk import Reader, Writer

MAX_VARINT = 10  # bytes: 64 bits, seven a byte


class BinaryWriter(Writer):
    def __init__(self) -> None:
        super().__init__()
        self._out = bytearray()

    def boolean(self, value: bool) -> None:
        self._out.append(value)

    def integer(self, value: int, signed: bool) -> None:
        if signed:
            value = value << 1 if value >= 0 else ~(value << 1)
        while value > 0x7F:
            self._out.append(value & 0x7F | 0x80)
            value >>= 7
        self._out.append(value)

    def real(self, value: float) -> None:
        self._out += struct.pack("<d", value)

    def text(self, value: str) -> None:
        self.blob(value.encode())

    def blob(self, value: bytes) -> None:
        self.integer(len(value), signed=False)
        self._out += value

    def option(self, present: bool) -> None:
        self.boolean(present)

    def enum(self, position: int, names: tuple[str, ...]) -> None:
        self.integer(position, signed=False)

    def sequence(self, size: int) -> Iterator[int]:
        self.integer(size, signed=False)
        yield from range(size)

    def mapping(self, size: int) -> Iterator[int]:
        self.integer(size, signed=False)
        whole, entries = self._out, []
        for number in range(size):
            self._out = bytearray()
            yield number
            entries.append(self._out)
        self._out = whole
        # To sort the entries is to sort the keys: no key is the beginning of another one.
        self._out += b"".join(sorted(entries))

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        if not names:
            self._out.append(0)
        yield from range(len(names))

    def union(self, position: int, names: tuple[str, ...]) -> Iterator[int]:
        self.enum(position, names)
        yield position

    def finish(self) -> bytes:
        return bytes(self._out)


class BinaryReader(Reader):
    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    def boolean(self) -> bool:
        byte = self._take(1)[0]
        if byte > 1:
            raise self.error(f"0 or 1 expected, {byte} found")
        return byte == 1

    def integer(self, signed: bool) -> int:
        value = self._varint()
        return value if not signed else ~(value >> 1) if value & 1 else value >> 1

    def real(self) -> float:
        value: float = struct.unpack("<d", self._take(8))[0]
        return value

    def text(self) -> str:
        utf8 = self.blob()
        try:
            return utf8.decode()
        except UnicodeDecodeError as error:
            raise self.error(f"byte {error.start} of the text is no UTF-8") from None

    def blob(self) -> bytes:
        return self._take(self._count("bytes"))

    def option(self) -> bool:
        return self.boolean()

    def enum(self, names: tuple[str, ...]) -> int:
        position = self._varint()
        if position >= len(names):
            raise self.error(f"a position below {len(names)} expected, {position} found")
        return position

    def sequence(self) -> Iterator[int]:
        yield from range(self._count("items"))

    def mapping(self) -> Iterator[int]:
        last = b""
        for number in range(self._count("entries")):
            start = self._at
            yield number
            entry = self._data[start : self._at]
            if entry <= last:
                self.offset = start
                raise self.error("an entry that does not stand in order")
            last = entry

    def struct(self, names: tuple[str, ...]) -> Iterator[int]:
        if not names and self._take(1) != b"\0":
            raise self.error("0 expected, for a struct without fields")
        yield from range(len(names))

    def union(self, names: tuple[str, ...]) -> Iterator[int]:
        yield self.enum(names)

    def finish(self) -> None:
        if self._at < len(self._data):
            self.offset = self._at
            raise self.error(f"{len(self._data) - self._at} bytes after the end of the value")

    def _take(self, size: int) -> bytes:
        """Return the next `size` bytes, which nobody has taken yet."""
        self.offset = self._at
        if size > len(self._data) - self._at:
            raise self.error(f"{size} bytes expected, {len(self._data) - self._at} left")
        self._at += size
        return self._data[self.offset : self._at]

    def _varint(self) -> int:
        """Read an int from 0 to 2**64 - 1 that takes no more bytes than it must."""
        start = self._at
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
            raise self.error("a varint with more bytes than it needs")
        return value

    def _count(self, what: str) -> int:
        """Read a number of things of which each takes a byte or more."""
        size = self._varint()
        left = len(self._data) - self._at
        if size > left:
            raise self.error(f"{size} {what} announced, {left} bytes left")
        return size
