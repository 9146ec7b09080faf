"""The broadcast codec."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest

from harness.codec import Frame, bodies_of
from spec.broadcast.wire import Decoder, encode


def test_a_message_is_a_length_byte_and_a_body() -> None:
    assert encode(b"") == b"\x00"
    assert encode(b"abc") == b"\x03abc"
    assert encode(b"x" * 255) == b"\xff" + b"x" * 255


def test_a_body_over_255_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 255"):
        encode(b"x" * 256)


def test_any_slicing_decodes_to_the_same_bodies() -> None:
    chance = random.Random(1)
    bodies = [chance.randbytes(chance.choice([0, 1, 2, 127, 128, 254, 255])) for _ in range(300)]
    stream = b"".join(map(encode, bodies))
    for largest in (1, 2, 3, 100, 5000, len(stream)):
        decoder, found, at = Decoder(), list[Frame](), 0
        while at < len(stream):
            size = chance.randint(1, largest)
            found += decoder.feed(stream[at : at + size])
            at += size
        assert bodies_of(found) == bodies
        assert [frame.begins for frame in found] == [0, *accumulate(len(encode(body)) for body in bodies)][:-1]
        assert decoder.pending == b""


def test_what_is_not_complete_is_pending() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x01a\x05he") == [Frame(0, b"a")]
    assert decoder.pending == b"\x05he"
    assert decoder.feed(b"llo") == [Frame(2, b"hello")]
