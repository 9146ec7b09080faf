"""What both engines and the verifier make of streams: complete, lossy, cut anywhere, and wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

import pytest

from harness.errors import Violation
from harness.history.judge import judge
from spec.broadcast.wire import CODEC
from tests.swarm_room import Room, each_engine, history, random_streams

engine_name = pytest.fixture(params=["native", "python"], autouse=True)(each_engine)


@pytest.fixture
def room() -> Iterator[Room]:
    """Three clients, of which the first and the last have sent three messages each."""
    room = Room(3, [0, 2])
    for sender in (0, 1):
        room.load.engine.send(sender, 3)
    yield room
    room.close()


COMMON = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("place", [0, 3, 20, 32])
def test_a_frame_with_a_changed_byte_is_found(room: Room, place: int) -> None:
    data = bytearray(room.frames(*COMMON))
    data[33 + place] = ord("#")
    with pytest.raises(Violation, match=r"received (what|bytes|a message)"):
        room.write(1, bytes(data))
        room.judge()


def test_one_stream_for_all_is_accepted_and_counted(room: Room) -> None:
    for client in range(3):
        room.deliver(client, *COMMON)
    room.load.finish()
    assert [room.load.engine.sender_counts(sender) for sender in (0, 1)] == [(3, 3), (3, 3)]


def test_dropped_messages_are_accepted_and_counted(room: Room) -> None:
    room.deliver(0, *COMMON)
    room.deliver(1, *COMMON[:2], *COMMON[3:])
    room.deliver(2, COMMON[5])
    assert room.load.snapshot().deliveries == 6 + 5 + 1
    room.judge()


def test_a_client_that_missed_a_message_is_resynchronised(room: Room) -> None:
    room.deliver(0, *COMMON[:4])
    room.deliver(1, *COMMON[:2], COMMON[3])
    room.deliver(1, COMMON[4])  # it may be the first to receive a message
    room.deliver(0, *COMMON[4:])
    room.deliver(1, COMMON[5])
    assert [room.load.engine.received_count(client) for client in (0, 1)] == [6, 5]
    assert room.load.engine.position(1) == room.load.engine.stream_range(0)[1] == 6
    room.judge()


def test_two_clients_may_each_receive_what_the_other_does_not(room: Room) -> None:
    room.deliver(0, COMMON[0], COMMON[1], COMMON[5])
    room.deliver(1, COMMON[2], COMMON[4])
    room.deliver(2, COMMON[0], COMMON[3], COMMON[5])
    room.judge()


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ([*COMMON[:2], COMMON[1], *COMMON[2:]], "duplicated"),
        ([COMMON[2], COMMON[1], *COMMON[3:]], "sender order"),
        ([COMMON[1], COMMON[0], *COMMON[2:]], "disagreement|own first"),
        ([*COMMON, (0, 3)], "no client has sent"),
        ([*COMMON, (1, 77)], "no client has sent"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_streams_that_no_conforming_server_delivers_are_found(
    room: Room, stream: list[tuple[int, int]], words: str, place: int
) -> None:
    with pytest.raises(Violation, match=words):
        for client in range(3):
            room.deliver(client, *(stream if client == place else COMMON))
        room.judge()


def test_an_answer_before_its_question_is_found() -> None:
    room = Room(3, [0, 2])
    room.load.engine.send(0, 1)
    room.deliver(2, (0, 0))
    room.load.engine.send(1, 1)  # an answer: its client has received the question
    room.deliver(2, (1, 0))
    room.deliver(0, (0, 0), (1, 0))
    room.deliver(1, (1, 0), (0, 0))
    with pytest.raises(Violation, match=r"answer|disagreement|cycle"):
        room.judge()
    room.close()


def test_bytes_that_no_client_has_sent_are_found(room: Room) -> None:
    room.deliver(0, *COMMON)
    with pytest.raises(Violation, match="no client has sent"):
        room.write(2, b"\x20" + b"?" * 32)


def test_a_message_of_a_topic_without_subscription_is_found() -> None:
    room = Room(2, [0], [(0,), (1,)])
    room.load.engine.send(0, 1)
    room.deliver(0, (0, 0))
    with pytest.raises(Violation, match="has not subscribed"):
        room.deliver(1, (0, 0))
    room.close()


def test_the_end_of_a_connection_is_reported(room: Room) -> None:
    room.close_their_end(1)
    with pytest.raises(Violation, match="closed the connection of client 1"):
        room.judge()


def test_random_cuts_do_not_matter(room: Room) -> None:
    chance = random.Random(3)
    rest = [room.frames(*COMMON)] * 3
    while any(rest):
        client = chance.randrange(3)
        cut = chance.randint(1, 50)
        room.write(client, rest[client][:cut])
        rest[client] = rest[client][cut:]
    room.load.finish()
    assert [room.load.engine.received_count(client) for client in range(3)] == [6, 6, 6]


@pytest.mark.parametrize("kind", ["lawful", "any"])
def test_random_streams_are_judged_as_the_exact_judge_does(kind: Literal["lawful", "any"]) -> None:
    """Lossy streams in random pieces, of which half of `any` have two messages exchanged: never another verdict."""
    chance = random.Random(7)
    verdicts = []
    for _ in range(100):
        clients = chance.randint(2, 5)
        clients_of, sent, streams = random_streams(chance, clients, kind)
        is_lawful = not judge(history(streams, clients_of, sent))
        room = Room(clients, clients_of)
        for sender in range(len(clients_of)):
            room.load.engine.send(sender, sent)
        rest = [room.frames(*stream) for stream in streams]
        is_accepted = True
        try:
            while any(rest):
                client = chance.choice([client for client, data in enumerate(rest) if data])
                cut = chance.choice((1, 20, 33, 60, 99, 500))
                room.write(client, rest[client][:cut])
                rest[client] = rest[client][cut:]
            room.judge()
        except Violation:
            is_accepted = False
        finally:
            room.close()
        assert is_accepted == is_lawful, (clients_of, streams)
        verdicts.append(is_lawful)
    assert all(verdicts) if kind == "lawful" else 20 < sum(verdicts) < 80


def test_the_recent_history_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lossy streams are accepted to the end, little of them is kept, and a late fault is found."""
    monkeypatch.setattr("harness.load.verify.recent.MAX_DELIVERIES", 200)
    monkeypatch.setattr("harness.load.verify.recent.MAX_STREAM_MESSAGES", 200)
    monkeypatch.setattr("harness.load.verify.recent.MAX_IN_STEP", 50)
    chance = random.Random(5)
    room = Room(3, [0])
    for number in range(0, 6000, 3):
        room.load.engine.send(0, 3)
        for client in range(3):
            room.deliver(client, *((0, number + place) for place in range(3) if chance.random() > 0.1 * client))
    first, count = room.load.engine.stream_range(0)
    assert count - first < 1000
    records = room.load._streams._recent.clients.records.values()
    assert sum(span.codes is not None for record in records for span in record.spans) < 400
    room.load.engine.send(0, 2)
    with pytest.raises(Violation):
        for client in range(3):
            room.deliver(client, (0, 6001), (0, 6000))
        room.judge()
    room.close()


def test_a_client_that_is_not_served_any_more_was_forgotten(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.load.load.LAST_WORDS_S", 0.1)
    for client in range(2):
        room.deliver(client, *COMMON)
    room.deliver(2, *COMMON[:3])
    with pytest.raises(Violation, match="client 2 was forgotten"):
        room.load.finish()


def test_clients_that_do_not_begin_together_are_put_in_step() -> None:
    room = Room(3, [0, 2], are_together=False)
    for sender in (0, 1):
        room.load.engine.send(sender, 3)
    room.deliver(0, *COMMON)
    room.write(1, CODEC.encode(b"mark 7") + room.frames(*COMMON[2:]))
    room.deliver(2, *COMMON[1:])
    assert [room.load.engine.received_count(client) for client in range(3)] == [6, 4, 5]
    assert [room.load.engine.position(client) for client in range(3)] == [6, 6, 6]
    room.judge()
    room.close()
