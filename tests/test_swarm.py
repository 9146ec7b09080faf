"""The swarm: frames, the pump's verification, schedules' figures."""

from __future__ import annotations

import random
import socket

import numpy as np
import pytest

from harness.codec import bodies_of
from harness.errors import Violation
from harness.swarm import latency
from harness.swarm.frames import CODE, Frames, Voice
from harness.swarm.load import Load
from spec.broadcast.wire import CODEC, Decoder

VOICES = [Voice(client) for client in range(8)]


def test_frames_are_what_the_codec_makes_of_their_bodies() -> None:
    frames = Frames(CODEC, VOICES, 32)
    made = frames.make(voice=7, first=998, count=4)
    bodies = bodies_of(Decoder().feed(made))
    assert [len(body) for body in bodies] == [32] * 4
    assert bodies[0].startswith(b"0007000000998")
    assert bodies[3].startswith(b"0007000001001")
    parsed = frames.parse(made + made[:5], "somebody")
    assert parsed.codes.tolist() == [7 * CODE + number for number in (998, 999, 1000, 1001)]
    assert parsed.ends.tolist() == [33, 66, 99, 132]
    assert parsed.rest == made[:5]


@pytest.mark.parametrize("place", [0, 3, 20, 32])
def test_a_frame_with_a_changed_byte_is_none_of_ours(place: int) -> None:
    frames = Frames(CODEC, VOICES, 32)
    data = bytearray(frames.make(1, 1, 3))
    data[33 + place] = ord("#")
    with pytest.raises(Violation, match="somebody received what nobody has sent"):
        frames.parse(bytes(data), "somebody")


class Room:
    """A load of two senders and one listener against sockets that this test writes into."""

    def __init__(self) -> None:
        pairs = [socket.socketpair() for _ in range(3)]
        self.theirs = [one for one, _ in pairs]
        self.ours = [two for _, two in pairs]
        voices = [Voice(0), Voice(2)]
        self.load = Load(self.theirs, [(0,)] * 3, CODEC, server_pid=1, voices=voices, text_bytes=32)
        self.frames = Frames(CODEC, voices, 32)

    def deliver(self, client: int, *messages: tuple[int, int]) -> None:
        self.ours[client].sendall(b"".join(self.frames.make(*one, count=1) for one in messages))
        self.load.step(0.2)

    def close(self) -> None:
        for one in (*self.theirs, *self.ours):
            one.close()


@pytest.fixture
def room() -> object:
    one = Room()
    for sender in one.load.senders:
        one.load.send(sender, 3)
    yield one
    one.close()


# The first and the last of three clients speak.
COMMON = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)]


def test_one_stream_for_all_is_lawful_and_counted(room: Room) -> None:
    for client in range(3):
        room.deliver(client, *COMMON)
    room.load.finish()
    assert [one.echoed for one in room.load.senders] == [3, 3]


def test_dropped_messages_are_lawful_and_counted(room: Room) -> None:
    room.deliver(0, *COMMON)
    room.deliver(1, *COMMON[:2], *COMMON[3:])
    room.deliver(2, COMMON[5])
    account = room.load.account()
    room.load.finish()
    assert account.deliveries == 6 + 5 + 1


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ([*COMMON[:2], COMMON[1], *COMMON[2:]], "duplicated"),
        ([COMMON[2], COMMON[1], *COMMON[3:]], "sender order"),
        ([COMMON[1], COMMON[0], *COMMON[2:]], "disagreement|own first"),
        ([*COMMON, (0, 3)], "nobody has sent"),
        ([*COMMON, (1, 77)], "nobody has sent"),
    ],
)
def test_what_no_lawful_server_delivers_is_found(room: Room, stream: list[tuple[int, int]], words: str) -> None:
    room.deliver(0, *COMMON)
    room.deliver(1, *COMMON)
    room.deliver(2, *stream)
    with pytest.raises(Violation, match=words):
        room.load.finish()


def test_bytes_that_nobody_has_sent_are_found(room: Room) -> None:
    room.deliver(0, *COMMON)
    with pytest.raises(Violation, match="nobody has sent"):
        room.ours[2].sendall(b"\x20" + b"?" * 32)
        room.load.step(0.2)


def test_random_cuts_do_not_matter(room: Room) -> None:
    chance = random.Random(3)
    whole = b"".join(room.frames.make(*one, count=1) for one in COMMON)
    rest = [whole] * 3
    while any(rest):
        client = chance.randrange(3)
        cut = chance.randint(1, 50)
        room.ours[client].sendall(rest[client][:cut])
        rest[client] = rest[client][cut:]
        room.load.step(0.2 if rest[client] else 0)
    room.load.finish()


def test_histograms_survive_the_disk_and_add_up() -> None:
    low, high = np.full(90, 1_000_000), np.full(10, 50_000_000)
    texts = [latency.encoded(latency.histogram(one)) for one in (low, high)]
    whole = latency.merged(texts)
    assert whole.get_total_count() == 100
    assert latency.percentile_ns(whole, 50) == pytest.approx(1_000_000, rel=0.001)
    assert latency.percentile_ns(whole, 99) == pytest.approx(50_000_000, rel=0.001)
