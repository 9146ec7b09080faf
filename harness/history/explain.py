"""Turns a cycle of edges into an argument: what kind of fault it is, and a sentence that says what was seen where.

The form is Elle's: each client states what it saw, and the last statement contradicts the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.history.fault import Fault, Observation, display_name, in_short, left_out, location_note
from harness.history.record import History, send_event
from harness.history.views import View
from harness.history.witnesses import Edge

Event = Literal["send", "receive"]


@dataclass(frozen=True)
class Claim:
    """A client's claim that one message comes before another.

    Attributes:
        client_index: which of the history's clients makes it.
        before: the number of the earlier message.
        after: the number of the later message.
        events: what the client did with the earlier and with the later message.
        others: how many other clients saw the same.
    """

    client_index: int
    before: int
    after: int
    events: tuple[Event, Event]
    others: int = 0


def explain(history: History, views: Sequence[View], edges: Sequence[Edge]) -> Fault:
    """Return the fault that a cycle of edges shows.

    Args:
        history: the history that has the cycle.
        views: of all its clients, with at least the messages of the cycle, numbered as in the history.
        edges: the cycle; if it has two edges, the clients are chosen again for the simplest explanation.
    """
    if len(edges) == 2:
        kind, chosen = _contradiction(history, *(list(_claims(views, edge.before, edge.after)) for edge in edges))
    else:
        kind, chosen = "cycle", _rotated([_claim(views, edge, count_others=not left_out(len(edges))) for edge in edges])
    clients = list(dict.fromkeys(history.clients[claim.client_index] for claim in chosen))
    hidden = left_out(len(chosen))
    statements = [
        "" if index in hidden else f"{_subject(history, claim)} {_predicate(history, claim)}"
        for index, claim in enumerate(chosen)
    ]
    if kind == "cycle":
        first = "; ".join(in_short(statements, "such clients")[:-1])
        sentence = f"{first}; but {statements[-1]}: no single order fits what these {len(clients):,} clients saw"
    elif len(clients) == 1:
        sentence = f"{statements[0]}, but {_predicate(history, chosen[1])}"
    else:
        sentence = f"{statements[0]}, but {statements[1]}"
    if kind == "own first":
        sentence += f": client {history.clients[chosen[0].client_index]} saw its own message ahead of the common order"
    return Fault(
        kind,
        sentence,
        tuple(clients),
        tuple(history.names[claim.before] for claim in chosen),
        tuple(_observations(history, chosen)),
    )


def _claims(views: Sequence[View], before: int, after: int) -> Iterator[Claim]:
    """Yield all claims that one message comes before another: first by sends, then by answers, then by deliveries."""
    by_delivery, by_answer = [], []
    for client_index, view in enumerate(views):
        sends = np.flatnonzero(view.sent == after)
        if sends.size and (view.sent[: sends[0]] == before).any():
            yield Claim(client_index, before, after, ("send", "send"))
        elif sends.size and (view.received[: view.received_before_send[sends[0]]] == before).any():
            by_answer.append(Claim(client_index, before, after, ("receive", "send")))
        first, second = np.flatnonzero(view.received == before), np.flatnonzero(view.received == after)
        if first.size and second.size and first[0] < second[0]:
            by_delivery.append(client_index)
    yield from by_answer
    for client_index in by_delivery:
        yield Claim(client_index, before, after, ("receive", "receive"), len(by_delivery) - 1)


def _claim(views: Sequence[View], edge: Edge, *, count_others: bool) -> Claim:
    """Return the claim of an edge's client.

    Args:
        views: of all clients.
        edge: the edge.
        count_others: whether to count the other clients that saw the same.
    """
    if count_others:
        claims = _claims(views, edge.before, edge.after)
        return next(claim for claim in claims if claim.client_index == edge.client_index)
    claim = next(_claims([views[edge.client_index]], edge.before, edge.after))
    return replace(claim, client_index=edge.client_index)


def _contradiction(history: History, forward: list[Claim], backward: list[Claim]) -> tuple[str, list[Claim]]:
    """Return the simplest kind of contradiction of two edges, and the claims that show it.

    Args:
        history: the history that has it.
        forward: all claims that a message comes before another.
        backward: all claims that it comes after the other.
    """
    if forward[0].events > backward[0].events:
        simple, against = forward, backward
    else:
        simple, against = backward, forward
    if simple[0].events == ("send", "send"):
        by_same_client = next((claim for claim in against if claim.client_index == simple[0].client_index), None)
        return "sender order", [simple[0], by_same_client or against[0]]
    if simple[0].events == ("receive", "send"):
        return "answer first", [simple[0], against[0]]
    sides = sorted(((forward, backward), (backward, forward)), key=lambda side: side[0][0].client_index)
    for single, common in sides:
        if len(single) == 1 and history.clients[single[0].client_index] == history.senders[single[0].before]:
            return "own first", [single[0], common[0]]
    if (-len(forward), forward[0].client_index) < (-len(backward), backward[0].client_index):
        majority, minority = forward, backward
    else:
        majority, minority = backward, forward
    return "disagreement", [majority[0], minority[0]]


def _rotated(claims: list[Claim]) -> list[Claim]:
    """Return the same cycle, beginning with the claim of the first client."""
    start = min(range(len(claims)), key=lambda at: claims[at].client_index)
    return claims[start:] + claims[:start]


def _subject(history: History, claim: Claim) -> str:
    client = f"client {history.clients[claim.client_index]}"
    return f"{client} and {claim.others:,} other{'s' if claim.others > 1 else ''}" if claim.others else client


def _predicate(history: History, claim: Claim) -> str:
    first, second = (_message(history, claim, which) for which in (0, 1))
    if claim.events == ("send", "send"):
        return f"sent {first} before {second}"
    if claim.events == ("receive", "send"):
        return f"sent {second} after it had received {first}"
    return f"received {first} before {second}"


def _message(history: History, claim: Claim, which: int) -> str:
    number = (claim.before, claim.after)[which]
    _, observation = observe(history, claim.client_index, claim.events[which], number)
    return display_name(observation.message) + location_note(observation)


def _observations(history: History, claims: Sequence[Claim]) -> list[Observation]:
    """Return what the claims rest on, client by client, each in its own order."""
    by_client: dict[int, dict[int, Observation]] = {}
    for claim in claims:
        for event, number in zip(claim.events, (claim.before, claim.after), strict=True):
            at, observation = observe(history, claim.client_index, event, number)
            by_client.setdefault(claim.client_index, {})[at] = observation
    return [events[at] for events in by_client.values() for at in sorted(events)]


def observe(
    history: History, client_index: int, event: Event, number: int, repetition: int = 0
) -> tuple[int, Observation]:
    """Return the index of an event among a client's events, and all that is known of it.

    Args:
        history: the history that has the event.
        client_index: which of the history's clients it belongs to.
        event: whether the message was sent or received.
        number: the number of the message.
        repetition: which of several equal events is meant, from 0.
    """
    code = send_event(number) if event == "send" else number
    at = int(np.flatnonzero(np.asarray(history.events[client_index]) == code)[repetition])
    return at, observe_at(history, client_index, at, event, number)


def observe_at(history: History, client_index: int, at: int, event: Event, number: int) -> Observation:
    """Return all that is known of an event.

    Args:
        history: the history that has the event.
        client_index: which of the history's clients it belongs to.
        at: its index among the client's events.
        event: whether the message was sent or received.
        number: the number of the message.
    """
    offset, at_ns = history.locate(client_index, at) if history.locate else (None, None)
    return Observation(history.clients[client_index], event, history.names[number], offset, at_ns, number)
