"""Both engines parse, send and keep a schedule alike, and have the same constants."""

from __future__ import annotations

import time
from importlib import import_module

import numpy as np
import pytest

from harness.codec import Codec, bodies_of
from harness.errors import HarnessError
from harness.load.engine import choose, frame_templates, interface
from harness.load.engine.frame_templates import CODE_STRIDE, CanonicalReader, make_frames
from harness.load.engine.interface import Reason
from harness.load.engine.python import PythonEngine
from harness.load.verify.frames import Frames, Sender
from harness.plugins import specs
from tests.swarm_room import Room, each_engine

engine_name = pytest.fixture(params=["native", "python"], autouse=True)(each_engine)
CODECS = [pytest.param(spec.codec, id=name) for name, spec in specs().items()]


def test_an_engine_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choose.ENGINE_VARIABLE, "steam")
    with pytest.raises(HarnessError, match='"steam", expected "native" or "python"'):
        choose.engine_name()


def test_the_native_engine_has_the_constants_of_python(engine_name: str) -> None:
    """C cannot import Python, so the constants that both need are written in both."""
    if engine_name != "native":
        pytest.skip("is about the native engine")
    native = vars(import_module(choose.NATIVE_MODULE))
    ours = {name: value for home in (frame_templates, interface) for name, value in vars(home).items()}
    ours |= {str(reason.name): reason.value for reason in Reason}
    shared = {name: value for name, value in native.items() if name.isupper()}
    assert shared == {name: ours.get(name) for name in shared}
    assert {reason.name for reason in Reason} <= set(shared)
    assert {name for name, value in vars(interface).items() if name.isupper()} <= set(shared)


# --- frames


@pytest.mark.parametrize("codec", CODECS)
def test_frames_are_what_the_codec_encodes(codec: Codec) -> None:
    templates = Frames(codec, [Sender(client) for client in range(12)], 32).templates
    bodies = bodies_of(codec.request_decoder().feed(make_frames(templates[11], first=998, count=4)))
    assert bodies == [codec.make_body(b"0011%09d" % number + b"~" * 19) for number in (998, 999, 1000, 1001)]


@pytest.mark.parametrize("codec", CODECS)
def test_arriving_frames_are_parsed_in_their_canonical_encoding(codec: Codec) -> None:
    frames = Frames(codec, [Sender(client) for client in range(12)], 32)
    messages = [(11, 0), (3, 0), (11, 1), (7, 0)]
    data = b"".join(
        codec.encode_delivery(codec.make_body(b"%04d%09d" % message + b"~" * 19), message[0]) for message in messages
    )
    engine = choose.make_engine(frames.templates, [])
    codes, ends, consumed, is_noncanonical = engine.parse_canonical(data + data[:9])
    decoded = frames.decode(data + data[:9], "a client")
    assert decoded.codes.tolist() == [sender * CODE_STRIDE + number for sender, number in messages]
    assert decoded.rest == data[:9]
    if is_noncanonical:  # the Python engine leaves frames of several lengths to the codec
        assert isinstance(engine, PythonEngine)
        return
    assert np.frombuffer(codes, np.int64).tolist() == [sender * CODE_STRIDE + number for sender, number in messages]
    assert np.frombuffer(ends, np.int64).tolist()[-1] == consumed == len(data)


def test_the_beginning_of_a_frame_is_not_taken_for_noncanonical() -> None:
    codec = specs()["broadcast"].codec
    templates = Frames(codec, [Sender(client) for client in range(3)], 32).templates
    whole = make_frames(templates[2], 77, 1)
    for size in range(len(whole)):
        assert not CanonicalReader(templates).read(whole[:size]).is_noncanonical
        assert CanonicalReader(templates).read(whole[:size] + b"\n").is_noncanonical
        assert not choose.make_engine(templates, []).parse_canonical(whole[:size])[3]
        assert choose.make_engine(templates, []).parse_canonical(whole[:size] + b"\n")[3]


# --- sending


def test_a_flood_stays_within_its_limit_in_flight() -> None:
    room = Room(2, [0])
    room.load.engine.flood(0, 8)
    assert room.load.engine.sender_counts(0) == (8, 0)
    room.deliver(0, *((0, number) for number in range(3)))
    assert room.load.engine.sender_counts(0) == (8, 3)  # less than half of the limit is not worth a write
    room.deliver(0, (0, 3))
    assert room.load.engine.sender_counts(0) == (12, 4)
    room.close()


def test_a_schedule_is_kept_and_timed() -> None:
    room = Room(2, [0, 1])
    start_ns = time.monotonic_ns() + 1_000_000
    room.load.engine.pace([0, 1], start_ns, 100_000.0, 1 << 60)
    while room.load.sent(1) < 5:
        room.load.step(start_ns + 1_000_000)
    room.load.engine.stop_sending()
    sent = sum(room.load.sent(sender) for sender in (0, 1))
    lags = room.load.lags()
    assert sorted(lags[:, 0].tolist()) == list(range(sent))
    assert (lags[:, 1] >= 0).all()
    before_ns = time.monotonic_ns()
    room.deliver(1, (0, 0), (1, 0), (1, 3))
    latencies = room.load.latencies()
    assert latencies[:, 0].tolist() == [1, 7]  # the senders take turns: message 7 is the second one's fourth
    assert (latencies[:, 1] >= before_ns - start_ns - latencies[:, 0] * 100_000).all()
    room.close()


def test_a_schedule_ends_and_another_one_begins_with_its_own_numbers() -> None:
    room = Room(2, [0, 1])
    for _ in range(2):
        start_ns = time.monotonic_ns() - 1_000_000
        room.load.engine.pace([0, 1], start_ns, 1_000.0, 6)
        room.load.engine.run(time.monotonic_ns() + 1_000_000)
        assert sorted(room.load.lags()[:, 0].tolist()) == list(range(6))
    assert [room.load.sent(sender) for sender in (0, 1)] == [6, 6]
    room.deliver(1, (1, 2))  # of the first schedule: it came too late to be timed
    assert room.load.latencies().size == 0
    room.deliver(1, (1, 4))
    assert room.load.latencies()[:, 0].tolist() == [3]
    room.close()


def test_overdue_messages_go_out_in_one_write_for_each_sender() -> None:
    room = Room(2, [0, 1])
    start_ns = time.monotonic_ns() - 100_000_000
    room.load.engine.pace([0, 1], start_ns, 1_000_000.0, 1 << 60)
    room.load.engine.run(time.monotonic_ns())
    room.load.engine.stop_sending()
    sends = np.frombuffer(room.load.engine.take_sends(), np.int64).reshape(-1, 4)
    (first, _, _, first_count), (second, _, _, second_count), *_ = sends
    assert (first, second) == (0, 1)
    assert first_count + second_count > 100
    assert 0 <= first_count - second_count <= 1
    lags = dict(room.load.lags().tolist())
    assert all(lags[message] >= 100_000_000 - message * 1_000_000 for message in range(101))
    room.close()
