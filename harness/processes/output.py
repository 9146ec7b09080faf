"""What comes through a server's pipes: read as it comes, and forgotten but for its ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

HEAD_BYTES = 4096
TAIL_BYTES = 2048


def shortened(text: str, limit: int = 200) -> str:
    """Return the text, cut to `limit` characters."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


@dataclass
class Output:
    """What came through one of a server's pipes: how much, its first line, its end."""

    count: int = 0
    head: bytes = b""
    tail: bytes = b""
    closed: bool = False
    news: anyio.Event = field(default_factory=anyio.Event)

    def take(self, data: bytes) -> None:
        """Take what was read; b"" is the end."""
        self.closed = not data
        self.count += len(data)
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.news.set()
        self.news = anyio.Event()

    @property
    def first_line(self) -> bytes | None:
        """The first line without its end, or None when there is none yet."""
        line, end, _ = self.head.partition(b"\n")
        return line if end else None

    def last_words(self, lines: int = 4) -> str:
        """Return the last lines for an error message, or ""."""
        words = self.tail.decode(errors="replace").strip().splitlines()[-lines:]
        return "\n".join(shortened(line) for line in words)
