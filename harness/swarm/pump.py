"""The receive loop of a swarm: takes whatever comes for any client, and verifies every delivery.

In a room where nothing is lost all clients receive the same bytes, so a client's chunk is compared with what
another client has received before it (`memcmp`), and only what is new to everybody is parsed. A client whose
stream parts from the others', because a message was dropped for it or because the server is at fault, is
followed message by message from there on, and the judge of histories decides in the end.
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
CODE = 10**9  # a message's code is sender * CODE + sequence number


@dataclass
class Stream:
    """What one client has received since the start of the load.

    Attributes:
        taken: bytes in step with the common stream.
        pieces: once out of step, the codes of its messages from the parting on, in arrays.
        parted_at: how many messages it had received when it parted; None while in step.
        rest: once out of step, the bytes of a message that is not complete.
        alone: messages received since the parting.
    """

    taken: int = 0
    parted_at: int | None = None
    pieces: list[Numbers] = field(default_factory=list)
    rest: bytes = b""
    alone: int = 0


class Pump:
    """Receives for all clients of a load; all of them stand at the same point of the stream at the start."""

    def __init__(self, sockets: Sequence[socket.socket], frames: Frames) -> None:
        self._sockets, self._frames = sockets, frames
        self._common = bytearray()  # the longest of the streams that are in step
        self._parsed = 0
        self.order = np.empty(1 << 16, np.int64)  # the codes of the common stream, as far as parsed
        self.parsed_messages = 0
        self.streams = [Stream() for _ in sockets]
        self._poll = select.epoll()
        self._by_descriptor = {one.fileno(): client for client, one in enumerate(sockets)}
        for one in sockets:
            one.setblocking(False)
            self._poll.register(one.fileno(), select.EPOLLIN)

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
        at, known = stream.taken, len(self._common) - stream.taken
        if known >= len(data):
            if self._common[at : at + len(data)] == data:
                stream.taken += len(data)
                return
        elif self._common[at:] == data[:known]:
            self._common += data[known:]
            stream.taken += len(data)
            self._parse()
            return
        self._part(client, stream, data)

    def _parse(self) -> None:
        size = self._frames.bytes_arriving
        end = len(self._common) // size * size
        if end == self._parsed:
            return
        codes = self._codes(bytes(self._common[self._parsed : end]), "a client")
        self._parsed = end
        count = self.parsed_messages + codes.size
        if count > self.order.size:
            self.order = np.concatenate((self.order, np.empty(max(count, self.order.size), np.int64)))
        self.order[self.parsed_messages : count] = codes
        self.parsed_messages = count

    def _codes(self, data: bytes, who: str) -> Numbers:
        read = self._frames.read(data)
        if read is None:
            raise Violation(f"{who} received bytes that nobody has sent")
        senders, numbers = read
        return senders * CODE + numbers

    def _part(self, client: int, stream: Stream, data: bytes) -> None:
        """Follow a client by itself from the last message that it has received whole."""
        size = self._frames.bytes_arriving
        stream.parted_at = stream.taken // size
        unfinished = bytes(self._common[stream.parted_at * size : stream.taken])
        stream.taken = stream.parted_at * size
        self._take_alone(client, stream, unfinished + data)

    def _take_alone(self, client: int, stream: Stream, data: bytes) -> None:
        data = stream.rest + data
        end = len(data) // self._frames.bytes_arriving * self._frames.bytes_arriving
        stream.rest = data[end:]
        if end:
            stream.pieces.append(self._codes(data[:end], f"client {client}"))
            stream.alone += stream.pieces[-1].size

    def messages(self, client: int) -> int:
        """Return how many messages a client has received."""
        stream = self.streams[client]
        return stream.taken // self._frames.bytes_arriving + stream.alone

    def received(self, client: int, start: int, end: int) -> Numbers:
        """Return the codes of the messages that a client received as number `start` to `end` - 1."""
        stream = self.streams[client]
        if stream.parted_at is None:
            return self.order[start:end]
        return self.all_received(client)[start:end]

    def all_received(self, client: int) -> Numbers:
        """Return the codes of all messages that a client has received, in its order."""
        stream = self.streams[client]
        common = self.order[: stream.taken // self._frames.bytes_arriving]
        if len(stream.pieces) > 1:
            stream.pieces = [np.concatenate(stream.pieces)]
        return np.concatenate((common, *stream.pieces)) if stream.pieces else common

    def parted(self) -> list[int]:
        """Return the clients whose streams have parted from the common one."""
        return [client for client, stream in enumerate(self.streams) if stream.parted_at is not None]
