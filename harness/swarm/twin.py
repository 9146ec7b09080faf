"""The core of a swarm in Python, for where the native one was not built: the same deeds by the same rules, see `core.py`.

What costs is the way of a chunk from the socket to its place in the stream: `receive` and `_take` are written for that.
"""

from __future__ import annotations

import select
import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.swarm.shapes import CODE, Numbers, Reader, Shape, make

CHUNK = 64 * 1024  # bytes a read; larger ones leave the cache
KEPT = 8 << 20  # bytes of a stream kept before the part that all have received is let go
LAG = 6 << 20  # bytes behind the longest stream at which a client is followed by itself
LONGEST_CALL_NS = 100_000_000
QUIET_NS = 500_000_000  # without a byte: what has not come by then was dropped
SPIN_NS = 1_500_000  # the kernel's timers count in ms for epoll, and wake late: a deadline is spun for
PARTED, FOREIGN, SUSPECT, CLOSED = 1, 2, 4, 8  # see `core.Reason`


@dataclass
class Speaker:
    """A voice: its frames and its counts."""

    shape: Shape
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
    latest: Numbers
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

    def enter(self, codes: Numbers, ends: Numbers) -> None:
        """Take messages as the next ones."""
        kept = self.count - self.first
        if kept + codes.size > self.codes.size:
            more = np.empty(max(kept + codes.size, self.codes.size), np.int64)
            self.codes, self.ends = np.concatenate((self.codes, more)), np.concatenate((self.ends, more))
        self.codes[kept : kept + codes.size], self.ends[kept : kept + codes.size] = codes, ends
        self.count += codes.size


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


