"""The codec of channels: any segmentation, any string, hostile bytes; and how people speak it."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.codec import Frame, bodies_of, whole_messages
from spec.channels.dialect import DIALECT
from spec.channels.wire import (
    CODEC,
    MAX_LINE,
    Error,
    Message,
    Reply,
    Request,
    Send,
    Subscribe,
    Subscribed,
    body_of,
    content_of,
    decode_reply,
    decode_request,
    encode_value,
)

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
ODD = st.text(st.sampled_from("#zo %20\n\0é")) | st.sampled_from(["#zoo #rust hi", "#zoo hi", "zoo", "# ", "%2520"])
STRINGS = UNICODE | ODD
REQUESTS = st.builds(Subscribe, STRINGS) | st.builds(Send, STRINGS, STRINGS)
REPLIES = st.builds(Subscribed, STRINGS) | st.builds(Message, STRINGS, STRINGS) | st.builds(Error, STRINGS)
CUTS = st.lists(st.integers(0, 2000), max_size=20)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the data cut at these places."""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def frame(begins: int, value: Request | Reply) -> Frame:
    if isinstance(value, Send | Message):
        return Frame(begins, body_of(value.channel, value.message))
    return Frame(begins, None, note=value)


@given(st.lists(REQUESTS), CUTS)
def test_any_segmentation_of_requests_gives_the_same_frames(values: list[Request], cuts: list[int]) -> None:
    decoder, found, wanted, begins = CODEC.requests(), list[Frame](), list[Frame](), 0
    for value in values:
        wanted.append(frame(begins, value))
        begins += len(encode_value(value))
    for piece in pieces(b"".join(map(encode_value, values)), cuts):
        found += decoder.feed(piece)
    assert found == wanted
    assert decoder.pending == b""


@given(st.lists(REPLIES), CUTS)
def test_any_segmentation_of_replies_gives_the_same_frames(values: list[Reply], cuts: list[int]) -> None:
    decoder, found, wanted, begins = CODEC.replies(), list[Frame](), list[Frame](), 0
    for value in values:
        wanted.append(frame(begins, value))
        begins += len(encode_value(value))
    for piece in pieces(b"".join(map(encode_value, values)), cuts):
        found += decoder.feed(piece)
    assert found == wanted


@given(REQUESTS, st.booleans(), st.sampled_from([None, 1]))
def test_a_request_may_be_spelt_in_other_ways(value: Request, escapes: bool, indent: int | None) -> None:
    spelt = json.dumps(json.loads(encode_value(value)), ensure_ascii=escapes, indent=indent).replace("\n", "\r")
    assert decode_request(f" \t{spelt} \r".encode()) == value


@given(STRINGS, STRINGS)
@example("zoo", "#zoo #rust hi")
@example("zoo", "#zoo hi")
@example("two words", "100 %")
@example("%20", " ")
def test_every_channel_and_message_has_one_body(channel: str, message: str) -> None:
    assert content_of(body_of(channel, message)) == (channel, message)


@given(STRINGS)
def test_every_body_has_one_channel_and_message(text: str) -> None:
    assert body_of(*content_of(text.encode())) == text.encode()


@given(STRINGS)
def test_what_is_sent_is_what_arrives(text: str) -> None:
    body = text.encode()
    assert bodies_of(CODEC.requests().feed(CODEC.encode(body))) == [body]
    assert bodies_of(CODEC.replies().feed(CODEC.arrives(body, 0))) == [body]
    assert whole_messages(CODEC.encode(body), CODEC) == [body]


