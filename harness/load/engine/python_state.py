"""The state of the Python engine: senders with their counts, groups with their streams, clients with their sockets."""

from __future__ import annotations

import select
import socket
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, FramePages, FrameTemplate, Int64Array
from harness.load.engine.interface import Reason

CLOSED = int(Reason.CLOSED)  # an int, because the sums of an IntFlag are slow


@dataclass
class SenderState:
    """A sender: its frames and its counts, which mean what they do in `Sender` of native/core.h."""

    template: FrameTemplate
    sent_frames: FramePages
    arriving_frames: FramePages
    sent: int = 0
    echoed: int = 0
    max_in_flight: int = 0
    slot: int = -1
    scheduled_from: int = 0

    def sent_limit(self) -> int:
        """Return the number below which its messages may exist; what another process has sent is unknown here."""
        return self.sent if self.template.client >= 0 else CODE_STRIDE


@dataclass
class ClientState:
    """A client. Its numbers mean what they do in `Client` of native/core.h."""

    connection: socket.socket
    group: int
    is_diverged: bool
    senders: list[int]
    offset: int = 0
    scanned: int = 0
    shift: int = 0
    received: int = 0
    read_ns: int = 0
    is_closed: bool = False
    pending: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)


class ClientTable:
    """The clients of an engine, by number, and what `run` has to report about them.

    Attributes:
        by_number: all clients, also the closed ones.
        number_of: the numbers of the open ones, by file descriptor.
        poll: watches the open ones.
        with_pending: the numbers of those that have received something while they were diverged.
        reason: why `run` is to return, the sum of `Reason`s.
        progress_ns: when something was last received, or messages in flight were given up.
    """

    def __init__(self) -> None:
        self.by_number: list[ClientState] = []
        self.number_of: dict[int, int] = {}
        self.with_pending: set[int] = set()
        self.poll = select.epoll()
        self.reason = 0
        self.progress_ns = time.monotonic_ns()

    def __del__(self) -> None:
        for client in self.by_number:
            client.connection.detach()  # it is the caller's
        self.poll.close()

    def add(self, fd: int, group: int, is_in_step: bool, senders: list[int]) -> int:
        """Add a client.

        Args:
            fd: its non-blocking socket.
            group: the number of its group, or -1.
            is_in_step: whether its stream begins where its group's does.
            senders: the numbers of its senders.

        Returns:
            Its number.
        """
        number = len(self.by_number)
        self.by_number.append(ClientState(socket.socket(fileno=fd), group, not is_in_step, senders))
        self.number_of[fd] = number
        self.poll.register(fd, select.EPOLLIN)
        return number

    def close(self, number: int) -> None:
        """Watch a client no more; its socket stays open."""
        client = self.by_number[number]
        if not client.is_closed:
            client.is_closed = True
            fd = client.connection.fileno()
            self.poll.unregister(fd)
            del self.number_of[fd]

    def report_closed(self, number: int) -> None:
        """Close a client whose connection has ended, and let `run` return for it."""
        self.close(number)
        self.reason |= CLOSED


def _column() -> array[int]:
    return array("q")


