"""The judge, on histories written by hand: which are lawful, which are not, and how faults are explained."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.history import frontier, witnesses
from harness.history.arrangement import Arrangement
from harness.history.draw import as_data, draw
from harness.history.equal_messages import puzzle_of
from harness.history.fault import Fault, Observation, display_name
from harness.history.judge import PATIENT_BUDGET, decide, judge
from harness.history.record import History
from harness.history.remainders import Remainders
from harness.history.views import Numbers, View
from harness.history.witnesses import Edge
from tests.histories import history, random_history


@pytest.mark.parametrize(
    "clients",
    [
        (),
        ("",),
        ("+a a",),
        ("+a a", "+b a b", "a b"),
        ("+a b a", "+b b a"),  # a was sent before b was received: no edge
        ("+a +b a b", "b"),  # one lost
        ("+a +b", "b", "a"),  # many lost
        ("+q q r", "q +r q2 r", "+q2 q2 r"),
        ("+x +x x x", "x x", "x"),  # equal bodies, sent twice
        ("+x +x x a x", "+a x a x", "x a", "a x"),  # received copies that were different ones
        ("+x", "+x", "x x", "x x", "x"),  # equal bodies of different clients
        ("+x +a", "+x +b", "x a x b", "a b", "b"),
        ("+a +b a b", "c a", "+c c b"),  # one client left, another joined
        ("+a +b +c c",),  # all lost but one
    ],
)
def test_lawful(clients: Sequence[str]) -> None:
    assert judge(history(*clients)) == []


@pytest.mark.parametrize(
    ("kind", "clients", "sentence"),
    [
        ("created", ("+a a x", "a x"), "client 0 received x, which no client has sent (2 such deliveries)"),
        ("duplicated", ("+a a a",), "client 0 received message a 2 times; it was sent once"),
        ("duplicated", ("+x +x x x", "x x x"), "client 1 received message x 3 times; it was sent twice"),
        ("duplicated", ("+a +b a b a", "a b b"), "client 0 received message a 2 times; it was sent once (2 such del"),
        ("created", ("x x x", "x y", "+a"), "client 0 received x, which no client has sent (5 such deliveries)"),
        ("duplicated", ("+a", "a a a"), "client 1 received message a 3 times; it was sent once (2 such deliveries)"),
        (
            "duplicated",
            ("+a +b", "a a a b b b", "a"),
            "client 1 received message a 3 times; it was sent once (4 such d",
        ),
        ("received before sent", ("a +a b +b", "a b"), "client 0 received its own message a before it sent it (2 such"),
        ("received before sent", ("a +a", "a"), "client 0 received its own message a before it sent it"),
        ("sender order", ("+a +b a b", "b a"), "client 0 sent a before b, but client 1 received b before a"),
        ("sender order", ("+a +b b a",), "client 0 sent a before b, but received b before a"),
        ("sender order", ("+a +b b a", "b a"), "client 0 sent a before b, but received b before a"),
        (
            "answer first",
            ("+q q r", "q +r r", "r q"),
            "client 1 sent r after it had received q, but client 2 received r",
        ),
        (
            "answer first",
            ("b +a", "a +b"),
            "client 1 sent b after it had received a, but client 0 sent a after it had r",
        ),
        ("disagreement", ("+a", "+b", "a b", "b a"), "client 2 received a before b, but client 3 received b before a"),
        (
            "disagreement",
            ("+a +x", "+b", "a b", "b a", "b x a"),
            "client 3 and 1 other received b before a, but client 2",
        ),
        (
            "own first",
            ("+a a b", "+b b a", "b a"),
            "client 0 received a before b, but client 1 and 1 other received b b",
        ),
        ("cycle", ("+a", "+b", "+c", "b c", "c a", "a b"), "client 3 received b before c; client 4 received c before"),
        ("received before sent", ("y y +y +y",), "client 0 received y, then sent y, y"),
        ("sender order", ("+a +b +b", "b b a"), "client 0 sent a, b; client 1 received b, b, a; b was sent twice"),
        ("sender order", ("+x +y +x +y", "y y x x"), "client 0 sent x, y; client 1 received y, y, x, x; x was sent"),
        (
            "disagreement",
            ("+x +x x a x", "+a a x x", "x a x", "x x a"),
            "client 2 received a, x; client 3 received x, ",
        ),
        (
            "sender order",
            ("+x +a", "+x +b", "a b x"),
            "client 0 sent x, a; client 1 sent x, b; client 2 received a, b, x",
        ),
        # It received the message of another client, not its own.
        (
            "sender order",
            ("a +a", "+b +a", "a b"),
            "client 0 received a, then sent a; client 1 sent b, a; client 2 rec",
        ),
        (
            "sender order",
            ("+b +a", "a +a", "a b"),
            "client 0 sent b, a; client 1 received a, then sent a; client 2 rec",
        ),
        ("cycle", ("+a1 +a2 x a1", "a2 x", "+x"), "client 0 sent a1 before a2; client 1 received a2 before x; but"),
    ],
)
def test_unlawful(kind: str, clients: Sequence[str], sentence: str) -> None:
    (fault,) = judge(history(*clients))
    assert fault.kind == kind
    assert fault.sentence.startswith(sentence)


def test_an_own_message_received_ahead_of_the_common_order_is_explained() -> None:
    (fault,) = judge(history("+a a b", "+b b a", "b a"))
    assert fault.sentence.endswith("received b before a: client 0 saw its own message ahead of the common order")


def test_a_cycle_is_explained_edge_by_edge() -> None:
    (fault,) = judge(history("+a", "+b", "+c", "b q c", "c r a", "a p b", "+p +q +r"))
    assert fault == Fault(
        "cycle",
        "client 3 received b before c; client 4 received c before a; but client 5 received a before b: "
        "no single order fits what these 3 clients saw",
        witnesses=(3, 4, 5),
        messages=("b", "c", "a"),
        observations=tuple(
            Observation(client, "receive", name, number={"a": 0, "b": 1, "c": 2}[name])
            for client, names in ((3, "bc"), (4, "ca"), (5, "ab"))
            for name in names
        ),
    )


def test_one_fault_of_each_kind_is_reported() -> None:
    faults = judge(history("+a +b b a a", "c +c", "x"))
    assert [fault.kind for fault in faults] == ["created", "duplicated", "received before sent", "sender order"]


def test_names_that_differ_only_at_their_ends_are_told_apart() -> None:
    start = "x" * 60
    (fault,) = judge(history(f"+{start}1 +{start}2", f"{start}2 {start}1"))
    assert fault.sentence.count("x1") == 2
    assert fault.sentence.count("x2") == 2
    assert display_name("0123456789", 10) == "0123456789"
    cut = [display_name("0123456789", limit) for limit in (9, 8, 4, 3, 2, 1, 0, -1)]
    assert cut == ["0123…6789", "0123…789", "01…9", "0…9", "0…", "…", "…", "…"]


def with_locations(history: History) -> History:
    """Return the same history with locations: each event is 10 bytes and a millisecond after the one before it."""
    return dataclasses.replace(history, locate=lambda client, event: (10 * event, 1_000_000 * event))


def test_known_locations_are_in_the_sentence() -> None:
    (fault,) = judge(with_locations(history("+a", "+b", "a b", "b a")))
    assert fault.sentence == (
        "client 2 received a (byte 0, at 0.0 ms) before b (byte 10, at 1.0 ms), "
        "but client 3 received b (byte 0, at 0.0 ms) before a (byte 10, at 1.0 ms)"
    )
    assert fault.observations[1] == Observation(2, "receive", "b", 10, 1_000_000, 1)


def test_only_events_of_a_fault_are_located() -> None:
    located: list[tuple[int, int]] = []

    def locate(client: int, event: int) -> tuple[None, None]:
        located.append((client, event))
        return None, None

    words = " ".join(f"m{number}" for number in range(100))
    sends = " ".join(f"+m{number}" for number in range(100))
    (fault,) = judge(dataclasses.replace(history(sends, words, words + " a b", "b a", "+a", "+b"), locate=locate))
    assert fault.kind == "disagreement"
    assert set(located) == {(2, 100), (2, 101), (3, 0), (3, 1)}


def test_clients_have_the_numbers_that_the_history_gives_them() -> None:
    renumbered = dataclasses.replace(history("a b", "b a", "+a", "+b"), clients=[7, 11, 13, 17])
    (fault,) = judge(renumbered)
    assert fault.witnesses == (7, 11)
    assert fault.sentence.startswith("client 7 received a before b, but client 11 ")
    assert {observation.client for observation in fault.observations} == {7, 11}


def test_a_search_that_is_given_up_blames_nobody() -> None:
    tried = history("+x +a", "+x +b", "a b x")
    assert [fault.kind for fault in decide(tried).faults] == ["sender order"]
    given_up = decide(tried, equal_budget=8)
    assert (given_up.faults, given_up.undecided) == ([], 2)
    assert judge(tried, equal_budget=8) == []


def steps(tried: History) -> int:
    """Return what it costs to decide that a history with equal messages is lawful, in steps an event."""
    puzzle = puzzle_of(tried, np.ones(len(tried.names), dtype=bool))
    search = Arrangement(puzzle, PATIENT_BUDGET)
    assert search.is_possible
    return search.steps // puzzle.size


def test_everybody_may_say_hi() -> None:
    assert steps(history(*["+hi " + "hi " * 300] * 300)) <= 2
    assert steps(history(*["+hi"] * 20_000, "hi " * 20_000)) <= 4
    # Nothing else comes between the copies that these clients need, but each of them needs other ones.
    assert steps(history(*[f"+m{number} +hi" for number in range(100)], "hi " * 100, "m99 hi hi m98 m97 m96")) <= 10


def test_clients_that_have_the_same_left_to_do_are_interchangeable() -> None:
    reads = " ".join("daadddddaddddaaadddddddaaadd")
    same = ["+d +a +d"] * 10
    assert [fault.kind for fault in judge(history(*same, reads))] == ["sender order"]
    # Also when they did different things before.
    greetings = [f"h{number}" for number in range(10)]
    greeted = [f"+{greeting} +d +a +d" for greeting in greetings]
    assert [fault.kind for fault in judge(history(*greeted, " ".join(greetings) + " " + reads))] == ["sender order"]


def test_only_states_that_are_alike_have_the_same_number() -> None:
    first = Remainders([[0, 1], [0, 1]], [[2, 2], [2, 2]], [[0, 1], [0, 1]])

    def state(*done: tuple[int, int]) -> int:
        return first.state + sum(
            sum(first.change_by_delivery(client, count, 0) for count in range(received))
            + sum(first.change_by_send(client, received, count) for count in range(sent))
            for client, (received, sent) in enumerate(done)
        )

    places = list(itertools.product(range(3), range(3)))
    alike = {
        (first, second): state(first, second) for first, second in itertools.combinations_with_replacement(places, 2)
    }
    assert len(set(alike.values())) == len(alike)
    assert all(number == state(second, first) for (first, second), number in alike.items())
    # A send that was due one delivery after another is not one that was due at once.
    waits = Remainders([[0], [1, 0]], [[2], [2]], [[0], [2]])
    assert waits.key(0, 0, 0)[0] == waits.key(1, 1, 0)[0]
    assert waits.key(0, 0, 0)[1] != waits.key(1, 1, 0)[1]
    assert waits.key(0, 0, 1) == waits.key(1, 1, 1)


def test_equal_messages_that_nobody_received_leave_nothing_undecided() -> None:
    assert decide(history("+x +x +a a", "a"), equal_budget=0).undecided == 0


def test_a_contradiction_of_equal_messages_is_found_in_a_long_history() -> None:
    names = [f"ok{number % 7}" if number % 3 else f"m{number}" for number in range(600)]
    sends = [" ".join(f"+{name}" for name in names[sender::4]) for sender in range(4)]
    streams = [" ".join(names[reader * 20 :]) for reader in range(5)]
    assert decide(history(*sends, *streams)) == decide(history())
    early, late = streams[-1][:1000].rsplit(" ", 1)[0], streams[-1][1000:].split(" ", 1)[1]
    (fault,) = judge(history(*sends, *streams[:-1], f"{early} b b a {late}", "+a +b +b"))
    assert (fault.kind, fault.witnesses, set(fault.messages)) == ("sender order", (8, 9), {"a", "b"})
    assert len(fault.observations) <= 6


def test_one_copy_too_many_of_a_flood_is_found_at_once() -> None:
    count = 200_000  # for each of which the events would have been searched
    (fault,) = judge(history("+a " * count, "a " * (count + 1)))
    assert fault.sentence == "client 1 received message a 200,001 times; it was sent 200,000 times"
    assert len(fault.observations) < 10


def test_what_it_costs_to_choose_the_events_does_not_grow_with_clients_times_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []

    def counting(numbers: NDArray[np.int64], minlength: int) -> NDArray[np.int64]:
        counts = bincount(numbers, minlength=minlength)
        counted.append(numbers.size + counts.size)
        return counts

    bincount = np.bincount
    clients = 500
    chain = [f"+m{number} m{number} m{number + 1}" for number in range(clients)]
    tried = history(*chain, f"+m{clients}", "+q +q q q")
    monkeypatch.setattr(np, "bincount", counting)
    puzzle = puzzle_of(tried, np.ones(len(tried.names), dtype=bool))
    assert puzzle.size == 3 * clients + 5
    assert puzzle.others == {}
    assert sum(counted) < 4 * clients


def test_a_ring_of_long_lines_is_explained() -> None:
    count, each = 2000, 16
    lines = []
    for number in range(count):
        own = " ".join([f"m{number}", *(f"x{number}.{step}" for step in range(each))])
        lines.append(" ".join(f"+{word}" for word in own.split()) + f" {own} m{(number + 1) % count}")
    (fault,) = judge(history(*lines))
    assert len(fault.witnesses) == count


@pytest.mark.parametrize("clients", [300, 3000])
def test_a_ring_is_explained_in_short_and_reported_whole(clients: int) -> None:
    ring = [f"m{number} m{(number + 1) % clients}" for number in range(clients)]
    (fault,) = judge(history(*ring, *(f"+m{number}" for number in range(clients))))
    assert fault.sentence == (
        "client 0 received m0 before m1; client 1 received m1 before m2; client 2 received m2 before m3; "
        f"client 3 received m3 before m4; … {clients - 5:,} more such clients …; "
        f"but client {clients - 1} received m{clients - 1} before m0: "
        f"no single order fits what these {clients:,} clients saw"
    )
    drawn = draw(fault)
    assert len(drawn) < 1000
    assert f"… {clients - 5:,} more" in drawn
    assert f"before m3 before … before m{clients - 1} before m0" in drawn.replace("\n  ", " ")
    assert len(as_data(fault)["sightings"]) == 2 * clients
    assert sorted(fault.witnesses) == list(range(clients))


def test_the_cost_of_a_ring_grows_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []

    class Counting(frontier.Frontier):
        def search(self, earlier: Numbers, later: Numbers, limit: int) -> list[tuple[int, int, int]]:
            found = super().search(earlier, later, limit)
            looked_at.append(self.looked_at)
            return found

    monkeypatch.setattr(witnesses, "Frontier", Counting)
    for clients in (2000, 20_000):
        ring = [f"m{number} m{(number + 1) % clients}" for number in range(clients)]
        random.Random(clients).shuffle(ring)
        (fault,) = judge(history(*ring, *(f"+m{number}" for number in range(clients))))
        assert len(fault.witnesses) == clients
    assert max(looked_at) < 300_000  # events, whatever the number of clients


def test_no_search_starts_between_two_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long chain leads from one cycle to another; each of its edges contradicts the guessed order."""
    looked_at: list[int] = []

    class Counting(frontier.Frontier):
        def search(self, earlier: Numbers, later: Numbers, limit: int) -> list[tuple[int, int, int]]:
            found = super().search(earlier, later, limit)
            looked_at.append(self.looked_at)
            return found

    monkeypatch.setattr(witnesses, "Frontier", Counting)
    count = 1000
    links = [f"x{number} x{number + 1}" for number in (*range(count - 2, -1, -2), *range(1, count - 1, 2))]
    rings = ["b c", "c a", f"c x{0}", f"x{count - 1} p", "q r", "r p"]
    names = [*"abcpqr", *(f"x{number}" for number in range(count))]
    (fault,) = judge(history("a b p q", *links, *rings, *(f"+{name}" for name in names)))
    assert (fault.kind, len(fault.witnesses)) == ("cycle", 3)
    assert looked_at[-1] < 100
    assert len(looked_at) < 10


