"""Tells a cycle of testimonies as an argument: what kind of fault it is, in a sentence, with what was seen where.

The manner is that of Elle: each says what it saw, and the last one cannot be true as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.history.fault import Fault, Sighting, shown, where
from harness.history.record import History, sent
from harness.history.views import View
from harness.history.witnesses import Hop

Event = Literal["send", "receive"]


@dataclass(frozen=True)
class Claim:
    """A client's testimony that one message comes before another.

    Attributes:
        place: of the client in the history.
        events: what it did with the one and the other.
        others: how many other clients saw the same.
    """

    place: int
    before: int
    after: int
    events: tuple[Event, Event]
    others: int = 0


def explain(history: History, views: Sequence[View], hops: Sequence[Hop]) -> Fault:
    """Return the fault that a cycle of hops shows.

    Args:
        views: of all clients, with at least the messages of the cycle, as the history numbers them.
        hops: a cycle; where it has two, the witnesses are chosen again for the simplest explanation.
    """
    claims = [list(_claims(views, hop.before, hop.after)) for hop in hops]
    if len(hops) == 2:
        kind, chosen = _pair(history, *claims)
    else:
        own = [
            [claim for claim in options if claim.place == hop.place] for hop, options in zip(hops, claims, strict=True)
        ]
        kind, chosen = "cycle", _ring([options[0] for options in own])
    clients = list(dict.fromkeys(history.clients[claim.place] for claim in chosen))
    told = [f"{_who(history, claim)} {_did(history, claim)}" for claim in chosen]
    if kind == "cycle":
        sentence = f"{'; '.join(told[:-1])}; yet {told[-1]}: no one order fits what these {len(clients)} witnesses saw"
    elif len(clients) == 1:
        sentence = f"{told[0]}, but {_did(history, chosen[1])}"
    else:
        sentence = f"{told[0]}, but {told[1]}"
    if kind == "own first":
        sentence += f": client {history.clients[chosen[0].place]} saw its own message ahead of the common order"
    return Fault(
        kind,
        sentence,
        tuple(clients),
        tuple(history.names[claim.before] for claim in chosen),
        tuple(_sightings(history, chosen)),
    )


def _claims(views: Sequence[View], before: int, after: int) -> Iterator[Claim]:
    """Yield all testimonies that one message comes before another: said so, answered so, heard so."""
    heard, answered = [], []
    for place, view in enumerate(views):
        said = np.flatnonzero(view.said == after)
        if said.size and (view.said[: said[0]] == before).any():
            yield Claim(place, before, after, ("send", "send"))
        elif said.size and (view.heard[: view.known[said[0]]] == before).any():
            answered.append(Claim(place, before, after, ("receive", "send")))
        first, second = np.flatnonzero(view.heard == before), np.flatnonzero(view.heard == after)
        if first.size and second.size and first[0] < second[0]:
            heard.append(place)
    yield from answered
    for place in heard:
        yield Claim(place, before, after, ("receive", "receive"), len(heard) - 1)


def _pair(history: History, one: list[Claim], other: list[Claim]) -> tuple[str, list[Claim]]:
    """Return the simplest kind of contradiction of two hops, and who shows it."""
    if one[0].events > other[0].events:
        simple, against = one, other
    else:
        simple, against = other, one
    if simple[0].events == ("send", "send"):
        by_itself = next((claim for claim in against if claim.place == simple[0].place), None)
        return "sender order", [simple[0], by_itself or against[0]]
    if simple[0].events == ("receive", "send"):
        return "answer first", [simple[0], against[0]]
    for alone, common in sorted(((one, other), (other, one)), key=lambda sides: sides[0][0].place):
        if len(alone) == 1 and history.clients[alone[0].place] == history.senders[alone[0].before]:
            return "own first", [alone[0], common[0]]
    most, fewer = (one, other) if (-len(one), one[0].place) < (-len(other), other[0].place) else (other, one)
    return "disagreement", [most[0], fewer[0]]


def _ring(claims: list[Claim]) -> list[Claim]:
    """Return the same circle, begun with the lowest client."""
    start = min(range(len(claims)), key=lambda at: claims[at].place)
    return claims[start:] + claims[:start]


def _who(history: History, claim: Claim) -> str:
    who = f"client {history.clients[claim.place]}"
    return f"{who} and {claim.others:,} other{'s' if claim.others > 1 else ''}" if claim.others else who


def _did(history: History, claim: Claim) -> str:
    first, second = (_name(history, claim, number) for number in (0, 1))
    if claim.events == ("send", "send"):
        return f"sent {first} before {second}"
    if claim.events == ("receive", "send"):
        return f"sent {second} after it had received {first}"
    return f"received {first} before {second}"


def _name(history: History, claim: Claim, which: int) -> str:
    number = (claim.before, claim.after)[which]
    _, seen = sight(history, claim.place, claim.events[which], number)
    return shown(seen.message) + where(seen)


def _sightings(history: History, claims: Sequence[Claim]) -> list[Sighting]:
    """Return what the claims rest on, client by client, each in its own order."""
    found: dict[int, dict[int, Sighting]] = {}
    for claim in claims:
        for event, number in zip(claim.events, (claim.before, claim.after), strict=True):
            at, seen = sight(history, claim.place, event, number)
            found.setdefault(claim.place, {})[at] = seen
    return [seen for events in found.values() for _, seen in sorted(events.items(), key=lambda item: item[0])]


def sight(history: History, place: int, event: Event, number: int, again: int = 0) -> tuple[int, Sighting]:
    """Return which of a client's events an event is, and all that is known of it.

    Args:
        place: of the client in the history.
        again: which of several equal events is meant.
    """
    code = sent(number) if event == "send" else number
    at = int(np.flatnonzero(np.asarray(history.events[place]) == code)[again])
    offset, at_ns = history.where(place, at) if history.where else (None, None)
    return at, Sighting(history.clients[place], event, history.names[number], offset, at_ns, number)
