"""Decides about messages with equal text, which no client can distinguish, and explains why no order fits them.

A history with such messages is lawful if the copies that were received can be assigned to those that were sent in such
a way that one order fits all clients. That is a search (`harness.history.arrangement`). Where it is given up, it is
made again for the few texts that obstructed it: if no order fits a part of a history, none fits the whole.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from harness.history.arrangement import Arrangement, Puzzle
from harness.history.explain import observe_at
from harness.history.fault import Fault, Observation, display_name, in_short, location_note, times
from harness.history.record import History, send_event
from harness.history.views import Mask, Numbers

PART_BUDGET = 100_000  # the most steps of a search in a part of the history
SHRINK_BUDGET = 2_000_000  # the most steps of all searches that make a contradictory part smaller
EVENTS_IN_SENTENCE = 40  # in a sentence
BUILDING_COST = 4  # what it costs to take an event into a part, in steps

T = TypeVar("T")
Place = tuple[int, int]  # a client, and an index in its stream


def puzzle_of(history: History, wanted: Mask) -> Puzzle:
    """Return the events that concern the wanted messages; `wanted` has shape (messages,)."""
    streams, places = [], []
    sends = [np.empty(0, np.int64)]
    for events in history.events:
        codes = np.asarray(events, dtype=np.int64)
        kept = np.flatnonzero(wanted[np.where(codes < 0, -codes - 1, codes)]) if codes.size else codes
        codes = codes[kept]
        sends.append(-codes[codes < 0] - 1)
        streams.append(codes.tolist())
        places.append(kept.tolist())
    others = np.asarray(history.send_counts, np.int64) - np.bincount(np.concatenate(sends), minlength=wanted.size)
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
    shrink_budget = min(budget, SHRINK_BUDGET)
    texts: set[int] = set()
    for conflict in whole.conflicts:
        texts |= conflict
        part = _restricted(puzzle, texts)
        if Arrangement(part, min(PART_BUDGET, budget), deadlines).is_possible is False:
            return False, _Shrinking(shrink_budget).shrunk(part)
    if whole.is_possible is False:
        return False, _Shrinking(shrink_budget).shrunk(puzzle)
    return None, puzzle


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


def _reduced(puzzle: Puzzle, kept: set[Place]) -> Puzzle:
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


class _Shrinking:
    """Makes a contradictory part of a history smaller, as long as it remains contradictory and the budget lasts."""

    def __init__(self, budget: int) -> None:
        self._budget = budget

    def shrunk(self, puzzle: Puzzle) -> Puzzle:
        """Return a part of the puzzle that has few texts, few clients and few events."""
        texts = sorted({_text(event) for stream in puzzle.streams for event in stream})
        puzzle = self._fewest(texts, lambda kept: _restricted(puzzle, set(kept)), puzzle)

        def events_of(clients: Iterable[int]) -> list[Place]:
            return [(client, at) for client in clients for at in range(len(puzzle.streams[client]))]

        clients = [client for client, stream in enumerate(puzzle.streams) if stream]
        puzzle = self._fewest(clients, lambda kept: _reduced(puzzle, set(events_of(kept))), puzzle)
        events = events_of(range(len(puzzle.streams)))
        return self._fewest(events, lambda kept: _reduced(puzzle, set(kept)), puzzle)

    def _fewest(self, items: list[T], part_of: Callable[[list[T]], Puzzle], puzzle: Puzzle) -> Puzzle:
        """Return the part with as few items as are enough for a contradiction.

        Args:
            items: what the puzzle consists of.
            part_of: returns the part of the puzzle that has only these items.
            puzzle: the part that has all of them.
        """
        smallest = puzzle
        size = max(1, len(items) // 2)
        while size:
            at = 0
            while at < len(items) and self._budget > 0:
                fewer = items[:at] + items[at + size :]
                part = part_of(fewer)
                search = Arrangement(part, min(PART_BUDGET, self._budget))
                self._budget -= search.steps + BUILDING_COST * puzzle.size
                if search.is_possible is False:
                    items, smallest = fewer, part
                else:
                    at += size
            size //= 2
        return smallest


# --- explanations


def as_sent(part: Puzzle) -> History:
    """Return the history in which every client received the copies of a text in an order in which they can be sent.

    It is the order of `_sends`: if that says of a copy that it was received before its own client sent it, then some
    deliveries came before anybody can have sent enough copies, whichever of them is which.
    """
    numbers: dict[tuple[int, int], int] = {}  # by text and copy
    sent: dict[Place, int] = {}
    senders: dict[int, int] = {}
    copies = Counter(part.others)

    def number_of(text: int, copy: int) -> int:
        return numbers.setdefault((text, copy), len(numbers))

    for client, at in _sends(part):
        text = send_event(part.streams[client][at])
        number = sent[client, at] = number_of(text, copies[text])
        senders[number] = client
        copies[text] += 1
    events: list[list[int]] = []
    for client, stream in enumerate(part.streams):
        received: Counter[int] = Counter()
        events.append([])
        for at, event in enumerate(stream):
            if event >= 0:
                events[-1].append(number_of(event, received[event]))
                received[event] += 1
            else:
                events[-1].append(send_event(sent[client, at]))
    return History(
        events=events,
        clients=range(len(events)),
        senders=[senders.get(number, -1) for number in range(len(numbers))],
        send_counts=[1] * len(numbers),
        names=[str(text) for text, _ in numbers],
    )


def _sends(part: Puzzle) -> list[Place]:
    """Return all sends, each when its client has received what it received before, as soon as that many were sent.

    That messages also come in an order is left out. Sends for which this moment never comes are the last.
    """
    sends: list[Place] = []
    sent = Counter(part.others)
    done = [0] * len(part.streams)
    received: list[Counter[int]] = [Counter() for _ in part.streams]
    waiting: defaultdict[tuple[int, int], list[int]] = defaultdict(list)  # by text, and how many are not enough
    ready = list(range(len(part.streams)))[::-1]
    while ready:
        client = ready.pop()
        stream = part.streams[client]
        while done[client] < len(stream):
            event = stream[done[client]]
            if event < 0:
                text = send_event(event)
                sends.append((client, done[client]))
                ready += waiting.pop((text, sent[text]), [])[::-1]
                sent[text] += 1
            elif received[client][event] < sent[event]:
                received[client][event] += 1
            else:
                waiting[event, sent[event]].append(client)
                break
            done[client] += 1
    late = ((client, at) for client, stream in enumerate(part.streams) for at in range(done[client], len(stream)))
    return sends + [(client, at) for client, at in late if part.streams[client][at] < 0]


def explain_part(history: History, part: Puzzle, kind: str) -> Fault:
    """Return the fault that a part of a history, with messages of equal text, fits no order.

    Args:
        history: the whole history.
        part: the part.
        kind: the kind of the fault.
    """
    clients = [client for client, stream in enumerate(part.streams) if stream]
    observed = {
        client: [
            observe_at(history, client, place, "receive" if event >= 0 else "send", _text(event))
            for event, place in zip(part.streams[client], part.places[client], strict=True)
        ]
        for client in clients
    }
    counts = _send_counts(part)
    texts = list(dict.fromkeys(_text(event) for client in clients for event in part.streams[client]))
    if part.size <= EVENTS_IN_SENTENCE:
        statements = [f"client {history.clients[client]} {_account(observed[client])}" for client in clients]
        statements += [
            f"{display_name(history.names[text])} was sent {times(counts[text])}"
            for text in texts
            if text in part.others and counts[text] > 1
        ]
    else:
        equal = [display_name(history.names[text]) for text in texts if counts[text] > 1]
        statements = [
            f"{part.size:,} events of {len(clients):,} clients contradict each other, "
            f"among them equal messages: {', '.join(in_short(equal, 'texts'))}"
        ]
    return Fault(
        kind,
        f"{'; '.join(in_short(statements, 'statements'))}: no order fits, whichever of the equal messages is which",
        tuple(history.clients[client] for client in clients),
        tuple(history.names[text] for text in texts),
        tuple(observation for its in observed.values() for observation in its),
        equal_messages=True,
    )


def _account(observed: Sequence[Observation]) -> str:
    """Return what a client did, as the rest of a sentence that begins with the client."""
    groups = []
    for event, its in itertools.groupby(observed, key=lambda observation: observation.event):
        names = [display_name(observation.message) + location_note(observation) for observation in its]
        groups.append(f"{'sent' if event == 'send' else 'received'} {', '.join(in_short(names, 'messages'))}")
    return ", then ".join(in_short(groups, "times"))
