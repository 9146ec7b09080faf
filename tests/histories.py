"""Histories for tests: written down, made up at random, and judged by trying every order there is."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.history.record import History, sent


def history(*clients: str) -> History:
    """Return a history from words: "+a" for "sent a", "a" for "received a"; one text a client."""
    return from_events(
        [[(word.startswith("+"), word.lstrip("+")) for word in text.split()] for text in clients],
    )


def from_events(clients: Sequence[Sequence[tuple[bool, str]]]) -> History:
    """Return a history from pairs: whether it was sent, and what."""
    names: dict[str, int] = {}
    senders: dict[int, int] = {}
    times: Counter[int] = Counter()
    for client, events in enumerate(clients):
        for is_sent, name in events:
            number = names.setdefault(name, len(names))
            if is_sent:
                senders.setdefault(number, client)
                times[number] += 1
    return History(
        events=[[sent(names[name]) if is_sent else names[name] for is_sent, name in events] for events in clients],
        clients=range(len(clients)),
        senders=[senders.get(number, -1) for number in range(len(names))],
        times_sent=[times[number] for number in range(len(names))],
        names=list(names),
    )


def is_lawful(one: History, among: Iterable[int] | None = None) -> bool:
    """Return whether a history is lawful, by the definition: some order of all messages fits every client.

    Args:
        among: the clients whose events count; by default all.
    """
    streams = [list(one.events[place]) for place in (range(len(one.events)) if among is None else among)]
    times = one.times_sent
    for events in streams:
        copies = Counter(event for event in events if event >= 0)
        if any(count > times[number] for number, count in copies.items()):
            return False
        if any(sent(event) in events[at:] for at, event in enumerate(events) if event >= 0 and times[event] == 1):
            return False
    streams = [[event for event in events if times[event if event >= 0 else sent(event)] == 1] for events in streams]
    messages = {event if event >= 0 else sent(event) for events in streams for event in events}
    orders = itertools.permutations(sorted(messages))
    return any(all(_fits(events, order) for events in streams) for order in orders)


def _fits(events: list[int], order: Sequence[int]) -> bool:
    """Return whether what a client received, and what it sent, are parts of an order, answers behind questions."""
    heard = said = -1  # places in the order of the latest of each
    for event in events:
        at = order.index(event if event >= 0 else sent(event))
        if event >= 0:
            if at <= heard:
                return False
            heard = at
        else:
            if at <= max(heard, said):
                return False
            said = at
    return True


def made_up(chance: random.Random, *, clients: int, messages: int, drops: float, faults: int) -> History:
    """Return a history that a lawful server could have made, with some faults put in.

    Clients join at some moment, speak when they like, and miss what the server drops for them.
    """
    order = [str(number) for number in range(messages)]
    chance.shuffle(order)
    authors = [chance.randrange(clients) for _ in order]
    streams: list[list[tuple[bool, str]]] = []
    for client in range(clients):
        joins = chance.randrange(messages) if chance.random() < 0.3 else 0
        events = [(False, name) for name in order[joins:] if chance.random() >= drops]
        latest = 0
        for at, name in enumerate(order):
            if authors[at] == client:
                # It may be said at any moment after the last thing it said, and before it, or a later one, is heard.
                heard = [place for place, (is_sent, one) in enumerate(events) if not is_sent and order.index(one) >= at]
                end = heard[0] if heard else len(events)
                latest = chance.randint(min(latest, end), end)
                events.insert(latest, (True, name))
                latest += 1
        streams.append(events)
    for _ in range(faults):
        _spoil(chance, streams)
    return from_events(streams)


def _spoil(chance: random.Random, streams: list[list[tuple[bool, str]]]) -> None:
    events = chance.choice([one for one in streams if one] or [[(True, "0")]])
    at, then = chance.randrange(len(events)), chance.randrange(len(events))
    how = chance.choice(["swap"] * 6 + ["move"] * 4 + ["repeat", "create", "anyone"])
    if how == "swap":
        events[at], events[then] = events[then], events[at]
    elif how == "move":
        events.insert(then, events.pop(at))
    elif how == "repeat" and not events[at][0]:
        events.insert(then, events[at])
    elif how == "create":
        events.insert(at, (False, f"x{at}"))
    elif how == "anyone":  # somebody hears what somebody has sent, at any moment
        said = [name for one in streams for is_sent, name in one if is_sent]
        events.insert(at, (False, chance.choice(said or ["0"])))
