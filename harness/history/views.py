"""What each client did, as arrays: the messages it heard, those it said, and what it knew when it said them.

One client alone puts messages in order in three ways: it heard a before b, it said a before b, it had heard a
when it said b. Each is a chain of neighbours ("edges"), and whatever follows from them holds at any distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """What one client did with the messages that count; no message stands twice in either list.

    Attributes:
        heard: the messages it received, in order.
        said: the messages it sent, in order.
        known: for each of `said` how many of `heard` it had received by then.
    """

    heard: Numbers
    said: Numbers
    known: Numbers

    def edges(self) -> tuple[Numbers, Numbers]:
        """Return messages and for each the one that must come after it: all else follows from these pairs."""
        heard, said = self.heard, self.said
        if not said.size:
            return heard[:-1], heard[1:]
        answers = self.known > 0
        return (
            np.concatenate((heard[:-1], said[:-1], heard[self.known[answers] - 1])),
            np.concatenate((heard[1:], said[1:], said[answers])),
        )

    def only(self, wanted: Mask) -> View:
        """Return what it did with the wanted messages; `wanted` has a place for each message."""
        return self.kept(wanted[self.heard], wanted[self.said])

    def kept(self, heard: Mask, said: Mask) -> View:
        """Return the same with these places of `heard` and `said` only."""
        known = self.known[said]
        if known.size:
            known = np.concatenate(([0], np.cumsum(heard, dtype=np.int32)))[known].astype(np.int32)
        return View(self.heard[heard], self.said[said], known)

    def renamed(self, names: Numbers) -> View:
        """Return the same with other numbers for the messages; `names` has a place for each message."""
        return View(names[self.heard], names[self.said], self.known)

    def in_turn(self) -> Numbers:
        """Return what it heard and said in one line, as it came; its own messages may stand there twice."""
        return np.insert(self.heard, self.known, self.said)


def view(events: Sequence[int] | NDArray[np.int64]) -> View:
    """Return what a client did from its events (see `harness.history.record`); messages may stand there twice."""
    line = np.asarray(events).astype(np.int32)
    is_said = line < 0
    if not is_said.any():
        return View(line, _NONE, _NONE)
    known = np.cumsum(~is_said, dtype=np.int32)[is_said]
    return View(line[~is_said], -line[is_said] - 1, known)


_NONE: Numbers = np.empty(0, np.int32)
NOTHING = View(_NONE, _NONE, _NONE)
