"""One client: it speaks a codec, records all that it sends and receives, and can misbehave.

It never judges its server; it only records faults, and raises an error when the server closes its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from harness.codec import Frame
from harness.conformance.api.connection import CHUNK, Connection, ConnectionLost
from harness.conformance.api.shared import MOST_NOTES, Shared
from harness.errors import Violation
from harness.history.fault import Fault, Observation, location_note
from harness.history.record import printable, send_event
from harness.processes.deadlines import completes_within


@dataclass(frozen=True)
class Note:
    """Something other than a message that a client received: a reply, a notice.

    Attributes:
        value: what it was, in a type of the protocol's own.
        after: how many messages the client had received before it.
    """

    value: object
    after: int


class Client:
    """One connection; created by `harness.conformance.api.participants`.

    Attributes:
        number: its place among the clients of its room; "client 3" in messages.
        connection: its socket.
        name: what it calls itself; None where the protocol knows no names.
        events: what it sent and received (see `harness.history.record`).
        offsets: for each event where it begins in the stream of its direction, in bytes.
        received: the numbers of the messages it received, in order.
        notes: whatever else it received, in order.
        sender_names: for each message that arrived with a sender's name, the index of its event and that name.
        closed: how its stream ended: "FIN", "RST", or None while it is open.
        left: whether it has begun to leave, so that no more deliveries are due to it.
        faults: what it saw that no conforming server does.
        watchers: are called after each chunk with the numbers of the messages it contained.
    """

    def __init__(self, number: int, connection: Connection, shared: Shared) -> None:
        self.number, self._codec, self._messages = number, shared.codec, shared.messages
        self.connection, self._trace, self._tasks, self._pid = connection, shared.trace, shared.tasks, shared.pid
        self._incoming, self._outgoing = shared.codec.reply_decoder(), shared.codec.request_decoder()
        self._bodies_made = 0
        self._decoded = 0  # bytes that the decoder of its own requests has been fed with
        # The last write with its events and offsets, if it was of complete messages.
        self._last_write: tuple[bytes, list[int], list[int]] = b"", [], []
        self._reads = self._has_read = False
        self.name = shared.codec.name(number)
        self.events: list[int] = []
        self.offsets: list[int] = []
        self.received: list[int] = []
        self.notes: list[Note] = []
        self.sender_names: list[tuple[int, str]] = []
        self.bytes_sent = self.bytes_received = 0
        self.closed: str | None = None
        self.left, self._departed = False, ""
        self.faults: list[Fault] = []
        self.watchers: set[Callable[[Client, list[int]], None]] = set()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"client {self.number}"

    # --- sending

    def next_body(self, size: int = 0) -> bytes:
        """Return a body that no client has sent yet, padded to at least `size` bytes."""
        body = f"{self.number}.{self._bodies_made}".encode()
        self._bodies_made += 1
        return body.ljust(size, b"~")

    async def send_next(self, size: int = 0, *, as_step: bool = True) -> int:
        """Send a message with a new body of at least `size` bytes; return its number."""
        body = self.next_body(size)
        await self.send(body, as_step=as_step)
        return self._messages.numbers[body]

    async def send(self, *bodies: bytes, as_step: bool = True) -> list[int]:
        """Send messages in one write; return their numbers."""
        frames = list(map(self._codec.encode, bodies))
        if self._outgoing.pending:  # then they complete an unfinished message
            await self.send_raw(b"".join(frames), as_step=as_step)
            return [self._messages.numbers[body] for body in bodies]
        register, number = self._messages.register, self.number
        events = [-register(number, body) - 1 for body in bodies]  # as `send_event`, without a call for each
        begins = [0, *itertools.accumulate(map(len, frames))][:-1]
        await self._write(b"".join(frames), events, begins, as_step=as_step)
        return [-event - 1 for event in events]

    async def send_raw(self, data: bytes, *, as_step: bool = True) -> None:
        """Send bytes as they are; complete messages among them count as sent.

        Args:
            data: the bytes.
            as_step: whether this is a step of its own in the trace, and not a part of a larger one.

        Raises:
            Violation: the server has closed the connection.
        """
        await self._write(data, *self._register(data), as_step=as_step)

    def _register(self, data: bytes) -> tuple[list[int], list[int]]:
        """Register the messages that the bytes complete; return their events, and where in the bytes they begin."""
        last_data, events, begins = self._last_write
        if data is last_data:  # a flood sends the same bytes again and again: no need to decode them
            self._messages.register_again(events)
            return events, begins
        begins_message = not self._outgoing.pending
        at, self._decoded = self._decoded, self._decoded + len(data)
        messages = [(frame.offset, frame.body) for frame in self._outgoing.feed(data) if frame.body is not None]
        events = [send_event(self._messages.register(self.number, body)) for _, body in messages]
        begins = [begin - at for begin, _ in messages]
        self._last_write = (data, events, begins) if begins_message and not self._outgoing.pending else (b"", [], [])
        return events, begins

    async def _write(self, data: bytes, events: list[int], begins: list[int], *, as_step: bool) -> None:
        if as_step:
            self._trace.record_step("send", [self.number], data)
        # Recorded before the bytes leave: the echo may come back before this task runs again.
        self.events += events
        self.offsets += [self.bytes_sent + begin for begin in begins]
        self.bytes_sent += len(data)
        self._trace.record_bytes(self.number, "→", data)
        self._trace.record_events(self.number, len(self.events))
        try:
            await self.connection.send(data)
        except ConnectionLost:
            self.closed = self.closed or "RST"
            raise Violation(f"the server closed the connection of {self} while it was sending") from None

    def send_urgent(self, byte: bytes) -> None:
        """Send one byte as urgent data (MSG_OOB), which a server may read like any other byte or not at all."""
        self._trace.record_note(self.number, "urgent data")
        with contextlib.suppress(OSError):
            self.connection.socket.send(byte, socket.MSG_OOB)

    # --- receiving

    def start_reading(self) -> None:
        """Read whatever arrives from now on, until the stream ends or `stall()`."""
        if self._has_read:
            self._trace.record_step("resume", [self.number])
        self._reads = self._has_read = True
        if self.closed is None:
            self.connection.start_reading(self._take_or_end)

    @property
    def is_reading(self) -> bool:
        """Whether it reads whatever arrives: it has neither stalled nor begun to leave."""
        return self._reads and not self.left

    @property
    def is_being_sent_to(self) -> bool:
        """Whether it reads, and the server has written what the kernel has not delivered yet: this is not silence."""
        return self._reads and self.connection.undelivered_bytes() > 0

    def stall(self) -> None:
        """Stop reading; the connection stays open."""
        if self.is_reading:
            self._trace.record_step("stall", [self.number])
        self._stop_reading()

    def _stop_reading(self) -> None:
        self._reads = False
        self.connection.stop_reading()

    async def read_once(self, limit: int) -> None:
        """Wait for bytes and take at most `limit` of them, or record the end of the stream."""
        try:
            data = await self.connection.receive(limit)
        except ConnectionLost:
            self._take_or_end(None)
        else:
            self._take_or_end(data)

    def _take_or_end(self, data: bytes | None) -> None:
        """Take a chunk; b"" is a FIN, None a RST."""
        try:
            self._take(data) if data else self._ended("RST" if data is None else "FIN")
        except Exception as error:  # the event loop would only log it
            self.connection.stop_reading()
            self._tasks.start_soon(_raise, error)

    def _take(self, data: bytes) -> None:
        # Where the first frame begins that the data complete:
        begins_at = self.bytes_received - len(self._incoming.pending)
        self.bytes_received += len(data)
        self._trace.record_bytes(self.number, "←", data)
        try:
            frames = self._incoming.feed(data)
        except ValueError as error:
            self._record_fault("created", "bytes that are not of this protocol", str(error), begins_at)
            frames = []
        known = self._messages.numbers
        try:
            numbers = [known[frame.body] for frame in frames]  # type: ignore[index]
        except KeyError:  # not all are messages that a client has sent
            frames = self._known_messages(frames)
            numbers = [known[frame.body] for frame in frames]  # type: ignore[index]
        if frames and frames[0].sender is not None:
            self.sender_names += [(len(self.events) + at, frame.sender or "") for at, frame in enumerate(frames)]
        self.events += numbers
        self.offsets += [frame.offset for frame in frames]
        self.received += numbers
        self._trace.record_events(self.number, len(self.events))
        for watch in tuple(self.watchers):
            watch(self, numbers)
        self._changed.set()

    def _known_messages(self, frames: list[Frame]) -> list[Frame]:
        """Return the messages that a client has sent; record other frames, and messages that no client has sent."""
        known: list[Frame] = []
        for frame in frames:
            if frame.body is None:
                self.notes.append(Note(frame.value, len(self.received) + len(known)))
            elif frame.body in self._messages.numbers:
                known.append(frame)
            else:
                self._record_fault("created", printable(frame.body), "which no client has sent", frame.offset)
        if len(self.notes) > MOST_NOTES:
            self._record_fault("created", f"{MOST_NOTES:,} replies and notices", "and more follow", self.bytes_received)
            self._stop_reading()
        return known

    def _record_fault(self, kind: str, what: str, why: str, offset: int) -> None:
        if not self.faults:  # after the first fault the stream may be out of step, and cause all others
            seen = Observation(self.number, "receive", what, offset, self._trace.latest_ns)
            sentence = f"{self} received {what}{location_note(seen)}, {why}"
            self.faults.append(Fault(kind, sentence, (self.number,), (what,), (seen,)))

    def _ended(self, how: str) -> None:
        self.connection.stop_reading()
        self.closed = how
        self._trace.record_note(self.number, f"{how} from the server")
        self._changed.set()

    async def _change(self) -> None:
        """Wait until something arrives or the stream ends."""
        self._changed.clear()
        await self._changed.wait()

    @property
    def unfinished(self) -> bytes:
        """The bytes of a message that has not been received completely."""
        return self._incoming.pending

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition on what has arrived is true, or the stream ends.

        Args:
            condition: is called after each chunk.
            seconds: how long to wait; time in which the server waits for a processor does not count.

        Returns:
            Whether the condition is true.
        """

        async def changes() -> None:
            while not condition() and self.closed is None:
                await self._change()

        await completes_within(changes, seconds, self._pid)
        return condition()

    async def wait_while_receiving(self, condition: Callable[[], bool], patience_s: float) -> bool:
        """Wait as `wait_until` does, and again for `patience_s` if anything has arrived meanwhile or is on its way."""
        received = -1
        while not condition() and self.closed is None and (received < self.bytes_received or self.is_being_sent_to):
            received = self.bytes_received
            await self.wait_until(condition, patience_s)
        return condition()

    async def wait_closed(self, seconds: float) -> bool:
        """Wait until the server has ended the stream; return whether it did within `seconds`."""
        return await completes_within(self._until_closed, seconds, self._pid)

    async def _until_closed(self) -> None:
        while self.closed is None:
            if self._reads:
                await self._change()
            else:
                await self.read_once(CHUNK)

    # --- leaving

    async def close_sending(self) -> None:
        """Send FIN; go on receiving."""
        self._depart("finish", "FIN")
        self.connection.send_eof()

    async def leave(self) -> None:
        """Leave in order: send FIN, read what still arrives for a moment, close."""
        await self.close_sending()
        with anyio.move_on_after(0.5):
            await self._until_closed()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close at once. With unread bytes the kernel sends a RST, as for any program."""
        self._depart("close", "closes")
        self._stop_reading()
        self.connection.close()
        await anyio.lowlevel.checkpoint()

    def _depart(self, action: str, note: str) -> None:
        if self._departed not in (action, "close", "reset"):  # a FIN may be followed by one of these
            self._departed = action
            self._trace.record_step(action, [self.number])
            self._trace.record_note(self.number, note)
        self.left = True

    async def reset(self) -> None:
        """Leave by RST at once."""
        self._depart("reset", "RST")
        self._stop_reading()
        self.connection.reset()
        await anyio.lowlevel.checkpoint()


async def _raise(error: Exception) -> None:
    raise error