@given(st.binary(), CUTS)
def test_the_decoder_of_requests_takes_any_bytes(data: bytes, cuts: list[int]) -> None:
    decoder = CODEC.requests()
    for piece in pieces(data, cuts):
        decoder.feed(piece)
    assert decoder.pending == data.rpartition(b"\n")[2]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b'{"Message":5}',
        b'{"Message":{"channel":"zoo"}}',
        b'{"Message":{"channel":"zoo","message":"hi","more":1}}',
        b'{"Message":{"channel":"zoo","message":"\xff"}}',
        b'{"Message":{"channel":"zoo","message":"\\ud800"}}',
        b'{"Message":{"channel":"zoo","message":"a\tb"}}',
        b'{"Send":{"channel":"zoo","message":"hi"}}',
        b'{"Subscribed":"zoo","Error":"no"}',
        b'{"Subscribed":' + b"[" * 100_000,
        b"1" * 10_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_what_is_no_reply_is_told(line: bytes) -> None:
    with pytest.raises(ValueError):
        CODEC.replies().feed(line + b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b'{"Send":{"channel":"zoo","message":"\xff"}}',
        b'{"Send":{"channel":"zoo","message":"\\ud800"}}',
        b'{"Send":{"channel":"zoo"}}',
        b'{"Message":{"channel":"zoo","message":"hi"}}',
        b'{"Subscribe":5}',
        b"[" * 60_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_what_is_no_request_is_no_frame(line: bytes) -> None:
    assert CODEC.requests().feed(line + b"\n" + encode_value(Subscribe("a"))) == [
        Frame(len(line) + 1, None, note=Subscribe("a"))
    ]


def test_a_line_has_at_most_65536_bytes() -> None:
    room = MAX_LINE - len(CODEC.encode(b""))
    longest = CODEC.encode(b"x" * room)
    assert len(longest) == MAX_LINE
    assert bodies_of(CODEC.requests().feed(longest)) == [b"x" * room]
    with pytest.raises(ValueError, match="at most 65536"):
        CODEC.encode(b"x" * (room + 1))
    too_long = encode_value(Send("zoo", "x" * (room + 1)))
    assert CODEC.requests().feed(too_long + encode_value(Subscribe("a"))) == [
        Frame(len(too_long), None, note=Subscribe("a"))
    ]


def test_little_is_kept_of_a_line_that_does_not_end() -> None:
    decoder = CODEC.requests()
    for _ in range(100):
        assert decoder.feed(b"x" * 10_000) == []
    assert len(decoder.pending) == MAX_LINE
    replies = CODEC.replies()
    with pytest.raises(ValueError, match="a line of more than"):
        for _ in range(1000):
            replies.feed(b"x" * 10_000)


def test_topics_are_channels() -> None:
    assert CODEC.requests().feed(CODEC.join(3, (0, 2))) == [
        Frame(0, None, note=Subscribe("zoo")),
        Frame(len(CODEC.join(3)), None, note=Subscribe("zoo-2")),
    ]
    assert content_of(CODEC.body(b"hi", 2)) == ("zoo-2", "hi")
    assert CODEC.body(b"hi") == b"hi"


@given(st.lists(st.tuples(STRINGS, STRINGS)))
def test_the_standalone_source_does_the_same(messages: list[tuple[str, str]]) -> None:
    there: dict[str, object] = {}
    exec(CODEC.standalone, there)
    encode, split = there["encode"], there["split"]
    assert callable(encode) and callable(split)
    bodies = [body_of(*one) for one in messages]
    sent = b"".join(encode(body) for body in bodies)
    assert bodies_of(CODEC.requests().feed(sent)) == bodies
    came = b"".join(CODEC.arrives(body, 0) for body in bodies)
    others = encode_value(Subscribed("a")) + encode_value(Error("b"))
    assert split(others + came + others + b'{"Mess') == (bodies, b'{"Mess')
    assert split(sent) == (bodies, b"")


# --- people


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("subscribe rust", Subscribe("rust")),
        ("  subscribe   rust ", Subscribe("rust")),
        ('send rust This is a chat message! "yo"', Send("rust", 'This is a chat message! "yo"')),
        ('send "two words"  hi', Send("two words", " hi")),
        ('subscribe ""', Subscribe("")),
        ("send rust", Send("rust", "")),
        ("SEND rust hi", Send("rust", "hi")),
    ],
)
def test_a_typed_line_is_a_request(typed: str, sent: Request) -> None:
    assert decode_request(DIALECT.request(typed)) == sent


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("hello", "neither subscribe nor send"),
        ("subscribe", "which channel"),
        ("subscribe two words", "stands in quotes"),
        ('send "rust hi', "does not end with one"),
        ("send rust " + "x" * 70_000, "a server takes 65,536"),
    ],
)
def test_what_cannot_be_sent_is_told_in_words(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DIALECT.request(typed)


def test_replies_are_shown_in_words() -> None:
    replies: list[Reply] = [
        Subscribed("rust"),
        Message("rust", "yo"),
        Message("zoo", "a\n\x1b[2J"),
        Error("no such channel: x"),
    ]
    frames = CODEC.replies().feed(b"".join(map(encode_value, replies)))
    assert [DIALECT.show(one) for one in frames] == [
        "subscribed to rust",
        "rust: yo",
        "zoo: a\\n\\u001b[2J",
        "error: no such channel: x",
    ]


def test_a_reply_has_one_form() -> None:
    assert encode_value(Subscribed("rust")) == b'{"Subscribed":"rust"}\n'
    assert encode_value(Message("rust", "hi")) == b'{"Message":{"channel":"rust","message":"hi"}}\n'
    assert decode_reply(b'{"Error":"no such channel: x"}') == Error("no such channel: x")