@dataclass
class GroupState:
    """A group: the longest stream that any of its clients has received, from offset `base` on.

    Its messages are kept as runs: successive numbers of one sender, in frames of one length; most messages come so.
    A run lasts until the next one begins.

    Attributes:
        subscribed: by sender, whether the clients of this group may receive from it.
        highest: by sender, its highest number in the stream, or -1.
        parsed: the offset up to which the stream is parsed.
        first: the place of the first message kept.
        count: how many messages the stream has had in all.
        messages_end: the offset at which the last whole message ends.
        firsts: by run, the place of its first message in the stream.
        codes: by run, the code of its first message.
        begins: by run, the offset of its first message.
        lengths: by run, the bytes of each message.
        is_noncanonical: whether only the codec's decoder can read what stands at `parsed`.
    """

    subscribed: bytes
    highest: list[int]
    stream: bytearray = field(default_factory=bytearray)
    base: int = 0
    parsed: int = 0
    first: int = 0
    count: int = 0
    messages_end: int = 0
    firsts: array[int] = field(default_factory=_column)
    codes: array[int] = field(default_factory=_column)
    begins: array[int] = field(default_factory=_column)
    lengths: array[int] = field(default_factory=_column)
    is_noncanonical: bool = False

    @property
    def stream_end(self) -> int:
        """The offset at which the stream ends."""
        return self.base + len(self.stream)

    def messages_within(self, offset: int) -> int:
        """Return how many messages are whole in the bytes up to this offset."""
        if offset >= self.messages_end:
            return self.count
        run = bisect_right(self.begins, offset) - 1
        return self.firsts[run] + (offset - self.begins[run]) // self.lengths[run] if run >= 0 else self.first

    def end_of(self, messages: int) -> int:
        """Return the offset at which the last of so many messages ends."""
        if messages == self.count:
            return self.messages_end
        run = max(0, bisect_right(self.firsts, messages - 1) - 1)
        return self.begins[run] + (messages - self.firsts[run]) * self.lengths[run]

    def runs_between(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield, for each run or part of a run between two places, the code of its first message and their number."""
        run = bisect_right(self.firsts, start) - 1
        while start < stop:
            code = self.codes[run] + start - self.firsts[run]
            run += 1
            until = min(stop, self.firsts[run]) if run < len(self.firsts) else stop
            yield code, until - start
            start = until

    def codes_between(self, start: int, stop: int) -> Int64Array:
        """Return the codes of the messages between two places, of shape (stop - start,)."""
        low = max(0, bisect_right(self.firsts, start) - 1)
        high = bisect_left(self.firsts, stop)
        firsts, codes = (np.array(column[low:high], np.int64) for column in (self.firsts, self.codes))
        begins = np.maximum(firsts, start)
        counts = np.diff(np.append(begins, stop))
        return np.repeat(codes - firsts, counts) + np.arange(start, stop)

    def append_run(self, code: int, count: int, length: int) -> None:
        """Append messages of one sender.

        Args:
            code: of the first message.
            count: how many messages, with successive numbers.
            length: of each of their frames, in bytes.
        """
        self.parsed += count * length
        skipped = self.parsed - self.messages_end - count * length
        if skipped:  # frames that are no messages count as part of the first one
            self._append(code, 1, skipped + length)
            code, count = code + 1, count - 1
        if count:
            self._append(code, count, length)

    def _append(self, code: int, count: int, length: int) -> None:
        if not self.firsts or self.codes[-1] + self.count - self.firsts[-1] != code or self.lengths[-1] != length:
            self.firsts.append(self.count)
            self.codes.append(code)
            self.begins.append(self.messages_end)
            self.lengths.append(length)
        self.count += count
        self.messages_end += count * length

    def append_messages(self, codes: Int64Array, ends: Int64Array) -> None:
        """Append messages; frames in front of one that are no messages count as part of it.

        Args:
            codes: of shape (n,).
            ends: the offsets in the stream at which they end, of shape (n,).
        """
        if not codes.size:
            return
        begins = np.append(self.messages_end, ends[:-1])
        lengths = ends - begins
        is_same_run = (np.diff(codes) == 1) & (np.diff(lengths) == 0)
        starts = np.append(0, np.flatnonzero(~is_same_run) + 1)
        self.firsts.frombytes((starts + self.count).tobytes())
        for column, values in ((self.codes, codes), (self.begins, begins), (self.lengths, lengths)):
            column.frombytes(values[starts].tobytes())
        self.count += codes.size
        self.messages_end = int(ends[-1])

    def discard_before(self, until: int) -> None:
        """Discard the messages before this place."""
        gone = bisect_right(self.firsts, until) - 1 if until < self.count else len(self.firsts)
        for column in (self.firsts, self.codes, self.begins, self.lengths):
            del column[:gone]
        if self.firsts and (less := until - self.firsts[0]):
            self.firsts[0] += less
            self.codes[0] += less
            self.begins[0] += less * self.lengths[0]
        self.first = until
