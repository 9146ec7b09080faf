"""The judge of histories, on histories written down: what is lawful, what is not, and how it is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from harness.history.fault import Fault, Sighting
from harness.history.judge import judge
from harness.history.record import History
from tests.histories import history


@pytest.mark.parametrize(
    "clients",
    [
        (),
        ("",),
        ("+a a",),
        ("+a a", "+b a b", "a b"),
        ("+a b a", "+b b a"),  # a was sent before b was heard: no edge
        ("+a +b a b", "b"),  # one lost
        ("+a +b", "b", "a"),  # many lost
        ("+q q r", "q +r q2 r", "+q2 q2 r"),
        ("+x +x x x", "x x", "x"),  # equal bodies, sent twice
        ("+x +x x a x", "+a a x x", "x a x", "x x a"),  # of which nobody knows which was which
        ("+a +b a b", "c a", "+c c b"),  # one who left, one who came
        ("+a +b +c c",),  # lost but for one
    ],
)
def test_lawful(clients: Sequence[str]) -> None:
    assert judge(history(*clients)) == []


@pytest.mark.parametrize(
    ("kind", "clients", "sentence"),
    [
        ("created", ("+a a x", "a x"), "client 0 received x, which nobody has sent (2 deliveries like that)"),
        ("duplicated", ("+a a a",), "client 0 received message a 2 times; it was sent once"),
        ("duplicated", ("+x +x x x", "x x x"), "client 1 received message x 3 times; it was sent twice"),
        ("duplicated", ("+a +b a b a", "a b b"), "client 0 received message a 2 times; it was sent once (2 del"),
        ("heard before sent", ("a +a", "a"), "client 0 received its own message a before it sent it"),
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
        ("cycle", ("+a1 +a2 x a1", "a2 x", "+x"), "client 0 sent a1 before a2; client 1 received a2 before x; yet"),
    ],
)
def test_unlawful(kind: str, clients: Sequence[str], sentence: str) -> None:
    (fault,) = judge(history(*clients))
    assert fault.kind == kind
    assert fault.sentence.startswith(sentence)


def test_whoever_hears_itself_too_early_is_told_so() -> None:
    (fault,) = judge(history("+a a b", "+b b a", "b a"))
    assert fault.sentence.endswith("received b before a: client 0 saw its own message ahead of the common order")


def test_a_cycle_is_told_hop_by_hop() -> None:
    (fault,) = judge(history("+a", "+b", "+c", "b q c", "c r a", "a p b", "+p +q +r"))
    assert fault == Fault(
        "cycle",
        "client 3 received b before c; client 4 received c before a; yet client 5 received a before b: "
        "no one order fits what these 3 witnesses saw",
        witnesses=(3, 4, 5),
        messages=("b", "c", "a"),
        sightings=tuple(
            Sighting(client, "receive", name, number={"a": 0, "b": 1, "c": 2}[name])
            for client, names in ((3, "bc"), (4, "ca"), (5, "ab"))
            for name in names
        ),
    )


def test_what_is_wrong_in_several_ways_is_told_once_for_each() -> None:
    faults = judge(history("+a +b b a a", "c +c", "x"))
    assert [fault.kind for fault in faults] == ["created", "duplicated", "heard before sent", "sender order"]


def where(history: History) -> History:
    """Return the same with a place for each event: 10 bytes and a millisecond after the one before it."""
    return dataclasses.replace(history, where=lambda client, event: (10 * event, 1_000_000 * event))


def test_places_are_told_where_they_are_known() -> None:
    (fault,) = judge(where(history("+a", "+b", "a b", "b a")))
    assert fault.sentence == (
        "client 2 received a (byte 0, at 0.0 ms) before b (byte 10, at 1.0 ms), "
        "but client 3 received b (byte 0, at 0.0 ms) before a (byte 10, at 1.0 ms)"
    )
    assert fault.sightings[1] == Sighting(2, "receive", "b", 10, 1_000_000, 1)


def test_only_the_places_of_a_fault_are_asked_for() -> None:
    asked: list[tuple[int, int]] = []

    def note(client: int, event: int) -> tuple[None, None]:
        asked.append((client, event))
        return None, None

    words = " ".join(f"m{number}" for number in range(100))
    said = " ".join(f"+m{number}" for number in range(100))
    (fault,) = judge(dataclasses.replace(history(said, words, words + " a b", "b a", "+a", "+b"), where=note))
    assert fault.kind == "disagreement"
    assert set(asked) == {(2, 100), (2, 101), (3, 0), (3, 1)}


def test_clients_have_the_numbers_that_the_history_gives_them() -> None:
    one = dataclasses.replace(history("a b", "b a", "+a", "+b"), clients=[7, 11, 13, 17])
    (fault,) = judge(one)
    assert fault.witnesses == (7, 11)
    assert fault.sentence.startswith("client 7 received a before b, but client 11 ")
    assert {seen.client for seen in fault.sightings} == {7, 11}
