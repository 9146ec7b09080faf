"""Decides about messages with equal text, which no client can distinguish, and explains why no order fits them.

A history with such messages is lawful if the copies that were received can be assigned to those that were sent in such
a way that one order fits all clients. That is a search (`harness.history.arrangement`). Where it is given up, it is
made again for the few texts that obstructed it: if no order fits a part of a history, none fits the whole.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from harness.history.arrangement import Arrangement, Puzzle
from harness.history.explain import observe_at
from harness.history.fault import Fault, Observation, display_name, in_short, location_note, times
from harness.history.record import History, send_event
from harness.history.views import Mask, Numbers

PART_BUDGET = 100_000  # steps of a search for a part of the history
SHRINK_BUDGET = 1_000_000  # steps of all searches that make a part smaller

T = TypeVar("T")


def puzzle_of(history: History, wanted: Mask) -> Puzzle:
    """Return the events that concern the wanted messages; `wanted` has shape (messages,)."""
    streams, places = [], []
    sends = np.zeros(wanted.size, np.int64)
    for events in history.events:
        codes = np.asarray(events, dtype=np.int64)
        kept = np.flatnonzero(wanted[np.where(codes < 0, -codes - 1, codes)]) if codes.size else codes
        codes = codes[kept]
        sends += np.bincount(-codes[codes < 0] - 1, minlength=wanted.size)
        streams.append(codes.tolist())
        places.append(kept.tolist())
    others = np.asarray(history.send_counts, np.int64) - sends
    others[~wanted] = 0
    texts = np.flatnonzero(others > 0)
    return Puzzle(streams, places, dict(zip(texts.tolist(), others[texts].tolist(), strict=True)))


def find_contradiction(puzzle: Puzzle, budget: int, order: Numbers) -> tuple[bool | None, Puzzle]:
    """Return whether some order fits, None if that cannot be decided; and, if none does, a small part that none fits.

    Args:
        puzzle: the events.
        budget: the most steps of the search.
        order: an order of all messages with a text of their own, and somewhere those with copies.
    """
    counts = _send_counts(puzzle)
    deadlines = {text: at for at, text in enumerate(order.tolist()) if counts.get(text) == 1}
    whole = Arrangement(puzzle, budget, deadlines)
    if whole.is_possible:
        return True, puzzle
    texts: set[int] = set()
    for conflict in whole.conflicts:
        texts |= conflict
        part = _restricted(puzzle, texts)
        if Arrangement(part, PART_BUDGET, deadlines).is_possible is False:
            return False, _shrunk(part)
    return whole.is_possible, _shrunk(puzzle) if whole.is_possible is False else puzzle


def _send_counts(puzzle: Puzzle) -> dict[int, int]:
    counts = dict(puzzle.others)
    for stream in puzzle.streams:
        for event in stream:
            if event < 0:
                counts[send_event(event)] = counts.get(send_event(event), 0) + 1
    return counts


# --- parts of a history


def _text(event: int) -> int:
    return event if event >= 0 else send_event(event)


def _restricted(puzzle: Puzzle, texts: set[int]) -> Puzzle:
    """Return the events of these texts only."""
    kept = [[at for at, event in enumerate(stream) if _text(event) in texts] for stream in puzzle.streams]
    return Puzzle(
        [[stream[at] for at in its] for stream, its in zip(puzzle.streams, kept, strict=True)],
        [[places[at] for at in its] for places, its in zip(puzzle.places, kept, strict=True)],
        {text: count for text, count in puzzle.others.items() if text in texts},
    )


def _reduced(puzzle: Puzzle, kept: set[tuple[int, int]]) -> Puzzle:
    """Return only these events (client, index in its stream); other messages remain sent, but at an unknown moment."""
    received = {
        event
        for client, stream in enumerate(puzzle.streams)
        for at, event in enumerate(stream)
        if event >= 0 and (client, at) in kept
    }
    others = {text: count for text, count in puzzle.others.items() if text in received}
    streams, all_places = [], []
    for client, (stream, places) in enumerate(zip(puzzle.streams, puzzle.places, strict=True)):
        remaining = []
        for at, event in enumerate(stream):
            if _text(event) in received:
                if (client, at) in kept:
                    remaining.append(at)
                elif event < 0:
                    others[send_event(event)] = others.get(send_event(event), 0) + 1
        streams.append([stream[at] for at in remaining])
        all_places.append([places[at] for at in remaining])
    return Puzzle(streams, all_places, others)


def _shrunk(puzzle: Puzzle) -> Puzzle:
    """Return a part of a contradictory history that is contradictory too, as small as is found within the budget."""
    budget = SHRINK_BUDGET

    def is_contradictory(part: Puzzle) -> bool:
        nonlocal budget
        budget -= part.size
        if budget <= 0:
            return False
        search = Arrangement(part, min(PART_BUDGET, budget))
        budget -= search.steps
        return search.is_possible is False

    texts = sorted({_text(event) for stream in puzzle.streams for event in stream})
    puzzle = _restricted(puzzle, set(_fewest(texts, lambda kept: is_contradictory(_restricted(puzzle, set(kept))))))

    def events_of(clients: Iterable[int]) -> set[tuple[int, int]]:
        return {(client, at) for client in clients for at in range(len(puzzle.streams[client]))}

    clients = [client for client, stream in enumerate(puzzle.streams) if stream]
    clients = _fewest(clients, lambda kept: is_contradictory(_reduced(puzzle, events_of(kept))))
    puzzle = _reduced(puzzle, events_of(clients))
    events = _fewest(sorted(events_of(clients)), lambda kept: is_contradictory(_reduced(puzzle, set(kept))))
    return _reduced(puzzle, set(events))


def _fewest(items: list[T], are_enough: Callable[[list[T]], bool]) -> list[T]:
    """Return some of the items that are enough; each alone could not be left out when it was tried."""
    size = max(1, len(items) // 2)
    while size:
        at = 0
        while at < len(items):
            fewer = items[:at] + items[at + size :]
            if are_enough(fewer):
                items = fewer
            else:
                at += size
        size //= 2
    return items


# --- explanations


def as_sent(part: Puzzle) -> History:
    """Return the history in which every client received the copies of a text in the order in which they are sent."""
    numbers: dict[tuple[int, int], int] = {}  # by text and copy
    senders: dict[int, int] = {}
    events: list[list[int]] = []
    copies: Counter[int] = Counter()

    def number_of(text: int, copy: int) -> int:
        return numbers.setdefault((text, copy), len(numbers))

    for client, stream in enumerate(part.streams):
        received: Counter[int] = Counter()
        events.append([])
        for event in stream:
            if event >= 0:
                events[-1].append(number_of(event, received[event]))
                received[event] += 1
            else:
                text = send_event(event)
                number = number_of(text, copies[text])
                senders[number] = client
                events[-1].append(send_event(number))
                copies[text] += 1
    return History(
        events=events,
        clients=range(len(events)),
        senders=[senders.get(number, -1) for number in range(len(numbers))],
        send_counts=[1] * len(numbers),
        names=[str(text) for text, _ in numbers],
    )


def explain_part(history: History, part: Puzzle, kind: str) -> Fault:
    """Return the fault that a part of a history, with messages of equal text, fits no order.

    Args:
        history: the whole history.
        part: the part.
        kind: the kind of the fault.
    """
    clients = [client for client, stream in enumerate(part.streams) if stream]
    statements, observations = [], []
    for client in clients:
        observed = [
            observe_at(history, client, place, "receive" if event >= 0 else "send", _text(event))
            for event, place in zip(part.streams[client], part.places[client], strict=True)
        ]
        statements.append(f"client {history.clients[client]} {_account(observed)}")
        observations += observed
    counts = _send_counts(part)
    statements += [
        f"{display_name(history.names[text])} was sent {times(counts[text])}"
        for text in sorted(part.others)
        if counts[text] > 1
    ]
    texts = dict.fromkeys(_text(event) for stream in part.streams for event in stream)
    return Fault(
        kind,
        f"{'; '.join(in_short(statements, 'statements'))}: whichever of the equal messages is which, no order fits",
        tuple(history.clients[client] for client in clients),
        tuple(history.names[text] for text in texts),
        tuple(observations),
        equal_messages=True,
    )


def _account(observed: Sequence[Observation]) -> str:
    """Return what a client did, as the rest of a sentence that begins with the client."""
    groups = []
    for event, its in itertools.groupby(observed, key=lambda observation: observation.event):
        names = [display_name(observation.message) + location_note(observation) for observation in its]
        groups.append(f"{'sent' if event == 'send' else 'received'} {', '.join(in_short(names, 'messages'))}")
    return ", then ".join(in_short(groups, "times"))
