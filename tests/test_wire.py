"""The broadcast codec."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest

from harness.codec import Frame, bodies_of
from spec.broadcast.wire import MessageDecoder, encode


def test_a_message_is_a_length_byte_and_a_body() -> None:
    assert encode(b"") == b"\x00"
    assert encode(b"abc") == b"\x03abc"
    assert encode(b"x" * 255) == b"\xff" + b"x" * 255


def test_a_body_over_255_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 255"):
        encode(b"x" * 256)


def test_any_slicing_decodes_to_the_same_bodies() -> None:
    rng = random.Random(1)
    bodies = [rng.randbytes(rng.choice([0, 1, 2, 127, 128, 254, 255])) for _ in range(300)]
    stream = b"".join(map(encode, bodies))
    for largest in (1, 2, 3, 100, 5000, len(stream)):
        decoder, frames, at = MessageDecoder(), list[Frame](), 0
        while at < len(stream):
            size = rng.randint(1, largest)
            frames += decoder.feed(stream[at : at + size])
            at += size
        assert bodies_of(frames) == bodies
        assert [frame.offset for frame in frames] == [0, *accumulate(len(encode(body)) for body in bodies)][:-1]
        assert decoder.pending == b""


def test_an_incomplete_frame_is_pending() -> None:
    decoder = MessageDecoder()
    assert decoder.feed(b"\x01a\x05he") == [Frame(0, b"a")]
    assert decoder.pending == b"\x05he"
    assert decoder.feed(b"llo") == [Frame(2, b"hello")]
