"""What the core in Python is made of: a voice's counts, a group's stream, a client."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import numpy as np

from harness.swarm.shapes import Numbers, Pages, Shape

CHUNK = 64 * 1024  # bytes a read; larger ones leave the cache
STEPS = np.arange(CHUNK, dtype=np.int64)


@dataclass
class Speaker:
    """A voice: its frames and its counts.

    Attributes:
        sent, arrives: its frames, as it sends them and as they arrive.
    """

    shape: Shape
    sent: Pages
    arrives: Pages
    said: int = 0
    echoed: int = 0
    window: int = 0
    place: int = -1


@dataclass
class Group:
    """The longest stream that clients who hear the same have received, from offset `base` on.

    Attributes:
        owed: by voice, whether it may be heard here.
        latest: by voice, the highest number in the stream.
    """

    owed: bytes
    latest: list[int]
    stream: bytearray = field(default_factory=bytearray)
    base: int = 0
    parsed: int = 0
    first: int = 0
    count: int = 0
    codes: Numbers = field(default_factory=lambda: np.empty(1 << 10, np.int64))
    ends: Numbers = field(default_factory=lambda: np.empty(1 << 10, np.int64))
    is_foreign: bool = False

    @property
    def end(self) -> int:
        return self.base + len(self.stream)

    def messages(self, taken: int) -> int:
        """Return how many messages are whole in the bytes up to this offset."""
        kept = self.count - self.first
        if kept and taken >= self.ends[kept - 1]:
            return self.count
        return self.first + int(np.searchsorted(self.ends[:kept], taken, "right"))

    def end_of(self, messages: int) -> int:
        """Return the offset at which the last of so many messages ends."""
        return int(self.ends[messages - 1 - self.first]) if messages > self.first else self.base

    def enter_run(self, code: int, count: int, length: int) -> None:
        """Take messages of one voice, numbered one after the other, in frames of one length, as the next ones."""
        kept = self._make_room(count)
        np.add(STEPS[:count], code, out=self.codes[kept : kept + count])
        ends = self.ends[kept : kept + count]
        np.multiply(STEPS[:count], length, out=ends)
        ends += self.parsed + length
        self.count += count
        self.parsed += count * length

    def enter(self, codes: Numbers, ends: Numbers) -> None:
        """Take messages as the next ones."""
        kept = self._make_room(codes.size)
        self.codes[kept : kept + codes.size], self.ends[kept : kept + codes.size] = codes, ends
        self.count += codes.size

    def _make_room(self, count: int) -> int:
        """See that so many more messages can be kept; return how many are."""
        kept = self.count - self.first
        if kept + count > self.codes.size:
            more = np.empty(max(kept + count, self.codes.size), np.int64)
            self.codes, self.ends = np.concatenate((self.codes, more)), np.concatenate((self.ends, more))
        return kept


@dataclass
class Member:
    """A client; for the meaning of its numbers see `Client` in native/core.h."""

    connection: socket.socket
    group: int
    parted: bool
    voices: list[int]
    taken: int = 0
    looked: int = 0
    shift: int = 0
    heard: int = 0
    at_ns: int = 0
    is_closed: bool = False
    pending: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
