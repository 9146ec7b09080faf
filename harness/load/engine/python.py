"""The engine in Python: used where the native one was not built, and as the reference to which that is compared.

Most of its time goes into bringing a chunk of bytes from the socket to its place in the stream; `_receive` and
`_compare` are written for speed.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, FrameTemplate
from harness.load.engine.interface import MAX_RUN_NS, QUIET_NS, READ_BYTES, Reason
from harness.load.engine.python_sending import Sending
from harness.load.engine.python_state import ClientState, ClientTable
from harness.load.engine.python_streams import Streams

SPIN_NS = 1_500_000  # epoll's timeout counts in ms and wakes late: the rest of the time to a deadline is spun
DIVERGED = int(Reason.DIVERGED)  # an int, because the sums of an IntFlag are slow


class PythonEngine:
    """An `interface.Engine`, which says what the methods mean.

    Args:
        templates: the frame template of each sender.
        subscribed: for each group one byte a sender, 1 if the group's clients may receive from it, else 0.
    """

    def __init__(self, templates: Sequence[FrameTemplate], subscribed: Sequence[bytes]) -> None:
        self._table = ClientTable()
        self._clients = self._table.by_number
        self._sending = Sending(self._table, templates)
        self._senders = self._sending.senders
        self._streams = Streams(self._table, self._senders, subscribed)
        self._groups = self._streams.groups
        self._chunk = memoryview(bytearray(READ_BYTES))

    # --- clients and sending

    def add(self, fd: int, group: int, is_in_step: bool) -> int:
        """Add a client; return its number.

        Args:
            fd: its non-blocking socket.
            group: the number of its group, or -1.
            is_in_step: whether its stream begins where its group's does.
        """
        senders = self._sending.senders_of.get(len(self._clients), [])
        return self._table.add(fd, group, is_in_step, senders)

    def drop(self, client: int) -> None:
        """Receive no more for a client."""
        self._table.close(client)

    def flood(self, sender: int, max_in_flight: int) -> None:
        """Let a sender flood."""
        self._sending.flood(sender, max_in_flight)

    def pace(self, senders: list[int], start_ns: int, interval_ns: float, length: int) -> None:
        """Let senders send in turns on a schedule.

        Args:
            senders: their numbers, in the order of their turns.
            start_ns: when the first message is due.
            interval_ns: from one message to the next.
            length: after how many messages it ends.
        """
        self._sending.pace(senders, start_ns, interval_ns, length)

    def send(self, sender: int, count: int) -> None:
        """Send the next messages of a sender, out of turn."""
        self._senders[sender].slot = -1
        self._sending.send(sender, count)

    def stop_sending(self) -> None:
        """End flood and schedule."""
        self._sending.is_active = False

    # --- the loop

    def run(self, until_ns: int) -> int:
        """Send and receive until then, or until there is a `Reason`."""
        table, sending = self._table, self._sending
        now_ns = time.monotonic_ns()
        stop_ns = min(until_ns, now_ns + MAX_RUN_NS)
        while True:
            next_ns, spin_ns = stop_ns, 0
            if sending.is_active and sending.has_due():
                sending.send_due(now_ns)
                next_ns, spin_ns = min(stop_ns, sending.next_due_ns()), SPIN_NS
            if sending.is_active and sending.is_flooding and now_ns - table.progress_ns > QUIET_NS:
                sending.expire_in_flight()
            ready = table.poll.poll(max(0, next_ns - time.monotonic_ns() - spin_ns) / 1e9)
            if sending.is_flooding:  # senders first: so the server has something to do while the others are read
                ready.sort(key=self._has_no_sender)
            for fd, events in ready:
                if events == select.EPOLLIN:
                    self._receive(table.number_of[fd])
                    continue
                if events & select.EPOLLOUT:
                    sending.flush_unsent(table.number_of[fd])
                if events & ~select.EPOLLOUT and fd in table.number_of:
                    self._receive(table.number_of[fd])
            now_ns = time.monotonic_ns()
            if now_ns >= stop_ns or table.reason:
                reason, table.reason = table.reason, 0
                return reason

    def _has_no_sender(self, ready: tuple[int, int]) -> bool:
        return not self._clients[self._table.number_of[ready[0]]].senders

    def _receive(self, number: int) -> None:
        client = self._clients[number]
        try:
            size = client.connection.recv_into(self._chunk)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._table.report_closed(number)
            return
        self._table.progress_ns = client.read_ns = time.monotonic_ns()
        data = self._chunk[:size]
        if not client.is_diverged and not client.senders:  # most of what arrives is nothing new
            group = self._groups[client.group]
            if group.stream.startswith(data, client.offset - group.base):
                client.offset += size
                return
        if client.is_diverged or not self._compare(number, client, data):
            client.pending += data
            self._table.with_pending.add(number)
            self._table.reason |= DIVERGED

    def _compare(self, number: int, client: ClientState, data: memoryview) -> bool:
        """Compare a chunk with the stream of the client's group; return False if the client has diverged."""
        group = self._groups[client.group]
        stream, at, size = group.stream, client.offset - group.base, len(data)
        known = len(stream) - at
        if known >= size:
            if not stream.startswith(data, at):
                self._streams.diverge(number, client)
                return False
            client.offset += size
        else:
            if known and not stream.startswith(data[:known], at):
                self._streams.diverge(number, client)
                return False
            client.offset += size
            self._streams.extend(client.group, data[known:])
        if client.senders and not client.is_diverged:
            self._scan_for_echoes(client)
        return True

    def _scan_for_echoes(self, client: ClientState) -> None:
        """Look for a client's own messages in what it has newly received of its group's stream."""
        group = self._groups[client.group]
        until = group.messages_within(client.offset)
        if until > client.scanned:
            for code, count in group.runs_between(client.scanned, until):
                if code // CODE_STRIDE in client.senders:
                    self._sending.record_echo(code // CODE_STRIDE, code % CODE_STRIDE, count, client.read_ns)
            client.scanned = until
            self._sending.refill(client.senders)

    # --- diverged clients and noncanonical frames

    def take_diverged(self) -> list[tuple[int, int, int, bytes, int]]:
        """Return what diverged clients have received since the last call."""
        rows = []
        for number in sorted(self._table.with_pending):
            client = self._clients[number]
            rows.append((number, client.received, client.scanned, bytes(client.pending), client.read_ns))
            client.pending.clear()
        self._table.with_pending.clear()
        return [row for row in rows if row[3]]

    def record_received(self, client: int, received: int, codes: bytes, at_ns: int) -> None:
        """Record which messages a diverged client has received.

        Args:
            client: its number.
            received: how many messages it has received by now in all.
            codes: of the messages that are new (shape (n,)).
            at_ns: when they were received.
        """
        state, numbers = self._clients[client], np.frombuffer(codes, np.int64)
        state.received = received
        for sender in state.senders:
            for code in numbers[numbers // CODE_STRIDE == sender].tolist():
                self._sending.record_echo(sender, code % CODE_STRIDE, 1, at_ns)
        self._sending.refill(state.senders)

    def resynchronise(self, client: int, position: int, tail: bytes) -> bool:
        """Put a diverged client in step with its group again; return whether that was possible.

        Args:
            client: its number.
            position: the place of its last message in its group's stream.
            tail: the bytes that it has received after that message.
        """
        state = self._clients[client]
        group = self._groups[state.group]
        end = group.end_of(position + 1) if position >= group.first else -1
        if end < group.base:
            return False
        known = bytes(memoryview(group.stream)[end - group.base :][: len(tail)])
        if not tail.startswith(known):
            return False
        state.is_diverged, state.offset, state.scanned = False, end + len(tail), position + 1
        state.shift = state.received - state.scanned
        if len(tail) > len(known):
            self._streams.extend(state.group, tail[len(known) :])
        self._scan_for_echoes(state)
        return True

    def append_frames(self, group: int, frames: bytes) -> None:
        """Append whole frames to a group's stream."""
        state = self._groups[group]
        if state.is_noncanonical:
            return
        for number, client in enumerate(self._clients):
            is_in_step = client.group == group and not client.is_diverged and not client.is_closed
            if is_in_step and client.offset > state.parsed:
                self._streams.diverge(number, client)
        del state.stream[state.parsed - state.base :]
        self._streams.extend(group, frames)

    def noncanonical(self, group: int) -> tuple[int, bytes]:
        """Return the offset from which a group's stream cannot be parsed, and the bytes there."""
        state = self._groups[group]
        return state.parsed, bytes(state.stream[state.parsed - state.base :]) if state.is_noncanonical else b""

    def append_decoded(self, group: int, codes: bytes, ends: bytes, parsed: int) -> None:
        """Append decoded messages to a group's stream.

        Args:
            group: its number.
            codes: of the messages (shape (n,)).
            ends: the offsets at which they end in the stream (shape (n,)).
            parsed: the offset up to which the stream is decoded now.
        """
        state = self._groups[group]
        self._streams.append_messages(state, np.frombuffer(codes, np.int64), np.frombuffer(ends, np.int64))
        state.parsed, state.is_noncanonical = parsed, False
        for client in self._clients:
            if client.group == group and client.senders and not client.is_diverged:
                self._scan_for_echoes(client)

    def parse_canonical(self, data: bytes) -> tuple[bytes, bytes, int, bool]:
        """Parse frames in their canonical encoding; ones of several lengths are left to the codec."""
        frames = self._streams.reader.read(data)
        return frames.codes.tobytes(), frames.ends.tobytes(), frames.consumed, frames.is_noncanonical

    # --- queries

    def closed(self) -> list[int]:
        """Return the clients whose connections have ended, and those dropped."""
        return [number for number, client in enumerate(self._clients) if client.is_closed]

    def stream_range(self, group: int) -> tuple[int, int]:
        """Return the place of the first message kept, and how many there were in all."""
        return self._groups[group].first, self._groups[group].count

    def stream_codes(self, group: int, start: int, stop: int) -> bytes:
        """Return the codes of messages of a group's stream.

        Args:
            group: its number.
            start: the place of the first message.
            stop: the place behind the last message.

        Raises:
            IndexError: not all of them are kept.
        """
        state = self._groups[group]
        if not state.first <= start <= stop <= state.count:
            raise IndexError(f"the messages kept of this group are {state.first} to {state.count}")
        return state.codes_between(start, stop).tobytes()

    def discard_before(self, group: int, until: int) -> None:
        """Discard a group's messages before this place, as far as all clients in step have received them."""
        state = self._groups[group]
        for client in self._clients:
            if client.group == group and not client.is_diverged and not client.is_closed:
                whole = state.messages_within(client.offset)
                until = min(until, whole, client.scanned if client.senders else until)
        if until > state.first:
            state.discard_before(until)

    def received_count(self, client: int) -> int:
        """Return how many messages a client has received."""
        state = self._clients[client]
        if state.is_diverged:
            return state.received
        return self._groups[state.group].messages_within(state.offset) + state.shift

    def position(self, client: int) -> int:
        """Return how many messages of its group's stream a client has received, or had when it diverged."""
        state = self._clients[client]
        return state.scanned if state.is_diverged else self._groups[state.group].messages_within(state.offset)

    def sender_counts(self, sender: int) -> tuple[int, int]:
        """Return how many messages a sender has sent, and up to which they were echoed."""
        return self._senders[sender].sent, self._senders[sender].echoed

    def has_unsent(self) -> bool:
        """Return whether some messages still wait for their socket."""
        return self._sending.has_unsent()

    def last_progress_ns(self) -> int:
        """Return when something was last received, or messages in flight were given up."""
        return self._table.progress_ns

    def take_sends(self) -> bytes:
        """Return what was sent since the last call, as rows."""
        return self._sending.take_sends()

    def take_latencies(self) -> bytes:
        """Return the latencies of the schedule since the last call, as rows."""
        return self._sending.take_latencies()

    def take_lags(self) -> bytes:
        """Return how late the messages of the schedule were sent, as rows."""
        return self._sending.take_lags()
