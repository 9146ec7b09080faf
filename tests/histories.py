"""Histories for tests: written by hand, generated at random, and judged by trying every possible order."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.history.record import History, send_event


def history(*clients: str) -> History:
    """Return a history from words: "+a" for "sent a", "a" for "received a"; one text a client."""
    return from_events(
        [[(word.startswith("+"), word.lstrip("+")) for word in text.split()] for text in clients],
    )


def from_events(clients: Sequence[Sequence[tuple[bool, str]]]) -> History:
    """Return a history from pairs: whether it was sent, and what."""
    names: dict[str, int] = {}
    senders: dict[int, int] = {}
    send_counts: Counter[int] = Counter()
    for client, events in enumerate(clients):
        for is_sent, name in events:
            number = names.setdefault(name, len(names))
            if is_sent:
                senders.setdefault(number, client)
                send_counts[number] += 1
    return History(
        events=[
            [send_event(names[name]) if is_sent else names[name] for is_sent, name in events] for events in clients
        ],
        clients=range(len(clients)),
        senders=[senders.get(number, -1) for number in range(len(names))],
        send_counts=[send_counts[number] for number in range(len(names))],
        names=list(names),
    )


def is_lawful(history: History, among: Iterable[int] | None = None) -> bool:
    """Return whether a history is lawful, by the definition: some order of all messages fits every client.

    Args:
        among: the clients whose events count; by default all.
    """
    streams = [list(history.events[index]) for index in (range(len(history.events)) if among is None else among)]
    send_counts = history.send_counts
    for events in streams:
        copies = Counter(event for event in events if event >= 0)
        if any(count > send_counts[number] for number, count in copies.items()):
            return False
        sent_once = [(at, event) for at, event in enumerate(events) if event >= 0 and send_counts[event] == 1]
        if any(send_event(event) in events[at:] for at, event in sent_once):
            return False
    streams = [[event for event in events if send_counts[_number(event)] == 1] for events in streams]
    messages = {_number(event) for events in streams for event in events}
    orders = itertools.permutations(sorted(messages))
    return any(all(_fits(events, order) for events in streams) for order in orders)


def _number(event: int) -> int:
    """Return the number of the message of an event."""
    return event if event >= 0 else send_event(event)


def _fits(events: list[int], order: Sequence[int]) -> bool:
    """Return whether a client's deliveries and sends are subsequences of an order, and answers follow questions."""
    latest_received = latest_sent = -1  # places in the order
    for event in events:
        at = order.index(_number(event))
        if event >= 0:
            if at <= latest_received:
                return False
            latest_received = at
        else:
            if at <= max(latest_received, latest_sent):
                return False
            latest_sent = at
    return True


def random_history(rng: random.Random, *, clients: int, messages: int, drops: float, faults: int) -> History:
    """Return a history that a conforming server could have produced, with some faults added.

    Clients join at some moment, send at any time, and miss the messages that the server drops for them.
    """
    order = [str(number) for number in range(messages)]
    rng.shuffle(order)
    authors = [rng.randrange(clients) for _ in order]
    streams: list[list[tuple[bool, str]]] = []
    for client in range(clients):
        joins = rng.randrange(messages) if rng.random() < 0.3 else 0
        events = [(False, name) for name in order[joins:] if rng.random() >= drops]
        latest = 0
        for at, name in enumerate(order):
            if authors[at] == client:
                # It may be sent at any moment after the client's last send, and before the client receives it, or a
                # later message.
                later = [
                    place for place, (is_sent, other) in enumerate(events) if not is_sent and order.index(other) >= at
                ]
                end = later[0] if later else len(events)
                latest = rng.randint(min(latest, end), end)
                events.insert(latest, (True, name))
                latest += 1
        streams.append(events)
    for _ in range(faults):
        _add_fault(rng, streams)
    return from_events(streams)


def _add_fault(rng: random.Random, streams: list[list[tuple[bool, str]]]) -> None:
    events = rng.choice([stream for stream in streams if stream] or [[(True, "0")]])
    at, then = rng.randrange(len(events)), rng.randrange(len(events))
    how = rng.choice(["swap"] * 6 + ["move"] * 4 + ["repeat", "create", "any"])
    if how == "swap":
        events[at], events[then] = events[then], events[at]
    elif how == "move":
        events.insert(then, events.pop(at))
    elif how == "repeat" and not events[at][0]:
        events.insert(then, events[at])
    elif how == "create":
        events.insert(at, (False, f"x{at}"))
    elif how == "any":  # a client receives any sent message at any moment
        sent = [name for stream in streams for is_sent, name in stream if is_sent]
        events.insert(at, (False, rng.choice(sent or ["0"])))
