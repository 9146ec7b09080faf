"""The judge of histories against every order there is: its verdict is exact, and its witnesses are the fewest."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from harness.history.judge import Fault, judge
from harness.history.record import History, sent
from harness.history.views import Numbers, View
from tests.histories import from_events, history, is_lawful, made_up

ORDER = {"sender order", "answer first", "own first", "disagreement", "cycle"}


def test_the_verdict_is_that_of_trying_every_order() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(10_000):
        chance = random.Random(seed)
        one = partial_views(chance) if seed % 4 == 0 else some_history(chance)
        faults = judge(one)
        assert (faults == []) == is_lawful(one), (seed, one.events, faults)
        kinds.update([fault.kind for fault in faults] or ["lawful"])
    assert 3000 < kinds["lawful"] < 7000
    assert {kind for kind, count in kinds.items() if count >= 50} >= ORDER | {
        "created",
        "duplicated",
        "heard before sent",
    }, kinds


def some_history(chance: random.Random) -> History:
    return made_up(
        chance,
        clients=chance.randint(2, 4),
        messages=chance.randint(2, 5),
        drops=chance.choice([0, 0.2, 0.5]),
        faults=chance.choice([0, 0, 1, 1, 2, 3]),
    )


def partial_views(chance: random.Random) -> History:
    """Return a history in which everybody hears a few messages, in any order: full of cycles of many witnesses."""
    names = [str(number) for number in range(chance.randint(3, 5))]
    streams = [
        [(False, name) for name in chance.sample(names, chance.choice([2, 2, 2, 3]))]
        for _ in range(chance.randint(3, 5))
    ]
    for name in names:
        if chance.random() < 0.5:
            streams.append([(True, name)])  # by somebody who hears nothing
        else:
            events = chance.choice(streams)
            heard = events.index((False, name)) if (False, name) in events else len(events)
            events.insert(chance.randint(0, heard), (True, name))
    return from_events(streams)


def test_the_witnesses_are_the_fewest_whose_word_is_enough() -> None:
    counts: Counter[int] = Counter()
    for seed in range(1500):
        one = partial_views(random.Random(seed))
        faults = judge(one)
        if faults:
            (fault,) = faults
            counts[len(fault.witnesses)] += 1
            assert not is_lawful(only(one, fault)), fault.sentence
            sets = itertools.combinations(range(len(one.events)), len(fault.witnesses) - 1)
            assert all(is_lawful(one, some) for some in sets), (seed, one.events, fault.sentence)
    assert min(counts[1], counts[2], counts[3]) >= 20, counts


def only(one: History, fault: Fault) -> History:
    """Return what a fault tells of and nothing else: its clients, its messages."""
    numbers = {one.names.index(name) for name in fault.messages}
    return dataclasses.replace(
        one,
        events=[
            [
                event
                for event in events
                if client in fault.witnesses and (event if event >= 0 else sent(event)) in numbers
            ]
            for client, events in zip(one.clients, one.events, strict=True)
        ],
    )


@pytest.mark.parametrize("witnesses", [2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(5))
def test_a_planted_cycle_is_found_and_nothing_more(witnesses: int, seed: int) -> None:
    chance = random.Random(seed)
    before, after = ([f"{side}{number}" for number in range(1000)] for side in "ba")
    ring = [f"r{number}" for number in range(witnesses)]
    pairs = [[ring[at], ring[(at + 1) % witnesses]] for at in range(witnesses)]
    streams = [
        [name for name in (*before, *pair, *after) if name in pair or chance.random() < 0.9]
        for pair in (*pairs, [], [], [])
    ]
    said = [[f"+{name}" for name in (*before, *after)], *([f"+{name}"] for name in ring)]
    one = history(*(" ".join(words) for words in (*streams, *said)))
    (fault,) = judge(one)
    assert fault.kind == ("cycle" if witnesses > 2 else "disagreement")
    assert sorted(fault.witnesses) == list(range(witnesses))
    assert sorted(fault.messages) == ring


def test_two_witnesses_are_preferred_to_an_earlier_three() -> None:
    between = [f"m{number}" for number in range(1000)]
    streams = [["a", "b"], ["b", "c"], ["c", "a"], [*between, "x", "y"], [*between, "y", "x"]]
    said = [[f"+{name}"] for name in ("a", "b", "c", *between, "x", "y")]
    (fault,) = judge(history(*(" ".join(words) for words in (*streams, *said))))
    assert fault.messages == ("x", "y")


def test_of_equal_faults_the_earliest_is_told() -> None:
    names = [f"m{number}" for number in range(400)]
    twisted = list(names)
    for at in range(30, 400, 2):
        twisted[at], twisted[at + 1] = twisted[at + 1], twisted[at]
    speakers = [f"+{name}" for name in names]
    (fault,) = judge(history(" ".join(names), " ".join(names), " ".join(twisted), *speakers))
    assert fault.messages == ("m30", "m31")


@pytest.mark.parametrize("seed", range(100))
def test_the_verdict_does_not_depend_on_the_guess(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    one = made_up(chance, clients=6, messages=60, drops=chance.choice([0, 0.1, 0.6]), faults=chance.choice([0, 1]))
    faults = judge(one)
    shuffled = np.random.default_rng(seed)

    def badly(views: Sequence[View], messages: int) -> Numbers:
        return shuffled.permutation(messages).astype(np.int32)

    monkeypatch.setattr(importlib.import_module("harness.history.judge"), "guess", badly)
    for _ in range(3):
        again = judge(one)
        assert [(one.kind in ORDER, len(one.witnesses)) for one in again] == [
            (one.kind in ORDER, len(one.witnesses)) for one in faults
        ]


def test_two_clients_that_testify_twice_are_fewer_than_three() -> None:
    twice = ["+a1 +a2 b2 a1", "+b1 +b2 a2 b1"]  # what each said and what each heard: a circle of four hops
    ring = ["x y", "y z", "z x", "+x", "+y", "+z"]
    (fault,) = judge(history(*ring, *twice))
    assert (fault.witnesses, set(fault.messages)) == ((6, 7), {"a1", "a2", "b1", "b2"})
