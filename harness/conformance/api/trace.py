"""Writes down what the clients of a room do and hear: for the transcript of a failure, and to do it all again.

Two lists: chunks, which went over the wire (their beginnings, and of a long history the latest), and steps,
the deeds of the clients in the words in which a script can repeat them.
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
STEPS_KEPT = 4000  # more than that is no script that anybody reads
STEP_BYTES_KEPT = 1 << 20
PAUSE_S = 0.4  # without any event: somebody waited on purpose


class Step(msgspec.Struct, frozen=True):
    """One deed.

    Attributes:
        deed: "connect", "send", "fence", "pour", "chatter", "stall", "resume", "finish" (FIN), "close",
            "reset", "signal" or "pause".
        clients: who does it; for a fence the speaker and then the hearers.
        data: for "send", the bytes; for "connect" those that are sent at once.
        numbers: for "send" how many times; for "pour" bytes and size; for "chatter" messages, burst and
            size; for "signal" its number; for "pause" seconds.
    """

    action: str
    clients: tuple[int, ...] = ()
    data: bytes = b""
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Something that one client saw or did on the wire.

    Attributes:
        at_ns: since the journal was opened.
        way: "→" to the server, "←" from it, or in words what happened to the connection.
        offset: of its first byte in the client's stream of that direction.
        size: in bytes; `head` is the beginning of them.
    """

    at_ns: int
    client: int
    direction: str
    offset: int = 0
    size: int = 0
    head: bytes = b""


@dataclass
class EventTimes:
    """When a client's events were noted: for each chunk how many there were by then, and the time."""

    counts: list[int] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)

    def time_of(self, event: int) -> int | None:
        """Return when the event with this index was noted, in ns since the journal was opened."""
        place = bisect_left(self.counts, event + 1)
        return self.times_ns[place] if place < len(self.counts) else None


class Trace:
    """What happened in one room so far."""

    def __init__(self) -> None:
        self._opened_ns = self._latest_ns = time.monotonic_ns()
        self.chunks: deque[Chunk] = deque(maxlen=CHUNKS_KEPT)
        self.event_times: dict[int, EventTimes] = {}
        self._steps: list[Step] = []
        self._bytes = 0
        self._offsets: dict[tuple[int, str], int] = {}

    def _now(self) -> int:
        self._latest_ns = time.monotonic_ns()
        return self._latest_ns - self._opened_ns

    @property
    def latest_ns(self) -> int:
        """When the latest event was, in ns since the journal was opened."""
        return self._latest_ns - self._opened_ns

    # --- the wire

    def record_bytes(self, client: int, way: str, data: bytes) -> None:
        """Note bytes that a client sends ("→") or has received ("←")."""
        at = self._offsets.get((client, way), 0)
        self._offsets[client, way] = at + len(data)
        self.chunks.append(Chunk(self._now(), client, way, at, len(data), data[:HEAD_BYTES]))

    def record_note(self, client: int, what: str) -> None:
        """Note what happened to a connection, e.g. "FIN from the server"."""
        self.chunks.append(Chunk(self._now(), client, what))

    def record_events(self, client: int, events: int) -> None:
        """Note that a client has so many events by now."""
        marks = self.event_times.setdefault(client, EventTimes())
        marks.counts.append(events)
        marks.times_ns.append(self.latest_ns)

    # --- deeds

    def record_step(
        self, action: str, clients: Sequence[int] = (), data: bytes = b"", numbers: Sequence[float] = ()
    ) -> None:
        """Note a deed; equal sends in a row become one, and a silence before it a pause."""
        quiet_s = (time.monotonic_ns() - self._latest_ns) / 1e9
        if quiet_s > PAUSE_S and self._steps:
            self._steps.append(Step("pause", numbers=(round(quiet_s, 1),)))
        self._now()
        one = Step(action, tuple(clients), data, tuple(numbers) if action != "send" else (1,))
        last = self._steps[-1] if self._steps else None
        if last and action == "send" == last.action and (last.clients, last.data) == (one.clients, one.data):
            self._steps[-1] = Step("send", one.clients, data, (last.numbers[0] + 1,))
        elif len(self._steps) <= STEPS_KEPT and self._bytes <= STEP_BYTES_KEPT:
            self._steps.append(one)
            self._bytes += len(data)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All deeds in order; none at all when there were too many to be kept."""
        whole = len(self._steps) <= STEPS_KEPT and self._bytes <= STEP_BYTES_KEPT
        return tuple(self._steps) if whole else ()
