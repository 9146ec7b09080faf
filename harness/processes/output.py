"""The output of a server: only its beginning and its end are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from harness.escapes import visible

HEAD_BYTES = 4096
TAIL_BYTES = 2048


def shorten(text: str, limit: int = 200) -> str:
    """Return the text, cut to `limit` characters with a note of its length if it is longer."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


@dataclass
class Output:
    """What a server wrote to one of its pipes.

    Attributes:
        byte_count: how many bytes it wrote.
        head: the first HEAD_BYTES.
        tail: the last TAIL_BYTES.
        closed: whether the pipe has been closed.
        changed: set, and replaced by a new event, whenever more was read.
    """

    byte_count: int = 0
    head: bytes = b""
    tail: bytes = b""
    closed: bool = False
    changed: anyio.Event = field(default_factory=anyio.Event)

    def add(self, data: bytes) -> None:
        """Add what was read; b"" is the end."""
        self.closed = not data
        self.byte_count += len(data)
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.changed.set()
        self.changed = anyio.Event()

    @property
    def first_line(self) -> bytes | None:
        """The first line without its line feed, or None if it is not complete yet."""
        line, end, _ = self.head.partition(b"\n")
        return line if end else None

    def last_words(self, lines: int = 4) -> str:
        """Return the last lines for an error message, as printable text, or "" if there is no output."""
        last = self.tail.decode(errors="replace").strip().splitlines()[-lines:]
        return "\n".join(shorten(visible(line.expandtabs())) for line in last)
