"""The judge, on histories written by hand: which are lawful, which are not, and how faults are explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from harness.history.fault import Fault, Observation
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
        ("+a b a", "+b b a"),  # a was sent before b was received: no edge
        ("+a +b a b", "b"),  # one lost
        ("+a +b", "b", "a"),  # many lost
        ("+q q r", "q +r q2 r", "+q2 q2 r"),
        ("+x +x x x", "x x", "x"),  # equal bodies, sent twice
        ("+x +x x a x", "+a x a x", "x a", "a x"),  # received copies that were different ones
        ("+x", "+x", "x x", "x x", "x"),  # equal bodies of different clients
        ("+x +a", "+x +b", "x a x b", "a b", "b"),
        ("+x +a", "+x +b", "a b x", "x b"),
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
        ("disagreement", ("+x +x x a x", "+a a x x", "x a x", "x x a"), "client 2 received a, x; client 3 received x, x,"),
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
