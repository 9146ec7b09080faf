"""The core of a swarm in Python, for where the native one was not built: the same deeds by the same rules.

What costs is the way of a chunk from the socket to its place in the stream: `receive` and `_take` are written for that.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, SMALL_BATCH, CanonicalReader, FrameTemplate, Int64Array
from harness.load.engine.python_sending import CLOSED, Speech
from harness.load.engine.python_state import CHUNK, Group, Member

KEPT = 8 << 20  # bytes of a stream kept before the part that all have received is let go
LAG = 6 << 20  # bytes behind the longest stream at which a client is followed by itself
LONGEST_CALL_NS = 100_000_000
QUIET_NS = 500_000_000  # without a byte: what has not come by then was dropped
SPIN_NS = 1_500_000  # the kernel's timers count in ms for epoll, and wake late: a deadline is spun for
PARTED, FOREIGN, SUSPECT = 1, 2, 4  # see `core.Reason`


def _alike(stream: bytearray, at: int, frames: memoryview, length: int) -> int:
    """Return how many frames a stream has, from an offset on, as these are; it has the first of them."""
    low, high = 1, len(frames) // length
    if stream.startswith(frames[: high * length], at):
        return high
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stream.startswith(frames[: middle * length], at) else (low, middle)
    return low


class PythonEngine(Speech):
    """A `core.Core`."""

    def __init__(self, shapes: Sequence[FrameTemplate], owed: Sequence[bytes]) -> None:
        super().__init__(shapes)
        self._reader = CanonicalReader(shapes)
        self._groups = [Group(one, [-1] * len(shapes)) for one in owed]
        self._with_pending: set[int] = set()
        self._chunk = memoryview(bytearray(CHUNK))

    def run(self, until_ns: int) -> int:
        now_ns = time.monotonic_ns()
        stop_ns = min(until_ns, now_ns + LONGEST_CALL_NS)
        while True:
            next_ns, spin_ns = stop_ns, 0
            if self._speaking and self._paced:
                self._say_what_is_due(now_ns)
                next_ns, spin_ns = min(stop_ns, self._intended_ns(self._due)), SPIN_NS
            if self._speaking and self._flooding and now_ns - self._progress_ns > QUIET_NS:
                self._forgive()
            ready = self._poll.poll(max(0, next_ns - time.monotonic_ns() - spin_ns) / 1e9)
            if self._flooding:  # who speaks comes first: the server has something to do while the others are read
                ready.sort(key=self._listens_only)
            for fd, events in ready:
                if events == select.EPOLLIN:
                    self._receive(self._by_fd[fd])
                    continue
                if events & select.EPOLLOUT:
                    self._push(self._by_fd[fd])
                if events & ~select.EPOLLOUT and fd in self._by_fd:
                    self._receive(self._by_fd[fd])
            now_ns = time.monotonic_ns()
            if now_ns >= stop_ns or self._reason:
                reason, self._reason = self._reason, 0
                return reason

    def _listens_only(self, ready: tuple[int, int]) -> bool:
        return not self._members[self._by_fd[ready[0]]].voices

    def _receive(self, client: int) -> None:
        one = self._members[client]
        try:
            size = one.connection.recv_into(self._chunk)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._close(client)
            self._reason |= CLOSED
            return
        self._progress_ns = one.at_ns = time.monotonic_ns()
        data = self._chunk[:size]
        if not one.parted and not one.voices:  # most of what comes is nothing new
            group = self._groups[one.group]
            if group.stream.startswith(data, one.taken - group.base):
                one.taken += size
                return
        if one.parted or not self._take(client, one, data):
            one.pending += data
            self._with_pending.add(client)
            self._reason |= PARTED

    def _take(self, client: int, one: Member, data: memoryview) -> bool:
        """Compare a chunk with the stream of its group; return False where the client has parted."""
        group = self._groups[one.group]
        stream, at, size = group.stream, one.taken - group.base, len(data)
        known = len(stream) - at
        if known >= size:
            if not stream.startswith(data, at):
                self._part(client, one)
                return False
            one.taken += size
        else:
            if known and not stream.startswith(data[:known], at):
                self._part(client, one)
                return False
            one.taken += size
            self._grow(one.group, data[known:])
        if one.voices and not one.parted:
            self._look(client, one)
        return True

    def _grow(self, number: int, data: bytes | memoryview) -> None:
        group = self._groups[number]
        if len(group.stream) > KEPT and not group.is_foreign:
            self._trim(number, group)
        group.stream += data
        if group.is_foreign:
            return
        if self._recognises_all(group):
            return
        found = self._reader.read(bytes(memoryview(group.stream)[group.parsed - group.base :]))
        self._enter(group, found.codes, found.ends + group.parsed)
        group.parsed += found.consumed
        if found.is_noncanonical:
            group.is_foreign = True
            self._reason |= FOREIGN

    def _recognises_all(self, group: Group) -> bool:
        """Take what stands in a group's stream just as it was said, many messages at once: that needs no reading.

        Returns whether that was all; what is not whole is then the beginning of a frame.
        """
        stream = group.stream
        while (at := group.parsed - group.base) < len(stream):
            code = self._reader.code_at(stream, at)
            if code < 0:
                return self._reader.is_prefix(bytes(stream[at:]))
            voice, number = code // CODE_STRIDE, code % CODE_STRIDE
            speaker = self._speakers[voice]
            length = len(speaker.shape.arriving)
            most = min(len(stream) - at, (self._said(speaker) - number) * length)
            if most <= 0:
                return False
            count = _alike(stream, at, speaker.arrives.from_number(number)[:most], length)
            self._check(group, voice, number, number + count - 1)
            group.enter_run(code, count, length)
        return True

    def _enter(self, group: Group, codes: Int64Array, ends: Int64Array) -> None:
        if codes.size < SMALL_BATCH:
            for code in codes.tolist():
                self._check(group, code // CODE_STRIDE, code % CODE_STRIDE, code % CODE_STRIDE)
        else:
            voices = codes // CODE_STRIDE
            for voice in np.unique(voices).tolist():
                mine = codes[voices == voice]
                if not (mine[1:] > mine[:-1]).all():
                    self._reason |= SUSPECT
                self._check(group, voice, int(mine[0]) % CODE_STRIDE, int(mine[-1]) % CODE_STRIDE)
        group.enter(codes, ends)

    def _check(self, group: Group, voice: int, first: int, last: int) -> None:
        """Note it when a voice's next messages in a stream, which rise, are none that may stand there."""
        speaker = self._speakers[voice]
        if first <= group.latest[voice] or last >= self._said(speaker) or not group.owed[voice]:
            self._reason |= SUSPECT
        group.latest[voice] = max(group.latest[voice], last)

    def _trim(self, number: int, group: Group) -> None:
        """Let go of what all in step have received; who is far behind is followed by itself."""
        least = group.end_of(group.count)
        for client, one in enumerate(self._members):
            if one.group == number and not one.parted and not one.is_closed:
                if group.end - one.taken > LAG:
                    self._part(client, one)
                else:
                    least = min(least, group.end_of(group.messages(one.taken)))
        del group.stream[: least - group.base]
        group.base = least

    def _part(self, client: int, one: Member) -> None:
        """Follow a client by itself, from the last message that it has received whole."""
        group = self._groups[one.group]
        one.looked = group.messages(one.taken)
        one.heard = one.looked + one.shift
        one.parted = True
        one.pending += group.stream[group.end_of(one.looked) - group.base : one.taken - group.base]
        self._with_pending.add(client)
        self._reason |= PARTED

    def _look(self, client: int, one: Member) -> None:
        """Look for a client's own messages in what it has newly received of its group's stream."""
        group = self._groups[one.group]
        until = group.messages(one.taken)
        if until > one.looked:
            for code, count in group.runs(one.looked, until):
                if code // CODE_STRIDE in one.voices:
                    self._echo(code // CODE_STRIDE, code % CODE_STRIDE, count, one.at_ns)
            one.looked = until
            self._refill(one.voices)

    def take_diverged(self) -> list[tuple[int, int, int, bytes, int]]:
        found = []
        for client in sorted(self._with_pending):
            one = self._members[client]
            found.append((client, one.heard, one.looked, bytes(one.pending), one.at_ns))
            one.pending.clear()
        self._with_pending.clear()
        return [one for one in found if one[3]]

    def record_received(self, client: int, heard: int, codes: bytes, at_ns: int) -> None:
        one, numbers = self._members[client], np.frombuffer(codes, np.int64)
        one.heard = heard
        for voice in one.voices:
            for code in numbers[numbers // CODE_STRIDE == voice].tolist():
                self._echo(voice, code % CODE_STRIDE, 1, at_ns)
        self._refill(one.voices)

    def resynchronise(self, client: int, position: int, tail: bytes) -> bool:
        one = self._members[client]
        group = self._groups[one.group]
        end = group.end_of(position + 1) if position >= group.first else -1
        if end < group.base:
            return False
        known = bytes(memoryview(group.stream)[end - group.base :][: len(tail)])
        if not tail.startswith(known):
            return False
        one.parted, one.taken, one.looked = False, end + len(tail), position + 1
        one.shift = one.heard - one.looked
        if len(tail) > len(known):
            self._grow(one.group, tail[len(known) :])
        self._look(client, one)
        return True

    def append_frames(self, group: int, frames: bytes) -> None:
        one = self._groups[group]
        if one.is_foreign:
            return
        for client, member in enumerate(self._members):
            if member.group == group and not member.parted and not member.is_closed and member.taken > one.parsed:
                self._part(client, member)
        del one.stream[one.parsed - one.base :]
        self._grow(group, frames)

    def noncanonical(self, group: int) -> tuple[int, bytes]:
        one = self._groups[group]
        return one.parsed, bytes(one.stream[one.parsed - one.base :]) if one.is_foreign else b""

    def append_decoded(self, group: int, codes: bytes, ends: bytes, parsed: int) -> None:
        one = self._groups[group]
        self._enter(one, np.frombuffer(codes, np.int64), np.frombuffer(ends, np.int64))
        one.parsed, one.is_foreign = parsed, False
        for client, member in enumerate(self._members):
            if member.group == group and member.voices and not member.parted:
                self._look(client, member)

    def closed(self) -> list[int]:
        return [client for client, one in enumerate(self._members) if one.is_closed]

    def parse_canonical(self, data: bytes) -> tuple[bytes, bytes, int, bool]:
        found = self._reader.read(data)
        return found.codes.tobytes(), found.ends.tobytes(), found.consumed, found.is_noncanonical

    def stream_range(self, group: int) -> tuple[int, int]:
        return self._groups[group].first, self._groups[group].count

    def stream_codes(self, group: int, start: int, stop: int) -> bytes:
        one = self._groups[group]
        if not one.first <= start <= stop <= one.count:
            raise IndexError(f"of that group messages {one.first} to {one.count} are kept")
        return one.codes_of(start, stop).tobytes()

    def discard_before(self, group: int, until: int) -> None:
        one = self._groups[group]
        for member in self._members:
            if member.group == group and not member.parted and not member.is_closed:
                until = min(until, one.messages(member.taken), member.looked if member.voices else until)
        if until > one.first:
            one.forget(until)

    def received_count(self, client: int) -> int:
        one = self._members[client]
        return one.heard if one.parted else self._groups[one.group].messages(one.taken) + one.shift

    def position(self, client: int) -> int:
        one = self._members[client]
        return one.looked if one.parted else self._groups[one.group].messages(one.taken)

    def last_progress_ns(self) -> int:
        return self._progress_ns
