"""Records what the clients of a room do and receive, for the transcript of a failure and the script that reproduces it.

There are two lists: chunks, which went over the wire (the beginning of each, and only the latest of a long history),
and steps, the actions of the clients in a form that a script can repeat.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

CHUNKS_KEPT = 20_000
HEAD_BYTES = 64  # kept of each chunk
STEPS_KEPT = 4000  # a longer script is of no use to a reader
STEP_BYTES_KEPT = 1 << 20
PAUSE_S = 0.4  # without any event: the case waited on purpose


class Step(msgspec.Struct, frozen=True):
    """One action of one or several clients, or of the case.

    Attributes:
        action: "connect", "send", "barrier", "pour", "chatter", "stall", "resume", "finish" (FIN), "close",
            "reset", "signal" or "pause".
        clients: the clients that act; for a barrier the sender and then the receivers.
        data: for "send" the bytes; for "connect" those that are sent at once.
        numbers: for "send" how many times; for "pour" bytes and size; for "chatter" messages, burst and
            size; for "signal" its number; for "pause" seconds.
    """

    action: str
    clients: tuple[int, ...] = ()
    data: bytes = b""
    numbers: tuple[float, ...] = ()


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Bytes that one client sent or received, or an event of its connection.

    Attributes:
        at_ns: the time since the trace began.
        client: the client's number.
        direction: "→" to the server, "←" from it, or in words what happened to the connection.
        offset: of its first byte in the client's stream of that direction.
        size: in bytes.
        head: the first HEAD_BYTES of them.
    """

    at_ns: int
    client: int
    direction: str
    offset: int = 0
    size: int = 0
    head: bytes = b""


@dataclass
class EventTimes:
    """When a client's events were recorded: for each chunk the number of events by then, and the time."""

    counts: list[int] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)

    def time_of(self, event: int) -> int | None:
        """Return when the event with this index was recorded, in ns since the trace began."""
        place = bisect_left(self.counts, event + 1)
        return self.times_ns[place] if place < len(self.counts) else None


class Trace:
    """What the clients of one room did and received so far.

    Attributes:
        chunks: what went over the wire, the latest CHUNKS_KEPT of them.
        event_times: for each client when its events were recorded.
    """

    def __init__(self) -> None:
        self._began_ns = self._latest_ns = time.monotonic_ns()
        self.chunks: deque[Chunk] = deque(maxlen=CHUNKS_KEPT)
        self.event_times: dict[int, EventTimes] = {}
        self._steps: list[Step] = []
        self._bytes = 0
        self._offsets: dict[tuple[int, str], int] = {}

    def _now(self) -> int:
        self._latest_ns = time.monotonic_ns()
        return self._latest_ns - self._began_ns

    @property
    def latest_ns(self) -> int:
        """The time of the latest event, in ns since the trace began."""
        return self._latest_ns - self._began_ns

    # --- the wire

    def record_bytes(self, client: int, direction: str, data: bytes) -> None:
        """Record bytes of a client's stream.

        Args:
            client: its number.
            direction: "→" for bytes that it sends, "←" for bytes that it has received.
            data: the bytes.
        """
        at = self._offsets.get((client, direction), 0)
        self._offsets[client, direction] = at + len(data)
        self.chunks.append(Chunk(self._now(), client, direction, at, len(data), data[:HEAD_BYTES]))

    def record_note(self, client: int, text: str) -> None:
        """Record what happened to a connection, e.g. "FIN from the server"."""
        self.chunks.append(Chunk(self._now(), client, text))

    def record_events(self, client: int, events: int) -> None:
        """Record that a client has this many events by now."""
        times = self.event_times.get(client)
        if times is None:
            times = self.event_times[client] = EventTimes()
        times.counts.append(events)
        times.times_ns.append(self.latest_ns)

    # --- steps

    def record_step(
        self, action: str, clients: Sequence[int] = (), data: bytes = b"", numbers: Sequence[float] = ()
    ) -> None:
        """Record a step; equal sends in a row become one, and a silence before it a pause.

        Args:
            action: see `Step`, as for all others.
            clients: the clients that act.
            data: the bytes that are sent.
            numbers: the numbers of the action.
        """
        quiet_s = (time.monotonic_ns() - self._latest_ns) / 1e9
        if quiet_s > PAUSE_S and self._steps:
            self._steps.append(Step("pause", numbers=(round(quiet_s, 1),)))
        self._now()
        step = Step(action, tuple(clients), data, tuple(numbers) if action != "send" else (1,))
        last = self._steps[-1] if self._steps else None
        if last and action == "send" == last.action and (last.clients, last.data) == (step.clients, step.data):
            self._steps[-1] = Step("send", step.clients, data, (last.numbers[0] + 1,))
        elif len(self._steps) <= STEPS_KEPT and self._bytes <= STEP_BYTES_KEPT:
            self._steps.append(step)
            self._bytes += len(data)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order; none at all when there were too many to keep."""
        complete = len(self._steps) <= STEPS_KEPT and self._bytes <= STEP_BYTES_KEPT
        return tuple(self._steps) if complete else ()
