"""The sending half of the Python engine: frames that wait for a socket, floods with a limit in flight, a schedule."""

from __future__ import annotations

import math
import select
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import FramePages, FrameTemplate
from harness.load.engine.python_state import ClientTable, SenderState

MESSAGES_READY = 8192  # on the pages of all senders together, or ten messages for each sender if that is more
MAX_PAGE_DIGITS = 3  # at most 10 ** 3 messages a page


def _as_rows(numbers: list[int]) -> bytes:
    return np.array(numbers, np.int64).tobytes()


def _sender(template: FrameTemplate, page_digits: int) -> SenderState:
    arriving = FramePages(template, page_digits, as_arriving=True)
    is_same = template.sent == template.arriving
    return SenderState(
        template, arriving if is_same else FramePages(template, page_digits, as_arriving=False), arriving
    )


class Sending:
    """What the clients of an engine send; for the meaning of the methods see `interface.Engine`.

    Args:
        clients: the engine's clients.
        templates: the frame template of each sender.

    Attributes:
        senders: by number.
        is_active: until `stop_sending`.
        is_flooding: whether some senders flood.
        paced: the senders of the schedule, in the order of their turns.
    """

    def __init__(self, clients: ClientTable, templates: Sequence[FrameTemplate]) -> None:
        page_digits = min(MAX_PAGE_DIGITS, max(1, int(math.log10(MESSAGES_READY / len(templates)))))
        self.senders = [_sender(template, page_digits) for template in templates]
        self.senders_of: dict[int, list[int]] = defaultdict(list)
        for number, template in enumerate(templates):
            self.senders_of[template.client].append(number)
        self.is_active, self.is_flooding = True, False
        self.paced: list[int] = []
        self._clients, self._by_number = clients, clients.by_number
        self._start_ns, self._interval_ns, self._due, self._length = 0, 0.0, 0, 0
        self._with_unsent: set[int] = set()
        self._sends: list[int] = []
        self._latencies: list[int] = []
        self._lags: list[int] = []

    # --- commands

    def flood(self, sender: int, max_in_flight: int) -> None:
        """Let a sender flood."""
        self.senders[sender].max_in_flight = max_in_flight
        self.is_flooding = True
        self.refill([sender])

    def pace(self, senders: list[int], start_ns: int, interval_ns: float, length: int) -> None:
        """Let senders send in turns on a schedule.

        Args:
            senders: their numbers, in the order of their turns.
            start_ns: when the first message is due.
            interval_ns: from one message to the next.
            length: after how many messages it ends.
        """
        for sender in self.paced:
            self.senders[sender].slot = -1
        self.paced, self._start_ns, self._interval_ns = senders, start_ns, interval_ns
        self._due, self._length = 0, length
        for slot, number in enumerate(senders):
            sender_state = self.senders[number]
            sender_state.slot, sender_state.scheduled_from = slot, sender_state.sent

    def send(self, number: int, count: int) -> None:
        """Send the next `count` messages of a sender."""
        sender = self.senders[number]
        client_number = sender.template.client
        client = self._by_number[client_number]
        received = client.received if client.is_diverged else client.scanned + client.shift
        self._sends += (number, received, sender.sent, count)
        frames = sender.sent_frames.frames(sender.sent, count)
        sender.sent += count
        size = 0 if client.unsent else self._write(client_number, frames)
        if size < len(frames):
            client.unsent += frames[size:]
            self.flush_unsent(client_number)

    def _write(self, number: int, data: bytes | bytearray | memoryview) -> int:
        """Return how many bytes the kernel has taken."""
        client = self._by_number[number]
        try:
            return 0 if client.is_closed else client.connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._clients.report_closed(number)
            return 0

    def flush_unsent(self, number: int) -> None:
        """Send as much of a client's unsent bytes as its socket takes now."""
        client = self._by_number[number]
        while client.unsent and (size := self._write(number, client.unsent)):
            del client.unsent[:size]
        if bool(client.unsent) != (number in self._with_unsent) and not client.is_closed:
            self._with_unsent ^= {number}
            events = select.EPOLLIN | (select.EPOLLOUT if client.unsent else 0)
            self._clients.poll.modify(client.connection.fileno(), events)

    # --- flood

    def refill(self, senders: Sequence[int]) -> None:
        """Let those of these senders that flood send up to their limits in flight."""
        if not self.is_active:
            return
        for number in senders:
            sender = self.senders[number]
            room = sender.max_in_flight - (sender.sent - sender.echoed)
            # In batches of half the limit: if each echo woke it up, the cost of that would be measured instead.
            is_worth_it = room >= max(1, sender.max_in_flight // 2)
            if sender.max_in_flight and is_worth_it and not self._by_number[sender.template.client].unsent:
                self.send(number, room)

    def expire_in_flight(self) -> None:
        """Count all messages in flight as dropped, after nothing has arrived for QUIET_NS; let the flood go on."""
        self._clients.progress_ns = time.monotonic_ns()
        for number, sender in enumerate(self.senders):
            sender.echoed = sender.sent
            self.refill([number])

    # --- schedule

    def _intended_ns(self, message: int) -> int:
        return self._start_ns + int(message * self._interval_ns)

    def has_due(self) -> bool:
        """Return whether the schedule still has messages to send."""
        return self._due < self._length

    def next_due_ns(self) -> int:
        """Return when the next message of the schedule is due."""
        return self._intended_ns(self._due)

    def send_due(self, now_ns: int) -> None:
        """Send the messages of the schedule that have become due."""
        first, senders = self._due, len(self.paced)
        while self._due < self._length and self._intended_ns(self._due) <= now_ns:
            self._due += 1
        # In one write for each sender: with one for each message, the writes would be the limit at high rates.
        for turn in range(first, min(self._due, first + senders)):
            number = self.paced[turn % senders]
            if self.senders[number].template.client < 0:
                continue  # another process sends it
            messages, at_ns = range(turn, self._due, senders), time.monotonic_ns()
            for message in messages:
                self._lags += (message, at_ns - self._intended_ns(message))
            self.send(number, len(messages))

    def record_echo(self, number: int, first: int, count: int, at_ns: int) -> None:
        """Record that a sender's client has received the sender's own messages.

        Args:
            number: of the sender.
            first: number of the first message.
            count: how many messages, with successive numbers.
            at_ns: when they were received.
        """
        sender = self.senders[number]
        # One sender's messages arrive in order: what it sent before has arrived by now, or never will.
        sender.echoed = max(sender.echoed, first + count)
        if sender.slot >= 0:
            for message in range(max(first, sender.scheduled_from), first + count):
                scheduled = (message - sender.scheduled_from) * len(self.paced) + sender.slot
                self._latencies += (scheduled, at_ns - self._intended_ns(scheduled))

    # --- queries

    def has_unsent(self) -> bool:
        """Return whether some messages still wait for their socket."""
        return any(self._by_number[client].unsent for client in self._with_unsent)

    def take_sends(self) -> bytes:
        """Return what was sent since the last call, as rows."""
        rows, self._sends = self._sends, []
        return _as_rows(rows)

    def take_latencies(self) -> bytes:
        """Return the latencies of the schedule since the last call, as rows."""
        rows, self._latencies = self._latencies, []
        return _as_rows(rows)

    def take_lags(self) -> bytes:
        """Return how late the messages since the last call were sent, as rows."""
        rows, self._lags = self._lags, []
        return _as_rows(rows)
