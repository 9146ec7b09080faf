"""Each client's events as arrays: the messages it received, those it sent, and what it had received before each send.

A single client orders messages in three ways: it received a before b, it sent a before b, or it had received a when it
sent b. Each of these is a chain of neighbours ("edges"); the order of messages further apart follows from the edges.
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
    """What one client did with the messages that are judged; no message is twice in the same array.

    Attributes:
        received: shape (deliveries,), numbers of the messages it received, in order.
        sent: shape (sends,), numbers of the messages it sent, in order.
        received_before_send: shape (sends,), for each of `sent` how many of `received` it had received by then.
    """

    received: Numbers
    sent: Numbers
    received_before_send: Numbers

    @property
    def size(self) -> int:
        """The number of events."""
        return self.received.size + self.sent.size

    def edges(self) -> tuple[Numbers, Numbers]:
        """Return two arrays of shape (edges,): messages, and for each one that must come after it.

        The order of all other pairs follows from these.
        """
        received, sent = self.received, self.sent
        if not sent.size:
            return received[:-1], received[1:]
        is_answer = self.received_before_send > 0
        return (
            np.concatenate((received[:-1], sent[:-1], received[self.received_before_send[is_answer] - 1])),
            np.concatenate((received[1:], sent[1:], sent[is_answer])),
        )

    def restricted_to(self, wanted: Mask) -> View:
        """Return the view of the wanted messages only; `wanted` has shape (messages,)."""
        if not self.size:
            return self
        return self.select(wanted[self.received], wanted[self.sent])

    def select(self, received: Mask, sent: Mask) -> View:
        """Return the view of these deliveries and sends only; the masks have the shapes of `received` and `sent`."""
        counts = self.received_before_send[sent]
        if counts.size:
            counts = np.concatenate(([0], np.cumsum(received, dtype=np.int32)))[counts].astype(np.int32)
        return View(self.received[received], self.sent[sent], counts)

    def renumbered(self, new_numbers: Numbers) -> View:
        """Return the view with other numbers for the messages; `new_numbers` has shape (messages,)."""
        return View(new_numbers[self.received], new_numbers[self.sent], self.received_before_send)

    def interleaved(self) -> Numbers:
        """Return all received and sent messages in the client's own order; its own messages may be there twice."""
        return np.insert(self.received, self.received_before_send, self.sent)


def view_of(events: Sequence[int] | NDArray[np.int64]) -> View:
    """Return the view of a client's events; here a message may be in an array twice.

    Args:
        events: shape (events,), codes as in `harness.history.record`.
    """
    codes = np.asarray(events).astype(np.int32)
    is_send = codes < 0
    if not is_send.any():
        return View(codes, _NONE, _NONE)
    counts = np.cumsum(~is_send, dtype=np.int32)[is_send]
    return View(codes[~is_send], -codes[is_send] - 1, counts)


_NONE: Numbers = np.empty(0, np.int32)
EMPTY_VIEW = View(_NONE, _NONE, _NONE)
