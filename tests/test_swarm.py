"""The swarm's verdicts: what both cores make of streams, whole, lossy, cut anywhere, and of those that lie."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from harness.codec import Codec, bodies_of
from harness.errors import HarnessError, Violation
from harness.history.judge import judge
from harness.load import latency
from harness.load.engine import choose
from harness.load.engine.frame_templates import CODE_STRIDE, CanonicalReader, make_frames
from harness.load.engine.python import PythonEngine
from harness.load.verify.frames import Frames, Sender
from harness.plugins import specs
from spec.broadcast.wire import CODEC
from tests.swarm_room import Room, history, random_streams

CORES = ["native", "python"]
CODECS = [pytest.param(one.codec, id=name) for name, one in specs().items()]


@pytest.fixture(params=CORES, autouse=True)
def which(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Which core is tested."""
    monkeypatch.setenv(choose.ENGINE_VARIABLE, request.param)
    try:
        yield choose.engine_name()
    except HarnessError as error:
        pytest.skip(str(error))


@pytest.fixture
def room() -> Iterator[Room]:
    """Three clients, of whom the first and the last have said three messages each."""
    one = Room(3, [0, 2])
    for voice in (0, 1):
        one.load.engine.send(voice, 3)
    yield one
    one.close()


COMMON = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)]


# --- frames


@pytest.mark.parametrize("codec", CODECS)
def test_frames_are_what_the_codec_makes_of_their_bodies(codec: Codec) -> None:
    shapes = Frames(codec, [Sender(client) for client in range(12)], 32).templates
    said = bodies_of(codec.request_decoder().feed(make_frames(shapes[11], first=998, count=4)))
    assert said == [codec.make_body(b"0011%09d" % number + b"~" * 19) for number in (998, 999, 1000, 1001)]


@pytest.mark.parametrize("codec", CODECS)
def test_what_arrives_is_read_in_its_usual_spelling(codec: Codec) -> None:
    frames = Frames(codec, [Sender(client) for client in range(12)], 32)
    spoken = [(11, 0), (3, 0), (11, 1), (7, 0)]
    data = b"".join(codec.encode_delivery(codec.make_body(b"%04d%09d" % one + b"~" * 19), one[0]) for one in spoken)
    one = choose.make_engine(frames.templates, [])
    codes, ends, consumed, is_foreign = one.parse_canonical(data + data[:9])
    found = frames.decode(data + data[:9], "somebody")
    assert found.codes.tolist() == [voice * CODE_STRIDE + number for voice, number in spoken]
    assert found.rest == data[:9]
    if is_foreign:  # the twin leaves frames of several lengths to the codec
        assert isinstance(one, PythonEngine)
        return
    assert np.frombuffer(codes, np.int64).tolist() == [voice * CODE_STRIDE + number for voice, number in spoken]
    assert np.frombuffer(ends, np.int64).tolist()[-1] == consumed == len(data)


@pytest.mark.parametrize("place", [0, 3, 20, 32])
def test_a_frame_with_a_changed_byte_is_none_of_ours(room: Room, place: int) -> None:
    data = bytearray(room.frames(*COMMON))
    data[33 + place] = ord("#")
    with pytest.raises(Violation, match=r"received (what|bytes|a message)"):
        room.write(1, bytes(data))
        room.judge()


def test_the_beginning_of_a_frame_is_told_from_something_foreign() -> None:
    codec = specs()["broadcast"].codec
    shapes = Frames(codec, [Sender(client) for client in range(3)], 32).templates
    whole = make_frames(shapes[2], 77, 1)
    for size in range(len(whole)):
        assert not CanonicalReader(shapes).read(whole[:size]).is_noncanonical
        assert CanonicalReader(shapes).read(whole[:size] + b"\n").is_noncanonical
        assert not choose.make_engine(shapes, []).parse_canonical(whole[:size])[3]
        assert choose.make_engine(shapes, []).parse_canonical(whole[:size] + b"\n")[3]


# --- verdicts


