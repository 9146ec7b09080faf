"""Where the messages of a group's stream stand in it: for finding the place of a client that has parted."""

from __future__ import annotations

import numpy as np

from harness.load.engine.frame_templates import CODE_STRIDE, Int64Array
from harness.load.engine.interface import Engine

PLACES = 1 << 21  # kept over all voices
LEAST = 256  # for each voice


class Positions:
    """Finds messages of one group's stream, the latest ones of each voice.

    A voice's numbers rise in a stream, so a ring by number finds in one step, and needs no more memory with time.
    """

    def __init__(self, core: Engine, group: int, voices: int) -> None:
        self._core, self._group = core, group
        self._size = max(LEAST, PLACES // voices)
        self._positions = np.full((voices, self._size), -1, np.int64)
        self._numbers = np.full((voices, self._size), -1, np.int64)
        self._latest = np.full(voices, -1, np.int64)
        self._known = 0

    def catch_up(self) -> int:
        """Take in what the stream has had since the last time; return how many messages it has had."""
        first, count = self._core.stream_range(self._group)
        start = max(first, self._known)
        codes = np.frombuffer(self._core.stream_codes(self._group, start, count), np.int64)
        voices, numbers = codes // CODE_STRIDE, codes % CODE_STRIDE
        self._positions[voices, numbers % self._size] = np.arange(start, count)
        self._numbers[voices, numbers % self._size] = numbers
        np.maximum.at(self._latest, voices, numbers)
        self._known = count
        return count

    def find(self, codes: Int64Array) -> Int64Array:
        """Return the place of each message in the stream, -1 where it is not known to be there."""
        voices, numbers = codes // CODE_STRIDE, codes % CODE_STRIDE
        places = numbers % self._size
        found: Int64Array = np.where(self._numbers[voices, places] == numbers, self._positions[voices, places], -1)
        return found

    def are_newer(self, codes: Int64Array) -> bool:
        """Return whether messages are newer than all that the stream has of their voices."""
        return bool((codes % CODE_STRIDE > self._latest[codes // CODE_STRIDE]).all())