def test_the_sets_of_clients_that_are_tried_are_limited_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counting(views: Sequence[View], messages: int, budget: int) -> tuple[list[Edge], Sequence[View], int]:
        sizes.append(sum(view.size for view in views))
        return shortest(views, messages, budget)

    shortest = witnesses._shortest
    monkeypatch.setattr(witnesses, "_shortest", counting)
    monkeypatch.setattr(witnesses, "SETS_BUDGET", 16_000_000)
    for count, tried_all in ((16, True), (400, False)):  # rings of three, none of them by fewer clients
        streams = []
        for number in range(24):
            sent = " ".join(f"+{'abc'[number % 3]}{at}" for at in range(number // 3, count, 8))
            streams.append(
                sent + "".join(f" {name}{at}" for at in range(count) for name in ("ab", "bc", "ca")[number % 3])
            )
        (fault,) = judge(history(*streams))
        assert len(fault.witnesses) == 3
        assert (len(sizes) == 1 + 24 * 23 // 2) == tried_all
        assert sum(sizes[1:]) * witnesses.SET_EVENT_COST < witnesses.SETS_BUDGET
        sizes.clear()


@pytest.mark.parametrize("seed", range(100))
def test_both_searches_for_the_smallest_cycle_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    tried = random_history(rng, clients=7, messages=20, drops=0.7, faults=4)
    found = []
    for short_line in (0, 1000):  # messages in a stream, below which the search keeps a frontier
        monkeypatch.setattr(witnesses, "SHORT_LINE", short_line)
        found.append([(len(fault.witnesses), len(fault.messages)) for fault in judge(tried)])
    assert found[0] == found[1]
