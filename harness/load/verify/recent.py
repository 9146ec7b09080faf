"""What clients of a load have heard and said lately, for the judge: two generations, whatever the length of the load.

One generation is being filled; when it is full it becomes the one before, and what was before that is let go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from harness.errors import Violation
from harness.history.judge import judge
from harness.history.record import History
from harness.load.engine.frame_templates import CODE_STRIDE, Int64Array
from harness.load.engine.interface import Engine
from harness.load.verify.frames import Sender

OWN_KEPT = 16_000_000  # deliveries to those who had parted, for a generation
COMMON_KEPT = 4_000_000  # messages of the groups' streams, for a generation
IN_STEP_KEPT = 1 << 17  # messages and notes of what was said, for a generation in which nobody has parted


class Span(NamedTuple):
    """A part of what one client has heard: messages `start` to `stop` of its group's stream, or `codes` of its own."""

    generation: int
    start: int = 0
    stop: int = 0
    codes: Int64Array | None = None


@dataclass
class Past:
    """What a client has heard in the window: spans, and from where it is in step with its group since; None if not."""

    spans: list[Span] = field(default_factory=list)
    in_step_from: int | None = 0


class RecentHistory:
    """Remembers for the judge.

    Args:
        voices: who speaks, by the clients' numbers over all processes of the load.
        groups: how many there are.
        groups_of: by client, its group; clients that come later are added to it by who has it.
        numbers: by client, its number over all processes; clients that come later have the same in both.
    """

    def __init__(
        self, core: Engine, voices: Sequence[Sender], groups: int, groups_of: Sequence[int], numbers: Sequence[int]
    ) -> None:
        self._core, self._voices, self._groups_of, self._numbers = core, voices, groups_of, numbers
        here = {number: client for client, number in enumerate(numbers)}
        self._speakers = [here.get(one.client, -1) for one in voices]
        self._past: dict[int, Past] = defaultdict(Past)
        self._said: list[tuple[int, Int64Array]] = []  # generation; rows of voice, heard before, first number, count
        self._notes = 0
        self._generation, self._own = 0, 0
        self._marks = [[0, 0] for _ in range(groups)]  # by group: where the generation before began, and this one

    def said(self, rows: Int64Array) -> None:
        """Take notes of what was said, as `Core.sends` hands them over."""
        if rows.size:
            self._said.append((self._generation, rows.reshape(-1, 4)))
            self._notes += len(self._said[-1][1])

    def came(self, client: int) -> None:
        """Note that a client has come that is not in step."""
        self._past[client].in_step_from = None

    def parted(self, client: int, looked: int) -> None:
        """Note that a client has parted after so many messages of its group's stream."""
        past = self._past[client]
        past.spans.append(Span(self._generation, past.in_step_from or 0, looked))
        past.in_step_from = None

    def heard(self, client: int, codes: Int64Array) -> None:
        """Note what a client that has parted has heard."""
        self._own += codes.size
        self._past[client].spans.append(Span(self._generation, codes=codes))

    def rejoined(self, client: int, position: int) -> None:
        """Note that a client is in step again, its last message being this one of its group's stream."""
        self._past[client].in_step_from = position + 1

    def is_full(self, *, has_parted: bool) -> bool:
        """Return whether it is time for another generation."""
        common = sum(self._core.stream_range(group)[1] - marks[1] for group, marks in enumerate(self._marks))
        if not has_parted:
            return max(common, self._notes) > IN_STEP_KEPT
        return self._own > OWN_KEPT or common > COMMON_KEPT

    def roll(self) -> None:
        """Begin another generation; let go of the one before the last."""
        self._generation += 1
        self._own = self._notes = 0
        for past in self._past.values():
            past.spans = [one for one in past.spans if one.generation >= self._generation - 1]
        self._said = [one for one in self._said if one[0] >= self._generation - 1]
        for group, marks in enumerate(self._marks):
            marks[:] = [marks[1], self._core.stream_range(group)[1]]
            self._core.discard_before(group, marks[0])

    # --- judging

    def judge(self) -> None:
        """Judge the window: those who speak, those who have parted, and of those in step the longest of each group.

        Raises:
            Violation: no lawful server can have made what the clients received.
        """
        self.decide(self.told())

    def told(self) -> dict[int, Int64Array]:
        """Return what the judge is told: by the client's number over all processes, codes + 1, negative where said."""
        speakers = {client for client in self._speakers if client >= 0}
        told = {client: self._said_and_heard(client) for client in sorted(speakers)}
        told |= {client: self._heard(client) + 1 for client, past in self._past.items() if client not in told}
        for group in range(len(self._marks)):
            in_step = [one for one, its in enumerate(self._groups_of) if its == group and one not in told]
            if in_step:
                longest = max(in_step, key=self._core.received_count)
                told[longest] = self._heard(longest) + 1
        return {self._number(client): events for client, events in told.items()}

    def _number(self, client: int) -> int:
        return self._numbers[client] if client < len(self._numbers) else client

    def _heard(self, client: int) -> Int64Array:
        """Return the codes of what a client has heard in the window."""
        past, group = self._past.get(client, Past()), self._groups_of[client]
        parts = [self._common(group, one.start, one.stop) if one.codes is None else one.codes for one in past.spans]
        if past.in_step_from is not None:
            parts.append(self._common(group, past.in_step_from, self._core.position(client)))
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _common(self, group: int, start: int, stop: int) -> Int64Array:
        first, _ = self._core.stream_range(group)
        start = max(start, first)
        return np.frombuffer(self._core.stream_codes(group, start, max(start, stop)), np.int64)

    def _said_and_heard(self, client: int) -> Int64Array:
        """Return what a client that speaks did, in its own order: codes + 1, negative where it said something.

        What it said before the window began stands at its beginning, as far as it has heard it.
        """
        heard = self._heard(client)
        before = self._core.received_count(client) - heard.size  # messages heard before the window
        rows = [row for _, rows in self._said for row in rows.tolist() if self._speakers[row[0]] == client]
        parts, at = [], 0
        for voice, place, first, count in rows:
            until = max(at, place - before)
            parts += [heard[at:until] + 1, -(np.arange(first, first + count) + voice * CODE_STRIDE + 1)]
            at = until
        parts.append(heard[at:] + 1)
        whole = np.concatenate(parts)
        mine = [voice for voice, one in enumerate(self._speakers) if one == client]
        own = heard[np.isin(heard // CODE_STRIDE, mine)]
        earlier = np.setdiff1d(own, -whole[whole < 0] - 1)
        return np.concatenate((-(earlier + 1), whole))

    def decide(self, told: dict[int, Int64Array]) -> None:
        """Let the judge decide about what `told` has returned; raise Violation."""
        streams = list(told.values())
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
                clients=list(told),
                senders=[self._voices[number].client for number in (codes // CODE_STRIDE).tolist()],
                send_counts=[1] * known.size,
                names=[f"{code // CODE_STRIDE}.{code % CODE_STRIDE}" for code in codes.tolist()],
            )
        )
        if faults:
            raise Violation(f"{faults[0].kind}: {faults[0].sentence}")
