"""Records what the clients of a load have sent and received, and asks the judge of histories about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from harness.errors import Violation
from harness.history.judge import judge
from harness.history.record import History
from harness.load.engine.frame_templates import CODE_STRIDE, Int64Array
from harness.load.engine.interface import Engine
from harness.load.verify.frames import Sender


class Span(NamedTuple):
    """A part of what one client has received: places `start` to `stop` of its group's stream, or `codes` of its own."""

    generation: int
    start: int = 0
    stop: int = 0
    codes: Int64Array | None = None


@dataclass
class ClientRecord:
    """What one client has received.

    Attributes:
        spans: while it was diverged, and between.
        in_step_from: the place of its group's stream from which on it has been in step since; None if it is diverged.
    """

    spans: list[Span] = field(default_factory=list)
    in_step_from: int | None = 0


class ClientHistories:
    """Records sends and deliveries by generation; without `begin_generation` there is one, which has all.

    Args:
        engine: of the load.
        senders: all senders, by the clients' numbers over all processes of the load.
        groups: how many groups there are.
        groups_of: by client, its group; the caller appends to it for clients that are added later.
        numbers: by client, its number over all processes; clients that are added later have the same in both.
        read_stream: returns the codes of the messages between two places of a group's stream, as far as they are kept:
            `read_stream(group, start, stop)`.
        max_deliveries: how many deliveries to diverged clients to record in a generation; those beyond are left out.

    Attributes:
        records: by client, what it has received.
        deliveries: how many deliveries to diverged clients were recorded in this generation.
        send_rows: how many rows of sends were recorded in this generation.
    """

    def __init__(
        self,
        engine: Engine,
        senders: Sequence[Sender],
        groups: int,
        groups_of: Sequence[int],
        numbers: Sequence[int],
        read_stream: Callable[[int, int, int], Int64Array],
        *,
        max_deliveries: int | None = None,
    ) -> None:
        self._engine, self._senders, self._groups, self._groups_of = engine, senders, groups, groups_of
        self._numbers, self._read_stream, self._max_deliveries = numbers, read_stream, max_deliveries
        here = {number: client for client, number in enumerate(numbers)}
        self._clients_of = [here.get(sender.client, -1) for sender in senders]
        self._generation = 0
        # Generation; rows (n, 4) of sender, messages that its client had received before, first number, count.
        self._sends: list[tuple[int, Int64Array]] = []
        self.records: dict[int, ClientRecord] = defaultdict(ClientRecord)
        self.deliveries, self.send_rows = 0, 0

    # --- recording

    def record_sends(self, rows: Int64Array) -> None:
        """Record what was sent, as `Engine.take_sends` returns it."""
        if rows.size:
            self._sends.append((self._generation, rows.reshape(-1, 4)))
            self.send_rows += len(self._sends[-1][1])

    def add_diverged(self, client: int) -> None:
        """Record that a client has been added that is not in step."""
        self.records[client].in_step_from = None

    def record_divergence(self, client: int, place: int) -> None:
        """Record that a client has diverged at this place of its group's stream."""
        record = self.records[client]
        record.spans.append(Span(self._generation, record.in_step_from or 0, place))
        record.in_step_from = None

    def record_received(self, client: int, codes: Int64Array) -> None:
        """Record what a diverged client has received, codes of shape (n,)."""
        if self._max_deliveries is None or self.deliveries < self._max_deliveries:
            self.deliveries += codes.size
            self.records[client].spans.append(Span(self._generation, codes=codes))

    def record_resynchronised(self, client: int, place: int) -> None:
        """Record that a client is in step again, its last message being at this place of its group's stream."""
        self.records[client].in_step_from = place + 1

    def begin_generation(self) -> None:
        """Begin another generation; forget all but the last one."""
        self._generation += 1
        self.deliveries = self.send_rows = 0
        for record in self.records.values():
            record.spans = [span for span in record.spans if span.generation >= self._generation - 1]
        self._sends = [sends for sends in self._sends if sends[0] >= self._generation - 1]

    # --- judging

    def events(self) -> dict[int, Int64Array]:
        """Return what the judge must know: all clients that send or have diverged; of those in step, one of each group.

        That one is the client of the group that has received most: what the others have received is its beginning.

        Returns:
            By the client's number over all processes, its events (n,) in its own order: the code + 1 of each message
            that it has received, the same negated of each that it has sent.
        """
        sending = {client for client in self._clients_of if client >= 0}
        events = {client: self._sent_and_received(client) for client in sorted(sending)}
        events |= {client: self._received(client) + 1 for client in self.records if client not in events}
        for group in range(self._groups):
            in_step = [client for client, its in enumerate(self._groups_of) if its == group and client not in events]
            if in_step:
                longest = max(in_step, key=self._engine.received_count)
                events[longest] = self._received(longest) + 1
        return {self._number(client): codes for client, codes in events.items()}

    def _number(self, client: int) -> int:
        return self._numbers[client] if client < len(self._numbers) else client

    def _received(self, client: int) -> Int64Array:
        """Return the codes of what a client has received, as far as it is kept."""
        record, group = self.records.get(client, ClientRecord()), self._groups_of[client]
        parts = [
            self._read_stream(group, span.start, span.stop) if span.codes is None else span.codes
            for span in record.spans
        ]
        if record.in_step_from is not None:
            parts.append(self._read_stream(group, record.in_step_from, self._engine.position(client)))
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _sent_and_received(self, client: int) -> Int64Array:
        """Return the events of a client that sends, of shape (n,); see `events`.

        What it sent before the first generation kept stands at the beginning, as far as the client has received it.
        """
        received = self._received(client)
        before = self._engine.received_count(client) - received.size  # messages received before those that are kept
        rows = [row for _, rows in self._sends for row in rows.tolist() if self._clients_of[row[0]] == client]
        parts, at = [], 0
        for sender, place, first, count in rows:
            until = max(at, place - before)
            parts += [received[at:until] + 1, -(np.arange(first, first + count) + sender * CODE_STRIDE + 1)]
            at = until
        parts.append(received[at:] + 1)
        events = np.concatenate(parts)
        own_senders = [sender for sender, its in enumerate(self._clients_of) if its == client]
        own = received[np.isin(received // CODE_STRIDE, own_senders)]
        earlier = np.setdiff1d(own, -events[events < 0] - 1)
        return np.concatenate((-(earlier + 1), events))

    def judge(self, events: Mapping[int, Int64Array]) -> None:
        """Let the judge decide about the events of these clients, which `events` has returned, here or elsewhere.

        Raises:
            Violation: no conforming server can have produced what the clients received.
        """
        streams = list(events.values())
        known, inverse = np.unique(np.concatenate([np.abs(stream) for stream in streams]), return_inverse=True)
        numbered, start = [], 0
        for stream in streams:
            numbers = inverse[start : start + stream.size]
            numbered.append(np.where(stream < 0, -numbers - 1, numbers))
            start += stream.size
        codes = known - 1
        faults = judge(
            History(
                events=numbered,
                clients=list(events),
                senders=[self._senders[number].client for number in (codes // CODE_STRIDE).tolist()],
                send_counts=[1] * known.size,
                names=[f"{code // CODE_STRIDE}.{code % CODE_STRIDE}" for code in codes.tolist()],
            )
        )
        if faults:
            raise Violation(f"{faults[0].kind}: {faults[0].sentence}")
