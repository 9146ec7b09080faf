"""The judge against an exhaustive search of all orders: its verdict is exact, and its witnesses are the fewest."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from harness.history.components import components
from harness.history.judge import Fault, decide, judge
from harness.history.record import History, send_event
from harness.history.views import Numbers, View
from tests.histories import fits_some_order, from_events, history, is_lawful, random_history

ORDER = {"sender order", "answer first", "own first", "disagreement", "cycle"}


def test_both_ways_of_trying_every_order_agree() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(600):
        rng = random.Random(seed)
        tried = partial_views(rng) if seed % 2 else small_history(rng)
        if set(tried.send_counts) == {1}:
            verdicts[is_lawful(tried)] += 1
            assert is_lawful(tried) == fits_some_order(tried), (seed, tried.events)
    assert min(verdicts.values()) >= 100, verdicts


def test_the_verdict_about_equal_messages_is_that_of_trying_every_order() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(10_000):
        rng = random.Random(seed)
        tried = equal_messages(rng) if seed % 2 else small_history(rng, texts=rng.randint(1, 4))
        judgement = decide(tried)
        assert not judgement.undecided, (seed, tried.events)
        assert (judgement.faults == []) == is_lawful(tried), (seed, tried.events, judgement.faults)
        for fault in judgement.faults:
            if fault.equal_messages:
                assert not is_lawful(observed_only(tried, fault)), (seed, tried.events, fault.sentence)
                if fault.kind == "received before sent":
                    assert not can_be_received(observed_only(tried, fault)), (seed, tried.events, fault.sentence)
        kinds.update(
            [fault.kind for fault in judgement.faults if fault.equal_messages]
            or ["lawful" if not judgement.faults else "without equal messages"]
        )
    assert 3000 < kinds["lawful"] < 7000
    # An order that does not fit is a cycle of many clients only when there are more of them.
    assert {kind for kind, count in kinds.items() if count >= 50} >= (ORDER - {"own first", "cycle"}) | {
        "received before sent"
    }, kinds


def equal_messages(rng: random.Random) -> History:
    """Return a history in which a few clients send and receive a few texts in any order, each often enough."""
    texts = "abcd"[: rng.randint(1, 4)]
    streams = [
        [(rng.random() < 0.4, rng.choice(texts)) for _ in range(rng.randint(1, 5))] for _ in range(rng.randint(1, 4))
    ]
    needed: Counter[str] = Counter()
    for events in streams:
        needed |= Counter(name for is_sent, name in events if not is_sent)
    needed -= Counter(name for events in streams for is_sent, name in events if is_sent)
    for name in needed.elements():
        if rng.random() < 0.5:
            streams.append([(True, name)])
        else:
            events = rng.choice(streams)
            events.insert(rng.randint(0, len(events)), (True, name))
    return from_events(streams)


def test_the_verdict_about_clients_that_do_the_same_is_that_of_trying_every_order() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(2000):
        tried = twins(random.Random(seed))
        if sum(map(len, tried.events)) > 18:
            continue  # to try every order would take too long
        judgement = decide(tried)
        assert not judgement.undecided, (seed, tried.events)
        assert (judgement.faults == []) == is_lawful(tried), (seed, tried.events, judgement.faults)
        verdicts[judgement.faults == []] += 1
    assert min(verdicts.values()) > 300, verdicts


def twins(rng: random.Random) -> History:
    """Return a history in which several clients do the same, perhaps after a first message of their own."""
    texts = "abc"[: rng.randint(1, 3)]
    streams: list[list[tuple[bool, str]]] = []
    for _ in range(rng.randint(1, 2)):
        events = [(rng.random() < 0.7, rng.choice(texts)) for _ in range(rng.randint(1, 3))]
        for _ in range(rng.randint(1, 3)):
            streams.append([*([(True, f"own{len(streams)}")] if rng.random() < 0.2 else []), *events])
    for _ in range(rng.randint(1, 2)):
        left = [[name for is_sent, name in events if is_sent] for events in streams]
        order = []
        while any(left):
            order.append(rng.choice([names for names in left if names]).pop(0))
        for _ in range(rng.choice([0, 1, 1, 2]) if order else 0):
            order.insert(rng.randrange(len(order)), order.pop(rng.randrange(len(order))))
        streams += [[(False, name) for name in order if rng.random() < 0.9]] * rng.choice([1, 1, 1, 2])
    return from_events(streams)


def can_be_received(history: History) -> bool:
    """Return whether every delivery can come after as many sends of its text, if messages need not come in an order."""
    sent = Counter(dict(enumerate(history.send_counts)))
    sent.subtract(send_event(event) for events in history.events for event in events if event < 0)
    left = [list(events) for events in history.events]
    received: list[Counter[int]] = [Counter() for _ in left]
    while any(left):
        before = sum(map(len, left))
        for events, its in zip(left, received, strict=True):
            while events and (events[0] < 0 or its[events[0]] < sent[events[0]]):
                event = events.pop(0)
                if event < 0:
                    sent[send_event(event)] += 1
                else:
                    its[event] += 1
        if sum(map(len, left)) == before:
            return False
    return True


def observed_only(history: History, fault: Fault) -> History:
    """Return the history reduced to the observations of a fault; all else was sent at an unknown moment."""
    events: list[list[int]] = [[] for _ in history.clients]
    for observation in fault.observations:
        number = observation.number
        assert number is not None
        events[observation.client].append(number if observation.event == "receive" else send_event(number))
    return dataclasses.replace(history, events=events)


def test_the_verdict_is_that_of_trying_every_order() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(10_000):
        rng = random.Random(seed)
        tried = partial_views(rng) if seed % 4 == 0 else small_history(rng)
        faults = judge(tried)
        assert (faults == []) == is_lawful(tried), (seed, tried.events, faults)
        kinds.update([fault.kind for fault in faults] or ["lawful"])
    assert 3000 < kinds["lawful"] < 7000
    assert {kind for kind, count in kinds.items() if count >= 50} >= ORDER | {
        "created",
        "duplicated",
        "received before sent",
    }, kinds


def test_the_components_are_the_messages_that_reach_each_other() -> None:
    found: Counter[int] = Counter()
    for seed in range(2500):
        rng = random.Random(seed)
        messages = rng.randint(1, 12)
        lines = [rng.sample(range(messages), rng.randint(1, min(3, messages))) for _ in range(rng.randint(1, 10))]
        sends = [rng.sample(range(messages), rng.randint(0, min(2, messages))) for _ in lines]
        views = [
            View(
                *(
                    np.asarray(numbers, np.int32)
                    for numbers in (line, sent, sorted(rng.choices(range(len(line) + 1), k=len(sent))))
                )
            )
            for line, sent in zip(lines, sends, strict=True)
        ]
        reached = np.zeros((messages, messages), dtype=bool)
        for view in views:
            reached[view.edges()] = True
        if reached.diagonal().any():
            continue  # an own message received before it was sent, which is a fault of its own
        for between in range(messages):  # Warshall 1962
            reached |= reached[:, [between]] & reached[[between], :]
        component_of = components(views, messages)
        both_ways = reached & reached.T
        assert (np.diag(both_ways) == (component_of > 0)).all()
        same = (component_of[:, None] == component_of) & (component_of > 0)
        assert (same == both_ways).all()
        found[len(set(component_of.tolist()) - {0})] += 1
    assert min(found[count] for count in (0, 1, 2)) >= 20, found


def small_history(rng: random.Random, texts: int = 0) -> History:
    return random_history(
        rng,
        clients=rng.randint(2, 4),
        messages=rng.randint(2, 5),
        drops=rng.choice([0, 0.2, 0.5]),
        faults=rng.choice([0, 0, 1, 1, 2, 3]),
        texts=texts,
    )


def partial_views(rng: random.Random) -> History:
    """Return a history in which each client receives a few messages in any order: many cycles of many witnesses."""
    names = [str(number) for number in range(rng.randint(3, 5))]
    streams = [
        [(False, name) for name in rng.sample(names, rng.choice([2, 2, 2, 3]))] for _ in range(rng.randint(3, 5))
    ]
    for name in names:
        if rng.random() < 0.5:
            streams.append([(True, name)])  # by a client that receives nothing
        else:
            events = rng.choice(streams)
            end = events.index((False, name)) if (False, name) in events else len(events)
            events.insert(rng.randint(0, end), (True, name))
    return from_events(streams)


def test_the_witnesses_are_the_smallest_set_that_contradicts_itself() -> None:
    counts: Counter[int] = Counter()
    for seed in range(1500):
        tried = partial_views(random.Random(seed))
        faults = judge(tried)
        if faults:
            (fault,) = faults
            counts[len(fault.witnesses)] += 1
            assert not is_lawful(only(tried, fault)), fault.sentence
            sets = itertools.combinations(range(len(tried.events)), len(fault.witnesses) - 1)
            assert all(is_lawful(tried, subset) for subset in sets), (seed, tried.events, fault.sentence)
    assert min(counts[1], counts[2], counts[3]) >= 20, counts


def only(history: History, fault: Fault) -> History:
    """Return the history reduced to the clients and messages of a fault."""
    numbers = {history.names.index(name) for name in fault.messages}
    return dataclasses.replace(
        history,
        events=[
            [
                event
                for event in events
                if client in fault.witnesses and (event if event >= 0 else send_event(event)) in numbers
            ]
            for client, events in zip(history.clients, history.events, strict=True)
        ],
    )


@pytest.mark.parametrize("witnesses", [2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(5))
def test_a_planted_cycle_is_found_and_nothing_more(witnesses: int, seed: int) -> None:
    rng = random.Random(seed)
    before, after = ([f"{side}{number}" for number in range(1000)] for side in "ba")
    ring = [f"r{number}" for number in range(witnesses)]
    pairs = [[ring[at], ring[(at + 1) % witnesses]] for at in range(witnesses)]
    streams = [
        [name for name in (*before, *pair, *after) if name in pair or rng.random() < 0.9]
        for pair in (*pairs, [], [], [])
    ]
    sends = [[f"+{name}" for name in (*before, *after)], *([f"+{name}"] for name in ring)]
    planted = history(*(" ".join(words) for words in (*streams, *sends)))
    (fault,) = judge(planted)
    assert fault.kind == ("cycle" if witnesses > 2 else "disagreement")
    assert sorted(fault.witnesses) == list(range(witnesses))
    assert sorted(fault.messages) == ring


def test_two_witnesses_are_preferred_to_an_earlier_three() -> None:
    between = [f"m{number}" for number in range(1000)]
    streams = [["a", "b"], ["b", "c"], ["c", "a"], [*between, "x", "y"], [*between, "y", "x"]]
    sends = [[f"+{name}"] for name in ("a", "b", "c", *between, "x", "y")]
    (fault,) = judge(history(*(" ".join(words) for words in (*streams, *sends))))
    assert fault.messages == ("x", "y")


def test_the_earliest_of_equal_faults_is_reported() -> None:
    names = [f"m{number}" for number in range(400)]
    twisted = list(names)
    for at in range(30, 400, 2):
        twisted[at], twisted[at + 1] = twisted[at + 1], twisted[at]
    sends = [f"+{name}" for name in names]
    (fault,) = judge(history(" ".join(names), " ".join(names), " ".join(twisted), *sends))
    assert fault.messages == ("m30", "m31")


@pytest.mark.parametrize("seed", range(100))
def test_the_verdict_does_not_depend_on_the_guess(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    tried = random_history(rng, clients=6, messages=60, drops=rng.choice([0, 0.1, 0.6]), faults=rng.choice([0, 1]))
    faults = judge(tried)
    shuffled = np.random.default_rng(seed)

    def bad_guess(views: Sequence[View], messages: int) -> Numbers:
        return shuffled.permutation(messages).astype(np.int32)

    monkeypatch.setattr(importlib.import_module("harness.history.judge"), "guess_order", bad_guess)
    for _ in range(3):
        again = judge(tried)
        assert [(fault.kind in ORDER, len(fault.witnesses)) for fault in again] == [
            (fault.kind in ORDER, len(fault.witnesses)) for fault in faults
        ]


def test_two_clients_with_two_edges_each_are_fewer_than_three() -> None:
    twice = ["+a1 +a2 b2 a1", "+b1 +b2 a2 b1"]  # sends and deliveries of each: a cycle of four edges
    ring = ["x y", "y z", "z x", "+x", "+y", "+z"]
    (fault,) = judge(history(*ring, *twice))
    assert (fault.witnesses, set(fault.messages)) == ((6, 7), {"a1", "a2", "b1", "b2"})
