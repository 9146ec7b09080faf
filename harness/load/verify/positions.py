"""Where the messages of a group's stream stand in it: for finding the place of a client that has parted."""

from __future__ import annotations

import numpy as np

from harness.load.engine.interface import Core
from harness.load.engine.frame_templates import CODE, Numbers

PLACES = 1 << 21  # kept over all voices
LEAST = 256  # for each voice


class Order:
    """Finds messages of one group's stream, the latest ones of each voice.

    A voice's numbers rise in a stream, so a ring by number finds in one step, and needs no more memory with time.
    """

    def __init__(self, core: Core, group: int, voices: int) -> None:
        self._core, self._group = core, group
        self._size = max(LEAST, PLACES // voices)
        self._positions = np.full((voices, self._size), -1, np.int64)
        self._numbers = np.full((voices, self._size), -1, np.int64)
        self._latest = np.full(voices, -1, np.int64)
        self._known = 0

    def catch_up(self) -> int:
        """Take in what the stream has had since the last time; return how many messages it has had."""
        first, count = self._core.count(self._group)
        start = max(first, self._known)
        codes = np.frombuffer(self._core.codes(self._group, start, count), np.int64)
        voices, numbers = codes // CODE, codes % CODE
        self._positions[voices, numbers % self._size] = np.arange(start, count)
        self._numbers[voices, numbers % self._size] = numbers
        np.maximum.at(self._latest, voices, numbers)
        self._known = count
        return count

    def positions(self, codes: Numbers) -> Numbers:
        """Return the place of each message in the stream, -1 where it is not known to be there."""
        voices, numbers = codes // CODE, codes % CODE
        places = numbers % self._size
        found: Numbers = np.where(self._numbers[voices, places] == numbers, self._positions[voices, places], -1)
        return found

    def are_news(self, codes: Numbers) -> bool:
        """Return whether messages are newer than all that the stream has of their voices."""
        return bool((codes % CODE > self._latest[codes // CODE]).all())
