"""What the clients of a load have sent and received recently: two generations, however long the load is.

One generation is being filled; when it is full it becomes the previous one, and the one before that is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.load.engine.frame_templates import Int64Array
from harness.load.engine.interface import Engine
from harness.load.verify.frames import Sender
from harness.load.verify.histories import ClientHistories

# A generation is full when it has more than this:
MAX_DELIVERIES = 16_000_000  # deliveries to diverged clients
MAX_STREAM_MESSAGES = 4_000_000  # messages of the groups' streams
MAX_IN_STEP = 1 << 17  # messages of the groups' streams, or rows of sends, as long as no client diverges


class RecentHistory:
    """The recent history of a load.

    Args:
        engine: of the load.
        senders: all senders, by the clients' numbers over all processes of the load.
        groups: how many groups there are.
        groups_of: by client, its group; the caller appends to it for clients that are added later.
        numbers: by client, its number over all processes; clients that are added later have the same in both.

    Attributes:
        clients: the records of the clients.
    """

    def __init__(
        self, engine: Engine, senders: Sequence[Sender], groups: int, groups_of: Sequence[int], numbers: Sequence[int]
    ) -> None:
        self._engine = engine
        self.clients = ClientHistories(engine, senders, groups, groups_of, numbers, self._read_stream)
        self._starts = [[0, 0] for _ in range(groups)]  # by group: where the previous generation began, and this one

    def _read_stream(self, group: int, start: int, stop: int) -> Int64Array:
        first, _ = self._engine.stream_range(group)
        start = max(start, first)
        return np.frombuffer(self._engine.stream_codes(group, start, max(start, stop)), np.int64)

    def is_full(self, *, has_diverged: bool) -> bool:
        """Return whether it is time for another generation.

        Args:
            has_diverged: whether any client has been diverged in this one.
        """
        messages = sum(self._engine.stream_range(group)[1] - starts[1] for group, starts in enumerate(self._starts))
        if not has_diverged:
            return max(messages, self.clients.send_rows) > MAX_IN_STEP
        return self.clients.deliveries > MAX_DELIVERIES or messages > MAX_STREAM_MESSAGES

    def roll(self) -> None:
        """Begin another generation; forget all but the last one."""
        self.clients.begin_generation()
        for group, starts in enumerate(self._starts):
            starts[:] = [starts[1], self._engine.stream_range(group)[1]]
            self._engine.discard_before(group, starts[0])

    def judge(self) -> None:
        """Let the judge decide about the recent history.

        Raises:
            Violation: no conforming server can have produced what the clients received.
        """
        self.clients.judge(self.clients.events())
