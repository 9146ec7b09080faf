"""The receive loop of a swarm: takes whatever comes for any client, and verifies every delivery.

Where nothing is lost, all clients with the same subscriptions receive the same bytes, so a client's chunk is
compared with what another one has received before it (`memcmp`), and only what is new to all of them is parsed. A
client whose stream parts from the others', because a message was dropped for it or because the server is at fault,
is followed message by message from there on, and the judge of histories decides in the end.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.errors import Violation
from harness.swarm.frames import Frames, Numbers

CHUNK = 65536  # bytes a read; larger ones are slower, because they leave the cache


class Common:
    """The longest of the streams of clients that receive the same, as long as they are in step.

    Attributes:
        count: how many messages of it have been parsed.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self.bytes = bytearray()
        self._parsed = 0
        self._codes, self._ends = np.empty(1 << 12, np.int64), np.empty(1 << 12, np.int64)
        self.count = 0

    def grow(self, data: bytes) -> None:
        """Take bytes that nobody has received before."""
        self.bytes += data
        found = self._frames.parse(bytes(self.bytes[self._parsed :]), "a client")
        count = self.count + found.codes.size
        if count > self._codes.size:
            more = np.empty(max(count, self._codes.size), np.int64)
            self._codes, self._ends = np.concatenate((self._codes, more)), np.concatenate((self._ends, more))
        self._codes[self.count : count] = found.codes
        self._ends[self.count : count] = found.ends + self._parsed
        self.count = count
        self._parsed = len(self.bytes) - len(found.rest)

    @property
    def codes(self) -> Numbers:
        """The codes of its messages."""
        return self._codes[: self.count]

    def messages(self, taken: int) -> int:
        """Return how many messages are whole in its first so many bytes."""
        if self.count and taken >= self._ends[self.count - 1]:
            return self.count
        return int(np.searchsorted(self._ends[: self.count], taken, "right"))

    def end_of(self, messages: int) -> int:
        """Return how many bytes so many messages take."""
        return int(self._ends[messages - 1]) if messages else 0


@dataclass
class Stream:
    """What one client has received since the start of the load.

    Attributes:
        common: what it is compared with.
        taken: bytes in step with the common stream.
        parted_at: how many messages it had received when it parted; None while in step.
        pieces: once out of step, the codes of its messages from the parting on, in arrays.
        rest: once out of step, the bytes of a frame that is not complete.
        alone: messages received since the parting.
    """

    common: Common
    taken: int = 0
    parted_at: int | None = None
    pieces: list[Numbers] = field(default_factory=list)
    rest: bytes = b""
    alone: int = 0


class Pump:
    """Receives for all clients of a load.

    Args:
        groups: for each client the topics that it hears; those who hear the same stand at the same point of their
            stream at the start.
    """

    def __init__(self, sockets: Sequence[socket.socket], frames: Frames, groups: Sequence[tuple[int, ...]]) -> None:
        self._sockets, self._frames = list(sockets), frames
        self.commons = {group: Common(frames) for group in groups}
        self.streams = [Stream(self.commons[group]) for group in groups]
        self._poll = select.epoll()
        self._by_descriptor: dict[int, int] = {}
        for client, one in enumerate(sockets):
            self._watch(client, one)

    def _watch(self, client: int, one: socket.socket) -> None:
        one.setblocking(False)
        self._by_descriptor[one.fileno()] = client
        self._poll.register(one.fileno(), select.EPOLLIN)

    def add(self, one: socket.socket) -> int:
        """Receive for a client that comes during the load, by itself; return its number."""
        self._sockets.append(one)
        self.streams.append(Stream(Common(self._frames), parted_at=0))
        self._watch(len(self.streams) - 1, one)
        return len(self.streams) - 1

    def drop(self, client: int) -> None:
        """Receive no more for a client; its socket stays open."""
        self._poll.unregister(self._sockets[client].fileno())
        del self._by_descriptor[self._sockets[client].fileno()]

    def close(self) -> None:
        """Stop polling; the sockets stay open."""
        self._poll.close()

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        """Wait for bytes and take them; return (client, time in monotonic ns) for each read.

        Raises:
            Violation: a client was disconnected, or received what nobody sent.
        """
        # The kernel counts in ms and Python rounds up: a deadline that matters must be spun for.
        took = []
        for descriptor, _ in self._poll.poll(timeout_s):
            client = self._by_descriptor[descriptor]
            try:
                data = self._sockets[client].recv(CHUNK)
            except BlockingIOError:
                continue
            except ConnectionError:
                data = b""
            if not data:
                raise Violation(f"the server closed the connection of client {client}, which was reading")
            took.append((client, time.monotonic_ns()))
            self._take(client, data)
        return took

    def _take(self, client: int, data: bytes) -> None:
        stream = self.streams[client]
        if stream.parted_at is not None:
            self._take_alone(client, stream, data)
            return
        common = stream.common
        at, known = stream.taken, len(common.bytes) - stream.taken
        if known >= len(data):
            if common.bytes[at : at + len(data)] == data:
                stream.taken += len(data)
                return
        elif common.bytes[at:] == data[:known]:
            stream.taken += len(data)
            common.grow(data[known:])
            return
        self._part(client, stream, data)

    def _part(self, client: int, stream: Stream, data: bytes) -> None:
        """Follow a client by itself from the last message that it has received whole."""
        stream.parted_at = stream.common.messages(stream.taken)
        begin = stream.common.end_of(stream.parted_at)
        unfinished = bytes(stream.common.bytes[begin : stream.taken])
        stream.taken = begin
        self._take_alone(client, stream, unfinished + data)

    def _take_alone(self, client: int, stream: Stream, data: bytes) -> None:
        found = self._frames.parse(stream.rest + data, f"client {client}")
        stream.rest = found.rest
        if found.codes.size:
            stream.pieces.append(found.codes)
            stream.alone += found.codes.size

    def messages(self, client: int) -> int:
        """Return how many messages a client has received."""
        stream = self.streams[client]
        return stream.common.messages(stream.taken) + stream.alone

    def received(self, client: int, start: int, end: int) -> Numbers:
        """Return the codes of the messages that a client received as number `start` to `end` - 1."""
        stream = self.streams[client]
        codes = stream.common.codes if stream.parted_at is None else self.all_received(client)
        return codes[start:end]

    def all_received(self, client: int) -> Numbers:
        """Return the codes of all messages that a client has received, in its order."""
        stream = self.streams[client]
        common = stream.common.codes[: stream.common.messages(stream.taken)]
        if len(stream.pieces) > 1:
            stream.pieces = [np.concatenate(stream.pieces)]
        return np.concatenate((common, *stream.pieces)) if stream.pieces else common

    def parted(self) -> list[int]:
        """Return the clients whose streams have parted from the common one."""
        return [client for client, stream in enumerate(self.streams) if stream.parted_at is not None]
