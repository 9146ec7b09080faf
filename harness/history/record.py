"""Records what clients send and receive as numbers, cheaply enough to be always on.

Every body that is sent gets a number, in the order of sending. A client's events are one list of integers: n stands for
"received message n", and -n-1 for "sent message n".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def send_event(number: int) -> int:
    """Return the code of the event "sent message `number`"."""
    return -number - 1


@dataclass
class MessageRegistry:
    """All messages of a history, by number.

    Attributes:
        bodies: the body of each message.
        senders: the client that sent it first.
        send_counts: how often it was sent.
        numbers: the number of each body.
    """

    bodies: list[bytes] = field(default_factory=list)
    senders: list[int] = field(default_factory=list)
    send_counts: list[int] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)

    def register(self, sender: int, body: bytes) -> int:
        """Record that a client is about to send this body; return the number of the message."""
        number = self.numbers.get(body)
        if number is None:
            number = self.numbers[body] = len(self.bodies)
            self.bodies.append(body)
            self.senders.append(sender)
            self.send_counts.append(0)
        self.send_counts[number] += 1
        return number

    def register_again(self, events: Sequence[int]) -> None:
        """Record that a client is about to repeat these send events (see `send_event`)."""
        for event in events:
            self.send_counts[-event - 1] += 1


@dataclass(frozen=True)
class History:
    """What all clients of one server did.

    Attributes:
        events: for each client the codes of its events, shape (events of the client,), in its own order (see above).
        clients: for each of these the number of its client, as explanations call it.
        senders: for each message the number of the client that sent it.
        send_counts: for each message how often it was sent; messages sent several times have equal text,
            and it is open which of them a client received.
        names: for each message its name in explanations.
        locate: for an index into `events` and an index into that client's events, returns the offset of the message in
            the client's stream of that direction (in bytes) and the time since the history began (in ns), each None
            if unknown. Called only for the events of a fault.
    """

    events: Sequence[Sequence[int] | NDArray[np.int64]]
    clients: Sequence[int]
    senders: Sequence[int]
    send_counts: Sequence[int]
    names: Sequence[str]
    locate: Callable[[int, int], tuple[int | None, int | None]] | None = None


class MessageNames(Sequence[str]):
    """The names of registered messages in explanations, each made only when it is needed."""

    def __init__(self, messages: MessageRegistry) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages.bodies)

    def __getitem__(self, number: int) -> str:  # type: ignore[override]
        return printable(self._messages.bodies[number].rstrip(b"~ "))


def printable(body: bytes, limit: int = 24) -> str:
    """Return a body for people: as text if it is ASCII, else in hexadecimal; a long one is cut, with its length."""
    text = body[:limit].decode("ascii", errors="replace")
    quoted = f'"{text}"' if text.isprintable() and text.isascii() else body[:limit].hex(" ")
    return quoted if len(body) <= limit else f"{quoted}… ({len(body)} bytes)"