class Twin:
    """A `core.Core`."""

    def __init__(self, shapes: Sequence[Shape], owed: Sequence[bytes]) -> None:
        self._speakers = [Speaker(shape) for shape in shapes]
        self._reader = Reader(shapes)
        self._groups = [Group(one, np.full(len(shapes), -1, np.int64)) for one in owed]
        self._members: list[Member] = []
        self._by_fd: dict[int, int] = {}
        self._voices: dict[int, list[int]] = defaultdict(list)
        for number, one in enumerate(shapes):
            self._voices[one.client].append(number)
        self._poll = select.epoll()
        self._reason = 0
        self._speaking, self._flooding = True, False
        self._paced: list[int] = []
        self._start_ns, self._interval_ns, self._due = 0, 0.0, 0
        self._progress_ns = time.monotonic_ns()
        self._with_unsent: set[int] = set()
        self._with_pending: set[int] = set()
        self._sends: list[int] = []
        self._latencies: list[int] = []
        self._lags: list[int] = []

    def __del__(self) -> None:
        for one in self._members:
            one.connection.detach()  # it is another's
        self._poll.close()

    def add(self, fd: int, group: int) -> int:
        number = len(self._members)
        voices = self._voices.get(number, [])
        self._members.append(Member(socket.socket(fileno=fd), group, group < 0, voices))
        self._by_fd[fd] = number
        self._poll.register(fd, select.EPOLLIN)
        return number

    def drop(self, client: int) -> None:
        self._close(client)

    def _close(self, client: int) -> None:
        one = self._members[client]
        if not one.is_closed:
            one.is_closed = True
            fd = one.connection.fileno()
            self._poll.unregister(fd)
            del self._by_fd[fd]

    # --- speaking

    def flood(self, voice: int, window: int) -> None:
        self._speakers[voice].window = window
        self._flooding = True
        self._refill([voice])

    def pace(self, voices: list[int], start_ns: int, interval_ns: float) -> None:
        self._paced, self._start_ns, self._interval_ns = voices, start_ns, interval_ns
        for place, voice in enumerate(voices):
            self._speakers[voice].place = place

    def hush(self) -> None:
        self._speaking = False

    def say(self, voice: int, count: int) -> None:
        speaker = self._speakers[voice]
        client = speaker.shape.client
        one = self._members[client]
        heard = one.heard if one.parted else one.looked + one.shift
        self._sends += (voice, heard, speaker.said, count)
        one.unsent += make(speaker.shape, speaker.said, count)
        speaker.said += count
        self._push(client)

    def _push(self, client: int) -> None:
        one = self._members[client]
        try:
            while one.unsent and not one.is_closed:
                del one.unsent[: one.connection.send(one.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._close(client)
            self._reason |= CLOSED
        if bool(one.unsent) != (client in self._with_unsent) and not one.is_closed:
            self._with_unsent ^= {client}
            self._poll.modify(one.connection.fileno(), select.EPOLLIN | (select.EPOLLOUT if one.unsent else 0))

    def _refill(self, voices: Sequence[int]) -> None:
        if not self._speaking:
            return
        for voice in voices:
            one = self._speakers[voice]
            room = one.window - (one.said - one.echoed)
            # In batches of half a window: waking up for each echo would measure that instead.
            if one.window and room >= max(1, one.window // 2) and not self._members[one.shape.client].unsent:
                self.say(voice, room)

    def _intended_ns(self, message: int) -> int:
        return self._start_ns + int(message * self._interval_ns)

    def _say_what_is_due(self, now_ns: int) -> None:
        while (due_ns := self._intended_ns(self._due)) <= now_ns:
            self._lags += (self._due, time.monotonic_ns() - due_ns)
            self.say(self._paced[self._due % len(self._paced)], 1)
            self._due += 1

    def _forgive(self) -> None:
        self._progress_ns = time.monotonic_ns()
        for voice, one in enumerate(self._speakers):
            one.echoed = one.said
            self._refill([voice])

    # --- receiving

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
            for fd, events in self._poll.poll(max(0, next_ns - time.monotonic_ns() - spin_ns) / 1e9):
                client = self._by_fd.get(fd)
                if client is not None and events & select.EPOLLOUT:
                    self._push(client)
                if client is not None and events & ~select.EPOLLOUT:
                    self._receive(client)
            now_ns = time.monotonic_ns()
            if now_ns >= stop_ns or self._reason:
                reason, self._reason = self._reason, 0
                return reason

    def _receive(self, client: int) -> None:
        one = self._members[client]
        if one.is_closed:
            return
        try:
            data = one.connection.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(client)
            self._reason |= CLOSED
            return
        self._progress_ns = one.at_ns = time.monotonic_ns()
        if one.parted or not self._take(client, one, data):
            one.pending += data
            self._with_pending.add(client)
            self._reason |= PARTED

    def _take(self, client: int, one: Member, data: bytes) -> bool:
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
            if known and not data.startswith(bytes(memoryview(stream)[at:])):
                self._part(client, one)
                return False
            one.taken += size
            self._grow(one.group, data[known:])
        if one.voices and not one.parted:
            self._look(client, one)
        return True

    def _grow(self, number: int, data: bytes) -> None:
        group = self._groups[number]
        if len(group.stream) > KEPT and not group.is_foreign:
            self._trim(number, group)
        group.stream += data
        if group.is_foreign:
            return
        found = self._reader.read(bytes(memoryview(group.stream)[group.parsed - group.base :]))
        self._enter(group, found.codes, found.ends + group.parsed)
        group.parsed += found.consumed
        if found.is_foreign:
            group.is_foreign = True
            self._reason |= FOREIGN

    def _enter(self, group: Group, codes: Numbers, ends: Numbers) -> None:
        voices, numbers = codes // CODE, codes % CODE
        for voice in set(voices.tolist()):
            mine = numbers[voices == voice]
            speaker = self._speakers[voice]
            said = speaker.said if speaker.shape.client >= 0 else CODE
            if mine[0] <= group.latest[voice] or (np.diff(mine) <= 0).any() or mine[-1] >= said:
                self._reason |= SUSPECT
            elif not group.owed[voice]:
                self._reason |= SUSPECT
            group.latest[voice] = max(group.latest[voice], int(mine.max()))
        group.enter(codes, ends)

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
            self._echo(client, group.codes[one.looked - group.first : until - group.first], one.at_ns)
            one.looked = until
            self._refill(one.voices)

    def _echo(self, client: int, codes: Numbers, at_ns: int) -> None:
        voices = codes // CODE
        for voice in self._members[client].voices:
            mine = codes[voices == voice]
            if mine.size:
                # By the order of one sender, whatever it said before has come by now, or never will.
                speaker = self._speakers[voice]
                numbers = (mine - voice * CODE).tolist()
                speaker.echoed = max(speaker.echoed, max(numbers) + 1)
                if speaker.place >= 0:
                    for number in numbers:
                        message = number * len(self._paced) + speaker.place
                        self._latencies += (message, at_ns - self._intended_ns(message))

    # --- what must be looked at

    def parted(self) -> list[tuple[int, int, int, bytes, int]]:
        found = []
        for client in sorted(self._with_pending):
            one = self._members[client]
            found.append((client, one.heard, one.looked, bytes(one.pending), one.at_ns))
            one.pending.clear()
        self._with_pending.clear()
        return [one for one in found if one[3]]

    def echoes(self, client: int, heard: int, codes: bytes, at_ns: int) -> None:
        self._members[client].heard = heard
        self._echo(client, np.frombuffer(codes, np.int64), at_ns)
        self._refill(self._members[client].voices)

    def rejoin(self, client: int, position: int, tail: bytes) -> bool:
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

    def append(self, group: int, frames: bytes) -> None:
        one = self._groups[group]
        if one.is_foreign:
            return
        for client, member in enumerate(self._members):
            if member.group == group and not member.parted and not member.is_closed and member.taken > one.parsed:
                self._part(client, member)
        del one.stream[one.parsed - one.base :]
        self._grow(group, frames)

    def foreign(self, group: int) -> tuple[int, bytes]:
        one = self._groups[group]
        return one.parsed, bytes(one.stream[one.parsed - one.base :]) if one.is_foreign else b""

    def told(self, group: int, codes: bytes, ends: bytes, parsed: int) -> None:
        one = self._groups[group]
        self._enter(one, np.frombuffer(codes, np.int64), np.frombuffer(ends, np.int64))
        one.parsed, one.is_foreign = parsed, False
        for client, member in enumerate(self._members):
            if member.group == group and member.voices and not member.parted:
                self._look(client, member)

    def closed(self) -> list[int]:
        return [client for client, one in enumerate(self._members) if one.is_closed]

    def parse(self, data: bytes) -> tuple[bytes, bytes, int, bool]:
        found = self._reader.read(data)
        return found.codes.tobytes(), found.ends.tobytes(), found.consumed, found.is_foreign

    # --- what there is

    def count(self, group: int) -> tuple[int, int]:
        return self._groups[group].first, self._groups[group].count

    def codes(self, group: int, start: int, stop: int) -> bytes:
        one = self._groups[group]
        if not one.first <= start <= stop <= one.count:
            raise IndexError(f"of that group messages {one.first} to {one.count} are kept")
        return one.codes[start - one.first : stop - one.first].tobytes()

    def forget(self, group: int, until: int) -> None:
        one = self._groups[group]
        for member in self._members:
            if member.group == group and not member.parted and not member.is_closed:
                until = min(until, one.messages(member.taken), member.looked if member.voices else until)
        until -= 1  # one before all is kept: where it ends is where the next begins
        if until > one.first:
            kept = slice(until - one.first, one.count - one.first)
            one.codes, one.ends, one.first = one.codes[kept].copy(), one.ends[kept].copy(), until

    def heard(self, client: int) -> int:
        one = self._members[client]
        return one.heard if one.parted else self._groups[one.group].messages(one.taken) + one.shift

    def position(self, client: int) -> int:
        one = self._members[client]
        return one.looked if one.parted else self._groups[one.group].messages(one.taken)

    def voice(self, voice: int) -> tuple[int, int]:
        return self._speakers[voice].said, self._speakers[voice].echoed

    def unsent(self) -> bool:
        return any(self._members[client].unsent for client in self._with_unsent)

    def progress_ns(self) -> int:
        return self._progress_ns

    def sends(self) -> bytes:
        found, self._sends = self._sends, []
        return np.array(found, np.int64).tobytes()

    def latencies(self) -> bytes:
        found, self._latencies = self._latencies, []
        return np.array(found, np.int64).tobytes()

    def lags(self) -> bytes:
        found, self._lags = self._lags, []
        return np.array(found, np.int64).tobytes()
