"""A fault of a history: the clients that saw it, the messages it is about, and where in their streams it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MOST_SHOWN = 10  # parts of an argument that people still read; of a longer one they see the first and the last
FIRST_SHOWN = 4


@dataclass(frozen=True)
class Observation:
    """One event that a fault consists of.

    Attributes:
        client: the number of the client.
        event: whether it sent or received the message.
        message: the message's name.
        offset: of the message's first byte in that client's stream of that direction; None if unknown.
        at_ns: nanoseconds since the history began; None if unknown.
        number: the message's number in the history, if it has one.
    """

    client: int
    event: Literal["send", "receive"]
    message: str
    offset: int | None = None
    at_ns: int | None = None
    number: int | None = None


@dataclass(frozen=True)
class Fault:
    """Something that no conforming server does.

    Attributes:
        kind: "created", "duplicated", "received before sent", "sender order", "answer first", "own first",
            "disagreement", "cycle" or "sender name"; a spec maps it to the requirement that it breaks.
        sentence: what was seen, for people.
        witnesses: the numbers of the clients whose events, taken together, contradict every conforming server.
        messages: the names of the messages it is about; of a cycle, in the cycle's order.
        observations: the events that contradict each other, in the order of the argument.
        equal_messages: whether some of the messages have equal text, so that it is open which of them was received.
    """

    kind: str
    sentence: str
    witnesses: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()
    observations: tuple[Observation, ...] = ()
    equal_messages: bool = False


def display_name(name: str, limit: int = 40) -> str:
    """Return a message's name for a sentence: on one line, and at most `limit` characters long, but at least one.

    A longer name is cut in the middle: names often differ only at their ends.
    """
    return shortened(name if name.isprintable() and name.strip() else repr(name), limit)


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters, but at least one; a longer one is cut in the middle."""
    if len(text) <= limit:
        return text
    end = max(0, (limit - 1) // 2)
    start = max(0, limit - 1 - end)
    return f"{text[:start]}…{text[len(text) - end :]}"


def location_note(observation: Observation) -> str:
    """Return where and when an event was observed, as " (byte 10, at 1.0 ms)"; "" if neither is known."""
    parts = [] if observation.offset is None else [f"byte {observation.offset:,}"]
    parts += [] if observation.at_ns is None else [f"at {observation.at_ns / 1e6:,.1f} ms"]
    return f" ({', '.join(parts)})" if parts else ""


def left_out(count: int) -> range:
    """Return which of so many parts of an argument are not shown to people."""
    return range(FIRST_SHOWN, count - 1) if count > MOST_SHOWN else range(0)


def in_short(parts: Sequence[str], name: str) -> list[str]:
    """Return the parts of an argument that people see, and between them how many are left out.

    Args:
        parts: all parts.
        name: what they are called, in the plural.
    """
    hidden = left_out(len(parts))
    if not hidden:
        return list(parts)
    return [*parts[: hidden.start], f"… {len(hidden):,} more {name} …", *parts[hidden.stop :]]


def times(count: int) -> str:
    """Return a number of times in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
