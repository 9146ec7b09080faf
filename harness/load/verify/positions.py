"""The places of messages in a group's stream, by which a diverged client finds its own place."""

from __future__ import annotations

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, Int64Array
from harness.load.engine.interface import Engine

MAX_PLACES = 1 << 21  # over all senders
MIN_PLACES = 256  # for each sender


class Positions:
    """Finds the latest messages of each sender in one group's stream.

    The numbers of a sender rise in a stream. So a ring of places, indexed by number modulo its size, finds a message in
    one step, and its memory does not grow with time.

    Args:
        engine: has the stream.
        group: the number of the group.
        senders: how many senders there are.
    """

    def __init__(self, engine: Engine, group: int, senders: int) -> None:
        self._engine, self._group = engine, group
        self._size = max(MIN_PLACES, MAX_PLACES // senders)
        self._places = np.full((senders, self._size), -1, np.int64)
        self._numbers = np.full((senders, self._size), -1, np.int64)
        self._highest = np.full(senders, -1, np.int64)
        self._known = 0

    def catch_up(self) -> int:
        """Add what the stream has had since the last call; return how many messages it has had in all."""
        first, count = self._engine.stream_range(self._group)
        start = max(first, self._known)
        codes = np.frombuffer(self._engine.stream_codes(self._group, start, count), np.int64)
        senders, numbers = codes // CODE_STRIDE, codes % CODE_STRIDE
        self._places[senders, numbers % self._size] = np.arange(start, count)
        self._numbers[senders, numbers % self._size] = numbers
        np.maximum.at(self._highest, senders, numbers)
        self._known = count
        return count

    def find(self, codes: Int64Array) -> Int64Array:
        """Return the places of messages in the stream, -1 for those not known to be there.

        Args:
            codes: of the messages, of shape (n,).

        Returns:
            An array of shape (n,).
        """
        senders, numbers = codes // CODE_STRIDE, codes % CODE_STRIDE
        slots = numbers % self._size
        places: Int64Array = np.where(self._numbers[senders, slots] == numbers, self._places[senders, slots], -1)
        return places

    def are_newer(self, codes: Int64Array) -> bool:
        """Return whether all these messages have higher numbers than all that the stream has of their senders."""
        return bool((codes % CODE_STRIDE > self._highest[codes // CODE_STRIDE]).all())
