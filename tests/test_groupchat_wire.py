"""The codec of groupchat: any segmentation, round trips, hostile bytes, and the bytes shown in the spec's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import plugins
from harness.codec import Frame, bodies_of
from spec.groupchat.dialect import DIALECT
from spec.groupchat.messages import (
    MAX_NAME,
    MAX_TEXT,
    Join,
    Joined,
    Left,
    Refused,
    Reply,
    Request,
    Said,
    Say,
    Welcome,
)
from spec.groupchat.serdy import DecodeError, dumps, loads
from spec.groupchat.wire import (
    CODEC,
    InvalidPayload,
    encode_frame,
    encode_reply,
    encode_request,
    encode_say,
    encode_varint,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=MAX_NAME)
REQUESTS = st.one_of(NAMES.map(Join), TEXTS.map(Say))
REPLIES = st.one_of(
    st.lists(NAMES, max_size=9).map(Welcome),
    TEXTS.map(Refused),
    NAMES.map(Joined),
    NAMES.map(Left),
    st.builds(Said, NAMES, TEXTS),
)
HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda tag, rest: bytes((tag,)) + rest, st.integers(0, 5), st.binary(max_size=30)),
    st.builds(
        lambda tag, size, rest: bytes((tag,)) + encode_varint(size) + rest,
        st.integers(0, 5),
        st.integers(0, 2**64 - 1),
        st.binary(max_size=30),
    ),
    st.builds(lambda value, cut: dumps(value, Reply)[:cut], REPLIES, st.integers(0, 40)),
)


def expected_frame(value: Any, offset: int) -> Frame:
    """Return the frame that a decoder should return for a value."""
    match value:
        case Say(text):
            return Frame(offset, text.encode())
        case Said(name, text):
            return Frame(offset, text.encode(), sender=name)
    return Frame(offset, None, value=value)


@pytest.mark.parametrize(
    ("messages", "encode", "make_decoder"),
    [(REQUESTS, encode_request, CODEC.request_decoder), (REPLIES, encode_reply, CODEC.reply_decoder)],
    ids=["requests", "replies"],
)
@given(data=st.data())
def test_any_segments_decode_to_the_same_messages(
    messages: st.SearchStrategy[Any],
    encode: Callable[[Any], bytes],
    make_decoder: Callable[[], Any],
    data: st.DataObject,
) -> None:
    values = data.draw(st.lists(messages, max_size=8))
    encoded = [encode(value) for value in values]
    stream = b"".join(encoded)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder, frames = make_decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames += decoder.feed(stream[start:end])
    offsets = [0, *accumulate(map(len, encoded))]
    assert frames == [expected_frame(value, offset) for value, offset in zip(values, offsets, strict=False)]
    assert decoder.pending == b""


@given(payload=HOSTILE)
def test_a_payload_is_decoded_by_hand_as_serdy_decodes_it(payload: bytes) -> None:
    try:
        expected = expected_frame(loads(payload, Request), 0)
    except DecodeError:
        expected = Frame(0, None, value=InvalidPayload(payload))
    assert CODEC.request_decoder().feed(encode_frame(payload)) == [expected]
    try:
        value = loads(payload, Reply)
    except DecodeError:
        if payload[:1] != b"\x04":  # a Said is not checked for UTF-8: every text that was sent is UTF-8
            with pytest.raises(ValueError, match="byte"):
                CODEC.reply_decoder().feed(encode_frame(payload))
    else:
        assert CODEC.reply_decoder().feed(encode_frame(payload)) == [expected_frame(value, 0)]


@given(stream=st.binary(max_size=300))
def test_no_bytes_of_a_client_raise_anything(stream: bytes) -> None:
    decoder = CODEC.request_decoder()
    frames = decoder.feed(stream)
    rest = stream[sum(2 + int.from_bytes(stream[frame.offset : frame.offset + 2], "big") for frame in frames) :]
    assert decoder.pending == rest


@pytest.mark.parametrize(
    "payload",
    [
        b"\x01" + b"\x80" * 60_000,
        b"\x01" + b"\xff" * 60_000,
        b"\x04\x01a" + b"\xff" * 60_000,
        b"\x01\x82\x00hi",
        b"\x04\x81\x00a\x02hi",
        b"\x04\x01a\x02hi!",
    ],
)
def test_hostile_lengths_are_no_messages(payload: bytes) -> None:
    assert CODEC.request_decoder().feed(encode_frame(payload)) == [Frame(0, None, value=InvalidPayload(payload))]
    with pytest.raises(ValueError):
        CODEC.reply_decoder().feed(encode_frame(payload))


def test_an_unfinished_frame_is_pending() -> None:
    decoder = CODEC.request_decoder()
    assert decoder.feed(b"\0\4\1\2hi\0\3\1") == [Frame(0, b"hi")]
    assert decoder.pending == b"\0\3\1"
    assert decoder.feed(b"\1x") == [Frame(6, b"x")]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, MAX_TEXT])
def test_a_body_is_sent_and_delivered(size: int) -> None:
    body = b"~" * size
    assert bodies_of(CODEC.request_decoder().feed(CODEC.encode(body))) == [body]
    (arrived,) = CODEC.reply_decoder().feed(CODEC.encode_delivery(body, 7))
    assert (arrived.body, arrived.sender) == (body, CODEC.name(7))
    assert CODEC.request_decoder().feed(CODEC.encode_join(7)) == [Frame(0, None, value=Join("c7"))]


def test_bodies_that_no_server_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 32,768"):
        CODEC.encode(b"~" * (MAX_TEXT + 1))
    with pytest.raises(ValueError, match="utf-8"):
        CODEC.encode(b"\xff")
    (too_long,) = CODEC.request_decoder().feed(encode_say(b"~" * (MAX_TEXT + 1)))
    assert isinstance(too_long.value, InvalidPayload)
    with pytest.raises(ValueError, match="65,535"):
        encode_reply(Welcome(["🦓" * 32] * 505))


@pytest.mark.parametrize("name", ["", "x" * 33, "a\nb", "\x7f", "\x85"])
def test_invalid_names_make_no_join(name: str) -> None:
    with pytest.raises(ValueError, match="a name has"):
        Join(name)


def test_the_bytes_in_the_text_are_those_of_the_codec() -> None:
    text = plugins.specs()["groupchat"].text.read_text("utf-8")
    examples = re.findall(r"^\| `\w+\(.*?\)` \| `([0-9a-f ·]+)`", text, re.MULTILINE)
    shown = [bytes.fromhex(example.replace("·", "")) for example in examples]
    requests: list[Request] = [Join("ann"), Say("hi")]
    replies: list[Reply] = [Welcome(["bo", "cyn"]), Refused("taken"), Joined("ann"), Left("ann"), Said("ann", "hi")]
    assert shown == [*map(encode_request, requests), *map(encode_reply, replies)]


def test_the_dialect_reads_lines_and_shows_replies() -> None:
    assert DIALECT.greeting("ann") == encode_request(Join("ann"))
    assert DIALECT.request("hi") == encode_request(Say("hi"))
    assert DIALECT.request("/join bo ") == encode_request(Join("bo"))
    with pytest.raises(ValueError, match="a name has 1 to 32"):
        DIALECT.request("/join ")
    replies: list[Reply] = [
        Welcome(["cyn", "bo"]),
        Welcome([]),
        Refused("taken"),
        Joined("dan"),
        Left("bo"),
        Said("dan", "hi"),
    ]
    frames = CODEC.reply_decoder().feed(b"".join(map(encode_reply, replies)))
    assert list(map(DIALECT.show, frames)) == [
        "here: bo, cyn",
        "nobody else is here",
        "refused: taken",
        "dan joined",
        "bo left",
        "dan: hi",
    ]
