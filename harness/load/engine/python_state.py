"""What the core in Python is made of: a voice's counts, a group's stream, a client."""

from __future__ import annotations

import socket
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from harness.load.engine.frame_templates import FramePages, FrameTemplate, Int64Array

CHUNK = 64 * 1024  # bytes a read; larger ones leave the cache


@dataclass
class Speaker:
    """A voice: its frames and its counts.

    Attributes:
        sent, arrives: its frames, as it sends them and as they arrive.
    """

    shape: FrameTemplate
    sent: FramePages
    arrives: FramePages
    said: int = 0
    echoed: int = 0
    window: int = 0
    place: int = -1


def _column() -> array[int]:
    return array("q")


@dataclass
class Group:
    """The longest stream that clients who hear the same have received, from offset `base` on.

    Its messages are kept as runs: messages that one voice has numbered one after the other, in frames of one length;
    most come so. A run lasts until the next one begins.

    Attributes:
        owed: by voice, whether it may be heard here.
        latest: by voice, the highest number in the stream.
        first, count: of its messages, those that are kept.
        ends: the offset where the last whole message does.
        firsts, codes, begins, lengths: of the runs: number in the stream, code and offset of the first message, and
            the bytes of each.
    """

    owed: bytes
    latest: list[int]
    stream: bytearray = field(default_factory=bytearray)
    base: int = 0
    parsed: int = 0
    first: int = 0
    count: int = 0
    ends: int = 0
    firsts: array[int] = field(default_factory=_column)
    codes: array[int] = field(default_factory=_column)
    begins: array[int] = field(default_factory=_column)
    lengths: array[int] = field(default_factory=_column)
    is_foreign: bool = False

    @property
    def end(self) -> int:
        return self.base + len(self.stream)

    def messages(self, taken: int) -> int:
        """Return how many messages are whole in the bytes up to this offset."""
        if taken >= self.ends:
            return self.count
        run = bisect_right(self.begins, taken) - 1
        return self.firsts[run] + (taken - self.begins[run]) // self.lengths[run] if run >= 0 else self.first

    def end_of(self, messages: int) -> int:
        """Return the offset at which the last of so many messages ends."""
        if messages == self.count:
            return self.ends
        run = max(0, bisect_right(self.firsts, messages - 1) - 1)
        return self.begins[run] + (messages - self.firsts[run]) * self.lengths[run]

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the code of the first and the number of messages of each run, or part of one, between two messages."""
        run = bisect_right(self.firsts, start) - 1
        while start < stop:
            code = self.codes[run] + start - self.firsts[run]
            run += 1
            until = min(stop, self.firsts[run]) if run < len(self.firsts) else stop
            yield code, until - start
            start = until

    def codes_of(self, start: int, stop: int) -> Int64Array:
        """Return the codes of messages."""
        low = max(0, bisect_right(self.firsts, start) - 1)
        high = bisect_left(self.firsts, stop)
        firsts, codes = (np.array(column[low:high], np.int64) for column in (self.firsts, self.codes))
        begins = np.maximum(firsts, start)
        counts = np.diff(np.append(begins, stop))
        return np.repeat(codes - firsts, counts) + np.arange(start, stop)

    def enter_run(self, code: int, count: int, length: int) -> None:
        """Take messages of one voice, numbered one after the other, in frames of one length, as the next ones."""
        self.parsed += count * length
        if (
            skipped := self.parsed - self.ends - count * length
        ):  # frames that are no messages: they count with the first
            self._go_on(code, 1, skipped + length)
            code, count = code + 1, count - 1
        if count:
            self._go_on(code, count, length)

    def _go_on(self, code: int, count: int, length: int) -> None:
        if not self.firsts or self.codes[-1] + self.count - self.firsts[-1] != code or self.lengths[-1] != length:
            self.firsts.append(self.count)
            self.codes.append(code)
            self.begins.append(self.ends)
            self.lengths.append(length)
        self.count += count
        self.ends += count * length

    def enter(self, codes: Int64Array, ends: Int64Array) -> None:
        """Take messages as the next ones; in front of one may be frames that are no messages."""
        if not codes.size:
            return
        begins = np.append(self.ends, ends[:-1])
        lengths = ends - begins
        goes_on = (np.diff(codes) == 1) & (np.diff(lengths) == 0)
        starts = np.append(0, np.flatnonzero(~goes_on) + 1)
        self.firsts.frombytes((starts + self.count).tobytes())
        for column, told in ((self.codes, codes), (self.begins, begins), (self.lengths, lengths)):
            column.frombytes(told[starts].tobytes())
        self.count += codes.size
        self.ends = int(ends[-1])

    def forget(self, until: int) -> None:
        """Keep no message before this one."""
        gone = bisect_right(self.firsts, until) - 1 if until < self.count else len(self.firsts)
        for column in (self.firsts, self.codes, self.begins, self.lengths):
            del column[:gone]
        if self.firsts and (less := until - self.firsts[0]):
            self.firsts[0] += less
            self.codes[0] += less
            self.begins[0] += less * self.lengths[0]
        self.first = until


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
