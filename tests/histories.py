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
    """Return whether a history is lawful, by trying every order, and for every delivery every copy that was sent.

    Args:
        history: the history.
        among: the clients whose events count; by default all. The others sent the same, at any moment.
    """
    streams = [list(history.events[index]) for index in (range(len(history.events)) if among is None else among)]
    copies = Counter(dict(enumerate(history.send_counts)))
    copies.subtract(_number(event) for events in streams for event in events if event < 0)
    streams += [[send_event(number)] * count for number, count in copies.items()]
    sends = [[at for at, event in enumerate(events) if event < 0] for events in streams]
    deliveries = [[at for at, event in enumerate(events) if event >= 0] for events in streams]
    received_before = [
        [sum(at < send for at in its) for send in sent] for its, sent in zip(deliveries, sends, strict=True)
    ]
    everything = tuple(map(len, deliveries))
    # By client: how many of its messages have come in the order so far, and how many deliveries it has had.
    start = (0,) * len(streams), (0,) * len(streams)
    reached, to_do = {start}, [start]
    while to_do:
        sent, received = to_do.pop()
        if received == everything:
            return True
        for sender, count in enumerate(sent):
            if count == len(sends[sender]) or received[sender] < received_before[sender][count]:
                continue
            send = sends[sender][count]
            number = _number(streams[sender][send])
            hears = [
                (had, had + 1)
                if had < everything[client]
                and streams[client][deliveries[client][had]] == number
                and (client != sender or deliveries[client][had] > send)
                else (had,)
                for client, had in enumerate(received)
            ]
            now_sent = (*sent[:sender], count + 1, *sent[sender + 1 :])
            for now_received in itertools.product(*hears):
                state = now_sent, now_received
                if state not in reached:
                    reached.add(state)
                    to_do.append(state)
    return False


def fits_some_order(history: History) -> bool:
    """Return the same for a history without equal messages, by the definition: some permutation fits every client."""
    messages = range(len(history.names))
    if any(count != 1 for count in history.send_counts):
        raise ValueError("some message was not sent exactly once")
    return any(
        all(_fits(list(events), order) for events in history.events) for order in itertools.permutations(messages)
    )


def _number(event: int) -> int:
    """Return the number of the message of an event."""
    return event if event >= 0 else send_event(event)


def _fits(events: Sequence[int], order: Sequence[int]) -> bool:
    """Return whether deliveries and sends of a client are subsequences of an order, and answers follow questions."""
    latest_received = latest_sent = -1  # places in the order
    for index, event in enumerate(events):
        at = order.index(_number(event))
        if event >= 0:
            if at <= latest_received or send_event(event) in events[index:]:
                return False
            latest_received = at
        else:
            if at <= max(latest_received, latest_sent):
                return False
            latest_sent = at
    return True


def random_history(
    rng: random.Random, *, clients: int, messages: int, drops: float, faults: int, texts: int = 0
) -> History:
    """Return a history that a conforming server could have produced, with some faults added.

    Clients join at some moment, send at any time, and miss the messages that the server drops for them.

    Args:
        rng: the source of randomness.
        clients: how many clients there are.
        messages: how many messages they send.
        drops: the share of the deliveries that are missing.
        faults: how many faults are added.
        texts: how many different texts the messages have; 0 if all differ.
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
    if texts:
        text_of = {name: str(rng.randrange(texts)) for name in order}
        streams = [[(is_sent, text_of[name]) for is_sent, name in events] for events in streams]
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
