"""What is wrong with a history: who saw it, in which messages, and where in their streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Sighting:
    """One event that a fault is made of.

    Attributes:
        client: the number of the client.
        message: the message's name.
        offset: of the message's first byte in that client's stream of that direction; None where nobody knows.
        at_ns: nanoseconds since the history began; None where nobody knows.
        number: the message's number in the history, where it has one.
    """

    client: int
    event: Literal["send", "receive"]
    message: str
    offset: int | None = None
    at_ns: int | None = None
    number: int | None = None


@dataclass(frozen=True)
class Fault:
    """One thing that no lawful server does.

    Attributes:
        kind: "created", "duplicated", "heard before sent", "sender order", "answer first", "own first",
            "disagreement", "cycle" or "sender name"; a spec maps it to the requirement that it breaks.
        sentence: what was seen, for people.
        witnesses: the numbers of the clients whose events, taken together, no lawful server can have made.
        messages: the names of the messages it is about.
        sightings: the events that contradict each other, the argument in the order in which it is told.
    """

    kind: str
    sentence: str
    witnesses: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()


def shown(name: str, limit: int = 40) -> str:
    """Return a message's name as it can stand in a sentence: in one line, and not too long."""
    text = name if name.isprintable() and name.strip() else repr(name)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def where(one: Sighting) -> str:
    """Return where a sighting was made, in brackets behind a space; "" where nobody knows."""
    known = [] if one.offset is None else [f"byte {one.offset:,}"]
    known += [] if one.at_ns is None else [f"at {one.at_ns / 1e6:,.1f} ms"]
    return f" ({', '.join(known)})" if known else ""