def test_one_stream_for_all_is_lawful_and_counted(room: Room) -> None:
    for client in range(3):
        room.deliver(client, *COMMON)
    room.load.finish()
    assert [room.load.engine.sender_counts(voice) for voice in (0, 1)] == [(3, 3), (3, 3)]


def test_dropped_messages_are_lawful_and_counted(room: Room) -> None:
    room.deliver(0, *COMMON)
    room.deliver(1, *COMMON[:2], *COMMON[3:])
    room.deliver(2, COMMON[5])
    assert room.load.snapshot().deliveries == 6 + 5 + 1
    room.judge()


def test_who_missed_something_is_in_step_again(room: Room) -> None:
    room.deliver(0, *COMMON[:4])
    room.deliver(1, *COMMON[:2], COMMON[3])
    room.deliver(1, COMMON[4])  # it may be the first to hear something
    room.deliver(0, *COMMON[4:])
    room.deliver(1, COMMON[5])
    assert [room.load.engine.received_count(client) for client in (0, 1)] == [6, 5]
    assert room.load.engine.position(1) == room.load.engine.stream_range(0)[1] == 6
    room.judge()


def test_two_who_have_heard_what_the_other_has_not_are_lawful(room: Room) -> None:
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
def test_what_no_lawful_server_delivers_is_found(
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
    room.load.engine.send(1, 1)  # an answer: its speaker has heard the question
    room.deliver(2, (1, 0))
    room.deliver(0, (0, 0), (1, 0))
    room.deliver(1, (1, 0), (0, 0))
    with pytest.raises(Violation, match=r"answer|disagreement|cycle"):
        room.judge()
    room.close()


def test_bytes_that_nobody_has_sent_are_found(room: Room) -> None:
    room.deliver(0, *COMMON)
    with pytest.raises(Violation, match="no client has sent"):
        room.write(2, b"\x20" + b"?" * 32)


def test_a_message_of_a_topic_that_was_not_asked_for_is_found() -> None:
    room = Room(2, [0], [(0,), (1,)])
    room.load.engine.send(0, 1)
    room.deliver(0, (0, 0))
    with pytest.raises(Violation, match="has not subscribed"):
        room.deliver(1, (0, 0))
    room.close()


def test_the_end_of_a_connection_is_told(room: Room) -> None:
    room._theirs[1].close()
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
        speakers, said, streams = random_streams(chance, clients, kind)
        lawful = not judge(history(streams, speakers, said))
        room = Room(clients, speakers)
        for voice in range(len(speakers)):
            room.load.engine.send(voice, said)
        rest = [room.frames(*stream) for stream in streams]
        found = True
        try:
            while any(rest):
                client = chance.choice([client for client, data in enumerate(rest) if data])
                cut = chance.choice((1, 20, 33, 60, 99, 500))
                room.write(client, rest[client][:cut])
                rest[client] = rest[client][cut:]
            room.judge()
        except Violation:
            found = False
        finally:
            room.close()
        assert found == lawful, (speakers, streams)
        verdicts.append(lawful)
    assert all(verdicts) if kind == "lawful" else 20 < sum(verdicts) < 80


def test_what_is_remembered_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lossy streams, judged in a window: lawful to the end, little is kept, and a late fault is found."""
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
    assert (
        sum(span.codes is not None for past in room.load._streams._recent.clients.records.values() for span in past.spans) < 400
    )
    room.load.engine.send(0, 2)
    with pytest.raises(Violation):
        for client in range(3):
            room.deliver(client, (0, 6001), (0, 6000))
        room.judge()
    room.close()


def test_who_is_not_served_any_more_was_forgotten(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.load.load.LAST_WORDS_S", 0.1)
    for client in range(2):
        room.deliver(client, *COMMON)
    room.deliver(2, *COMMON[:3])
    with pytest.raises(Violation, match="client 2 was forgotten"):
        room.load.finish()


def test_clients_that_do_not_begin_together_find_each_other() -> None:
    room = Room(3, [0, 2], are_together=False)
    for voice in (0, 1):
        room.load.engine.send(voice, 3)
    room.deliver(0, *COMMON)
    room.write(1, CODEC.encode(b"mark 7") + room.frames(*COMMON[2:]))
    room.deliver(2, *COMMON[1:])
    assert [room.load.engine.received_count(client) for client in range(3)] == [6, 4, 5]
    assert [room.load.engine.position(client) for client in range(3)] == [6, 6, 6]
    room.judge()
    room.close()


# --- speaking


def test_a_flood_stays_within_its_window() -> None:
    room = Room(2, [0])
    room.load.engine.flood(0, 8)
    assert room.load.engine.sender_counts(0) == (8, 0)
    room.deliver(0, *((0, number) for number in range(3)))
    assert room.load.engine.sender_counts(0) == (8, 3)  # less than half of the window is not worth it
    room.deliver(0, (0, 3))
    assert room.load.engine.sender_counts(0) == (12, 4)
    room.close()


def test_a_schedule_is_kept_and_timed() -> None:
    room = Room(2, [0, 1])
    start_ns = time.monotonic_ns() + 1_000_000
    room.load.engine.pace([0, 1], start_ns, 100_000.0)
    while room.load.sent(1) < 5:
        room.load.step(start_ns + 1_000_000)
    room.load.engine.stop_sending()
    said = sum(room.load.sent(voice) for voice in (0, 1))
    lags = room.load.lags()
    assert sorted(lags[:, 0].tolist()) == list(range(said))
    assert (lags[:, 1] >= 0).all()
    before_ns = time.monotonic_ns()
    room.deliver(1, (0, 0), (1, 0), (1, 3))
    took = room.load.latencies()
    assert took[:, 0].tolist() == [1, 7]  # the voices take turns: message 7 is the second one's fourth
    assert (took[:, 1] >= before_ns - start_ns - took[:, 0] * 100_000).all()
    room.close()


def test_what_is_overdue_goes_out_in_one_write_a_voice() -> None:
    room = Room(2, [0, 1])
    start_ns = time.monotonic_ns() - 100_000_000
    room.load.engine.pace([0, 1], start_ns, 1_000_000.0)
    room.load.engine.run(time.monotonic_ns())
    room.load.engine.stop_sending()
    (first, _, _, some), (second, _, _, others), *_ = np.frombuffer(room.load.engine.take_sends(), np.int64).reshape(-1, 4)
    assert (first, second) == (0, 1)
    assert some + others > 100
    assert 0 <= some - others <= 1
    lags = dict(room.load.lags().tolist())
    assert all(lags[message] >= 100_000_000 - message * 1_000_000 for message in range(101))
    room.close()


# --- histograms


def test_histograms_survive_the_disk_and_add_up() -> None:
    low, high = np.full(90, 1_000_000), np.full(10, 50_000_000)
    texts = [latency.encode(latency.histogram_of(one)) for one in (low, high)]
    whole = latency.merge(texts)
    assert whole.get_total_count() == 100
    assert latency.percentile_ns(whole, 50) == pytest.approx(1_000_000, rel=0.001)
    assert latency.percentile_ns(whole, 99) == pytest.approx(50_000_000, rel=0.001)


def test_a_histogram_is_that_of_its_values_one_by_one() -> None:
    drawn = np.exp(np.random.default_rng(1).uniform(0, np.log(1e11), 20_000)).astype(np.int64)
    edges = np.array([2**power + more for power in range(9, 36) for more in (-1, 0, 1)])
    values = np.concatenate([drawn, edges])
    plain = HdrHistogram(latency.LOWEST_NS, latency.HIGHEST_NS, latency.DIGITS)
    for value in values.tolist():
        plain.record_value(min(max(value, latency.LOWEST_NS), latency.HIGHEST_NS))
    made = latency.histogram_of(values)
    assert made.get_total_count() == values.size
    assert latency.encode(made) == latency.encode(plain)


def test_a_recorder_has_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "BUFFERED", 50)
    one = latency.Recorder()
    for _ in range(9):
        one.record(np.arange(1_000_000, 11_000_000, 1_000_000))
    assert one.count == one.to_histogram().get_total_count() == 90
    assert latency.percentile_ns(one.to_histogram(), 50) == pytest.approx(5_000_000, rel=0.001)
