"""Records what clients send and receive as numbers, cheaply enough to be on everywhere.

Every body that is sent gets a number, in the order of sending. A client's events are one list of integers:
a number n for "received message n", and -n-1 for "sent message n".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def send_event(number: int) -> int:
    """Return the event "sent message `number`"."""
    return -number - 1


@dataclass
class MessageRegistry:
    """All messages of a history: their bodies, who sent them first, and how often."""

    bodies: list[bytes] = field(default_factory=list)
    senders: list[int] = field(default_factory=list)
    send_counts: list[int] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)

    def register(self, sender: int, body: bytes) -> int:
        """Note that a client is about to send this body; return the number of the message."""
        number = self.numbers.get(body)
        if number is None:
            number = self.numbers[body] = len(self.bodies)
            self.bodies.append(body)
            self.senders.append(sender)
            self.send_counts.append(0)
        self.send_counts[number] += 1
        return number

    def register_again(self, events: Sequence[int]) -> None:
        """Note that a client is about to send once more what these events (see `sent`) have sent."""
        for event in events:
            self.send_counts[-event - 1] += 1


@dataclass(frozen=True)
class History:
    """What all clients of one server did.

    Attributes:
        events: for each client its events, in its own order (see the module).
        clients: for each of these lists the number of its client, as an explanation calls it.
        senders: for each message the number of the client that sent it.
        times_sent: for each message how often it was sent; only those sent once tell of order.
        names: for each message what to call it in an explanation.
        where: tells of an event, given as an index into `events` and one into that client's events, the offset
            of the message in that client's stream of that direction (in bytes) and the time since the history
            began (in ns), None for what it does not know. Asked only about the events of a fault.
    """

    events: Sequence[Sequence[int] | NDArray[np.int64]]
    clients: Sequence[int]
    senders: Sequence[int]
    send_counts: Sequence[int]
    names: Sequence[str]
    locate: Callable[[int, int], tuple[int | None, int | None]] | None = None


class MessageNames(Sequence[str]):
    """What to call each message of a ledger in a sentence, made only when it is needed."""

    def __init__(self, messages: MessageRegistry) -> None:
        self._ledger = messages

    def __len__(self) -> int:
        return len(self._ledger.bodies)

    def __getitem__(self, number: int) -> str:  # type: ignore[override]
        return printable(self._ledger.bodies[number].rstrip(b"~ "))


def printable(body: bytes, limit: int = 24) -> str:
    """Return a body for people: its text where it is text, its length when it is long."""
    text = body[:limit].decode("ascii", errors="replace")
    shown = f'"{text}"' if text.isprintable() and text.isascii() else body[:limit].hex(" ")
    return shown if len(body) <= limit else f"{shown}… ({len(body)} bytes)"
